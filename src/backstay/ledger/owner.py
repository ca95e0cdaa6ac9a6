"""Owners: which process wrote a reservation, and whether it still lives.

Each open ledger holds a lock on a file of its own beside the database. The kernel lets go of it when the process ends, however
it ends, and a process id that was used again cannot be mistaken for it. Where the platform has no such lock, a ledger takes
every other owner for dead, so there a database has one process at a time.
"""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]


class Owner:
    """This process's mark of life. `id` stands in its rows; `release` ends it."""

    def __init__(self, database: Path, id: str) -> None:
        self.id = id
        self._folder = database.with_name(f"{database.name}.owners")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._path = self._folder / id
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_alive(self, id: str) -> bool:
        """True when the owner `id` is this one or another process that still runs."""
        if id == self.id:
            return True
        if fcntl is None:  # pragma: no cover - Windows
            return False
        try:
            file = os.open(self._folder / id, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def forget(self, id: str) -> None:
        """Remove the mark of an owner that is dead."""
        (self._folder / id).unlink(missing_ok=True)

    def release(self) -> None:
        """Remove the mark and let go of the lock. Idempotent."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

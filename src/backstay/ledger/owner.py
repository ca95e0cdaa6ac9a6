"""Owners: which process wrote a reservation, and whether it still lives.

Each open ledger holds a lock on a file of its own beside the database. The kernel lets go of it when the process ends, however
it ends, and a process id that was used again cannot be mistaken for it. The file takes its name only once it is locked, so a
file without a lock is a dead owner's. A forked child that outlives its parent keeps the parent's lock, and so its reservations
open, which is the safe side: they stay charged. Where the platform has no such lock, a ledger takes every other owner for dead,
so there a database has one process at a time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

UNLOCKED = ".new"
"""The ending of a file that is not locked yet, or is no owner's."""

OPENING = f"opening{UNLOCKED}"


def folder_of(database: Path) -> Path:
    """Where the owners of `database` have their files."""
    return database.with_name(f"{database.name}.owners")


@contextlib.contextmanager
def alone(database: Path) -> Iterator[None]:
    """Be the only one who opens `database`: SQLite does not wait for its lock when it changes the kind of journal."""
    if fcntl is None:  # pragma: no cover - Windows
        yield
        return
    file = os.open(folder_of(database) / OPENING, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def is_alive(database: Path, id: str) -> bool:
    """True while the process that opened `database` as `id` runs."""
    if fcntl is None:  # pragma: no cover - Windows
        return False
    try:
        file = os.open(folder_of(database) / id, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


class Owner:
    """This process's mark of life. `id` stands in its rows; `release` ends it."""

    def __init__(self, database: Path, id: str) -> None:
        self.id = id
        self._database = database
        folder = folder_of(database)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / id
        if is_alive(database, id):
            raise FileExistsError(f"the owner {id!r} has it open")
        unlocked = folder / f"{id}{UNLOCKED}"
        self._file = os.open(unlocked, os.O_CREAT | os.O_RDWR, 0o600)
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        unlocked.replace(self._path)

    def is_alive(self, id: str) -> bool:
        """True when the owner `id` is this one or another process that still runs."""
        return id == self.id or is_alive(self._database, id)

    def dead(self) -> Iterator[str]:
        """The owners that left a file and no longer live."""
        for path in folder_of(self._database).iterdir():
            if not path.name.endswith(UNLOCKED) and not self.is_alive(path.name):
                yield path.name

    def forget(self, id: str) -> None:
        """Remove the mark of an owner that is dead."""
        (folder_of(self._database) / id).unlink(missing_ok=True)

    def release(self) -> None:
        """Remove the mark and let go of the lock. Idempotent."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

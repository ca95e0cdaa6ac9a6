"""Tally: counts by name, on disk where they are many: a journal may hold more different questions than memory should.

A database without a name is SQLite's own temporary one: kept in its cache, moved to disk where that is full, gone when closed.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Final

CACHE_KIB: Final = 16_384


class Tally:
    """A context manager. Names are bytes; one that was never counted is at 0."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        for words in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._file.execute(f"PRAGMA {words}")
        self._file.execute("CREATE TABLE tally (name BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def __enter__(self) -> Tally:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, name: bytes, amount: int = 1) -> int:
        """Count `amount` more; the count with it."""
        words = "INSERT INTO tally VALUES (?1, ?2) ON CONFLICT DO UPDATE SET count = count + ?2 RETURNING count"
        count: int = self._file.execute(words, (name, amount)).fetchone()[0]
        return count

    def of(self, name: bytes) -> int:
        """The count of `name`."""
        row = self._file.execute("SELECT count FROM tally WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

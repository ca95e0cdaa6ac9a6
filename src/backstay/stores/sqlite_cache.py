"""The cache in SQLite: one file that outlives the program and that several processes may use at once.

It asks SQLite on the caller's thread: a read is some ten microseconds, a write some fifty, and no flush to the disk is ever
waited for (`synchronous = OFF`), because what a cache loses in a power cut it may lose. A hop to another thread would cost
more than the work. Readers never wait for writers (WAL); a writer waits 50 ms for another at most, then it is a store's fault.

Uses are noted in memory and written with the next entry, so that a hit writes nothing; between processes "least recently used"
is exact to that. The totals are kept by triggers, so every process sees the true ones and no write counts rows.

A damaged file is set aside as `NAME.damaged` with a warning, and an empty one takes its place: damage costs misses, no errors.
Another program's database is left alone.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from backstay.errors import ConfigurationError
from backstay.stores.cache import MAX_SKEW_NS, CacheFailed, Entry, StoreStats, pack, unpack
from backstay.stores.memory_cache import MAX_ENTRIES, check_bounds

log = logging.getLogger("backstay")
T = TypeVar("T")

MAX_BYTES: Final = 256 * 2**20
BUSY_MS: Final = 50
OPENING_MS: Final = 10_000
"""Programs that start together may wait for each other once."""

MAX_TOUCHES: Final = 256
"""Uses that are noted before they are written without waiting for an entry."""

APPLICATION_ID: Final = 0x62616368
"""The bytes "bach": a cache of ours, in SQLite's header."""

FORMAT: Final = 1
FAULTS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What `sqlite3` raises; the second where the name of a damaged table stands in the first one's message."""

DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
    }
)
"""SQLite's primary result codes that say so."""

WAL_BYTES: Final = 16 * 2**20

VERSION: Final = """
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version
"""
TABLES: Final = f"""
DROP TABLE IF EXISTS entry;
DROP TABLE IF EXISTS total;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, owner BLOB NOT NULL, key TEXT NOT NULL, used INTEGER NOT NULL, created_ns INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (owner, key)
) STRICT;
CREATE INDEX entry_used ON entry (used);
CREATE INDEX entry_expires ON entry (expires_ns);
CREATE TABLE total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO total VALUES (0, 0);
CREATE TRIGGER entry_made AFTER INSERT ON entry
    BEGIN UPDATE total SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER entry_gone AFTER DELETE ON entry
    BEGIN UPDATE total SET entries = entries - 1, bytes = bytes - old.size; END;
CREATE TRIGGER entry_changed AFTER UPDATE OF size ON entry
    BEGIN UPDATE total SET bytes = bytes + new.size - old.size; END;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""
NEXT: Final = "(SELECT coalesce(max(used), 0) + 1 FROM entry)"
"""The order of uses is a count and no time, because a wall clock may be set back."""

PUT: Final = f"""
INSERT INTO entry (owner, key, used, created_ns, expires_ns, size, data) VALUES (?, ?, {NEXT}, ?, ?, ?, ?)
ON CONFLICT (owner, key) DO UPDATE SET used = excluded.used, created_ns = excluded.created_ns,
    expires_ns = excluded.expires_ns, size = excluded.size, data = excluded.data
"""
GET: Final = "SELECT CAST(data AS BLOB) FROM entry WHERE owner = ? AND key = ?"
DELETE: Final = "DELETE FROM entry WHERE owner = ? AND key = ?"
TOUCH: Final = f"UPDATE entry SET used = {NEXT} WHERE owner = ? AND key = ?"
EVICT: Final = "DELETE FROM entry WHERE id IN (SELECT id FROM entry ORDER BY used LIMIT ?)"
SWEEP: Final = "DELETE FROM entry WHERE expires_ns <= ? OR created_ns > ?"


class SQLiteCache:
    """A CacheStore in the file at `path`, which is made with mode 0600.

    Raises ConfigurationError where the file cannot be opened or is another program's, and for a bound below 1.
    """

    is_instant = True
    """It answers without waiting, so no time-out is needed, and none could interrupt it."""

    def __init__(
        self, path: str | os.PathLike[str], *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        check_bounds(max_entries, max_bytes)
        self._path = Path(path)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._evictions = 0
        self._expired = 0
        self._touched: dict[tuple[bytes, str], None] = {}
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, *FAULTS) as error:
            raise ConfigurationError(
                f"cache {self._path}: cannot be opened ({error}); set cache.path to a writable file, or cache.store = 'memory'"
            ) from error

    def _open(self) -> None:
        try:
            self._connection = self._connect()
        except FAULTS as error:
            if not is_damage(error):
                raise
            self._set_aside(error)
            self._connection = self._connect()
        self._inode = os.stat(self._path).st_ino

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000, cached_statements=32
        )
        try:
            prepare(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: Exception) -> None:
        """Move the damaged file out of the way; its log belongs to it and goes."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        log.warning("cache %s: is damaged (%s); it was moved to %s, and begins anew", self._path, error, aside.name)
        os.replace(self._path, aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _begin_anew(self, error: Exception) -> None:
        """After damage: an empty file, or the one by which another process has replaced it already."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._touched.clear()
        if self._path.exists() and os.stat(self._path).st_ino == self._inode:
            self._set_aside(error)
        self._open()

    def _run(self, work: Callable[[sqlite3.Connection], T], *, in_transaction: bool = True) -> T:
        """What `work` gives; once more on an empty file where this one is damaged. Raises CacheFailed."""
        if os.getpid() != self._pid:
            raise CacheFailed("this cache was opened before a fork: open one of its own in the child")
        with self._lock:
            if self._connection is None:
                raise CacheFailed("the cache is closed")
            try:
                try:
                    return self._tried(self._connection, work, in_transaction)
                except FAULTS as error:
                    if not is_damage(error):
                        raise
                    self._begin_anew(error)
                    return self._tried(self._connection, work, in_transaction)
            except (OSError, *FAULTS, ConfigurationError) as error:
                raise CacheFailed(f"cache {self._path}: {error}") from error

    def _tried(
        self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], in_transaction: bool
    ) -> T:
        if not in_transaction:
            return work(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if self._touched:
                connection.executemany(TOUCH, list(self._touched))
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._touched.clear()
        return result

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        place = (owner_of(tenant), key)
        row = self._run(lambda connection: connection.execute(GET, place).fetchone(), in_transaction=False)
        if row is None:
            return None
        entry = unpack(row[0])
        if entry is None or not entry.is_alive(now_ns):
            self._expired += entry is not None
            await self.delete(key, tenant=tenant)
            return None
        with self._lock:
            self._touched.pop(place, None)
            self._touched[place] = None
        if len(self._touched) >= MAX_TOUCHES:
            self._run(lambda connection: None)
        return entry

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        owner = owner_of(entry.tenant)
        facts = (owner, entry.key, entry.created_ns, entry.expires_ns, entry.size, pack(entry))
        is_kept = entry.size <= self._max_bytes and entry.is_alive(now_ns)

        def work(connection: sqlite3.Connection) -> int:
            if not is_kept:
                connection.execute(DELETE, (owner, entry.key))
                return 0
            connection.execute(PUT, facts)
            return self._evicted(connection)

        self._evictions += self._run(work)

    def _evicted(self, connection: sqlite3.Connection) -> int:
        """Throw out the least recently used until the rest fits; how many went."""
        evicted = 0
        while True:
            entries, size = totals(connection)
            excess = entries - self._max_entries
            if excess <= 0 and size <= self._max_bytes:
                return evicted
            gone = connection.execute(EVICT, (max(excess, 1),)).rowcount
            if gone == 0:
                raise sqlite3.DatabaseError(f"its totals are {entries} entries of {size} bytes, and it holds none")
            evicted += gone

    async def delete(self, key: str, *, tenant: str | None) -> None:
        place = (owner_of(tenant), key)
        self._run(lambda connection: connection.execute(DELETE, place))

    async def clear(self) -> None:
        self._run(lambda connection: connection.execute("DELETE FROM entry"))

    async def sweep(self, *, now_ns: int) -> int:
        swept = self._run(lambda connection: connection.execute(SWEEP, (now_ns, now_ns + MAX_SKEW_NS)).rowcount)
        self._expired += swept
        return swept

    async def stats(self) -> StoreStats:
        entries, size = self._run(totals, in_transaction=False)
        return StoreStats(entries=entries, bytes=size, evictions=self._evictions, expired=self._expired)

    async def aclose(self) -> None:
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._connection is None:
                return
            try:
                if self._touched:
                    self._run(lambda connection: None)
            except CacheFailed as error:
                log.warning("uses that were not written: %s", error)
            self._connection.close()
            self._connection = None


def owner_of(tenant: str | None) -> bytes:
    """The tenant as the file knows it; nobody is not the empty name."""
    return b"" if tenant is None else b"=" + tenant.encode("utf-8", "surrogatepass")


def totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """Entries and bytes. Raises DatabaseError where they are gone."""
    row: tuple[int, int] | None = connection.execute("SELECT entries, bytes FROM total").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("its totals are missing")
    return row


def is_damage(error: Exception) -> bool:
    """True when the file itself is broken; false for a lock, a full disk, a missing right.

    The statements are fixed, so one that SQLite finds wrong, or that breaks a rule of the tables, tells of tables that are no
    longer ours.
    """
    if type(error) in (sqlite3.DatabaseError, UnicodeDecodeError):
        return True
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in DAMAGED


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where they are not there, or of another version. Raises ConfigurationError for a file of others."""
    application, version, tables = connection.execute(VERSION).fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise ConfigurationError(
            f"cache {path}: is the database of another program: set cache.path to a file of its own"
        )
    connection.execute(f"PRAGMA busy_timeout = {OPENING_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute(VERSION).fetchone()[:2] != (APPLICATION_ID, FORMAT):
        for statement in split(TABLES):
            connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def split(script: str) -> list[str]:
    """The statements of `script`; those of a trigger stay together."""
    statements, statement = [], ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    return statements

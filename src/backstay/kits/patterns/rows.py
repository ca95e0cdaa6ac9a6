"""Rows: the small protocol between the kit's store and a database, and its two sides, SQLite and PostgreSQL.

Every table but `source` only grows: its rows are facts with a time and an author, and what holds now is read from them in
order. A trigger of the database itself refuses to change or remove one, so that not even this program can. The statements are
the common part of both dialects, with `?` for a value.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from backstay.errors import ConfigurationError
from backstay.portal import Portal
from backstay.stores.failure import StoreFailed
from backstay.stores.postgres import Database, failed

APPLICATION_ID: Final = 0x6261636B + 5
VERSION: Final = 1
CREATING: Final = 0x7061747465726E
"""The advisory lock of the tables: the bytes "pattern"."""

TABLES: Final = {
    "source": "source_id TEXT PRIMARY KEY, body TEXT NOT NULL",
    "event": "seq {serial}, event_id TEXT UNIQUE NOT NULL, content_hash TEXT UNIQUE NOT NULL, at DOUBLE PRECISION NOT NULL, "
    "source_id TEXT NOT NULL, domain TEXT NOT NULL, body TEXT NOT NULL",
    "verification": "seq {serial}, event_id TEXT NOT NULL REFERENCES event (event_id), old TEXT NOT NULL, new TEXT NOT NULL, "
    "reason TEXT NOT NULL, changed_by TEXT NOT NULL, changed_at TEXT NOT NULL",
    "event_link": "seq {serial}, event1 TEXT NOT NULL REFERENCES event (event_id), event2 TEXT NOT NULL REFERENCES event "
    "(event_id), link_type TEXT NOT NULL, confidence DOUBLE PRECISION NOT NULL, created_by TEXT NOT NULL, created_at TEXT "
    "NOT NULL, UNIQUE (event1, event2, link_type)",
    "proposal": "seq {serial}, pattern_id TEXT NOT NULL, made_at TEXT NOT NULL, body TEXT NOT NULL",
    "ruling": "seq {serial}, pattern_id TEXT NOT NULL, body TEXT NOT NULL",
    "observation": "seq {serial}, pattern_id TEXT NOT NULL, hit INTEGER NOT NULL, weight DOUBLE PRECISION NOT NULL, "
    "origin TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, UNIQUE (pattern_id, origin)",
    "override": "seq {serial}, pattern_id TEXT NOT NULL, weight DOUBLE PRECISION, made_by TEXT NOT NULL, reason TEXT NOT NULL, "
    "made_at TEXT NOT NULL",
    "prediction": "seq {serial}, prediction_id TEXT UNIQUE NOT NULL, body TEXT NOT NULL",
    "resolution": "seq {serial}, prediction_id TEXT UNIQUE NOT NULL REFERENCES prediction (prediction_id), outcome INTEGER NOT "
    "NULL, made_by TEXT NOT NULL, at DOUBLE PRECISION NOT NULL",
}
GROWING: Final = tuple(name for name in TABLES if name != "source")
_PLACE: Final = re.compile(r"\?")


class Rows(Protocol):
    """Runs statements. Outside of a transaction each is one of its own."""

    def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]: ...
    def transaction(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class SQLiteRows:
    """A file, mode 0600; ":memory:" for none. Raises ConfigurationError where it is another program's, or where there is none
    and it may not be made."""

    def __init__(self, path: str | Path, *, is_made: bool = True) -> None:
        name = str(path)
        if not (is_made or name == ":memory:" or Path(path).exists()):
            raise ConfigurationError(f"there is no store {path}: backstay patterns ingest FILE")
        try:
            if name != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).touch(mode=0o600)
            self._connection = sqlite3.connect(name, isolation_level=None, timeout=10.0, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"patterns {path}: cannot be opened ({error})") from error
        try:
            self._prepare(name)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ConfigurationError(f"patterns {path}: is no database ({error})") from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, name: str) -> None:
        run = self._connection.execute
        (application,), (version,), (tables,) = (
            run(one).fetchone()
            for one in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
        )
        if application not in (0, APPLICATION_ID) or (application == 0 and tables) or version > VERSION:
            raise ConfigurationError(f"patterns {name}: is the file of another program, or of a later version")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA foreign_keys = ON")
        with self.transaction():
            for table, columns in TABLES.items():
                run(f"CREATE TABLE IF NOT EXISTS {table} ({columns.format(serial='INTEGER PRIMARY KEY')})")
            for table, act in itertools.product(GROWING, ("UPDATE", "DELETE")):
                run(
                    f"CREATE TRIGGER IF NOT EXISTS {table}_{act.lower()} BEFORE {act} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            run(f"PRAGMA application_id = {APPLICATION_ID}")
            run(f"PRAGMA user_version = {VERSION}")

    def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows. Raises StoreFailed for what the database refuses."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreFailed(f"patterns: {error}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block, or none."""
        self.fetch("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self.fetch("COMMIT")

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._connection.close()


class PostgresRows:
    """A PostgreSQL schema, over one connection that is opened at the first use and again after it broke."""

    def __init__(self, url: str, *, schema: str = "backstay_patterns") -> None:
        self._database = Database(url, schema=schema)
        self._portal = Portal("backstay-patterns")
        self._connection: Any = None
        self._is_within = False
        import asyncpg  # there, or the Database had said so

        self._faults = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

    def _ready(self) -> Any:
        if self._is_within and self._connection.is_closed():
            raise StoreFailed("patterns: the connection broke within a transaction; nothing of it is written")
        if self._connection is None or self._connection.is_closed():
            connection = self._run(self._database.connect())
            self._run(_create(connection, self._database.schema))
            self._connection = connection
        return self._connection

    def _run(self, work: Any) -> Any:
        try:
            return self._portal.run(work)
        except self._faults as error:
            raise failed(error) from error

    def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows. Raises StoreFailed for what the server refuses."""
        numbers = itertools.count(1)
        numbered = _PLACE.sub(lambda _: f"${next(numbers)}", statement)
        return [tuple(row) for row in self._run(_fetch(self._ready(), numbered, values))]

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block, or none."""
        self.fetch("BEGIN")
        self._is_within = True
        try:
            yield
            self.fetch("COMMIT")
        except BaseException:
            if not self._connection.is_closed():
                self.fetch("ROLLBACK")
            raise
        finally:
            self._is_within = False

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._connection is not None and not self._connection.is_closed():
            self._run(self._connection.close())
        self._connection = None
        self._portal.close()


async def _fetch(connection: Any, statement: str, values: tuple[Any, ...]) -> list[Any]:
    rows: list[Any] = await connection.fetch(statement, *values)
    return rows


async def _create(connection: Any, schema: str) -> None:
    """Make the tables and their guards, once, however many processes begin together."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", CREATING)
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
        for table, columns in TABLES.items():
            serial = columns.format(serial="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({serial})")
        for table in GROWING:
            await connection.execute(
                f"CREATE OR REPLACE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
            )


def open_rows(place: str | Path, *, is_made: bool = True) -> Rows:
    """The database at `place`: a postgresql:// address, or a path, where without `is_made` a file must be. Raises
    ConfigurationError for an address of something else."""
    scheme, mark, _ = str(place).partition("://")
    if mark and scheme in ("postgres", "postgresql"):
        return PostgresRows(str(place))
    if mark and not isinstance(place, Path):
        raise ConfigurationError(f"store {scheme}://...: must be a file, or a postgresql:// address")
    return SQLiteRows(place, is_made=is_made)

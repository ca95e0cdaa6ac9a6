"""The ledger in SQLite: one file, one writer thread, group commit, no other service.

Modes: "full" flushes every commit to the disk before its ticket resolves, so what was acknowledged survives a power cut;
"normal" flushes at checkpoints, so a power cut may lose the last rows, a crash of the process none. On opening, reservations of
processes that no longer live become `unknown` and keep their estimate.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from backstay.errors import ConfigurationError
from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.owner import Owner
from backstay.ledger.row import Reservation, Row, Settlement
from backstay.ledger.writer import Pending, Work, Writer

BUSY_MS = 10_000
COLUMNS = Row.__struct_fields__
_FLAGS = ("is_estimate", "is_degraded", "is_replayed")
_RESERVE = Reservation.__struct_fields__
_POST = tuple(name for name in Settlement.__struct_fields__ if name != "attempt_id")

INSERT = (
    f"INSERT INTO attempt ({', '.join(_RESERVE)}, state, owner) "
    f"VALUES ({', '.join('?' for _ in _RESERVE)}, 'reserved', ?) ON CONFLICT (attempt_id) DO NOTHING"
)
UPDATE = (
    f"UPDATE attempt SET state = 'posted', {', '.join(f'{name} = ?' for name in _POST)} "
    "WHERE attempt_id = ? AND state IN ('reserved', 'unknown')"
)
VOID = (
    "UPDATE attempt SET state = 'voided', settled_ns = :settled_ns, outcome = 'failed', error = :error, cost_nano_usd = 0, "
    "is_estimate = 0 WHERE attempt_id = :attempt_id AND state IN ('reserved', 'unknown')"
)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM attempt"


class SQLiteLedger:
    """A Ledger in the file at `path`, which is made with mode 0600. `owner` is an id of this opening, never used before.

    Raises ConfigurationError where the file cannot be opened or is none of ours.
    """

    def __init__(self, path: str | os.PathLike[str], *, owner: str, mode: Literal["full", "normal"] = "full") -> None:
        self._path = Path(path)
        self._mode = mode
        self._pid = os.getpid()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._owner = Owner(self._path, owner)
            self._writer = Writer(self._connect)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"ledger {self._path}: cannot be opened ({error}); set ledger.path to a writable file, or ledger.mode = 'off'"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._mode == 'full' else 'NORMAL'}")
        migrate(connection)
        self._recover(connection)
        return connection

    def _recover(self, connection: sqlite3.Connection) -> None:
        """Mark what dead processes left behind."""
        owners = [
            owner for (owner,) in connection.execute("SELECT DISTINCT owner FROM attempt WHERE state = 'reserved'")
        ]
        for owner in owners:
            if not self._owner.is_alive(owner):
                connection.execute(
                    "UPDATE attempt SET state = 'unknown', outcome = 'unknown' WHERE owner = ? AND state = 'reserved'",
                    (owner,),
                )
                self._owner.forget(owner)

    def _submit(self, work: Work) -> Pending:
        if os.getpid() != self._pid:
            raise LedgerFailed("this ledger was opened before a fork: open one of its own in the child")
        return self._writer.submit(work)

    def reserve(self, entry: Reservation) -> Ticket:
        facts = (*msgspec.structs.astuple(entry), self._owner.id)

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(INSERT, facts).rowcount == 0:
                _same(connection, entry.attempt_id, {"call_id": entry.call_id, "number": entry.number})

        return self._submit(work)

    def post(self, entry: Settlement) -> Ticket:
        attempt_id, *facts = msgspec.structs.astuple(entry)
        facts.append(attempt_id)

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(UPDATE, facts).rowcount == 0:
                _same(connection, attempt_id, {**msgspec.structs.asdict(entry), "state": "posted"})

        return self._submit(work)

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        facts = {"attempt_id": attempt_id, "settled_ns": settled_ns, "error": reason}

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(VOID, facts).rowcount == 0:
                _same(connection, attempt_id, {"state": "voided"})

        return self._submit(work)

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Row]:
        """Read through a connection of its own, so a long report does not hold up the writer."""
        return read_rows(self._path, since_ns=since_ns, until_ns=until_ns)

    @property
    def failure(self) -> Exception | None:
        """Why the last write failed; None while the ledger is healthy."""
        return self._writer.failure

    async def aclose(self) -> None:
        """Write what is in line, then close. Idempotent. The short wait for the disk is taken on the loop."""
        self.close()

    def close(self) -> None:
        """Write what is in line, then close. Idempotent."""
        if os.getpid() == self._pid:
            self._writer.close()
            self._owner.release()


def read_rows(
    path: str | os.PathLike[str], *, since_ns: int | None = None, until_ns: int | None = None
) -> Iterator[Row]:
    """The attempts in the ledger file at `path` that started in [since_ns, until_ns), oldest first; read-only.

    Raises ConfigurationError where there is no such file or it is no ledger.
    """
    if not Path(path).is_file():
        raise ConfigurationError(f"ledger {os.fspath(path)}: there is none yet; it is made by the first call")
    connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
    try:
        where = "WHERE started_ns >= ? AND started_ns < ? ORDER BY started_ns, attempt_id"
        bounds = (since_ns if since_ns is not None else -(2**63), until_ns if until_ns is not None else 2**63 - 1)
        for values in connection.execute(f"{SELECT} {where}", bounds):
            yield _row(values)
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"ledger {os.fspath(path)}: cannot be read ({error})") from error
    finally:
        connection.close()


def _row(values: tuple[Any, ...]) -> Row:
    facts = dict(zip(COLUMNS, values, strict=True))
    for name in _FLAGS:
        facts[name] = bool(facts[name])
    return Row(**facts)


def _same(connection: sqlite3.Connection, attempt_id: str, wanted: dict[str, Any]) -> None:
    """Nothing was changed: fine when the row already says so, an error when it is missing or says something else."""
    names = [name for name in wanted if name != "attempt_id"]
    found = connection.execute(f"SELECT {', '.join(names)} FROM attempt WHERE attempt_id = ?", (attempt_id,)).fetchone()
    if found is None:
        raise LedgerFailed(f"attempt {attempt_id} was never reserved")
    if any(value != wanted[name] for name, value in zip(names, found, strict=True)):
        raise LedgerFailed(f"attempt {attempt_id} is in the ledger already, with other figures")


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the numbered migrations that the file has not seen; each in one transaction.

    Raises ConfigurationError for a file that a later version wrote.
    """
    folder = resources.files("backstay.ledger").joinpath("migrations")
    steps = sorted((entry.name, entry) for entry in folder.iterdir() if re.match(r"\d{3}_.*\.sql", entry.name))
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise ConfigurationError(
                f"the ledger is of version {version}, this program knows {len(steps)}: update backstay"
            )
        for number, (_, step) in enumerate(steps[version:], version + 1):
            for statement in step.read_text(encoding="utf-8").split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise

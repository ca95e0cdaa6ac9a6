"""The ledger in SQLite: one file, one writer thread, group commit, no other service.

Modes: "full" flushes every commit to the disk before its ticket resolves, so what was acknowledged survives a power cut;
"normal" flushes at checkpoints, so a power cut may lose the last rows, a crash of the process none. On opening, reservations of
processes that no longer live become `unknown` and keep their estimate; a reader sees them so even before.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from backstay.errors import ConfigurationError
from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.migrate import migrate, version_of
from backstay.ledger.owner import Owner, alone, is_alive
from backstay.ledger.row import FLAGS, Reservation, Row, Settlement, voided
from backstay.ledger.statement import SIZES, write
from backstay.ledger.writer import Pending, Writer

BUSY_MS = 10_000
WAL_BYTES = 16 * 2**20
"""What the write-ahead log is cut back to when a long reader let it grow."""

COLUMNS = Row.__struct_fields__
_TRUTHS = ("is_estimate", *FLAGS)
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
            try:
                self._writer = Writer(self._connect, write)
            except BaseException:
                self._owner.release()
                raise
        except (OSError, sqlite3.Error, ConfigurationError) as error:
            raise _not_opened(self._path, error) from error
        atexit.register(self.close)  # a program that ends without closing still writes what is in line

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_MS / 1000,
            cached_statements=4 * len(SIZES),
        )
        try:
            with alone(self._path):
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version_of(connection)  # before anything is changed: the file may be somebody else's
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._mode == 'full' else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        migrate(connection)
        self._recover(connection)

    def _recover(self, connection: sqlite3.Connection) -> None:
        """Mark what dead processes left behind, and forget them."""
        open_ = connection.execute("SELECT DISTINCT owner FROM attempt WHERE state = 'reserved'")
        for owner in [owner for (owner,) in open_ if not self._owner.is_alive(owner)]:
            connection.execute(
                "UPDATE attempt SET state = 'unknown', outcome = 'unknown' WHERE owner = ? AND state = 'reserved'",
                (owner,),
            )
        for owner in list(self._owner.dead()):
            self._owner.forget(owner)

    def _submit(self, facts: tuple[Any, ...], *, is_settlement: bool) -> Pending:
        if os.getpid() != self._pid:
            raise LedgerFailed("this ledger was opened before a fork: open one of its own in the child")
        return self._writer.submit(Pending(facts, is_settlement))

    def reserve(self, entry: Reservation) -> Ticket:
        return self._submit((*msgspec.structs.astuple(entry), self._owner.id), is_settlement=False)

    def post(self, entry: Settlement) -> Ticket:
        return self._submit((*msgspec.structs.astuple(entry), "posted"), is_settlement=True)

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        facts = msgspec.structs.astuple(voided(attempt_id, settled_ns, reason))
        return self._submit((*facts, "voided"), is_settlement=True)

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
        atexit.unregister(self.close)


def _not_opened(path: Path, error: Exception) -> ConfigurationError:
    """What is wrong with the file, and the remedy."""
    if isinstance(error, ConfigurationError):
        return ConfigurationError(f"ledger {path}: {error}")
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return ConfigurationError(
            f"ledger {path}: is damaged, or no ledger ({error}); move it away, or restore it, or set ledger.path to another file"
        )
    if "no such table" in str(error):
        return ConfigurationError(
            f"ledger {path}: is no ledger; name the file that the calls are written to (ledger.path)"
        )
    return ConfigurationError(
        f"ledger {path}: cannot be opened ({error}); set ledger.path to a writable file, or ledger.mode = 'off'"
    )


def read_rows(
    path: str | os.PathLike[str], *, since_ns: int | None = None, until_ns: int | None = None
) -> Iterator[Row]:
    """The attempts in the ledger file at `path` that started in [since_ns, until_ns), oldest first; read-only.

    Reservations of processes that died are shown as `unknown`. Raises ConfigurationError where there is no such file or it is
    no ledger.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigurationError(f"ledger {path}: there is none yet; it is made by the first call")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
    try:
        version_of(connection)
        where = "WHERE started_ns >= ? AND started_ns < ? ORDER BY started_ns, attempt_id"
        bounds = (since_ns if since_ns is not None else -(2**63), until_ns if until_ns is not None else 2**63 - 1)
        living: dict[str, bool] = {}
        for values in connection.execute(f"{SELECT} {where}", bounds):
            facts = dict(zip(COLUMNS, values, strict=True))
            for name in _TRUTHS:
                facts[name] = bool(facts[name])
            if facts["state"] == "reserved":
                owner = facts["owner"]
                if owner not in living:
                    living[owner] = is_alive(path, owner)
                if not living[owner]:
                    facts["state"] = facts["outcome"] = "unknown"
            yield Row(**facts)
    except (sqlite3.DatabaseError, ConfigurationError) as error:
        raise _not_opened(path, error) from error
    finally:
        connection.close()

"""A disk that is full, gone or locked: an error for whoever waits, nothing promised that is not there, and no restart needed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from backstay.ledger.base import LedgerFailed
from backstay.ledger.sqlite import SQLiteLedger, read_rows

from .conftest import Opened, reservation, settlement

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and resource limits")

QUOTA = 128 * 1024


async def try_to_reserve(ledger: SQLiteLedger, ids: list[str]) -> set[str]:
    """Those of `ids` that the ledger took, asked for all at once."""

    async def one(id: str) -> str | None:
        try:
            await ledger.reserve(reservation(id, task="x" * 1_000))
        except LedgerFailed:
            return None
        return id

    return {id for id in await asyncio.gather(*map(one, ids)) if id is not None}


async def fill(path: Path) -> None:
    """In a process whose files may not grow beyond a quota: fill the ledger, make room, go on."""
    import resource

    ledger = SQLiteLedger(path, owner="small")
    taken = await try_to_reserve(ledger, ["first"])
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (QUOTA, most))
    for start in range(0, 400, 20):
        taken |= await try_to_reserve(ledger, [f"a{number:03}" for number in range(start, start + 20)])
    assert 0 < len(taken) < 401, "the disk was never full"
    assert isinstance(ledger.failure, LedgerFailed), "health does not say so"
    assert {row.attempt_id for row in ledger.rows()} == taken, "what was taken is not what is there"
    with pytest.raises(LedgerFailed):
        await asyncio.gather(*(ledger.post(settlement(f"late-{number}")) for number in range(50)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    taken |= await try_to_reserve(ledger, ["last"])
    assert "last" in taken, "there is room again, and it was not taken"
    assert ledger.failure is None, "health does not recover"
    await ledger.post(settlement("first"))
    await ledger.aclose()
    assert {row.attempt_id for row in read_rows(path)} == taken


def test_a_full_disk_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    """Refused while it is full, taken again when there is room, in one and the same ledger."""
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(fill(tmp_path / "ledger.db"))
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            raise
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


async def test_a_file_that_somebody_holds_is_waited_for(tmp_path: Path) -> None:
    """Another writer's transaction delays ours, and nothing more."""
    path = tmp_path / "ledger.db"
    async with Opened(SQLiteLedger(path, owner="one")) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        tickets = [ledger.reserve(reservation(f"a{number}")) for number in range(20)]
        assert list(ledger.rows()) == []
        other.execute("ROLLBACK")
        other.close()
        for ticket in tickets:
            await ticket
        assert len(list(ledger.rows())) == 20


@pytest.mark.parametrize(
    "bad",
    [{"task": "half a \ud800 pair"}, {"number": 2**62, "started_ns": 2**63 - 2}, {"model": None}],
    ids=["text", "figures", "nothing"],
)
async def test_an_entry_that_cannot_be_written_spoils_no_other(tmp_path: Path, bad: dict[str, object]) -> None:
    """Its neighbours in the batch are taken; the ledger stays healthy; the bad one alone may fail."""
    async with Opened(SQLiteLedger(tmp_path / "ledger.db", owner="one")) as ledger:
        entries = [reservation("a"), reservation("bad", **bad), reservation("b")]

        async def one(index: int) -> bool:
            try:
                await ledger.reserve(entries[index])
            except LedgerFailed:
                return False
            return True

        taken = await asyncio.gather(*(one(index) for index in range(3)))
        assert taken[0]
        assert taken[2]
        assert ledger.failure is None
        assert len(list(ledger.rows())) == sum(taken)
        await ledger.post(settlement("a"))

"""What only the ledger in PostgreSQL has: many machines, a server that goes away, owners that are known by their session."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest
from tests.servers import PostgresServer, Server, Unavailable, running

from backstay.errors import ConfigurationError
from backstay.ledger.base import Ledger, LedgerFailed
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.postgres import PostgresLedger, _Session
from backstay.ledger.row import Row
from backstay.stores.failure import StoreFailed

from .conftest import BEGIN, SECOND, Opened, reservation, settlement

pytestmark = pytest.mark.server

Make = Callable[[str], PostgresLedger]


@pytest.fixture
def make(postgres: Server) -> Make:
    """Opens the ledger of one schema under an owner's name."""
    schema = f"s{secrets.token_hex(8)}"
    return lambda owner: PostgresLedger(postgres.url, owner=owner, schema=schema)


async def test_processes_share_a_ledger(make: Make) -> None:
    """Each sees what the others wrote; a living owner's reservation stays reserved, also when another one opens."""
    async with Opened(make("one")) as one, Opened(make("two")) as two:
        await one.reserve(reservation("a"))
        await two.reserve(reservation("b"))
        await two.post(settlement("a"))
        async with Opened(make("three")) as three:
            assert [(row.attempt_id, row.state, row.owner) for row in three.rows()] == [
                ("a", "posted", "one"),
                ("b", "reserved", "two"),
            ]


CHILD = """
    import asyncio, os, signal, sys
    from backstay.ledger.postgres import PostgresLedger
    from backstay.ledger.row import Reservation

    async def main():
        ledger = PostgresLedger(sys.argv[1], owner="dead", schema=sys.argv[2])
        for number in range(20):
            await ledger.reserve(Reservation(
                attempt_id=f"a{number}", call_id="c", number=number, started_ns=1, provider="p", model="m", cost_nano_usd=7
            ))
            print(f"a{number}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
"""


async def test_a_killed_process_leaves_unknown_rows(make: Make, postgres: Server) -> None:
    """What it was told is durable is there, charged at its estimate; whoever knows better may settle it later."""
    async with Opened(make("reader")) as reader:
        schema = reader._session._database.schema
        command = [sys.executable, "-c", textwrap.dedent(CHILD), postgres.url, schema]
        child = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=dict(os.environ))
        assert child.returncode == -signal.SIGKILL, child.stderr
        rows = list(reader.rows())
        assert [row.attempt_id for row in rows] == sorted(child.stdout.split(), key=lambda id: (1, id))
        async with Opened(make("next")) as following:
            states = {(row.state, row.outcome, row.cost_nano_usd) for row in following.rows()}
            assert states == {("unknown", "unknown", 7)}
            await following.post(settlement("a3"))
            assert [row.state for row in following.rows()].count("posted") == 1


async def test_a_restart_of_the_server_loses_nothing() -> None:
    """Entries during the outage fail and say so; after it the same ledger writes again, and the old rows stand."""
    try:
        with running(PostgresServer) as server:
            ledger = PostgresLedger(server.url, owner="me", timeout=5.0)
            await ledger.reserve(reservation("a"))
            server.kill()
            with pytest.raises(LedgerFailed, match="could not be written"):
                await ledger.reserve(reservation("b"))
            assert isinstance(ledger.failure, LedgerFailed)
            server.start()
            await ledger.reserve(reservation("b"))
            server.kill()
            server.start()
            await ledger.post(settlement("a"))
            assert [(row.attempt_id, row.state) for row in ledger.rows()] == [("a", "posted"), ("b", "reserved")]
            assert ledger.failure is None
            await ledger.aclose()
    except Unavailable as reason:
        pytest.skip(str(reason))


async def test_a_bad_value_fails_alone(make: Make) -> None:
    """Text that PostgreSQL cannot hold is an error of its own entry, and of no other in the batch."""
    async with Opened(make("me")) as ledger:
        tickets = [ledger.reserve(reservation(id)) for id in ("a", "b\0", "c\ud800", "d")]
        results = await asyncio.gather(*(waited(ticket) for ticket in tickets), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), LedgerFailed, LedgerFailed, type(None)]
        assert [row.attempt_id for row in ledger.rows()] == ["a", "d"]


async def waited(ticket: object) -> None:
    await ticket  # type: ignore[misc]


async def test_entries_that_wait_together_go_together(make: Make) -> None:
    """A thousand attempts are a few transactions: group commit."""
    async with Opened(make("me")) as ledger:
        tickets = [ledger.reserve(reservation(f"a{number:04}", started_ns=BEGIN + number)) for number in range(1200)]
        for ticket in tickets:
            await ticket
        connection = await ledger._session._database.connect()
        transactions = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM attempt")
        await connection.close()
        assert transactions < 100
        assert [row.started_ns for row in ledger.rows()] == [BEGIN + number for number in range(1200)]
        assert len(list(ledger.rows(since_ns=BEGIN + 100, until_ns=BEGIN + 1150))) == 1050


async def test_memory_and_postgres_agree(make: Make) -> None:
    """The same entries in any order: the same are refused, the rows are the same."""
    for seed in range(4):
        async with Opened(make("me")) as ledger, Opened(MemoryLedger(owner="me")) as memory:
            program = [
                (verb, f"{seed}{id}", n) for n, verb in enumerate("rprvvprp"[seed:] + "rv") for id in "ab"[: 1 + n % 2]
            ]
            assert [await done(ledger, step) for step in program] == [await done(memory, step) for step in program]
            mine = [row for row in ledger.rows() if row.attempt_id.startswith(str(seed))]
            assert mine == list(memory.rows())


async def done(ledger: Ledger, step: tuple[str, str, int]) -> bool:
    verb, id, number = step
    try:
        if verb == "r":
            await ledger.reserve(reservation(id, number=number % 2))
        elif verb == "p":
            await ledger.post(settlement(id, cost_nano_usd=number % 3))
        else:
            await ledger.void(id, BEGIN + SECOND, "no")
    except LedgerFailed:
        return False
    return True


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    """Opening fails; the address is not in the message."""
    with pytest.raises(StoreFailed, match="cannot be reached") as raised:
        PostgresLedger("postgresql://user:hidden@/db?host=/nowhere", owner="me")
    assert "hidden" not in str(raised.value)
    with pytest.raises(ConfigurationError, match="address"):
        PostgresLedger("http://somewhere", owner="me")


async def test_the_table_has_the_columns_of_a_row(make: Make) -> None:
    """Neither more nor fewer: a new fact of an attempt needs a migration here as well."""
    async with Opened(make("me")) as ledger:
        connection = await ledger._session._database.connect()
        found = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'attempt' AND table_schema = $1",
            ledger._session._database.schema,
        )
        await connection.close()
        assert {name for (name,) in found} == set(Row.__struct_fields__)


class Forgetful(_Session):
    """The broken variant: it says that a batch is written before it is."""

    async def _written(self, batch: object) -> None:  # type: ignore[override]
        await self._connected()


async def test_the_broken_variant_loses_what_it_promised(make: Make) -> None:
    """Its tickets resolve and its rows are not there, which every test above would see."""
    ledger = make("me")
    ledger._session.__class__ = Forgetful
    async with Opened(ledger):
        ledger._writer._write = Forgetful.write
        await ledger.reserve(reservation("a"))
        assert list(ledger.rows()) == []

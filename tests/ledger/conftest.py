"""Ledgers of every kind, and entries to write into them. The writer is a real thread, so these tests run on a real loop."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import PostgresServer, Server, Unavailable, running

from backstay.ledger.base import Ledger
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.postgres import PostgresLedger
from backstay.ledger.row import Reservation, Settlement
from backstay.ledger.sqlite import SQLiteLedger

BEGIN = 1_700_000_000_000_000_000
SECOND = 10**9


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on a loop of its own that can wait for threads."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner() as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True


def reservation(id: str = "a1", **facts: Any) -> Reservation:
    """An attempt that may cost 9,000 nano-dollars."""
    usual = {
        "call_id": f"call-{id}",
        "number": 1,
        "started_ns": BEGIN,
        "provider": "acme",
        "model": "m1",
        "cost_nano_usd": 9_000,
    }
    return Reservation(attempt_id=id, **{**usual, **facts})


def settlement(id: str = "a1", **facts: Any) -> Settlement:
    """It was answered, for 1,234 nano-dollars."""
    usual = {
        "settled_ns": BEGIN + SECOND,
        "outcome": "complete",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_nano_usd": 1_234,
        "latency": 0.5,
    }
    return Settlement(attempt_id=id, **{**usual, **facts})


MAKERS: dict[str, Callable[[Path], Ledger]] = {
    "memory": lambda folder: MemoryLedger(owner="me"),
    "sqlite-full": lambda folder: SQLiteLedger(folder / "ledger.db", owner="me"),
    "sqlite-normal": lambda folder: SQLiteLedger(folder / "ledger.db", owner="me", mode="normal"),
}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL that all tests of ledgers share."""
    try:
        with running(PostgresServer) as server:
            yield server
    except Unavailable as reason:
        pytest.skip(str(reason))


POSTGRES = [pytest.param(f"postgres-{mode}", marks=pytest.mark.server) for mode in ("full", "normal")]


@pytest.fixture(params=[*sorted(MAKERS), *POSTGRES])
def make_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Ledger]:
    """Makes a ledger; the same one in a file or a schema when called again after closing."""
    if request.param in MAKERS:
        return lambda: MAKERS[request.param](tmp_path)
    url, schema = request.getfixturevalue("postgres").url, f"s{secrets.token_hex(8)}"
    return lambda: PostgresLedger(url, owner="me", schema=schema, mode=request.param.partition("-")[2])


class Opened:
    """A ledger that is closed at the end of `async with`, whatever happened."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __aenter__(self) -> Ledger:
        return self._ledger

    async def __aexit__(self, *_: object) -> None:
        await self._ledger.aclose()

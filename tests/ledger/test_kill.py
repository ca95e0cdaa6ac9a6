"""Kill -9 at any moment: what was acknowledged is there, once, and what was not finished is known to be unfinished.

A child writes attempts and names each entry on a pipe once its ticket is good; the parent kills it in the middle. The pipe is
the outside world's memory of what was promised.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from backstay.ledger.base import Ledger, Ticket
from backstay.ledger.row import Reservation, Settlement
from backstay.ledger.sqlite import SQLiteLedger

from .conftest import reservation, settlement

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

ESTIMATE, PAID = 9_000, 1_234
AT_ONCE = 16


async def attempts(ledger: Ledger, name: str, say: Callable[[str], object]) -> None:
    """Attempts without end: reserve, say so, settle, say so."""
    number = 0
    while True:
        id = f"{name}-{number}"
        await ledger.reserve(reservation(id))
        say(f"reserved {id}\n")
        await ledger.post(settlement(id))
        say(f"posted {id}\n")
        number += 1


def child(path: Path, pipe: int, owner: str, wrap: Callable[[Ledger], Ledger]) -> None:
    """Write until killed. Never returns."""

    async def work() -> None:
        ledger = wrap(SQLiteLedger(path, owner=owner))
        await asyncio.gather(
            *(
                attempts(ledger, f"{owner}.{task}", lambda line: os.write(pipe, line.encode()))
                for task in range(AT_ONCE)
            )
        )

    try:
        asyncio.run(work())
    finally:
        os._exit(1)


def killed(path: Path, owner: str, after: int, wrap: Callable[[Ledger], Ledger]) -> tuple[set[str], set[str]]:
    """Run a child until it promised `after` entries, kill it, and say what it had promised as reserved and as posted."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(path, write, owner, wrap)
    os.close(write)
    said = b""
    while said.count(b"\n") < after and (more := os.read(read, 65_536)):
        said += more
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(read, 65_536):
        said += more
    os.close(read)
    lines = [line.split() for line in said.decode().splitlines(keepends=True) if line.endswith("\n")]
    promised = {verb: {id for said_verb, id in lines if said_verb == verb} for verb in ("reserved", "posted")}
    return promised["reserved"], promised["posted"]


def verdict(path: Path, owner: str, reserved: set[str], posted: set[str]) -> list[str]:
    """What is wrong with the ledger after the kill; the next opening has seen it."""
    asyncio.run(SQLiteLedger(path, owner=f"after-{owner}").aclose())
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT attempt_id, state, cost_nano_usd, is_estimate FROM attempt WHERE owner = ?", (owner,)
        ).fetchall()
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    found = {id: tuple(facts) for id, *facts in rows}
    wrong = (
        []
        if sound == "ok" and len(found) == len(rows)
        else [f"integrity: {sound}, {len(rows)} rows of {len(found)} ids"]
    )
    wrong += [f"lost: {id}" for id in reserved | posted if id not in found]
    wrong += [f"unpaid: {id} {found[id]}" for id in posted if found.get(id) not in (None, ("posted", PAID, 0))]
    wrong += [
        f"neither: {id} {facts}"
        for id, facts in found.items()
        if facts not in (("posted", PAID, 0), ("unknown", ESTIMATE, 1))
    ]
    return wrong


def rounds(
    path: Path, count: int, wrap: Callable[[Ledger], Ledger] = lambda ledger: ledger
) -> tuple[int, int, list[str]]:
    """How many entries were promised and how many attempts stayed open over `count` kills, and what was wrong after them."""
    draw, promised, wrong = random.Random(count), 0, []
    for number in range(count):
        owner = f"child-{number}"
        reserved, posted = killed(path, owner, draw.randrange(1, 200), wrap)
        promised += len(reserved) + len(posted)
        wrong += verdict(path, owner, reserved, posted)
    with sqlite3.connect(path) as connection:
        (unknown,) = connection.execute("SELECT count(*) FROM attempt WHERE state = 'unknown'").fetchone()
    connection.close()
    return promised, unknown, wrong


@pytest.mark.slow
def test_nothing_promised_is_lost_in_a_kill(tmp_path: Path) -> None:
    """Thirty kills: every promised entry is there once, as promised, and every open attempt is known to be unknown."""
    promised, unknown, wrong = rounds(tmp_path / "ledger.db", 30)
    assert wrong == []
    assert promised > 1_000
    assert unknown > 0


@pytest.mark.slow
def test_nothing_promised_is_lost_in_five_hundred_kills(tmp_path: Path) -> None:
    """The same, five hundred times."""
    promised, unknown, wrong = rounds(tmp_path / "ledger.db", 500)
    assert wrong == []
    assert promised > 20_000
    assert unknown > 0


class Hasty:
    """The broken variant: a ledger whose tickets are good before anything is written."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner

    def reserve(self, entry: Reservation) -> Ticket:
        self._inner.reserve(entry)
        return _at_once()

    def post(self, entry: Settlement) -> Ticket:
        self._inner.post(entry)
        return _at_once()

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def _at_once() -> Awaitable[None]:
    async def nothing() -> None:
        await asyncio.sleep(0)

    return nothing()


@pytest.mark.slow
def test_the_kill_test_sees_a_promise_before_the_commit(tmp_path: Path) -> None:
    """A ledger that acknowledges before it commits is caught."""
    _, _, wrong = rounds(tmp_path / "ledger.db", 10, Hasty)  # type: ignore[arg-type]
    assert any(line.startswith(("lost", "unpaid")) for line in wrong)

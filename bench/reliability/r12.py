"""R12: wherever a power cut leaves the log, the ledger holds all that was promised by then, and nothing by halves.

Entries are written while a reader keeps the log from being taken into the file. Then the file is opened with each prefix of that
log: at every frame's end and at bytes between them. It must be sound, and hold the entries up to some point, every one among
them whose promise was made before the log was that long.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import cast

from bench.reliability.disk import folder, proof
from bench.reliability.goal import Verdict, sized

from backstay.ledger.base import Ledger
from backstay.ledger.row import Reservation
from backstay.ledger.sqlite import SQLiteLedger

CLAIM = "1,500 prefixes of the log and more: every one sound, 0 promised entries missing, 0 gaps."
GATE = 0.05
ENTRIES, STATES = 30, 1_600


async def _written(path: Path, wrap: Callable[[Ledger], Ledger]) -> tuple[bytes, list[int]]:
    """The log of so many entries, and how long it was when each was promised."""
    SQLiteLedger(path, owner="first").close()
    inner = SQLiteLedger(path, owner="one")
    ledger, log = wrap(inner), path.with_name(path.name + "-wal")
    keeper = sqlite3.connect(path)
    keeper.execute("BEGIN")
    keeper.execute("SELECT count(*) FROM attempt").fetchone()
    promised: list[int] = []
    for number in range(ENTRIES):
        await ledger.reserve(proof("conftest").reservation(f"a{number:02}"))
        promised.append(log.stat().st_size)
    await inner.reserve(proof("conftest").reservation("last"))
    data = log.read_bytes()
    keeper.close()
    await inner.aclose()
    return data, promised


def _verdict(states: int, wrap: Callable[[Ledger], Ledger] = lambda ledger: ledger) -> Verdict:
    module, names = proof("test_processes"), [f"a{number:02}" for number in range(ENTRIES)] + ["last"]
    with folder() as place:
        path = place / "ledger.db"
        data, promised = asyncio.run(_written(path, wrap))
        cuts = module.cuts(data, max(len(data) // states, 1))
        copies = place / "copies"
        copies.mkdir()
        missing = gaps = 0
        for cut in cuts:
            rows = [id for id, _ in module.copied(path, data[:cut], copies)]
            gaps += rows != names[: len(rows)]
            missing += len(rows) < sum(size <= cut for size in promised)
    figures: dict[str, int | float | str] = {"states": len(cuts), "promises missing": missing, "gaps": gaps}
    return Verdict(missing == 0 and gaps == 0, figures)


def measure(scale: float) -> Verdict:
    """So many states; each is opened and checked by SQLite itself."""
    return _verdict(sized(STATES, scale, least=60))


class Lagging:
    """The broken variant: a ledger that promises an entry at once, and writes it when the next one comes."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner
        self._held: Reservation | None = None

    async def reserve(self, entry: Reservation) -> None:
        held, self._held = self._held, entry
        if held is not None:
            await self._inner.reserve(held)


def broken(scale: float) -> Verdict:
    """A ledger that promises before it has written."""
    return _verdict(60, cast(Callable[[Ledger], Ledger], Lagging))

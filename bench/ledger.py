#!/usr/bin/env python3
"""What the ledger costs: CPU of the calling thread per attempt, attempts per second, and what a single caller waits.

    python bench/ledger.py [attempts]

An attempt is a reservation and its settlement, two entries. "in line" makes the entries and waits for none; "awaited" has as
many tasks as the line says, each waiting for both of its entries to be durable, the event loop included. The target is 25
microseconds of the calling thread per attempt in line. Bounded: under a minute.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from backstay.ledger.base import Ledger
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.row import Reservation, Settlement
from backstay.ledger.sqlite import SQLiteLedger


def reservation(id: str) -> Reservation:
    return Reservation(
        attempt_id=id,
        call_id=id,
        number=1,
        started_ns=time.time_ns(),
        provider="acme",
        model="m1",
        tenant="north",
        task="extract",
        cost_nano_usd=9_000,
        price_id="acme/m1@2026-11-21",
    )


def settlement(id: str) -> Settlement:
    return Settlement(
        attempt_id=id,
        settled_ns=time.time_ns(),
        outcome="complete",
        finish_reason="stop",
        input_tokens=1_000,
        output_tokens=200,
        cost_nano_usd=6_000,
        price_id="acme/m1@2026-11-21",
        latency=0.8,
        time_to_first_token=0.2,
    )


async def in_line(ledger: Ledger, count: int) -> None:
    """Both entries of each attempt, and a pause for the writer after every hundred."""
    for number in range(count):
        ledger.reserve(reservation(f"a{number}"))
        last = ledger.post(settlement(f"a{number}"))
        if number % 100 == 99:
            await last


def awaited(width: int) -> Callable[[Ledger, int], Awaitable[None]]:
    """`width` tasks that wait for each entry before they go on."""

    async def run(ledger: Ledger, count: int) -> None:
        left = iter(range(count))

        async def worker() -> None:
            for number in left:
                await ledger.reserve(reservation(f"a{number}"))
                await ledger.post(settlement(f"a{number}"))

        await asyncio.gather(*(worker() for _ in range(width)))

    return run


async def entries_only(ledger: Ledger, count: int) -> None:
    """The two structs and their ids, for subtraction."""
    for number in range(count):
        reservation(f"a{number}")
        settlement(f"a{number}")


async def measure(
    name: str, make: Callable[[], Ledger], work: Callable[[Ledger, int], Awaitable[None]], count: int
) -> None:
    ledger = make()
    await work(ledger, 0)
    wall, mine, all_ = time.perf_counter(), time.thread_time(), time.process_time()
    await work(ledger, count)
    wall, mine, all_ = time.perf_counter() - wall, time.thread_time() - mine, time.process_time() - all_
    await ledger.aclose()
    figures = f"{mine / count * 1e6:9.1f} {all_ / count * 1e6:9.1f} {wall / count * 1e6:9.1f} {count / wall:11,.0f}"
    print(f"{name:28} {figures}", flush=True)


async def main(count: int) -> None:
    print(f"{'':28} {'caller us':>9} {'all us':>9} {'wall us':>9} {'attempts/s':>11}")
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(100))

        def at(mode: str) -> Callable[[], Ledger]:
            return lambda: SQLiteLedger(Path(folder) / f"{next(number)}.db", owner="bench", mode=mode)  # type: ignore[arg-type]

        await measure("the entries alone", MemoryLedger, entries_only, count)
        await measure("memory, in line", MemoryLedger, in_line, count)
        for mode in ("full", "normal"):
            await measure(f"{mode}, in line", at(mode), in_line, count)
            for width in (1, 16, 256):
                await measure(
                    f"{mode}, awaited by {width}", at(mode), awaited(width), count if width > 1 else count // 10
                )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))

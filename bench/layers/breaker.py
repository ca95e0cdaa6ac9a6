#!/usr/bin/env python3
"""What a closed circuit breaker costs: microseconds of CPU a call, beside the breakers of purgatory and aiobreaker.

    python bench/layers/breaker.py [calls]

Each line is the time of a call through the breaker less that of the same call without it, the best of several runs; the target
is 3 microseconds for ours, which follows a reply to its end, as the peers do not. A peer that is not installed is absent.
"half-open" is how many of 200 callers, who come at the moment in which an open circuit lets a probe through, reach the target.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from backstay.errors import CircuitOpen, ServerFault
from backstay.layers.breaker import Breaker
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.ports import World
from backstay.service import Call, Reply, stack
from backstay.types import Request, Response

RUNS = 7
HERD = 200
OPEN_TIME = 0.05
ANSWER = Response(finish_reason="stop")
CALL = Call(request=Request(model="bench:x", id="b"))
Asking = Callable[[], Awaitable[object]]


class Down(Exception):
    """What the peers' target raises."""


class Target:
    """A service that is well or down, and counts its callers."""

    def __init__(self) -> None:
        self.is_down = False
        self.calls = 0

    async def reply(self, call: Call) -> Reply:
        self.calls += 1
        if self.is_down:
            raise ServerFault("down", status=503)
        return Reply(response=ANSWER)

    async def plain(self) -> Response:
        self.calls += 1
        if self.is_down:
            raise Down
        return ANSWER

    async def slow(self) -> Response:
        self.calls += 1
        await asyncio.sleep(0.05)
        return ANSWER

    async def slow_reply(self, call: Call) -> Reply:
        if self.is_down:
            return await self.reply(call)
        await self.slow()
        return Reply(response=ANSWER)


async def timed(ask: Asking, calls: int) -> float:
    """Microseconds of CPU a call, the best of the runs."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(calls):
            await ask()
        best = min(best, time.process_time() - began)
    return best / calls * 1e6


async def herd(ask: Asking, target: Target, refused: tuple[type[BaseException], ...], failures: int) -> int:
    """How many of the herd reach the target at half-open."""
    target.is_down = True
    for _ in range(failures):
        try:
            await ask()
        except (*refused, Down, ServerFault):
            pass
    target.is_down, target.calls = False, 0
    await asyncio.sleep(OPEN_TIME * 2)
    await asyncio.gather(*(ask() for _ in range(HERD)), return_exceptions=True)
    return target.calls


async def ours(calls: int) -> tuple[float, int]:
    policy = BreakerPolicy(open_time=OPEN_TIME, max_open_time=1.0, jitter=0.0)
    target = Target()

    def asking(service: Any) -> Asking:
        async def ask() -> object:
            return await (await service(CALL)).response()

        return ask

    alone = await timed(asking(target.reply), calls)
    guarded = await timed(asking(stack(target.reply, Breaker(policy, world=World.real()))), calls)
    through = await herd(
        asking(stack(target.slow_reply, Breaker(policy, world=World.real()))), target, (CircuitOpen,), 5
    )
    return guarded - alone, through


async def purgatory(calls: int) -> tuple[float, int]:
    from purgatory import AsyncCircuitBreakerFactory
    from purgatory.domain.model import OpenedState

    target = Target()
    factory = AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=OPEN_TIME)

    async def ask() -> object:
        async with await factory.get_breaker("x"):
            return await target.plain()

    async def ask_slow() -> object:
        async with await factory.get_breaker("y"):
            return await (target.plain() if target.is_down else target.slow())

    alone = await timed(target.plain, calls)
    return await timed(ask, calls) - alone, await herd(ask_slow, target, (OpenedState,), 5)


async def aiobreaker(calls: int) -> tuple[float, int]:
    import datetime as dt

    from aiobreaker import CircuitBreaker, CircuitBreakerError

    target = Target()
    closed, opened = (CircuitBreaker(fail_max=5, timeout_duration=dt.timedelta(seconds=OPEN_TIME)) for _ in range(2))

    async def either() -> Response:
        return await (target.plain() if target.is_down else target.slow())

    alone = await timed(target.plain, calls)
    guarded = await timed(lambda: closed.call_async(target.plain), calls)
    return guarded - alone, await herd(lambda: opened.call_async(either), target, (CircuitBreakerError,), 5)


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{'breaker':12} {'us a call, closed':>18} {'half-open: through of ' + str(HERD):>28}")
    for name, run in (("backstay", ours), ("purgatory", purgatory), ("aiobreaker", aiobreaker)):
        try:
            cost, through = asyncio.run(run(calls))
        except ImportError as absent:
            print(f"{name:12} absent: {absent}")
            continue
        print(f"{name:12} {cost:18.2f} {through:28}")


if __name__ == "__main__":
    main()

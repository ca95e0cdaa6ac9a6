"""R4: a limit is never exceeded, in any window, whatever arrives.

Arrivals are bursts, edges of windows and idle times, of weights from 1 to the limit itself; every grant goes into a log, and the
log is checked afterwards with a sum over every window that ends at a grant. A second, well-behaved demand of small weights
above the limit measures how much of it is used.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Coroutine
from typing import Any

from bench.reliability.goal import Verdict, seed, sized

from backstay.stores.limit import Claim, Entry, Granted, Rule
from backstay.stores.memory_limit import MemoryLimits

CLAIM = "1,000,000 adversarial arrivals: any window <= limit (strict), <= limit + burst (bucket); utilisation >= 97 %"
LIMIT, BURST, WINDOW = 1000, 200, 60_000_000
Log = list[tuple[int, int]]


class Hand:
    """A clock that the driver moves, in microseconds."""

    def __init__(self) -> None:
        self.now = 10**9

    def monotonic(self) -> float:
        return self.now / 1e6

    def wall_ns(self) -> int:
        return self.now * 1000


class Naive(MemoryLimits):
    """The broken variant: it looks whether there is room, and books when it is too late (check, then act)."""

    def __init__(self, clock: Hand) -> None:
        super().__init__(clock)
        self._late: deque[Claim] = deque()

    async def reserve(self, claim: Claim) -> Any:
        cell = self._cell(claim.entries[0].rule)
        if cell.lacks(claim.entries[0].amount, self._tick(), 0):
            return await super().reserve(claim)
        self._late.append(claim)
        if len(self._late) > 3:
            await super().reserve(self._late.popleft())
        return Granted()


def now_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it suspended")


def worst(log: Log) -> int:
    """The most that any window holds."""
    window: deque[tuple[int, int]] = deque()
    total = most = 0
    for at, amount in log:
        window.append((at, amount))
        total += amount
        while window[0][0] <= at - WINDOW:
            total -= window.popleft()[1]
        most = max(most, total)
    return most


def attacked(rule: Rule, count: int, kind: type[MemoryLimits], draw: random.Random) -> Log:
    """The grants of `count` hostile arrivals."""
    clock = Hand()
    store = kind(clock)
    log: Log = []
    for number in range(count):
        roll = draw.random()
        if roll < 0.002:
            clock.now += WINDOW + draw.choice((-1, 0, 1))
        elif roll < 0.03:
            clock.now += draw.choice((1, 1000, WINDOW // LIMIT, 500_000, WINDOW // 10))
        amount = draw.randint(1, LIMIT) if roll > 0.97 else draw.randint(1, 20)
        claim = Claim(lease_id=str(number), entries=(Entry(rule, amount),), max_wait=0.0, ttl=60.0)
        if now_of(store.reserve(claim)) == Granted():
            log.append((clock.now, amount))
        if number % 3 == 0:
            store.settle(str(number), {})
    return log


def used(rule: Rule, windows: int) -> float:
    """The share of the limit that a steady demand of twice the limit gets, after the first window."""
    clock = Hand()
    store = MemoryLimits(clock)
    begin, got, number = clock.now, 0, 0
    while clock.now < begin + (windows + 1) * WINDOW:
        clock.now += 300_000
        number += 1
        claim = Claim(lease_id=str(number), entries=(Entry(rule, 10),), max_wait=0.0, ttl=60.0)
        granted = now_of(store.reserve(claim)) == Granted()
        if clock.now > begin + WINDOW:
            got += 10 * granted
    return got / (windows * LIMIT)


def _rule(algorithm: Any) -> Rule:
    burst = BURST if algorithm == "bucket" else 0
    return Rule(
        scope="client",
        name=str(algorithm),
        dimension="tokens",
        capacity=LIMIT,
        algorithm=algorithm,
        window_us=WINDOW,
        burst=burst,
    )


def _verdict(scale: float, kind: type[MemoryLimits]) -> Verdict:
    count = sized(500_000, scale, least=20_000)
    figures: dict[str, int | float | str] = {"arrivals": 2 * count}
    ok = True
    for algorithm, bound in (("strict", LIMIT), ("bucket", LIMIT + BURST)):
        log = attacked(_rule(algorithm), count, kind, random.Random(seed()))
        figures |= {
            f"{algorithm}_granted": len(log),
            f"{algorithm}_worst_window": worst(log),
            f"{algorithm}_bound": bound,
        }
        share = used(_rule(algorithm), sized(50, scale, least=3))
        figures[f"{algorithm}_utilisation"] = round(share, 4)
        ok = ok and worst(log) <= bound and share >= 0.97
    return Verdict(ok, figures)


def measure(scale: float) -> Verdict:
    """The verdict on the store in memory."""
    return _verdict(scale, MemoryLimits)


def broken(scale: float) -> Verdict:
    """The verdict on a store that checks and then acts."""
    return _verdict(min(scale, 0.1), Naive)

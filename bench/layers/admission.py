"""Decisions a second of limiters in memory, on the same work: one limit that always has room, then one that never has.

    python bench/layers/admission.py [decisions]

Peers are measured where they are installed; one that is not is named. A decision of ours is a lease, which is ended afterwards,
so the figures with the settlement stand beside those without. The last lines are a whole vector: requests and tokens a minute and
a day, and money. Every figure is per second of CPU time, the best of three runs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import sys
import time
from collections.abc import Awaitable, Callable

try:
    from backstay.ports import SystemClock
    from backstay.stores.limit import Claim, Entry, Rule
    from backstay.stores.memory_limit import MemoryLimits
except ImportError:  # run by an interpreter that has only the peers
    Rule = None  # type: ignore[assignment, misc]

ROOMY = 10**9
MINUTE = 60_000_000
Run = Callable[[int], Awaitable[None]]


def rule(name: str, dimension: str, capacity: int, algorithm: str) -> Rule:
    """A rule of the client's."""
    facts = {"strict": {"window_us": MINUTE}, "bucket": {"window_us": MINUTE, "burst": max(capacity // 5, 1)}}
    return Rule(
        scope="client",
        name=name,
        dimension=dimension,  # type: ignore[arg-type]
        capacity=capacity,
        algorithm=algorithm,  # type: ignore[arg-type]
        span="day" if algorithm == "calendar" else None,
        **facts.get(algorithm, {}),  # type: ignore[arg-type]
    )


def ours(*rules: Rule, settles: bool) -> Run:
    """Decisions under `rules`, each settled or not."""
    store = MemoryLimits(SystemClock())
    entries = tuple(Entry(each, 1) for each in sorted(rules, key=lambda each: each.key))
    numbers = itertools.count()

    async def go(count: int) -> None:
        for _ in range(count):
            lease = str(next(numbers))
            await store.reserve(Claim(lease_id=lease, entries=entries, max_wait=0.0))
            if settles:
                store.settle(lease, {"tokens": 1, "nano_usd": 1})

    return go


def limits_peer(capacity: int) -> Run:
    """`limits`: its moving window, which keeps a log as ours does."""
    from limits import RateLimitItemPerMinute
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    limiter, item = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(capacity)

    async def go(count: int) -> None:
        for _ in range(count):
            limiter.hit(item, "client")

    return go


def pyrate_peer(capacity: int) -> Run:
    """`pyrate-limiter`: its bucket in memory, asked without waiting."""
    from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate

    limiter = Limiter(InMemoryBucket([Rate(capacity, Duration.MINUTE)]))

    async def go(count: int) -> None:
        for _ in range(count):
            limiter.try_acquire("client", blocking=False)

    return go


def aiolimiter_peer(capacity: int) -> Run:
    """`aiolimiter`: its leaky bucket; asked whether there is room, since it can only wait otherwise."""
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(capacity, 60)

    async def go(count: int) -> None:
        for _ in range(count):
            if limiter.has_capacity():
                await limiter.acquire()

    return go


PEERS = {"limits": limits_peer, "pyrate_limiter": pyrate_peer, "aiolimiter": aiolimiter_peer}


def measured(make: Callable[[], Run], count: int) -> int:
    """Decisions a second, the best of three."""
    best = 0.0
    for _ in range(3):
        run = make()
        started = time.process_time()
        asyncio.run(run(count))  # type: ignore[arg-type]
        best = max(best, count / (time.process_time() - started))
    return round(best)


def main(count: int) -> None:
    """Print a line for each."""
    if Rule is not None:
        vector = (
            rule("requests", "requests", ROOMY, "bucket"),
            rule("tokens", "tokens", ROOMY, "bucket"),
            rule("requests_day", "requests", ROOMY, "calendar"),
            rule("tokens_day", "tokens", ROOMY, "calendar"),
            rule("usd_day", "nano_usd", ROOMY, "calendar"),
        )
        cases: tuple[tuple[str, tuple[Rule, ...], bool], ...] = (
            ("strict", (rule("r", "requests", ROOMY, "strict"),), False),
            ("strict, settled", (rule("r", "requests", ROOMY, "strict"),), True),
            ("strict, refused", (rule("r", "requests", 1, "strict"),), False),
            ("bucket, settled", (rule("r", "requests", ROOMY, "bucket"),), True),
            ("5 rules", vector, False),
            ("5 rules, settled", vector, True),
        )
        for name, rules, settles in cases:
            rate = measured(lambda rules=rules, settles=settles: ours(*rules, settles=settles), count)  # type: ignore[misc]
            print(f"{'backstay ' + name:32} {rate:>9,} a second")
    else:
        print("backstay: not installed for this interpreter")
    for name, make in PEERS.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name:32} not installed: not measured")
            continue
        for what, capacity in (("", ROOMY), (", refused", 1)):
            rate = measured(lambda make=make, capacity=capacity: make(capacity), min(count, 20_000))  # type: ignore[misc]
            print(f"{name + what:32} {rate:>9,} a second")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)

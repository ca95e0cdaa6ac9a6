"""R6: nobody starves in line: the largest request is not passed for ever by small ones, nor LOW by HIGH, and a line is FIFO.

A limit of 100 tokens a minute under a demand above it, in virtual time. One request of 90 tokens comes while small ones keep
coming: it may wait for what it would need alone and one window more. One LOW request comes while HIGH ones keep coming: it may
be passed by those of the next 40 seconds. Within a priority the order of grants is the order of arrivals.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from bench.reliability.goal import Verdict, sized

from backstay.sim import run, sim_world
from backstay.stores.limit import Claim, Entry, Granted, Rule
from backstay.stores.memory_limit import MemoryLimits

CLAIM = (
    "90 % of the limit waits for its line and <= 1 window; LOW is passed for <= 40 s of arrivals; FIFO in a priority"
)
WINDOW = 60.0
TOKENS = Rule(
    scope="client", name="tokens", dimension="tokens", capacity=100, algorithm="strict", window_us=int(WINDOW * 1e6)
)


class Overtaking(MemoryLimits):
    """The broken variant: whoever fits goes, whoever waits before."""

    def _lacking(self, lease: Any, held: set[str], now: int, wall: int) -> list[str] | None:
        return super()._lacking(lease, set(), now, wall)

    async def reserve(self, claim: Claim) -> Any:
        line, self._waiting = self._waiting, 0
        try:
            answer = await super().reserve(claim)
        finally:
            self._waiting += line
        return answer


async def _go(store: MemoryLimits, claim: Claim, log: list[tuple[str, float, float]]) -> None:
    loop = asyncio.get_running_loop()
    came = loop.time()
    answer = await store.reserve(claim)
    while answer != Granted():
        await store.pause(claim.lease_id, 10.0)
        answer = await store.check(claim.lease_id)
    log.append((claim.lease_id, came, loop.time()))


async def _crowd(kind: type[MemoryLimits], one: Claim, others: Any, minutes: int) -> list[tuple[str, float, float]]:
    """The grants while small requests come every 4 seconds (150 tokens a minute), and `one` after two minutes."""
    store = kind(sim_world().clock)
    log: list[tuple[str, float, float]] = []
    tasks = []
    for number in range(minutes * 15):
        if number == 30:
            tasks.append(asyncio.ensure_future(_go(store, one, log)))
        entry = Entry(TOKENS, 10)
        small = Claim(lease_id=f"s{number}", entries=(entry,), priority=others, max_wait=1e6, patience=1e5)
        tasks.append(asyncio.ensure_future(_go(store, small, log)))
        await asyncio.sleep(4)
    await asyncio.gather(*tasks)
    return log


def _verdict(scale: float, kind: type[MemoryLimits]) -> Verdict:
    minutes = sized(60, scale, least=10)
    large = Claim(lease_id="one", entries=(Entry(TOKENS, 90),), max_wait=1e6, patience=1e5)
    low = Claim(lease_id="one", entries=(Entry(TOKENS, 10),), priority="low", max_wait=1e6, patience=1e5)
    first = run(_crowd(kind, large, "medium", minutes))
    second = run(_crowd(kind, low, "high", minutes))
    passed_large, passed_low = _passed(first, 0.0), _passed(second, 40.0)
    backlog = sum(10 for name, came, granted in first if name != "one" and came <= _one(first)[1] < granted)
    # what stood before it, at 100 tokens a window, then its own 90, and one window more
    allowed = (backlog + 90) / 100 * WINDOW + WINDOW
    waited = _one(first)[2] - _one(first)[1]
    disorder = _disorder(first) + _disorder(second)
    figures: dict[str, int | float | str] = {
        "arrivals": 2 * (minutes * 15 + 1),
        "large_passed_by_later": passed_large,
        "large_waited_s": round(waited, 1),
        "large_allowed_s": round(allowed, 1),
        "low_passed_by_after_40_s": passed_low,
        "out_of_order": disorder,
    }
    return Verdict(passed_large == 0 and passed_low == 0 and disorder == 0 and waited <= allowed, figures)


def _one(log: list[tuple[str, float, float]]) -> tuple[str, float, float]:
    return next(each for each in log if each[0] == "one")


def _passed(log: list[tuple[str, float, float]], after: float) -> int:
    """How many that came more than `after` seconds later were granted before it."""
    _, came, granted = _one(log)
    return sum(1 for _, other, at in log if other > came + after and at < granted - 1e-6)


def _disorder(log: list[tuple[str, float, float]]) -> int:
    small = sorted((came, granted) for name, came, granted in log if name != "one")
    return sum(1 for before, after in itertools.pairwise(small) if after[1] < before[1] - 1e-6)


def measure(scale: float) -> Verdict:
    """The verdict on the line of the store in memory."""
    return _verdict(scale, MemoryLimits)


def broken(scale: float) -> Verdict:
    """The verdict on a line that small ones overtake in."""
    return _verdict(min(scale, 0.1), Overtaking)

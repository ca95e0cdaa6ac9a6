"""R14: no budget is overspent: in memory, in three scopes at once, under any order of ends.

Calls come in crowds with random reservations and random costs up to them; some fail unsent, some are left with nothing known,
some end after midnight. After every step the sum of what was spent and reserved is compared with each budget, to the nano-dollar.
At the end nothing is reserved, and no call was refused that would have fitted.
"""

from __future__ import annotations

import random
from typing import Any

from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.r04 import Hand, now_of

from backstay.stores.limit import Claim, Entry, Granted, Rule, claim_of
from backstay.stores.memory_limit import MemoryLimits

CLAIM = "200,000 calls in 3 scopes: spent + reserved exceeds no budget by a single nano-dollar, nothing stays reserved"
DOLLAR = 10**9
LARGEST = DOLLAR // 5


def _budget(scope: str, usd: int) -> Rule:
    return Rule(scope=scope, name="day", dimension="nano_usd", capacity=usd * DOLLAR, algorithm="calendar", span="day")


class Late(MemoryLimits):
    """The broken variant: money is counted when it is spent, not when it is promised."""

    async def reserve(self, claim: Claim) -> Any:
        answer = await super().reserve(claim)
        if answer == Granted():
            for cell in self._leases[claim.lease_id].cells:
                cell.count.reserved = 0  # type: ignore[attr-defined]
        return answer


class Oracle:
    """The budgets once more, as plain sums per scope and day; it knows nothing of the store."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, int], int] = {}
        self.worst = 0

    def add(self, claim: Claim, day: int, amount: int) -> None:
        for entry in claim.entries:
            key = (entry.rule.key, day)
            self.sums[key] = self.sums.get(key, 0) + amount
            self.worst = max(self.worst, self.sums[key] - entry.rule.capacity)


def _drive(count: int, kind: type[MemoryLimits]) -> dict[str, int]:
    draw = random.Random(seed())
    clock, oracle = Hand(), Oracle()
    store = kind(clock)
    whole = _budget("client", 120)
    scopes = [[_budget(f"{kind_of}={n}", 30) for n in range(5)] for kind_of in ("tenant", "task")]
    running: list[tuple[Claim, int, int]] = []
    granted = unused = 0
    for number in range(count):
        clock.now += draw.choice((0, 1000, 200_000, 60_000_000))
        amount = draw.randint(1, LARGEST)
        rules = [whole, draw.choice(scopes[0]), draw.choice(scopes[1])]
        claim = claim_of(f"l{number}", [Entry(rule, amount) for rule in rules], max_wait=0.0, ttl=1e6)
        day = clock.now // 86_400_000_000
        if now_of(store.reserve(claim)) == Granted():
            granted += 1
            oracle.add(claim, day, amount)
            running.append((claim, amount, day))
        else:
            left = min(rule.capacity - oracle.sums.get((rule.key, day), 0) for rule in rules)
            unused = max(unused, left - amount + 1)
        while running and (len(running) > 200 or draw.random() < 0.3):
            _finish(store, oracle, running.pop(draw.randrange(len(running))), draw)
    for each in running:
        _finish(store, oracle, each, draw)
    reserved = sum(found.reserved for found in now_of(store.standings()))
    return {
        "calls": count,
        "granted": granted,
        "overspent_nano_usd": oracle.worst if oracle.worst > 0 else 0,
        "refused_although_it_fitted": max(unused, 0),
        "reserved_at_the_end": reserved,
    }


def _finish(store: MemoryLimits, oracle: Oracle, lease: tuple[Claim, int, int], draw: random.Random) -> None:
    claim, amount, day = lease
    roll = draw.random()
    if roll < 0.1:
        store.release(claim.lease_id)
        oracle.add(claim, day, -amount)
    elif roll < 0.2:
        store.settle(claim.lease_id, {})
    else:
        actual = draw.randint(0, amount)
        store.settle(claim.lease_id, {"nano_usd": actual})
        oracle.add(claim, day, actual - amount)
    if draw.random() < 0.1:
        store.release(claim.lease_id)  # a second end changes nothing


def _verdict(count: int, kind: type[MemoryLimits]) -> Verdict:
    figures = _drive(count, kind)
    is_exact = not (
        figures["overspent_nano_usd"] or figures["reserved_at_the_end"] or figures["refused_although_it_fitted"]
    )
    return Verdict(is_exact and figures["granted"] > 0, dict(figures))


def measure(scale: float) -> Verdict:
    """The verdict on the store in memory."""
    return _verdict(sized(200_000, scale, least=10_000), MemoryLimits)


def broken(scale: float) -> Verdict:
    """The verdict on a store that counts after the fact."""
    return _verdict(sized(200_000, min(scale, 0.1), least=10_000), Late)

"""R27: each alert of (budget, period, threshold) is recorded exactly once and delivered at least once, whoever dies in between.

Eight workers spend from three budgets over several days in virtual time and deliver what their settlements raise. A worker's
deliverer is killed at random, in the middle of a delivery too, and started anew; every tenth delivery fails. The oracle computes
from the spending alone which thresholds were crossed.
"""

from __future__ import annotations

import asyncio
import random

from bench.reliability.goal import Verdict, seed, sized

from backstay.errors import ConnectFailed
from backstay.layers.alert import Alerts, alert_key
from backstay.sim import run, sim_world
from backstay.sim.world import EPOCH
from backstay.stores.limit import Alert, Entry, Granted, LimitStore, Rule, claim_of
from backstay.stores.memory_limit import MemoryLimits

CLAIM = (
    "8 workers, 10 restarts, 3 budgets, thresholds 50 and 80 %: every crossing recorded once, delivered at least once"
)
WORKERS, RESTARTS = 8, 10
BUDGETS = tuple(
    Rule(
        scope=f"tenant={name}",
        name="day",
        dimension="nano_usd",
        capacity=1000,
        algorithm="calendar",
        span="day",
        alert_at=(50, 80),
    )
    for name in "abc"
)


class Forgetful(MemoryLimits):
    """The broken variant: a restart forgets what was raised, so a crossing is raised once more by whoever settles next."""

    def delivered(self, alert: Alert) -> object:  # type: ignore[override]
        del self._alerts[alert.rule, alert.start, alert.percent]
        return super().tighten(BUDGETS[0], 10**6, 0.0)

    def _end(self, lease_id: str, actual: object, now: int) -> int:
        raised = super()._end(lease_id, actual, now)  # type: ignore[arg-type]
        for cell in list(self._cells.values()):
            count = getattr(cell, "count", None)
            for percent in cell.rule.alert_at:
                if count is not None and count.spent * 100 >= cell.rule.capacity * percent:
                    raised += self._raise_alert(cell, count, percent)
        return raised


class Town:
    """The workers, what they spent, and what was heard."""

    def __init__(self, store: LimitStore) -> None:
        self.store = store
        self.draw = random.Random(seed())
        self.spent: dict[tuple[str, int], int] = {}
        self.heard: dict[str, int] = {}
        self.begun: dict[str, int] = {}
        self.is_over = False

    async def hear(self, alert: Alert) -> None:
        key = alert_key(alert)
        self.begun[key] = self.begun.get(key, 0) + 1
        await asyncio.sleep(self.draw.random())
        if self.draw.random() < 0.1:
            raise ConnectFailed("refused")
        self.heard[key] = self.heard.get(key, 0) + 1

    async def work(self, name: int, steps: int) -> None:
        loop = asyncio.get_running_loop()
        alerts = Alerts(self.store, [self.hear], world=sim_world())
        for step in range(steps):
            await asyncio.sleep(self.draw.random() * 600)
            budget, lease = self.draw.choice(BUDGETS), f"{name}-{step}"
            day = (EPOCH + int(loop.time())) // 86_400
            if await self.store.reserve(claim_of(lease, [Entry(budget, 60)], max_wait=0.0)) != Granted():
                continue
            await asyncio.sleep(self.draw.random() * 5)
            amount = self.draw.randint(0, 60)
            alerts.note(self.store.settle(lease, {"nano_usd": amount}))
            self.spent[budget.key, day] = self.spent.get((budget.key, day), 0) + amount
            if self.draw.random() < RESTARTS / steps:
                _kill(alerts)
                alerts = Alerts(self.store, [self.hear], world=sim_world())
        await asyncio.sleep(300)
        alerts.look()
        await asyncio.sleep(300)
        await alerts.aclose()


def _kill(alerts: Alerts) -> None:
    """As a crash does: whatever is under way stops where it is."""
    for task in list(alerts._tasks):
        task.cancel()


async def _town(store: LimitStore, steps: int) -> Town:
    town = Town(store)
    await asyncio.gather(*(town.work(name, steps) for name in range(WORKERS)))
    return town


def _verdict(scale: float, kind: type[MemoryLimits]) -> Verdict:
    steps = sized(2000, scale, least=100)
    recorded: list[str] = []

    class Counting(kind):  # type: ignore[misc, valid-type]
        def _raise_alert(self, cell: object, receipt: object, percent: int) -> int:
            raised: int = super()._raise_alert(cell, receipt, percent)
            if raised:
                recorded.append(f"{cell.rule.key}@{receipt.period.start}#{percent}")  # type: ignore[attr-defined]
            return raised

    town = run(_town(Counting(sim_world().clock), steps))
    expected = {
        f"{key}@{day * 86_400}#{percent}"
        for (key, day), amount in town.spent.items()
        for percent in (50, 80)
        if amount * 100 >= 1000 * percent
    }
    figures: dict[str, int | float | str] = {
        "settlement_rounds": WORKERS * steps,
        "crossings": len(expected),
        "recorded": len(recorded),
        "recorded_twice": len(recorded) - len(set(recorded)),
        "not_delivered": len(expected - set(town.heard)),
        "without_cause": len(set(town.heard) - expected),
        "delivered_more_than_once": sum(count > 1 for count in town.heard.values()),
    }
    is_exact = set(recorded) == expected == set(town.heard) and len(recorded) == len(expected) > 0
    return Verdict(is_exact, figures)


def measure(scale: float) -> Verdict:
    """The verdict on the outbox in memory."""
    return _verdict(scale, MemoryLimits)


def broken(scale: float) -> Verdict:
    """The verdict on an outbox without a unique key."""
    return _verdict(min(scale, 0.1), Forgetful)

"""Limits in memory against a model of plain lists: any sequence of operations gives the same grants and the same sums.

The model is `limit.py`'s text, written down a second time in the slowest and plainest way: every pass sorts the whole line, every
sum is added up anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backstay.stores.limit import RANK, RANK_DELAY, Entry, Granted, Rule, Waiting, claim_of
from backstay.stores.memory_limit import MemoryLimits

from .limit_conformance import NOON, ManualClock, gauge, money, requests, tokens

T = TypeVar("T")
DAY = 86_400
ALL = (
    requests(10),
    requests(4, scope="tenant=a"),
    gauge(3),
    money(40),
    tokens(20, algorithm="bucket", burst=5),
)
FOREVER = 1e8


def now_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it suspended")


class Lease:
    def __init__(self, name: str, entries: list[Entry], order: tuple[int, int]) -> None:
        self.name, self.entries, self.order = name, entries, order
        self.granted_at: int | None = None
        self.day = 0
        self.actual: dict[str, int] | None = None


class Lists:
    """The model: leases in lists, sums made when they are asked for; the bucket alone keeps its instant."""

    def __init__(self) -> None:
        self.now, self.sequence = 0, 0
        self.waiting: list[Lease] = []
        self.granted: list[Lease] = []
        self.tat = -(10**15)

    def wall_day(self) -> int:
        return (NOON + self.now // 1_000_000) // DAY

    def used(self, limit: Rule) -> int:
        total = 0
        for lease in self.granted:
            for entry in lease.entries:
                if entry.rule is not limit or not self.counts(lease, limit):
                    continue
                actual = {} if lease.actual is None else lease.actual
                total += actual.get(limit.dimension, entry.amount)
        return total

    def counts(self, lease: Lease, limit: Rule) -> bool:
        assert lease.granted_at is not None
        if limit.algorithm == "strict":
            return lease.granted_at >= self.now - limit.window_us
        if limit.algorithm == "calendar":
            return lease.day == self.wall_day()
        return lease.actual is None

    def has_room(self, limit: Rule, amount: int) -> bool:
        if limit.algorithm != "bucket":
            return self.used(limit) + amount <= limit.capacity
        cost, depth = self.cost(limit, amount), limit.burst * limit.window_us // limit.capacity
        if cost > depth:
            return self.now - self.tat >= cost - depth
        return max(self.tat, self.now) + cost - self.now <= depth

    def cost(self, limit: Rule, amount: int) -> int:
        return -(-amount * limit.window_us // limit.capacity)

    def run_pass(self) -> None:
        held: set[str] = set()
        blocked: list[list[str]] = []
        for lease in sorted(self.waiting, key=lambda lease: lease.order):
            group = [entry.rule.key for entry in lease.entries]
            if group in blocked:
                continue
            lacking = {entry.rule.key for entry in lease.entries if not self.has_room(entry.rule, entry.amount)}
            if lacking or held & set(group):
                held |= lacking
                blocked.append(group)
                continue
            self.waiting.remove(lease)
            lease.granted_at, lease.day = self.now, self.wall_day()
            self.granted.append(lease)
            for entry in lease.entries:
                if entry.rule.algorithm == "bucket":
                    self.tat = max(self.tat, self.now) + self.cost(entry.rule, entry.amount)

    def end(self, name: str, actual: dict[str, int]) -> None:
        self.waiting = [lease for lease in self.waiting if lease.name != name]
        for lease in self.granted:
            if lease.name == name and lease.actual is None:
                lease.actual = actual
                for entry in lease.entries:
                    if entry.rule.algorithm == "bucket":
                        self.correct(entry, actual.get(entry.rule.dimension, entry.amount))
        self.run_pass()

    def correct(self, entry: Entry, actual: int) -> None:
        limit = entry.rule
        if actual > entry.amount:
            self.tat = max(self.tat, self.now) + self.cost(limit, actual - entry.amount)
        else:
            back = (entry.amount - actual) * limit.window_us // limit.capacity
            self.tat = max(self.tat - back, min(self.tat, self.now))


class Machine(RuleBasedStateMachine):
    """Both, side by side."""

    store_type: type[MemoryLimits] = MemoryLimits

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = self.store_type(self.clock)
        self.lists = Lists()
        self.names: list[str] = []

    @rule(
        which=st.sets(st.integers(0, len(ALL) - 1), min_size=1),
        amount=st.integers(1, 4),
        large=st.integers(1, 12),
        priority=st.sampled_from(["high", "medium", "low"]),
    )
    def reserve(self, which: set[int], amount: int, large: int, priority: Any) -> None:
        name = f"l{len(self.names)}"
        self.names.append(name)
        sizes = {"requests": amount, "concurrency": min(amount, 3), "nano_usd": large, "tokens": large}
        entries = [Entry(ALL[number], sizes[ALL[number].dimension]) for number in sorted(which)]
        claim = claim_of(name, entries, priority=priority, max_wait=FOREVER, patience=FOREVER, ttl=FOREVER)
        self.lists.run_pass()
        self.lists.sequence += 1
        lease = Lease(
            name, list(claim.entries), (self.lists.now + RANK[claim.priority] * RANK_DELAY, self.lists.sequence)
        )
        self.lists.waiting.append(lease)
        self.lists.run_pass()
        answer = now_of(self.store.reserve(claim))
        assert isinstance(answer, Granted if lease.granted_at is not None else Waiting)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), share=st.sampled_from([0, 1, 2, 3]))
    def settle(self, data: st.DataObject, share: int) -> None:
        name = data.draw(st.sampled_from(self.names))
        actual = {"tokens": share * 2, "nano_usd": share * 3, "requests": min(share, 1)}
        self.lists.run_pass()
        self.lists.end(name, actual)
        now_of(self.store.check("nobody"))
        self.store.settle(name, actual)

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.names))
        self.lists.run_pass()
        self.lists.end(name, dict.fromkeys(("requests", "tokens", "nano_usd", "concurrency"), 0))
        now_of(self.store.check("nobody"))
        self.store.release(name)

    @rule(seconds=st.sampled_from([0.000001, 0.5, 1, 3, 15, 19.999999, 60, 60.000001, 3600]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.lists.now += round(seconds * 1e6)

    @invariant()
    def they_agree(self) -> None:
        self.lists.run_pass()
        now_of(self.store.check("nobody"))
        for lease in self.lists.waiting:
            assert isinstance(now_of(self.store.check(lease.name)), Waiting)
        for lease in self.lists.granted:
            if lease.actual is None:
                assert now_of(self.store.check(lease.name)) == Granted()
        for found in now_of(self.store.standings()):
            if found.rule.algorithm != "bucket":
                assert found.used == self.lists.used(found.rule), found.rule.key


def explore(store_type: type[MemoryLimits], examples: int) -> None:
    class Chosen(Machine):
        pass

    Chosen.store_type = store_type
    run_state_machine_as_test(
        Chosen,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a failing sequence is short enough, and shrinking one takes minutes
        ),
    )


def test_any_sequence_agrees_with_the_model() -> None:
    """Grants, places and sums are the model's after every step."""
    explore(MemoryLimits, 60)


@pytest.mark.slow
def test_many_sequences_agree_with_the_model() -> None:
    """The same at length."""
    explore(MemoryLimits, 1500)


class Unfair(MemoryLimits):
    """The broken variant: whoever fits passes those who wait."""

    def _lacking(self, lease: Any, held: set[str], now: int, wall: int) -> list[str] | None:
        return super()._lacking(lease, set(), now, wall)

    def _is_shared_by_all(self, keys: Any) -> bool:
        return False


class Forgetful(MemoryLimits):
    """The broken variant: a settlement gives nothing back."""

    def settle(self, lease_id: str, actual: Any) -> Any:
        return super().settle(lease_id, {})


@pytest.mark.parametrize("broken", [Unfair, Forgetful])
def test_the_model_sees_a_broken_store(broken: type[MemoryLimits]) -> None:
    """An overtaking line and a lost refund are both found."""
    with pytest.raises(AssertionError):
        explore(broken, 200)


async def test_a_waiter_wakes_by_its_timer_and_by_a_refund() -> None:
    """In virtual time: the pause ends at the very instant at which there is room, or as soon as somebody gives back."""
    from backstay.sim import sim_world

    store = MemoryLimits(sim_world().clock)
    limit = tokens(100)
    loop = asyncio.get_running_loop()
    for name, amount in (("a", 100), ("b", 60), ("c", 60)):
        await store.reserve(claim_of(name, [Entry(limit, amount)], max_wait=500, patience=500))
    ended: dict[str, float] = {}

    async def wait(name: str) -> None:
        while await store.check(name) != Granted():
            await store.pause(name, 400)
        ended[name] = loop.time()

    waiting = [asyncio.ensure_future(wait(name)) for name in ("b", "c")]
    await asyncio.sleep(10)
    store.settle("a", {"tokens": 30})
    await asyncio.sleep(50.5)
    store.settle("b", {"tokens": 60})
    await asyncio.gather(*waiting)
    assert ended["b"] == pytest.approx(10, abs=1e-3)
    assert ended["c"] == pytest.approx(70, abs=1e-3)

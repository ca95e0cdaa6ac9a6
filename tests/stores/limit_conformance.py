"""What every store of limits does: one list of checks, run on each backend with a clock that the test moves.

Each check is a coroutine function of (store, clock). `CHECKS` names them all. A backend's test opens an empty store on the
given clock, with `max_waiting=MAX_WAITING`, and runs one check on it:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_memory(check): clock = ManualClock(); await check(MemoryLimits(clock, max_waiting=MAX_WAITING), clock)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from backstay.stores.limit import Answer, Claim, Entry, Granted, LimitStore, Refused, Rule, Standing, Waiting, claim_of

MAX_WAITING = 8
MINUTE = 60_000_000
TICK = 0.000001
NOON = 1_772_366_400
"""1 March 2026, 12:00 UTC."""


class ManualClock:
    """A clock that stands still until it is moved: `advance` moves both of its faces, `step` the wall clock only."""

    def __init__(self) -> None:
        self._now_us = 1_000_000_000
        self._wall_us = NOON * 1_000_000

    def monotonic(self) -> float:
        return self._now_us / 1e6

    def wall_ns(self) -> int:
        return self._wall_us * 1000

    def advance(self, seconds: float) -> None:
        self._now_us += round(seconds * 1e6)
        self._wall_us += round(seconds * 1e6)

    def step(self, seconds: float) -> None:
        self._wall_us += round(seconds * 1e6)


Check: TypeAlias = Callable[[LimitStore, ManualClock], Awaitable[None]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


def requests(capacity: int, *, scope: str = "client", seconds: int = 60) -> Rule:
    return Rule(
        scope=scope,
        name="requests",
        dimension="requests",
        capacity=capacity,
        algorithm="strict",
        window_us=seconds * 1_000_000,
    )


def tokens(capacity: int, *, scope: str = "client", algorithm: Any = "strict", burst: int = 0) -> Rule:
    return Rule(
        scope=scope,
        name="tokens",
        dimension="tokens",
        capacity=capacity,
        algorithm=algorithm,
        window_us=MINUTE,
        burst=burst,
    )


def money(capacity: int, *, scope: str = "client", alert_at: tuple[int, ...] = (), span: Any = "day") -> Rule:
    return Rule(
        scope=scope,
        name=f"{span}_budget",
        dimension="nano_usd",
        capacity=capacity,
        algorithm="calendar",
        span=span,
        alert_at=alert_at,
    )


def gauge(capacity: int, *, scope: str = "client") -> Rule:
    return Rule(scope=scope, name="concurrency", dimension="concurrency", capacity=capacity, algorithm="gauge")


def claim(lease_id: str, *entries: tuple[Rule, int], **facts: Any) -> Claim:
    return claim_of(lease_id, [Entry(rule, amount) for rule, amount in entries], **facts)


async def take(store: LimitStore, lease_id: str, *entries: tuple[Rule, int], **facts: Any) -> Answer:
    return await store.reserve(claim(lease_id, *entries, **{"patience": 500.0, **facts}))


async def standing(store: LimitStore, key: str) -> Standing:
    (found,) = [each for each in await store.standings() if each.rule.key == key]
    return found


def is_waiting(answer: Answer, place: int, wait: float) -> bool:
    return isinstance(answer, Waiting) and answer.place == place and answer.wait == pytest.approx(wait, abs=2e-6)


@check
async def strict_admits_capacity_in_any_window(store: LimitStore, clock: ManualClock) -> None:
    """A place is free one microsecond after the window in which it was taken, and not before: instants are rounded."""
    rule = requests(3)
    for number in range(3):
        assert await take(store, f"a{number}", (rule, 1)) == Granted()
        clock.advance(10)
    refused = await take(store, "b", (rule, 1), max_wait=0.0)
    assert refused == Refused("client/requests", pytest.approx(30, abs=2e-6), "full")
    clock.advance(30)
    assert isinstance(await take(store, "c", (rule, 1), max_wait=0.0), Refused)
    clock.advance(TICK)
    assert await take(store, "d", (rule, 1), max_wait=0.0) == Granted()
    assert isinstance(await take(store, "e", (rule, 1), max_wait=0.0), Refused)


@check
async def all_or_nothing(store: LimitStore, clock: ManualClock) -> None:
    """A claim that one rule has no room for takes nothing from the others."""
    few, many = requests(1), tokens(100)
    assert await take(store, "a", (few, 1), (many, 10)) == Granted()
    assert isinstance(await take(store, "b", (few, 1), (many, 10), max_wait=0.0), Refused)
    assert (await standing(store, "client/tokens")).used == 10


@check
async def never_fits_is_refused_at_once(store: LimitStore, clock: ManualClock) -> None:
    """No waiting helps an amount above the capacity, and the answer says so; the capacity itself fits."""
    rule = tokens(100)
    assert await take(store, "a", (rule, 101)) == Refused("client/tokens", None, "never")
    assert await take(store, "b", (rule, 100)) == Granted()
    assert await take(store, "c", (requests(0, scope="none"), 1)) == Refused("none/requests", None, "never")


@check
async def reserve_is_idempotent(store: LimitStore, clock: ManualClock) -> None:
    """The same lease twice takes once, whether it was granted or waits."""
    rule = requests(1)
    assert await take(store, "a", (rule, 1)) == Granted()
    assert await take(store, "a", (rule, 1)) == Granted()
    assert is_waiting(await take(store, "b", (rule, 1)), 1, 60)
    assert is_waiting(await take(store, "b", (rule, 1)), 1, 60)
    found = await standing(store, "client/requests")
    assert (found.used, found.waiting) == (1, 1)


@check
async def waiters_are_served_in_order(store: LimitStore, clock: ManualClock) -> None:
    """FIFO, with places and predictions that hold: two a minute, so the third waiter goes a minute after the first."""
    rule = requests(2)
    for name in ("a", "b"):
        await take(store, name, (rule, 1))
    assert is_waiting(await take(store, "c", (rule, 1), max_wait=500), 1, 60)
    assert is_waiting(await take(store, "d", (rule, 1), max_wait=500), 2, 60)
    assert is_waiting(await take(store, "e", (rule, 1), max_wait=500), 3, 120)
    clock.advance(60 + TICK)
    assert await store.check("c") == Granted()
    assert await store.check("d") == Granted()
    assert is_waiting(await store.check("e"), 1, 60)
    clock.advance(60 + TICK)
    assert await store.check("e") == Granted()


@check
async def nobody_passes_who_waits(store: LimitStore, clock: ManualClock) -> None:
    """A large request that lacks room is not overtaken by a small one that would fit."""
    rule = tokens(100)
    await take(store, "small", (rule, 20))
    assert is_waiting(await take(store, "large", (rule, 90)), 1, 60)
    clock.advance(1)
    assert isinstance(await take(store, "late", (rule, 10)), Waiting)
    clock.advance(59 + TICK)
    assert await store.check("late") == Granted()
    assert await store.check("large") == Granted()


@check
async def a_tenant_at_its_limit_holds_up_nobody_else(store: LimitStore, clock: ManualClock) -> None:
    """A waiter holds only the rules in which it lacks room."""
    everybody, acme, other = requests(100), requests(1, scope="tenant=acme"), requests(1, scope="tenant=other")
    await take(store, "a", (everybody, 1), (acme, 1))
    assert isinstance(await take(store, "b", (everybody, 1), (acme, 1)), Waiting)
    assert await take(store, "c", (everybody, 1), (other, 1)) == Granted()


@check
async def who_stands_behind_its_group_holds_nothing(store: LimitStore, clock: ManualClock) -> None:
    """In a pass, the first of a group that waits on holds what it lacks; those behind it are not examined."""
    rule, running = requests(2), gauge(3)
    await take(store, "running", (rule, 1), (running, 1))
    assert isinstance(await take(store, "first", (rule, 2), (running, 1)), Waiting)
    assert isinstance(await take(store, "second", (rule, 1), (running, 3)), Waiting)
    assert await take(store, "other", (running, 2)) == Granted()


@check
async def high_goes_first_and_low_is_not_left_for_ever(store: LimitStore, clock: ManualClock) -> None:
    """High goes before low, but not what came 40 seconds after it."""
    rule = gauge(1)
    await take(store, "running", (rule, 1))
    await take(store, "low", (rule, 1), priority="low", max_wait=500)
    clock.advance(39)
    await take(store, "soon", (rule, 1), priority="high", max_wait=500)
    clock.advance(2)
    await take(store, "late", (rule, 1), priority="high", max_wait=500)
    for before, after in (("running", "soon"), ("soon", "low"), ("low", "late")):
        await store.settle(before, {})
        assert await store.check(after) == Granted()
    assert (await standing(store, "client/concurrency")).used == 1


@check
async def a_long_wait_is_refused_at_once(store: LimitStore, clock: ManualClock) -> None:
    """The predicted wait decides before anybody sleeps, and leaves nothing in line."""
    rule = requests(1)
    await take(store, "a", (rule, 1))
    assert await take(store, "b", (rule, 1), max_wait=59.0) == Refused(
        "client/requests", pytest.approx(60, abs=2e-6), "full"
    )
    assert isinstance(await take(store, "c", (rule, 1), max_wait=61.0), Waiting)
    assert await take(store, "d", (rule, 1), max_wait=61.0) == Refused(
        "client/requests", pytest.approx(120, abs=2e-6), "full"
    )
    assert (await standing(store, "client/requests")).waiting == 1


@check
async def the_line_is_bounded(store: LimitStore, clock: ManualClock) -> None:
    """More than `max_waiting` do not wait; who leaves makes room for one."""
    rule = gauge(1)
    await take(store, "running", (rule, 1))
    for number in range(MAX_WAITING):
        assert isinstance(await take(store, f"w{number}", (rule, 1)), Waiting)
    assert await take(store, "x", (rule, 1)) == Refused("client/concurrency", None, "line")
    await store.release("w3")
    assert isinstance(await take(store, "y", (rule, 1)), Waiting)


@check
async def settle_gives_back_the_difference_once(store: LimitStore, clock: ManualClock) -> None:
    """What was reserved and not used is free again at once, and a second settlement changes nothing."""
    rule = tokens(100)
    await take(store, "a", (rule, 80))
    assert isinstance(await take(store, "b", (rule, 50)), Waiting)
    await store.settle("a", {"tokens": 30})
    assert await store.check("b") == Granted()
    await store.settle("a", {"tokens": 0})
    await store.release("a")
    found = await standing(store, "client/tokens")
    assert (found.used, found.reserved) == (80, 50)


@check
async def unknown_usage_gives_nothing_back(store: LimitStore, clock: ManualClock) -> None:
    """A dimension that the settlement does not name stays as reserved; the gauge is freed."""
    rule, running = tokens(100), gauge(1)
    await take(store, "a", (rule, 80), (running, 1))
    await store.settle("a", {"requests": 1})
    assert (await standing(store, "client/tokens")).used == 80
    assert (await standing(store, "client/concurrency")).used == 0


@check
async def an_overrun_is_charged_and_told(store: LimitStore, clock: ManualClock) -> None:
    """Usage above the reservation counts in full and is kept as overdraft."""
    rule, day = tokens(100), money(1000)
    await take(store, "a", (rule, 10), (day, 400))
    await store.settle("a", {"tokens": 130, "nano_usd": 1100})
    found = await standing(store, "client/tokens")
    assert (found.used, found.overdraft) == (130, 120)
    found = await standing(store, "client/day_budget")
    assert (found.used, found.reserved, found.overdraft) == (1100, 0, 700)
    assert isinstance(await take(store, "b", (rule, 1), max_wait=0.0), Refused)
    clock.advance(60 + TICK)
    assert await take(store, "c", (rule, 100), max_wait=0.0) == Granted()


@check
async def a_late_refund_stays_in_its_window(store: LimitStore, clock: ManualClock) -> None:
    """What comes back after its window has passed is not credited to the next."""
    rule = tokens(100)
    await take(store, "a", (rule, 100))
    clock.advance(60 + TICK)
    assert await take(store, "b", (rule, 100)) == Granted()
    await store.settle("a", {"tokens": 0})
    assert (await standing(store, "client/tokens")).used == 100
    assert isinstance(await take(store, "c", (rule, 1), max_wait=0.0), Refused)


@check
async def release_leaves_nothing(store: LimitStore, clock: ManualClock) -> None:
    """A released lease was never there, granted or waiting; an unknown one is no matter."""
    rule, running, day = tokens(100), gauge(1), money(1000)
    await take(store, "a", (rule, 80), (running, 1), (day, 700))
    assert isinstance(await take(store, "b", (rule, 80), (running, 1), (day, 10)), Waiting)
    await store.release("b")
    await store.release("b")
    await store.release("a")
    await store.release("nobody")
    for each in await store.standings():
        assert (each.used, each.reserved, each.waiting) == (0, 0, 0)
    assert await store.check("a") == Refused("", None, "gone")
    assert await store.check("b") == Refused("", None, "gone")


@check
async def a_ghost_does_not_eat_a_permit(store: LimitStore, clock: ManualClock) -> None:
    """Who left the line is not served; who stands behind moves up."""
    rule = gauge(1)
    for name in ("a", "b", "c"):
        await take(store, name, (rule, 1))
    await store.release("b")
    await store.release("a")
    assert await store.check("c") == Granted()


@check
async def a_bucket_admits_burst_then_rate(store: LimitStore, clock: ManualClock) -> None:
    """60 a minute with a burst of 5: five at once, then one a second, and never more than 65 in a minute."""
    rule = Rule(
        scope="client",
        name="requests",
        dimension="requests",
        capacity=60,
        algorithm="bucket",
        window_us=MINUTE,
        burst=5,
    )
    for number in range(5):
        assert await take(store, f"a{number}", (rule, 1), max_wait=0.0) == Granted()
    assert await take(store, "b", (rule, 1), max_wait=0.0) == Refused(
        "client/requests", pytest.approx(1, abs=2e-6), "full"
    )
    admitted = 5
    for number in range(120):
        clock.advance(0.5)
        admitted += await take(store, f"c{number}", (rule, 1), max_wait=0.0) == Granted()
    assert admitted == 65


@check
async def a_bucket_takes_more_than_it_holds_after_waiting(store: LimitStore, clock: ManualClock) -> None:
    """An amount above the burst waits for as long as the bucket is too small, and leaves a debt."""
    rule = tokens(60, algorithm="bucket", burst=10)
    assert await take(store, "fresh", (rule, 30)) == Granted()
    clock.advance(30)
    assert is_waiting(await take(store, "a", (rule, 30)), 1, 20)
    clock.advance(20)
    assert await store.check("a") == Granted()
    assert await take(store, "b", (rule, 1), max_wait=0.0) == Refused(
        "client/tokens", pytest.approx(21, abs=2e-6), "full"
    )


@check
async def a_bucket_is_never_more_than_full(store: LimitStore, clock: ManualClock) -> None:
    """A refund fills the bucket up to its burst and no further."""
    rule = tokens(60, algorithm="bucket", burst=10)
    await take(store, "a", (rule, 10))
    clock.advance(5)
    await store.settle("a", {"tokens": 0})
    assert await take(store, "b", (rule, 10), max_wait=0.0) == Granted()
    assert isinstance(await take(store, "c", (rule, 1), max_wait=0.0), Refused)


@check
async def a_gauge_counts_who_is_inside(store: LimitStore, clock: ManualClock) -> None:
    """Concurrency is freed at the end of the lease, by nothing else, and predicts no wait."""
    rule = gauge(2)
    for name in ("a", "b"):
        assert await take(store, name, (rule, 1)) == Granted()
    clock.advance(600)
    assert await take(store, "c", (rule, 1), max_wait=0.0) == Refused("client/concurrency", None, "full")
    assert is_waiting(await take(store, "d", (rule, 1)), 1, 0)
    await store.settle("a", {})
    assert await store.check("d") == Granted()


@check
async def a_period_has_its_own_count(store: LimitStore, clock: ManualClock) -> None:
    """A budget begins anew at midnight of its zone; a wall clock that jumps back finds the old count."""
    rule = money(1000)
    await take(store, "a", (rule, 900))
    await store.settle("a", {"nano_usd": 900})
    refused = await take(store, "b", (rule, 200), max_wait=60.0)
    assert refused == Refused("client/day_budget", pytest.approx(12 * 3600, abs=2e-6), "full")
    clock.step(12 * 3600)
    assert await take(store, "c", (rule, 1000)) == Granted()
    found = await standing(store, "client/day_budget")
    assert (found.start, found.end) == (NOON + 12 * 3600, NOON + 36 * 3600)
    clock.step(-1)
    assert await take(store, "d", (rule, 100)) == Granted()
    assert isinstance(await take(store, "e", (rule, 1), max_wait=0.0), Refused)


@check
async def a_lease_settles_into_the_period_it_was_made_in(store: LimitStore, clock: ManualClock) -> None:
    """What was reserved before midnight and ends after it belongs to the day before."""
    rule = money(1000)
    clock.step(12 * 3600 - 1)
    await take(store, "a", (rule, 600))
    clock.step(2)
    assert await take(store, "b", (rule, 700)) == Granted()
    await store.settle("a", {"nano_usd": 300})
    assert (await standing(store, "client/day_budget")).used == 700
    clock.step(-2)
    found = await standing(store, "client/day_budget")
    assert (found.used, found.reserved) == (300, 0)


@check
async def reserved_money_is_waited_for(store: LimitStore, clock: ManualClock) -> None:
    """What others have reserved may come back, so a claim that only this is in the way of waits for it."""
    rule = money(1000)
    await take(store, "a", (rule, 900))
    assert is_waiting(await take(store, "b", (rule, 300)), 1, 0)
    await store.settle("a", {"nano_usd": 500})
    assert await store.check("b") == Granted()
    found = await standing(store, "client/day_budget")
    assert (found.used, found.reserved) == (800, 300)


@check
async def spent_money_is_not_waited_for(store: LimitStore, clock: ManualClock) -> None:
    """Once it is spent, the waiter learns at its next check that it would wait for the next period."""
    rule = money(1000)
    await take(store, "a", (rule, 900))
    await take(store, "b", (rule, 300))
    await store.settle("a", {"nano_usd": 900})
    assert is_waiting(await store.check("b"), 1, 12 * 3600)


@check
async def a_dead_owner_loses_its_lease(store: LimitStore, clock: ManualClock) -> None:
    """After `ttl` a granted lease ends as unknown: the gauge is freed, the money stays taken."""
    running, day = gauge(1), money(1000)
    await take(store, "a", (running, 1), (day, 400), ttl=100.0)
    clock.advance(99)
    assert await take(store, "b", (running, 1), (day, 1), max_wait=0.0) == Refused("client/concurrency", None, "full")
    clock.advance(1)
    assert await take(store, "c", (running, 1), (day, 1), max_wait=0.0) == Granted()
    await store.settle("a", {"nano_usd": 0})
    found = await standing(store, "client/day_budget")
    assert (found.used, found.reserved) == (401, 1)


@check
async def a_dead_waiter_leaves_the_line(store: LimitStore, clock: ManualClock) -> None:
    """Who does not check for `patience` seconds does not hold up those behind; who checks stays."""
    rule = gauge(1)
    await take(store, "running", (rule, 1))
    await take(store, "dead", (rule, 1), patience=30.0)
    await take(store, "alive", (rule, 1), patience=30.0)
    clock.advance(20)
    assert is_waiting(await store.check("alive"), 2, 0)
    clock.advance(10)
    assert is_waiting(await store.check("alive"), 1, 0)
    await store.settle("running", {})
    assert await store.check("alive") == Granted()
    assert await store.check("dead") == Refused("", None, "gone")


@check
async def a_gate_tightens_for_all(store: LimitStore, clock: ManualClock) -> None:
    """What the provider said binds everybody until its time, whatever the rule allows."""
    rule = Rule(scope="target=x", name="requests", dimension="requests", capacity=0, algorithm="open")
    assert await take(store, "a", (rule, 1)) == Granted()
    await store.tighten(rule, 2, 30.0)
    assert await take(store, "b", (rule, 1)) == Granted()
    assert await take(store, "c", (rule, 1)) == Granted()
    assert await take(store, "d", (rule, 1), max_wait=0.0) == Refused(
        "target=x/requests", pytest.approx(30, abs=2e-6), "full"
    )
    found = await standing(store, "target=x/requests")
    assert (found.gate_room, found.gate_seconds) == (0, pytest.approx(30, abs=2e-6))
    clock.advance(30)
    assert await take(store, "e", (rule, 1), max_wait=0.0) == Granted()
    assert (await standing(store, "target=x/requests")).gate_room is None


@check
async def a_closed_gate_is_only_prolonged(store: LimitStore, clock: ManualClock) -> None:
    """A sibling's late success does not open what a refusal closed; an open gate takes the last observation."""
    rule = tokens(100, scope="target=x")
    await store.tighten(rule, 10, 30.0)
    await store.tighten(rule, 50, 30.0)
    assert await take(store, "a", (rule, 40), max_wait=0.0) == Granted()
    await store.tighten(rule, 0, 30.0)
    await store.tighten(rule, 50, 60.0)
    await store.tighten(rule, 0, 5.0)
    assert await take(store, "b", (rule, 1), max_wait=0.0) == Refused(
        "target=x/tokens", pytest.approx(30, abs=2e-6), "full"
    )
    assert isinstance(await take(store, "c", (rule, 1), max_wait=40.0), Waiting)
    clock.advance(30)
    assert await store.check("c") == Granted()


@check
async def alerts_are_raised_once(store: LimitStore, clock: ManualClock) -> None:
    """Each threshold of a period once, by what was spent; the stop by the first refusal; again in the next period."""
    rule = money(1000, alert_at=(50, 80, 100))
    await take(store, "a", (rule, 900))
    assert await store.due_alerts(60.0) == []
    assert await store.settle("a", {"nano_usd": 850}) == 2
    assert await store.settle("a", {"nano_usd": 850}) == 0
    first, second = await store.due_alerts(60.0)
    assert (first.percent, second.percent, second.spent, second.capacity) == (50, 80, 850, 1000)
    assert (first.rule, first.start, first.end) == ("client/day_budget", NOON - 12 * 3600, NOON + 12 * 3600)
    for name in ("b", "c"):
        assert isinstance(await take(store, name, (rule, 200)), Refused)
    (stop,) = await store.due_alerts(60.0)
    assert (stop.percent, stop.spent) == (100, 850)
    clock.step(24 * 3600)
    await take(store, "d", (rule, 500))
    assert await store.settle("d", {"nano_usd": 500}) == 1


@check
async def an_alert_is_due_until_it_is_delivered(store: LimitStore, clock: ManualClock) -> None:
    """One deliverer at a time; if it dies, the alert is due again; once delivered, never more."""
    rule = money(1000, alert_at=(80,))
    await take(store, "a", (rule, 900))
    await store.settle("a", {"nano_usd": 900})
    (alert,) = await store.due_alerts(60.0)
    assert await store.due_alerts(60.0) == []
    clock.advance(60)
    assert await store.due_alerts(60.0) == [alert]
    await store.delivered(alert)
    await store.delivered(alert)
    clock.advance(60)
    assert await store.due_alerts(60.0) == []
    await take(store, "b", (rule, 50))
    assert await store.settle("b", {"nano_usd": 50}) == 0


@check
async def a_hundred_tasks_do_not_overspend(store: LimitStore, clock: ManualClock) -> None:
    """50 tasks at 5 units each on 100: exactly 20 pass, whatever the order."""
    rule = money(100)

    async def one(number: int) -> bool:
        await asyncio.sleep(0)
        return await take(store, f"t{number}", (rule, 5), max_wait=0.0) == Granted()

    assert sum(await asyncio.gather(*(one(number) for number in range(50)))) == 20
    assert (await standing(store, "client/day_budget")).used == 100
    await asyncio.gather(*(asyncio.ensure_future(_ended(store, number)) for number in range(50)))
    assert (await standing(store, "client/day_budget")).used == 0


async def _ended(store: LimitStore, number: int) -> None:
    await store.settle(f"t{number}", {"nano_usd": 0})


@check
async def a_cancelled_reserve_can_be_released(store: LimitStore, clock: ManualClock) -> None:
    """Whoever stops waiting for the answer gives the lease back without knowing it."""
    rule = gauge(1)
    task = asyncio.ensure_future(store.reserve(claim("a", (rule, 1))))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.release("a")
    assert await take(store, "b", (rule, 1), max_wait=0.0) == Granted()


@check
async def standings_are_sorted_and_scoped(store: LimitStore, clock: ManualClock) -> None:
    """Rules come by key; a scope has its own."""
    one, two = requests(5, scope="tenant=b"), requests(5, scope="tenant=a")
    await take(store, "x", (one, 1), (two, 1))
    assert [each.rule.key for each in await store.standings()] == ["tenant=a/requests", "tenant=b/requests"]
    assert [each.rule.key for each in await store.standings("tenant=b")] == ["tenant=b/requests"]

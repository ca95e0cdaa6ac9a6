"""Limits in memory do what every store of limits does."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from backstay.stores.limit import Entry, Granted, Refused, Rule, claim_of
from backstay.stores.memory_cell import Cell, Strict
from backstay.stores.memory_limit import MemoryLimits

from .limit_conformance import CHECKS, MAX_WAITING, Check, ManualClock, requests


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_memory_conforms(check: Check) -> None:
    """The list of checks holds in memory."""
    clock = ManualClock()
    await check(MemoryLimits(clock, max_waiting=MAX_WAITING), clock)


class FineClock:
    """A clock that stands between the microseconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return int(self.now * 1e9)


async def nearest(store_type: type[MemoryLimits], seed: int) -> Fraction:
    """The shortest true time, in seconds, in which one more was granted than a strict limit of 5 a second allows.

    The callers are greedy: each comes at, or a hair before or after, the instant at which it was told to.
    """
    draw, clock, limit = random.Random(seed), FineClock(), requests(5, seconds=1)
    clock.now += draw.random()
    store, granted = store_type(clock), list[Fraction]()
    for number in range(400):
        answer = await store.reserve(claim_of(f"{number}", [Entry(limit, 1)], max_wait=0.0))
        if answer == Granted():
            granted.append(Fraction(clock.now))
            clock.now += draw.choice((0.0, draw.random() * 1e-6, draw.random() * 0.1))
        else:
            assert isinstance(answer, Refused)
            clock.now += (answer.retry_after or 0.0) + draw.choice((0.0, draw.uniform(-1e-6, 1e-6)))
    assert len(granted) > 100
    return min(last - first for first, last in zip(granted, granted[5:], strict=False))


async def test_no_window_of_the_true_clock_holds_more() -> None:
    """A strict limit holds for whoever counts finer than the store does: a provider, or a simulated one."""
    for seed in range(20):
        assert await nearest(MemoryLimits, seed) > 1


class Rounded(MemoryLimits):
    """The broken variant: a place is free with the end of its window, by instants that are rounded."""

    def _cell(self, rule: Rule) -> Cell:
        cell = super()._cell(rule)
        if isinstance(cell, Strict):
            cell.window = rule.window_us
        return cell


async def test_the_fine_clock_sees_a_window_that_ends_with_its_rounding() -> None:
    """One more than the limit, within a microsecond less than the window."""
    shortest = min([await nearest(Rounded, seed) for seed in range(20)])
    assert 1 - Fraction(1, 10**6) < shortest < 1


async def test_a_wait_of_exactly_the_longest_is_taken() -> None:
    """The microsecond of a strict window's rounding refuses nobody who would wait for the whole window."""
    clock, limit = ManualClock(), requests(1)
    store = MemoryLimits(clock)
    await store.reserve(claim_of("a", [Entry(limit, 1)]))
    assert not isinstance(await store.reserve(claim_of("b", [Entry(limit, 1)], max_wait=60.0)), Refused)
    assert isinstance(await store.reserve(claim_of("c", [Entry(limit, 1)], max_wait=119.999)), Refused)

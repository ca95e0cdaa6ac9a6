"""R22: clocks: the wall clock jumps, days have 23 and 25 hours, a year ends, and no window or budget period is wrong.

Two drives. A year's turns of the clock in six zones, hour by hour: each local day has one period, which begins and ends where an
independent count of local dates says. And random jumps of the wall clock by hours and days: what was spent under one date stays
under it, and a sliding window does not notice the jump at all.
"""

from __future__ import annotations

import datetime as dt
import random
from zoneinfo import ZoneInfo

from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.r04 import now_of

from backstay.stores.limit import Entry, Granted, Rule, claim_of
from backstay.stores.memory_cell import Calendar, Count
from backstay.stores.memory_limit import MemoryLimits
from backstay.stores.period import Period

CLAIM = (
    "6 zones with their DST days and the year's end, jumps of +-1 h and +-1 day: 0 wrong windows, one count a period"
)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata", "UTC")
START = int(dt.datetime(2026, 12, 30, tzinfo=dt.UTC).timestamp())


class Jumping:
    """A steady clock, and a wall clock that is set."""

    def __init__(self, wall: int) -> None:
        self.steady, self.wall = 1000.0, wall

    def monotonic(self) -> float:
        return self.steady

    def wall_ns(self) -> int:
        return self.wall * 10**9


def _day_rule(zone: str, capacity: int) -> Rule:
    return Rule(
        scope="client",
        name="day",
        dimension="nano_usd",
        capacity=capacity,
        algorithm="calendar",
        span="day",
        zone=zone,
    )


def wrong_days(zone: str, hours: int) -> tuple[int, int]:
    """Through a year: how many instants were counted under another local date, and how many days passed."""
    clock = Jumping(START)
    store = MemoryLimits(clock)
    rule, place = _day_rule(zone, 10**9), ZoneInfo(zone)
    spent: dict[dt.date, int] = {}
    wrong = 0
    for number in range(hours):
        clock.wall += 3600
        clock.steady += 3600
        today = dt.datetime.fromtimestamp(clock.wall, place).date()
        spent[today] = spent.get(today, 0) + 1
        now_of(store.reserve(claim_of(f"{number}", [Entry(rule, 1)])))
        store.settle(f"{number}", {"nano_usd": 1})
        (found,) = now_of(store.standings())
        assert found.start is not None
        assert found.end is not None
        edges = [dt.datetime.fromtimestamp(each, place).date() for each in (found.start, found.end - 1)]
        next_day = dt.datetime.fromtimestamp(found.end, place).date()
        before = dt.datetime.fromtimestamp(found.start - 1, place).date()
        wrong += found.used != spent[today] or edges != [today, today] or next_day == today or before == today
    return wrong, len(spent)


def jumped(count: int) -> tuple[int, int]:
    """Random jumps: dates whose spending differs from a plain count of it, and windows above their limit."""
    draw = random.Random(seed())
    clock = Jumping(START)
    store = MemoryLimits(clock)
    day = _day_rule("UTC", 20)
    minute = Rule(
        scope="client",
        name="minute",
        dimension="requests",
        capacity=5,
        algorithm="strict",
        window_us=60_000_000,
    )
    spent: dict[int, int] = {}
    grants: list[float] = []
    wrong = over = 0
    for number in range(count):
        if draw.random() < 0.05:
            home = START + round(clock.steady - 1000)
            clock.wall = home + draw.choice((0, 3600, -3600, 86_400, -86_400))
        step = draw.choice((1, 5, 20))
        clock.steady, clock.wall = clock.steady + step, clock.wall + step
        today = clock.wall // 86_400
        answer = now_of(store.reserve(claim_of(f"{number}", [Entry(day, 1), Entry(minute, 1)], max_wait=0.0)))
        has_room = spent.get(today, 0) < 20 and sum(at >= clock.steady - 60 for at in grants[-6:]) < 5
        wrong += (answer == Granted()) != has_room
        if answer == Granted():
            spent[today] = spent.get(today, 0) + 1
            grants.append(clock.steady)
            store.settle(f"{number}", {"nano_usd": 1})
        over += sum(at >= clock.steady - 60 for at in grants[-6:]) > 5
    return wrong, over


def _verdict(scale: float) -> Verdict:
    figures: dict[str, int | float | str] = {}
    hours = sized(366 * 24, scale, least=24 * 120)
    wrong = 0
    for zone in ZONES:
        found, days = wrong_days(zone, hours)
        wrong += found
        figures[f"days_{zone}"] = days
    after_jumps, over = jumped(sized(200_000, scale, least=5000))
    figures |= {"wrong_periods": wrong, "wrong_after_jumps": after_jumps, "windows_over_limit": over}
    return Verdict(wrong == after_jumps == over == 0, figures)


def measure(scale: float) -> Verdict:
    """The verdict on periods and windows."""
    return _verdict(scale)


class Rolling(Calendar):
    """The broken variant: a count that is set to zero every 24 hours, whatever the calendar says."""

    __slots__ = ()

    def at(self, wall: int) -> Count:
        count = self.count
        if not count.period.start <= wall < count.period.end:
            count = self.count = Count(Period(wall, wall + 86_400))
        return count


def broken(scale: float) -> Verdict:
    """The verdict on a count that is reset by a timer."""
    from backstay.stores.memory_cell import CELLS

    CELLS["calendar"] = Rolling
    try:
        return _verdict(min(scale, 0.05))
    finally:
        CELLS["calendar"] = Calendar

"""Period: the hour, day or month in a named time zone that an instant lies in, as [start, end) in Unix seconds.

A day is what the zone's people call a day: 23 or 25 hours long where a clock is set, and an hour may be cut short or repeated.
Boundaries are the instants at which the local calendar turns, so periods follow each other without gap or overlap. Where midnight
does not exist (some zones skip it), the day begins with the first instant after the gap; where it comes twice, with the first.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backstay.errors import ConfigurationError
from backstay.stores.limit import Span


class Period(NamedTuple):
    """[start, end) in Unix seconds."""

    start: int
    end: int


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The time zone. Raises ConfigurationError for a name that is not in the database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"time zone {name!r} is not known: write it as 'UTC' or 'Europe/Berlin'; where the system "
            "has no time zones, `pip install tzdata`"
        ) from None


def period_at(span: Span, zone: str, second: int) -> Period:
    """The period of `span` in `zone` that holds the Unix `second`."""
    place = zone_of(zone)
    if span == "hour":
        return _hour(place, second)
    local = dt.datetime.fromtimestamp(second, place).date()
    first = local.replace(day=1) if span == "month" else local
    following = (first + dt.timedelta(days=32)).replace(day=1) if span == "month" else first + dt.timedelta(days=1)
    return Period(_begin(place, first), _begin(place, following))


def following(span: Span, zone: str, period: Period) -> Period:
    """The period that begins where `period` ends."""
    return period_at(span, zone, period.end)


def _hour(place: ZoneInfo, second: int) -> Period:
    """The full hour of the local clock, cut where the clock is set: offsets change on quarters of an hour at the finest."""
    start = end = second - second % 900
    while _clock_hour(place, start - 1) == _clock_hour(place, second):
        start -= 900
    while _clock_hour(place, end) == _clock_hour(place, second):
        end += 900
    return Period(start, end)


def _clock_hour(place: ZoneInfo, second: int) -> tuple[int, int, dt.timedelta | None]:
    local = dt.datetime.fromtimestamp(second, place)
    return local.toordinal(), local.hour, local.utcoffset()


def _begin(place: ZoneInfo, day: dt.date) -> int:
    """The first instant whose local date is `day` or later."""
    midnight = dt.datetime(day.year, day.month, day.day, tzinfo=place)
    low = int(midnight.timestamp()) - 4 * 3600
    high = low + 8 * 3600
    while (
        high - low > 1
    ):  # local dates never go back, but for the repeated hour before a midnight, which the search keeps left of
        middle = (low + high) // 2
        if dt.datetime.fromtimestamp(middle, place).date() >= day:
            high = middle
        else:
            low = middle
    return high

"""Periods follow each other without gap or overlap, also where clocks are set."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from backstay.errors import ConfigurationError
from backstay.stores.limit import Span
from backstay.stores.period import following, period_at


def at(text: str, zone: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", 25),
        ("America/New_York", "2026-11-01T00:30", 25),
        ("Australia/Lord_Howe", "2026-04-05T12:00", 24.5),
        ("America/Santiago", "2026-09-06T12:00", 23),
        ("Asia/Kolkata", "2026-03-29T12:00", 24),
    ],
)
def test_a_day_is_what_its_people_call_a_day(zone: str, moment: str, hours: float) -> None:
    """23, 24.5 or 25 hours where a clock is set, and a midnight that is skipped does not lose the day."""
    period = period_at("day", zone, at(moment, zone))
    assert (period.end - period.start) / 3600 == hours
    assert dt.datetime.fromtimestamp(period.start, ZoneInfo(zone)).date().isoformat() == moment[:10]
    assert period.start <= at(moment, zone) < period.end


@pytest.mark.parametrize("span", ["hour", "day", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"])
def test_periods_tile_a_year(span: Span, zone: str) -> None:
    """Each begins where the last one ended, and both of its edges lie where they should."""
    second, end = at("2025-12-30T00:00", zone), at("2026-04-10T00:00", zone)
    while second < end:
        period = period_at(span, zone, second)
        assert period.start == second or second == at("2025-12-30T00:00", zone)
        assert period_at(span, zone, period.end - 1) == period
        assert following(span, zone, period).start == period.end
        second = period.end


def test_a_month_ends_with_the_year() -> None:
    """December is followed by January."""
    december = period_at("month", "UTC", at("2026-12-31T23:59", "UTC"))
    assert december == (at("2026-12-01T00:00", "UTC"), at("2027-01-01T00:00", "UTC"))


def test_an_unknown_zone_is_said_with_the_remedy() -> None:
    """A wrong name is a setting that is wrong."""
    with pytest.raises(ConfigurationError, match="Europe/Berlin"):
        period_at("day", "Berlin", 0)

"""Reports: they are the sums of their rows, to the nano-dollar, by the clock of a named place."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigurationError
from backstay.ledger.report import KEYS, TOKENS, Line, quantile, report, to_csv, to_json
from backstay.ledger.row import Row, reserved_row, settled_row

from .conftest import BEGIN, SECOND, reservation, settlement


def row(id: str = "a", **facts: Any) -> Row:
    """A posted row with some facts of its own."""
    plain = settled_row(reserved_row(reservation(id), "me"), settlement(id))
    return msgspec.structs.replace(plain, **facts)


counts = st.none() | st.integers(0, 10**9)
rows = st.lists(
    st.builds(
        lambda number, **facts: row(f"a{number}", **facts),
        number=st.integers(0, 10**9),
        call_id=st.sampled_from(["c1", "c2", "c3"]),
        started_ns=st.integers(BEGIN, BEGIN + 40 * 86_400 * SECOND),
        tenant=st.none() | st.sampled_from(["north", "south"]),
        task=st.none() | st.sampled_from(["read", "write"]),
        provider=st.sampled_from(["acme", "zeta"]),
        model=st.sampled_from(["m1", "m2"]),
        state=st.sampled_from(["posted", "unknown", "voided", "reserved"]),
        outcome=st.sampled_from(["complete", "failed", "dropped", "unknown", None]),
        cost_nano_usd=st.none() | st.integers(0, 10**15),
        is_estimate=st.booleans(),
        is_cached=st.booleans(),
        latency=st.none() | st.floats(0, 1_000),
        **dict.fromkeys(TOKENS, counts),
    ),
    max_size=40,
)
keys = st.lists(st.sampled_from(sorted(KEYS)), max_size=3, unique=True)


@given(rows, keys, st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]))
def test_a_report_is_the_sum_of_its_rows(listed: list[Row], by: list[str], zone: str) -> None:
    """In whole numbers: no grouping loses or doubles a token or a nano-dollar."""
    lines = report(listed, by, zone=zone)
    assert sum(line.attempts for line in lines) == len(listed)
    for name in TOKENS:
        assert sum(getattr(line, name) for line in lines) == sum(getattr(item, name) or 0 for item in listed)
    assert sum((line.cost_usd for line in lines), Decimal(0)).scaleb(9) == sum(
        item.cost_nano_usd or 0 for item in listed
    )
    estimated = sum(item.cost_nano_usd or 0 for item in listed if item.is_estimate)
    assert sum((line.estimated_usd for line in lines), Decimal(0)).scaleb(9) == estimated
    assert sum(line.unpriced for line in lines) == sum(item.cost_nano_usd is None for item in listed)
    assert sum(line.failed for line in lines) == sum(item.outcome == "failed" for item in listed)
    assert sum(line.cached for line in lines) == sum(item.is_cached for item in listed)
    assert sum(line.calls for line in lines) >= len({item.call_id for item in listed})


@given(rows, keys)
def test_groups_are_distinct_and_in_order(listed: list[Row], by: list[str]) -> None:
    """Each group once, with exactly the keys that were asked for."""
    groups = [tuple(line.group.values()) for line in report(listed, by)]
    assert groups == sorted(set(groups))
    assert all(list(line.group) == by for line in report(listed, by))


def test_a_call_with_two_attempts_is_one_call() -> None:
    """Retries are attempts, not calls; money of both is counted."""
    listed = [
        row("a", call_id="c", outcome="failed", cost_nano_usd=5),
        row("b", call_id="c", number=2, cost_nano_usd=7),
    ]
    (line,) = report(listed, ["model"])
    assert (line.calls, line.attempts, line.failed, line.cost_usd) == (1, 2, 1, Decimal("0.000000012"))


def test_an_unknown_cost_is_counted_and_not_summed() -> None:
    """Never as zero without a word."""
    (line,) = report([row("a", cost_nano_usd=None), row("b", cost_nano_usd=3)], [])
    assert (line.unpriced, line.cost_usd) == (1, Decimal("0.000000003"))


def ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("at", "zone", "day"),
    [
        ("2026-11-20T23:30:00+00:00", "UTC", "2026-11-20"),
        ("2026-11-20T23:30:00+00:00", "Europe/Berlin", "2026-11-21"),
        ("2026-11-20T23:30:00+00:00", "America/New_York", "2026-11-20"),
        ("2026-07-01T21:59:00+00:00", "Europe/Berlin", "2026-07-01"),
        ("2026-07-01T22:00:00+00:00", "Europe/Berlin", "2026-07-02"),
    ],
)
def test_days_are_those_of_the_place(at: str, zone: str, day: str) -> None:
    """Midnight is local, summer time included."""
    (line,) = report([row(started_ns=ns(at))], ["day"], zone=zone)
    assert line.group == {"day": day}


def test_the_last_nanosecond_of_a_day_is_in_it() -> None:
    """A float of nanoseconds would round it into the next."""
    (line,) = report([row(started_ns=ns("2026-11-21T00:00:00+00:00") - 1)], ["day", "hour"])
    assert line.group == {"day": "2026-11-20", "hour": "2026-11-20 23:00"}


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """When clocks go back, the two hours of one name are told apart; the day has 25."""
    first = ns("2026-10-25T00:30:00+00:00")
    listed = [row("a", started_ns=first), row("b", started_ns=first + 3_600 * SECOND)]
    assert len(report(listed, ["hour"], zone="Europe/Berlin")) == 2
    start = ns("2026-10-24T22:00:00+00:00")
    day = [row(f"a{hour}", started_ns=start + hour * 3_600 * SECOND) for hour in range(25)]
    assert [line.attempts for line in report(day, ["day"], zone="Europe/Berlin")] == [25]
    assert len(report(day, ["hour"], zone="Europe/Berlin")) == 25


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    """Nearest rank over one hundred values."""
    assert quantile(range(1, 101), share) == value


def test_percentiles_of_little() -> None:
    """Of one value it is that value, of none there is none."""
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([], 0.5) is None


def test_latency_is_of_completed_attempts() -> None:
    """A failure's time says nothing of the model's."""
    listed = [
        row("a", latency=1.0),
        row("b", latency=3.0),
        row("c", latency=99.0, outcome="failed"),
        row("d", latency=None),
    ]
    (line,) = report(listed, [])
    assert (line.latency_avg, line.latency_p50, line.latency_p99) == (2.0, 1.0, 3.0)


def test_an_unknown_key_or_zone_is_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigurationError, match=r"colour.*there is hour, day"):
        report([], ["colour"])
    with pytest.raises(ConfigurationError, match="Mars/Base"):
        report([row()], ["day"], zone="Mars/Base")


def test_json_and_csv_hold_the_same_exact_figures() -> None:
    """Money is text, so no reader makes a float of it unasked."""
    listed = [row("a", cost_nano_usd=10**15 + 1), row("b", model="m2", cost_nano_usd=2)]
    lines = report(listed, ["model"])
    from_json = json.loads(to_json(lines))
    from_csv = list(csv.DictReader(io.StringIO(to_csv(lines, ["model"]))))
    assert (
        [line["cost_usd"] for line in from_json]
        == [line["cost_usd"] for line in from_csv]
        == ["1000000.000000001", "0.000000002"]
    )
    assert list(from_csv[0]) == ["model", *(name for name in Line.__struct_fields__ if name != "group")]

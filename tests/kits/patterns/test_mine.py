"""Mined patterns are exact counts, of all seven types, and what chance explains is none of them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.kits.patterns import Event, ExtractedPattern
from backstay.kits.patterns.claim import Claim, read_claim
from backstay.kits.patterns.ingest import Reading, read_events
from backstay.kits.patterns.mine import mine
from backstay.kits.patterns.setting import TYPES, Mining
from backstay.kits.patterns.statistic import adjust, at_least, at_most, band_of, concentration, difference, wilson
from backstay.kits.patterns.unit import END, Log

from .conftest import DAY, EXAMPLES, event, orders


def find(patterns: list[ExtractedPattern], **then: str) -> list[ExtractedPattern]:
    key, value = next(iter(then.items()))
    return [one for one in patterns if one.structured_pattern["then"] == {key.replace("__", "."): value}]


def test_the_examples_show_all_seven_types() -> None:
    """Our own three logs hold a pattern of each type, and each is evidence by evidence what it says."""
    seen = set()
    for name in ("bakery-orders.jsonl", "rulings.csv", "shop.log"):
        events = read_events(EXAMPLES / name, reading=Reading(year=2026))
        log = Log(events)
        for pattern in mine(log):
            seen.add(pattern.pattern_type)
            claim = read_claim(pattern.structured_pattern)
            assert claim is not None
            counted = claim.counted(log)
            figures = pattern.structured_pattern
            assert (counted.support, counted.total) == (figures["support"], figures["total"])
            assert counted.evidence == pattern.source_event_ids
            assert set(counted.evidence) <= {one.id for one in events}
            assert f"{counted.support} of {counted.total}" in pattern.description
            assert figures["interval"][0] <= counted.rate <= figures["interval"][1]
    assert seen == set(TYPES)


def test_the_order_of_steps_is_counted_exactly() -> None:
    """36 of 40 taken orders are checked next; every case begins with take and ends with ship."""
    patterns = mine(orders(40, skipped=4), types=("procedural",))
    (following,) = find(patterns, next__what="check")
    assert (following.structured_pattern["support"], following.structured_pattern["total"]) == (36, 40)
    assert following.structured_pattern["rate"] == 0.9
    assert following.structured_pattern["median_gap_seconds"] == 600
    assert len(following.source_event_ids) == 36
    (first,) = find(patterns, first="take")
    assert (first.structured_pattern["support"], first.structured_pattern["total"]) == (40, 40)
    (last,) = [one for one in find(patterns, next__what=END) if one.structured_pattern["given"] == {"what": "ship"}]
    assert last.structured_pattern["support"] == 40


def test_one_event_is_no_pattern() -> None:
    """A log of one case, or of different ones, gives nothing."""
    assert mine(orders(1)) == []
    assert mine([event(f"thing {number}", number) for number in range(4)]) == []
    assert mine([]) == []


def test_chance_is_no_pattern() -> None:
    """In logs without any dependence hardly a log shows a preference; without the correction most do."""
    draw = random.Random(4)

    def noise(alpha: float) -> int:
        whats, names = [f"a{n}" for n in range(6)], [f"p{n}" for n in range(12)]
        events = [event(draw.choice(whats), number, who=draw.choice(names)) for number in range(400)]
        return bool(mine(events, Mining(alpha=alpha), types=("preference",)))

    assert sum(noise(0.05) for _ in range(30)) <= 4
    broken = 0.999
    assert sum(noise(broken) for _ in range(10)) >= 8


def test_preference_outcome_and_context_are_told_from_the_rest() -> None:
    """Who does what, what ends how, and where it differs: each against all others."""
    events = []
    for number in range(60):
        kind = "cake" if number % 3 == 0 else "bread"
        who = "Dora" if kind == "cake" else "Emil"
        end = "late" if kind == "cake" and number % 2 == 0 else "on time"
        about = {"product": kind, "outcome": end}
        events.append(event("bake", number * 60, case=f"c{number}", who=who, attributes=about))
        if kind == "cake":
            events.append(event("decorate", number * 60 + 5, case=f"c{number}", who="Gus", attributes=about))
    patterns = mine(events)
    (late,) = [one for one in find(patterns, outcome="late") if one.structured_pattern["given"] == {"attr.product": "cake"}
               and one.structured_pattern["unit"] == "case"]  # fmt: skip
    assert (late.pattern_type, late.structured_pattern["support"], late.structured_pattern["total"]) == (
        "outcome",
        10,
        20,
    )
    assert late.structured_pattern["base_rate"] == pytest.approx(10 / 60)
    assert any(one.pattern_type == "preference" and one.subject == "Gus" for one in find(patterns, what="decorate"))
    assert any(one.pattern_type == "contextual" for one in find(patterns, has="decorate"))


def test_anomalies_are_rare_long_or_in_bursts() -> None:
    """The one long wait, the rare turn and the burst of errors are found, with their events."""
    draw = random.Random(2)
    events = []
    for number in range(200):
        start = number * 2_000
        wait = 60 * 24 * 9 if number == 30 else draw.uniform(8, 12)
        wait = 60 * 24 * 8 if number == 31 else wait
        middle = "skip" if number < 2 else "check"
        events += [event("take", start, case=f"c{number}"), event(middle, start + 5, case=f"c{number}"),
                   event("ship", start + 5 + wait, case=f"c{number}")]  # fmt: skip
    events += [event("pay failed", 50_000 + second / 60, attributes={"level": "ERROR"}) for second in range(12)]
    patterns = mine(events, types=("anomaly",))
    (gap,) = find(patterns, gap="long")
    assert (gap.structured_pattern["support"], gap.structured_pattern["total"]) == (2, 198)
    (rare,) = find(patterns, next__what="skip")
    assert (rare.structured_pattern["support"], rare.structured_pattern["total"]) == (2, 200)
    (burst,) = find(patterns, burst="yes")
    (alert,) = find(patterns, alert="yes")
    assert burst.structured_pattern["support"] == alert.structured_pattern["support"] == 12


def test_times_are_told_where_the_log_is_long_enough() -> None:
    """A thing of one hour and one day is found over three weeks, and not over one morning."""
    weekly = [event("meet", 60 + day * DAY / 60) for day in range(0, 70, 7)]
    other = [event("work", minute) for minute in range(0, 70 * 24 * 60, 700)]
    patterns = mine([*weekly, *other], types=("temporal",))
    (day,) = [one for one in find(patterns, weekday="Monday") if one.subject == "meet"]
    assert (day.structured_pattern["support"], day.structured_pattern["total"]) == (10, 10)
    assert find(patterns, hour="09")
    dates = [Event(what="work", when=f"2026-{month:02d}-{day:02d}") for month in (3, 4) for day in range(1, 29)]
    assert not [one for one in mine(dates, types=("temporal",)) if "hour" in one.structured_pattern["then"]]
    morning = mine([event("work", minute) for minute in range(100)], types=("temporal",))
    assert not find(morning, weekday="Monday")
    assert not find(morning, hour="08")


def test_the_same_events_give_the_same_patterns_in_any_order() -> None:
    """Ids, figures and order do not depend on how the events came, where their times differ."""
    events = orders(30)
    shuffled = events[:]
    random.Random(1).shuffle(shuffled)
    assert [one.pattern_id for one in mine(events)] == [one.pattern_id for one in mine(shuffled)]
    assert mine(events) == mine(shuffled)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), min_size=1, max_size=60))
def test_steps_agree_with_a_plain_count(rows: list[tuple[int, str]]) -> None:
    """For any log, each claim about the next step is what two nested loops count."""
    events = [event(what, number, case=f"c{case}") for number, (case, what) in enumerate(rows)]
    cases = defaultdict(list)
    for case, what in rows:
        cases[case].append(what)
    follows: Counter[tuple[str, str]] = Counter()
    for names in cases.values():
        follows.update(zip(names, [*names[1:], END], strict=True))
    log = Log(events)
    for one in "abc":
        total = sum(count for (what, _), count in follows.items() if what == one)
        for other in ("a", "b", "c", END):
            counted = Claim(unit="step", given=(("what", one),), then=("next.what", other)).counted(log)
            assert (counted.support, counted.total) == (follows[one, other], total)


@given(st.integers(0, 400), st.integers(0, 400))
def test_wilson_holds_its_share_and_narrows(hits: int, more: int) -> None:
    """The interval contains the share, stays in [0, 1], and solves its defining equation."""
    total = hits + more
    low, high = wilson(hits, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low - 1e-12 <= hits / total <= high + 1e-12
        for end in (low, high):
            if 0 < end < 1:
                assert (hits / total - end) ** 2 == pytest.approx(
                    1.959963984540054**2 * end * (1 - end) / total, abs=1e-9
                )


def test_tails_are_exact() -> None:
    """Against the sum of the definition."""
    from math import comb

    for hits, total, rate in ((3, 47, 0.3), (40, 47, 0.5), (0, 9, 0.2), (9, 9, 0.2), (1, 300, 0.05)):
        exact = sum(comb(total, k) * rate**k * (1 - rate) ** (total - k) for k in range(hits, total + 1))
        assert at_least(hits, total, rate) == pytest.approx(exact, abs=1e-12)
        assert at_most(hits, total, rate) == pytest.approx(1 - exact + comb(total, hits) * rate**hits
                                                           * (1 - rate) ** (total - hits), abs=1e-9)  # fmt: skip
    assert adjust([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.0533333333, 0.0533333333, 0.5])
    assert difference(50, 100, 50, 100) == 1
    assert difference(80, 100, 50, 100) < 1e-4
    assert (concentration([1, 1, 1, 1]), concentration([5]), concentration([])) == (2_500, 10_000, 0)
    assert [band_of(one) for one in (900, 1_500, 2_500)] == ["low", "moderate", "high"]

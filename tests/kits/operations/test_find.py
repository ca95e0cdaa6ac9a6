"""Anomalies are found once and habits are none; root causes are booked to who added the time; trends are told from noise."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigurationError
from backstay.kits.operations.anomaly import Detection, detect
from backstay.kits.operations.nab import Score, judge
from backstay.kits.operations.root_cause import Incident, Usual, rank
from backstay.kits.operations.state import State
from backstay.kits.operations.trend import trend_of


def noise(count: int, seed: int = 1, scale: float = 1.0) -> list[float]:
    draw = Random(seed)
    return [50 + draw.gauss(0, scale) for _ in range(count)]


def test_noise_and_days_are_quiet() -> None:
    """Noise around a mean, and around a daily wave, raises fewer than one alarm in 5,000 observations."""
    alarms = 0
    for seed in range(5):
        values = noise(4_000, seed)
        alarms += len(detect(values))
        alarms += len(detect([value + 20 * math.sin(2 * math.pi * at / 288) for at, value in enumerate(values)]))
    assert alarms < 5 * 2 * 4_000 / 5_000


@pytest.mark.parametrize(("start", "length", "size"), [(2_000, 1, 30.0), (2_000, 100, 15.0), (3_700, 300, -20.0)])
def test_a_spike_and_a_shift_are_found_once(start: int, length: int, size: float) -> None:
    """Where something new happens there is one alarm, within the hour, and not again while it lasts."""
    values = noise(4_000, seed=6)
    assert detect(values) == []
    for at in range(start, start + length):
        values[at] += size
    (found,) = detect(values)
    assert start <= found.index <= start + 12
    assert found.side == ("above" if size > 0 else "below")


def test_what_returns_every_day_is_a_habit() -> None:
    """A daily spike of five minutes is no anomaly from its third time on; a much larger one is."""
    values = noise(4_000, seed=6)
    for at in range(100, 4_000, 288):
        values[at] += 40
    assert [one.index for one in detect(values)] == [100 + 288]
    values[3_100] += 200
    assert [one.index for one in detect(values)] == [100 + 288, 3_100]


def test_without_habits_the_spikes_are_told() -> None:
    """The broken variant: a detector that never gets used to anything tells of the daily spike again and again."""
    values = noise(4_000)
    for at in range(100, 4_000, 288):
        values[at] += 40
    assert len(detect(values, Detection(habit=10_000))) > 5


@given(st.lists(st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf]), max_size=120), st.floats(0.001, 1000))
def test_units_do_not_matter(values: list[float], scale: float) -> None:
    """A stream never fails; the past alone decides, so a longer series begins with the alarms of its beginning."""
    settings = Detection(warm_up=50)
    alarms = [one.index for one in detect(values, settings)]
    again = [one.index for one in detect([*values, 1e12 * scale], settings)]
    assert again[: len(alarms)] == alarms


def test_the_benchmark_score() -> None:
    """Silence is 0, a find at the very beginning is 100, a late one less; false alarms cost a little, misses most."""
    windows = [(500, 600)]
    assert judge(1_000, [], windows).normalised == 0
    assert judge(1_000, [500], windows).normalised == pytest.approx(100, abs=0.5)
    late, noisy = judge(1_000, [590], windows), judge(1_000, [500, 900], windows)
    assert 50 < (late.normalised or 0) < 100
    assert noisy.false_alarms == 1
    assert (noisy.normalised or 0) == pytest.approx(94.5, abs=1)
    assert judge(1_000, [10], windows) == judge(1_000, [], windows)
    assert (judge(100, [], []) + Score(windows=1)).windows == 1
    assert judge(100, [], []).normalised is None


CALLS = {"edge": ["cart", "search", "search.example_remote"], "cart": ["db"], "search": ["db"], "db": []}


def incident(slow: dict[str, float], *, signal: str = "latency", standing: dict[str, float] | None = None) -> Incident:
    """An alarm at the edge: `slow` nodes add seconds from the third bin on, `standing` ones in all; callers feel it."""

    def total(node: str, added: dict[str, float]) -> float:
        return added.get(node, 0.0) + sum(total(callee, added) for callee in CALLS.get(node, ()))

    nodes = [*CALLS, "search.example_remote"]
    shown = {node: "search" if node.endswith("_remote") else node for node in nodes}
    series = {}
    for node in nodes:
        base = 1.0 + total(shown[node], standing or {})
        series[node, "latency"] = [base, base, *[base + total(shown[node], slow)] * 2]
        series[node, "availability"] = [100.0, 100.0, *[100.0 - 100 * total(shown[node], slow)] * 2]
        series[node, "requests"] = [100.0] * 4
    usual = {(node, "latency"): Usual(middle=1.0, spread=0.01) for node in nodes}
    usual |= {(node, "availability"): Usual(middle=100.0) for node in nodes}
    return Incident(calls=CALLS, series=series, usual=usual, node="edge", signal=signal)  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", ["cart", "search", "edge"])
@pytest.mark.parametrize("signal", ["latency", "availability"])
def test_the_cause_is_who_added_it(cause: str, signal: str) -> None:
    """Whichever node it is, and though all its callers look as slow."""
    assert rank(incident({cause: 0.2}, signal=signal))[0].node == cause


def test_a_shared_callee_is_found() -> None:
    """A database that two services call is the cause of both."""
    assert rank(incident({"db": 0.2}))[0].node == "db"


def test_what_stood_before_is_not_the_cause() -> None:
    """A service that was slow all along, by more, is behind the one that became slow."""
    assert rank(incident({"cart": 0.2}, standing={"search": 5.0}))[0].node == "cart"


def test_without_bookkeeping_the_edge_is_blamed() -> None:
    """The broken variant: by excess alone the alarm's own node is first, though another added most."""
    found = rank(incident({"cart": 0.2, "edge": 0.05}))
    assert max(found, key=lambda one: one.excess).node == "edge"
    assert found[0].node == "cart"
    assert found[0].distance == 1


def test_an_unusual_value_is_needed_not_history() -> None:
    """Without usual values the first bin stands for them; without any series there is no suspect."""
    plain = incident({"cart": 0.5})
    known = Incident(calls=plain.calls, series=plain.series, node="edge", signal="latency")
    assert rank(known)[0].node == "cart"
    assert rank(Incident(calls=CALLS, series={}, node="edge", signal="latency")) == []
    with pytest.raises(ConfigurationError, match="latency or availability"):
        rank(incident({}, signal="colour"))


def test_trends() -> None:
    """A rise is rising by its slope, and an outlier does not bend it; noise is steady; one observation is no trend."""
    values = [float(step) for step in range(20)]
    values[10] = 500.0
    states = [State(system_id="s", at=60.0 * at, metrics={"x": value}) for at, value in enumerate(values)]
    found = trend_of("x", states)
    assert found is not None
    assert found.direction == "rising"
    assert found.per_minute == pytest.approx(1.0, rel=0.05)
    assert trend_of("x", states[:1]) is None
    noisy = [State(system_id="s", at=60.0 * at, metrics={"x": value}) for at, value in enumerate(noise(30))]
    steady = trend_of("x", noisy)
    assert steady is not None
    assert steady.direction == "steady"

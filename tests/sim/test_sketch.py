"""Sketches and timelines: as true as they say, in memory that does not grow."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.sim.sketch import ERROR, MOST_BINS, Sketch, Timeline


@given(st.lists(st.floats(1e-5, 1e6), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_true_to_half_a_per_cent(values: list[float], share: float) -> None:
    """Whatever the values are."""
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    exact = sorted(values)[int(share * (len(values) - 1))]
    assert sketch.at(share) == pytest.approx(exact, rel=ERROR * 1.001)


def test_merged_sketches_are_one() -> None:
    """Two halves together say what the whole says."""
    draw = random.Random(1)
    values = [draw.expovariate(1) if draw.random() < 0.8 else 0.0 for _ in range(2_000)]
    whole, one, other = Sketch(), Sketch(), Sketch()
    for number, value in enumerate(values):
        whole.add(value)
        (one if number % 2 else other).add(value)
    one.merge(other)
    merged, figures = one.percentiles(), whole.percentiles()
    assert merged.mean == pytest.approx(figures.mean)
    assert (merged.count, merged.p50, merged.p95, merged.p99, merged.largest) == (
        figures.count, figures.p50, figures.p95, figures.p99, figures.largest,
    )  # fmt: skip


def test_an_empty_sketch_says_nothing_happened() -> None:
    """No value is a count of 0, not an error."""
    assert Sketch().percentiles().count == 0
    assert Sketch().at(0.5) == 0.0


def test_a_timeline_keeps_its_sum_and_its_size() -> None:
    """However long it runs, no amount is lost and the bins stay few; a late correction finds its bin."""
    line = Timeline()
    for second in range(100_000):
        line.add(second, 2.0)
    line.add(5.0, -1.0)
    assert sum(line.bins) == 200_000 - 1
    assert len(line.bins) <= MOST_BINS
    assert line.points()[1][0] == line.width == 512
    assert line.bins[0] == 2 * 512 - 1

"""Charts show what they were given, on any medium, and never let a name out of its place."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.chart import Bars, Lines, Section, Series, page, table, to_svg, to_text
from backstay.chart.data import spell, ticks

SVG = "{http://www.w3.org/2000/svg}"
LINE = Lines(
    title="Waits", series=(Series(name="high", points=((0, 0), (5, 2), (10, 1))),), x_label="s", y_label="calls"
)
BARS = Bars(title="Cost", labels=("Mon", "Tue"), series=(("USD", (4.0, 1.0)),))


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_lie_inside_and_are_even(low: float, span: float) -> None:
    """Round numbers, one step apart, none outside."""
    marks = ticks(low, low + span)
    slack = 1e-6 * (abs(low) + span)
    assert all(low - slack <= mark <= low + span + slack for mark in marks)
    gaps = {round((b - a) / span, 6) for a, b in pairwise(marks)}
    assert len(gaps) <= 1 or span < 1e-6 * abs(low)


def test_numbers_are_spelled_apart() -> None:
    """As many digits as tell them apart, and a unit for large ones."""
    assert spell([0, 0.5, 1.0]) == ["0", "0.5", "1.0"]
    assert spell([0, 20_000, 40_000]) == ["0", "20k", "40k"]
    assert spell([1_000_000, 1_500_000]) == ["1.0M", "1.5M"]
    assert spell([0, 1, 2]) == ["0", "1", "2"]


def test_a_bar_is_as_long_as_its_value() -> None:
    """Heights in the picture and lengths in the text stand in the ratio of the values."""
    heights = [float(one.get("height", 0)) for one in ElementTree.fromstring(to_svg(BARS)).iter(f"{SVG}rect")]
    assert heights[0] == pytest.approx(4 * heights[1], rel=0.01)
    first, second = to_text(BARS).splitlines()[1:]
    assert first.count("█") == pytest.approx(4 * second.count("█"), abs=4)


def test_a_line_goes_through_its_points() -> None:
    """The path has a place for each point; the highest value is the highest place."""
    path = ElementTree.fromstring(to_svg(LINE)).find(f".//{SVG}path")
    assert path is not None
    places = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d", ""))]
    assert len(places) == 3
    assert min(places, key=lambda place: place[1]) == places[1]
    assert "⠀" in to_text(LINE)


def test_a_step_holds_its_value() -> None:
    """A step series goes across before it goes up."""
    step = Lines(title="Servers", series=(Series(name="n", points=((0, 1), (5, 3)), is_step=True),))
    path = ElementTree.fromstring(to_svg(step)).find(f".//{SVG}path")
    assert path is not None
    assert len(re.findall(r"[ML]", path.get("d", ""))) == 3


def test_an_empty_chart_is_refused() -> None:
    """Nothing to show is an error that names the chart."""
    with pytest.raises(ValueError, match="Waits"):
        Lines(title="Waits", series=(Series(name="high", points=()),))
    with pytest.raises(ValueError, match="Cost"):
        Bars(title="Cost", labels=("Mon",), series=(("USD", (1.0, 2.0)),))


@given(st.text(alphabet="<>&\"'ab/", max_size=12))
def test_names_cannot_become_markup(name: str) -> None:
    """Any name stays text in the picture and in the page."""
    chart = Bars(title=name, labels=(name,), series=((name, (1.0,)), ("other", (2.0,))), y_label=name)
    picture = ElementTree.fromstring(to_svg(chart))
    assert {one.tag for one in picture.iter()} <= {
        f"{SVG}{tag}" for tag in ("svg", "text", "line", "rect", "title", "path")
    }
    whole = page(name, [Section(heading=name, text=name, charts=(chart,), html=table([name], [[name]]))], note=name)
    assert "<a" not in whole.replace("<animate", "")
    assert whole.count("<h2>") == 1


def test_text_charts_keep_their_width() -> None:
    """No line is wider than asked for."""
    for chart in (LINE, BARS):
        assert max(map(len, to_text(chart, width=60).splitlines())) <= 60

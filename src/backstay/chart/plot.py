"""A chart as shapes: axes, grid, names and what it shows. Readable in black and white too, a tooltip on every bar and line.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstay.chart.data import Bars, Chart, Lines, Series, rounded_up, spell, ticks
from backstay.chart.shape import DIM, GRID, Box, Picture, Shape, Stroke, Words

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 44, 46
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
MOST_LABELS = 12
"""More labels than this below bars overlap; then every second, third ... is written."""


def plot(chart: Chart) -> Picture:
    """The picture of `chart`, 720 by 300."""
    title = Words(LEFT, 18, chart.title, is_bold=True)
    body = _lines(chart) if isinstance(chart, Lines) else _bars(chart)
    return Picture(chart.title, WIDTH, HEIGHT, (title, *body))


def _place(value: float, low: float, high: float, start: float, end: float) -> float:
    share = (value - low) / (high - low)
    return start + min(max(share, 0.0), 1.0) * (end - start)


def _scale(low: float, high: float, label: str) -> Iterator[Shape]:
    """Horizontal grid lines with their numbers, and the axis' name."""
    marks = ticks(low, high)
    for mark, text in zip(marks, spell(marks), strict=True):
        y = _place(mark, low, high, HEIGHT - BOTTOM, TOP)
        yield Stroke(((LEFT, y), (WIDTH - RIGHT, y)), GRID)
        yield Words(LEFT - 8, y + 4, text, "end")
    yield Words(LEFT, 36, label, color=DIM)


def _legend(names: Sequence[str]) -> Iterator[Shape]:
    if len(names) < 2:
        return
    right: float = WIDTH - RIGHT
    for number, name in reversed(list(enumerate(names))):
        right -= 7 * len(name) + 22
        yield Box(round(right), 27, 10, 10, COLORS[number % len(COLORS)])
        yield Words(round(right + 14), 36, name)


def _lines(chart: Lines) -> Iterator[Shape]:
    left, right, low, high = chart.bounds()
    yield from _scale(low, high, chart.y_label)
    marks = ticks(left, right, 8)
    for mark, text in zip(marks, spell(marks), strict=True):
        yield Words(_place(mark, left, right, LEFT, WIDTH - RIGHT), HEIGHT - BOTTOM + 16, text, "middle")
    yield Words((LEFT + WIDTH) // 2, HEIGHT - 10, chart.x_label, "middle", DIM)
    for at, word in chart.marks:
        x = _place(at, left, right, LEFT, WIDTH - RIGHT)
        yield Stroke(((x, TOP), (x, HEIGHT - BOTTOM)), "#999", is_dashed=True)
        yield Words(x + 4, TOP + 10, word, color=DIM)
    for number, one in enumerate(chart.series):
        points = tuple(_path(one, (left, right, low, high)))
        yield Stroke(points, COLORS[number % len(COLORS)], 1.6, title=one.name)
    yield from _legend([one.name for one in chart.series])


def _path(one: Series, bounds: tuple[float, float, float, float]) -> Iterator[tuple[float, float]]:
    left, right, low, high = bounds
    before: float | None = None
    for x_value, y_value in one.points:
        x = _place(x_value, left, right, LEFT, WIDTH - RIGHT)
        y = _place(y_value, low, high, HEIGHT - BOTTOM, TOP)
        if before is not None and one.is_step:
            yield x, before
        yield x, y
        before = y


def _bars(chart: Bars) -> Iterator[Shape]:
    values = [value for _, several in chart.series for value in several]
    low, high = min(0.0, *values), max(0.0, *values)
    high = rounded_up(low, high if high > low else low + 1)
    yield from _scale(low, high, chart.y_label)
    room = (WIDTH - LEFT - RIGHT) / len(chart.labels)
    thick = room * 0.8 / max(len(chart.series), 1)
    zero = _place(0.0, low, high, HEIGHT - BOTTOM, TOP)
    every = -(-len(chart.labels) // MOST_LABELS)
    for place, label in enumerate(chart.labels):
        start = LEFT + place * room + room * 0.1
        for number, (name, several) in enumerate(chart.series):
            top = _place(several[place], low, high, HEIGHT - BOTTOM, TOP)
            said = f"{label}: {several[place]:,.6g} {name}".strip()
            x, wide = start + number * thick, max(thick - 1, 1)
            yield Box(x, min(top, zero), wide, abs(zero - top), COLORS[number % len(COLORS)], said)
        if place % every == 0:
            yield Words(LEFT + (place + 0.5) * room, HEIGHT - BOTTOM + 16, _short(label, room * every), "middle")
    yield from _legend([name for name, _ in chart.series])


def _short(label: str, room: float) -> str:
    return label if len(label) * 6.5 < room else label[: max(int(room / 6.5) - 1, 3)] + "…"

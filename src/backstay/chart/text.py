"""Charts as text: bars of eighth blocks, lines of Braille dots (2 x 4 dots a character, Unicode block 2800)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstay.chart.data import Bars, Chart, Lines, Series, spell, ticks

EIGHTHS = " ▏▎▍▌▋▊▉█"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a Braille cell, by row and column."""


def to_text(chart: Chart, *, width: int = 72, height: int = 10) -> str:
    """The chart in at most `width` columns; lines take `height` rows. No colour, so it can be piped."""
    lines = _lines(chart, width, height) if isinstance(chart, Lines) else _bars(chart, width)
    return "\n".join([chart.title, *lines])


def _bars(chart: Bars, width: int) -> Iterator[str]:
    names = [name for name, _ in chart.series]
    rows = [
        (label if number == 0 else "", names[number] if len(names) > 1 else "", values[place])
        for place, label in enumerate(chart.labels)
        for number, (_, values) in enumerate(chart.series)
    ]
    figures = spell_each([value for *_, value in rows])
    label_wide = max(len(label) for label, _, _ in rows)
    name_wide = max(len(name) for _, name, _ in rows)
    figure_wide = max(map(len, figures))
    room = max(width - label_wide - name_wide - figure_wide - 4, 8)
    largest = max((value for *_, value in rows), default=0.0)
    for (label, name, value), figure in zip(rows, figures, strict=True):
        head = f"{label:<{label_wide}} {name:<{name_wide}}".rstrip().ljust(label_wide + 1 + name_wide)
        yield f"{head} {figure:>{figure_wide}} {bar(value, largest, room)}".rstrip()


def spell_each(values: Sequence[float]) -> list[str]:
    """Each value with the decimals that the largest needs to show three digits."""
    largest = max((abs(value) for value in values), default=0.0)
    decimals = next((places for bound, places in ((100, 0), (10, 1), (1, 2), (0.01, 4)) if largest >= bound), 6)
    decimals = 0 if all(value == int(value) for value in values) else decimals
    return [f"{value:,.{decimals}f}" for value in values]


def bar(value: float, largest: float, room: int) -> str:
    """A bar of at most `room` characters, exact to an eighth of one."""
    if largest <= 0 or value <= 0:
        return ""
    eighths = max(1, round(8 * room * value / largest))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _lines(chart: Lines, width: int, height: int) -> Iterator[str]:
    left, right, low, high = chart.bounds()
    marks = ticks(low, high, max(height // 3, 2))
    texts = spell(marks)
    wide = max(map(len, texts))
    room = max(width - wide - 2, 10)
    for number, one in enumerate(chart.series):
        if len(chart.series) > 1:
            yield f"{'' if number == 0 else ' '}{one.name}:"
        rows = _grid(one, (left, right, low, high), room, height)
        labels = {
            round((high - mark) / (high - low) * (height - 1)): text for mark, text in zip(marks, texts, strict=True)
        }
        for row, cells in enumerate(rows):
            yield f"{labels.get(row, ''):>{wide}} │{''.join(map(chr, cells))}".rstrip("\u2800").rstrip()
        yield f"{'':>{wide}} └{'─' * room}"
    ends = spell([left, right])
    yield f"{'':>{wide}}  {ends[0]}{chart.x_label:^{max(room - len(ends[0]) - len(ends[1]), 1)}}{ends[1]}"


def _grid(one: Series, bounds: tuple[float, float, float, float], room: int, height: int) -> list[list[int]]:
    """The cells of one series: its points, and straight lines between them, in dots."""
    left, right, low, high = bounds
    grid = [[0x2800] * room for _ in range(height)]

    def place(x: float, y: float) -> tuple[int, int]:
        across = round((x - left) / (right - left) * (2 * room - 1))
        down = round((1 - min(max((y - low) / (high - low), 0.0), 1.0)) * (4 * height - 1))
        return across, down

    before: tuple[int, int] | None = None
    for x, y in one.points:
        here = place(x, y)
        for across, down in _between(before or here, here, is_step=one.is_step):
            grid[down // 4][across // 2] |= DOTS[down % 4][across % 2]
        before = here
    return grid


def _between(start: tuple[int, int], end: tuple[int, int], *, is_step: bool) -> Iterator[tuple[int, int]]:
    if is_step and start[0] != end[0]:
        yield from _between(start, (end[0], start[1]), is_step=False)
        start = (end[0], start[1])
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        yield start[0] + (end[0] - start[0]) * step // steps, start[1] + (end[1] - start[1]) * step // steps

"""Charts as SVG: readable in black and white too, no script, no font file, a tooltip on every bar and a name on every line.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from backstay.chart.data import Bars, Chart, Lines, Series, rounded_up, spell, ticks

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 44, 46
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
STYLE = "font: 12px system-ui, sans-serif"
MOST_LABELS = 12
"""More labels than this below bars overlap; then every second, third ... is written."""


def to_svg(chart: Chart) -> str:
    """The chart as one `<svg>` element that can stand in a file or in a page."""
    body = _lines(chart) if isinstance(chart, Lines) else _bars(chart)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(chart.title)}" style="{STYLE}; max-width: {WIDTH}px; background: #fff" fill="#333">'
    )
    title = f'<text x="{LEFT}" y="18" font-weight="600">{escape(chart.title)}</text>'
    return "\n".join([head, title, *body, "</svg>", ""])


def _place(value: float, low: float, high: float, start: float, end: float) -> float:
    share = (value - low) / (high - low)
    return start + min(max(share, 0.0), 1.0) * (end - start)


def _scale(low: float, high: float, label: str) -> Iterator[str]:
    """Horizontal grid lines with their numbers, and the axis' name."""
    marks = ticks(low, high)
    for mark, text in zip(marks, spell(marks), strict=True):
        y = _place(mark, low, high, HEIGHT - BOTTOM, TOP)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    yield f'<text x="{LEFT}" y="36" fill="#777">{escape(label)}</text>'


def _legend(names: list[str]) -> Iterator[str]:
    if len(names) < 2:
        return
    right: float = WIDTH - RIGHT
    for number, name in reversed(list(enumerate(names))):
        right -= 7 * len(name) + 22
        color = COLORS[number % len(COLORS)]
        yield f'<rect x="{right:.0f}" y="27" width="10" height="10" fill="{color}"/>'
        yield f'<text x="{right + 14:.0f}" y="36">{escape(name)}</text>'


def _lines(chart: Lines) -> Iterator[str]:
    left, right, low, high = chart.bounds()
    yield from _scale(low, high, chart.y_label)
    marks = ticks(left, right, 8)
    for mark, text in zip(marks, spell(marks), strict=True):
        x = _place(mark, left, right, LEFT, WIDTH - RIGHT)
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{text}</text>'
    yield f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle" fill="#777">{escape(chart.x_label)}</text>'
    for at, word in chart.marks:
        x = _place(at, left, right, LEFT, WIDTH - RIGHT)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#999" stroke-dasharray="3 3"/>'
        yield f'<text x="{x + 4:.1f}" y="{TOP + 10}" fill="#777">{escape(word)}</text>'
    for number, one in enumerate(chart.series):
        path = _path(one, (left, right, low, high))
        color = COLORS[number % len(COLORS)]
        yield f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.6"><title>{escape(one.name)}</title></path>'
    yield from _legend([one.name for one in chart.series])


def _path(one: Series, bounds: tuple[float, float, float, float]) -> str:
    left, right, low, high = bounds
    steps: list[str] = []
    before = 0.0
    for x_value, y_value in one.points:
        x = _place(x_value, left, right, LEFT, WIDTH - RIGHT)
        y = _place(y_value, low, high, HEIGHT - BOTTOM, TOP)
        if steps and one.is_step:
            steps.append(f"L{x:.1f} {before:.1f}")
        steps.append(f"{'L' if steps else 'M'}{x:.1f} {y:.1f}")
        before = y
    return "".join(steps)


def _bars(chart: Bars) -> Iterator[str]:
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
            said = escape(f"{label}: {several[place]:,.6g} {name}".strip())
            yield (
                f'<rect x="{start + number * thick:.1f}" y="{min(top, zero):.1f}" width="{max(thick - 1, 1):.1f}" '
                f'height="{abs(zero - top):.1f}" fill="{COLORS[number % len(COLORS)]}"><title>{said}</title></rect>'
            )
        if place % every == 0:
            short = label if len(label) * 6.5 < room * every else label[: max(int(room * every / 6.5) - 1, 3)] + "…"
            middle = LEFT + (place + 0.5) * room
            yield f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(short)}</text>'
    yield from _legend([name for name, _ in chart.series])

"""Reliability diagrams: stated confidence across, share of right answers upward; on the diagonal they agree.

One drawing in three forms: characters for a terminal, SVG for a page, PNG for where nothing else goes. Each shows the bins
before and after calibration; the size of a point is the number of answers in its bin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from backstay import chart
from backstay.chart.shape import Dot, Picture, Shape, Stroke, Words
from backstay.extract.calibrate.score import Bin

Series: TypeAlias = Sequence[tuple[str, Sequence[Bin]]]
"""Each line of the diagram: its name and its bins."""

COLORS: Final = ("#c2410c", "#0f766e")
MARKS: Final = ("o", "●")
SIZE, MARGIN = 420, 48
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
GRAY: Final = "#888"


def to_text(series: Series, *, width: int = 51, height: int = 17) -> str:
    """The diagram in characters; `.` is the diagonal, the later series is drawn over the earlier one."""
    grid = [[" "] * width for _ in range(height)]
    for column in range(width):
        grid[round((1 - column / (width - 1)) * (height - 1))][column] = "."
    for mark, (_, bins) in zip(MARKS, series, strict=False):
        for one in bins:
            grid[round((1 - one.accuracy) * (height - 1))][round(one.confidence * (width - 1))] = mark
    lines = []
    for number, row in enumerate(grid):
        label = f"{1 - number / (height - 1):4.2f}" if number % 4 == 0 else "    "
        lines.append(f"{label} |{''.join(row).rstrip()}")
    axis = "     +" + "-" * width
    ticks = "      " + "".join(f"{tick:<{width // 4}.2f}" for tick in _TICKS).rstrip()
    legend = "      " + "   ".join(f"{mark} {name}" for mark, (name, _) in zip(MARKS, series, strict=False))
    return "\n".join([*lines, axis, ticks, legend + "   . perfect", ""])


def to_picture(series: Series, *, title: str = "Reliability") -> Picture:
    """The diagram as shapes, to be written as SVG or PNG (`backstay.chart`)."""
    return Picture(title, SIZE, SIZE, (*_frame(title), *_points(series)))


def to_svg(series: Series, *, title: str = "Reliability") -> str:
    """The diagram as an SVG document."""
    return chart.to_svg(to_picture(series, title=title))


def to_png(series: Series, *, title: str = "Reliability") -> bytes:
    """The diagram as a PNG picture."""
    return chart.to_png(to_picture(series, title=title))


def _frame(title: str) -> Iterator[Shape]:
    """The square with its diagonal, the ticks and the names of the axes."""
    corners = tuple((_x(x), _y(y)) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0)))
    yield Words(SIZE / 2, 24, title, "middle")
    yield Stroke(corners, GRAY)
    yield Stroke((corners[0], corners[2]), GRAY, is_dashed=True)
    for tick in _TICKS:
        yield Words(_x(tick), SIZE - MARGIN + 16, f"{tick:g}", "middle")
        yield Words(MARGIN - 8, _y(tick) + 4, f"{tick:g}", "end")
    yield Words(SIZE / 2, SIZE - 10, "stated confidence", "middle")
    yield Words(14, SIZE / 2, "share of right answers", "middle", is_turned=True)


def _points(series: Series) -> Iterator[Shape]:
    for number, (color, (name, bins)) in enumerate(zip(COLORS, series, strict=False)):
        yield Stroke(tuple((_x(one.confidence), _y(one.accuracy)) for one in bins), color, 1.5, title=name)
        for one, radius in zip(bins, _radii(bins), strict=True):
            said = f"{one.count} answers, stated {one.confidence:.2f}, right {one.accuracy:.2f}"
            yield Dot(_x(one.confidence), _y(one.accuracy), radius, color, said)
        yield Words(MARGIN + 10, MARGIN + 20 + 16 * number, name, color=color)


def _x(share: float) -> float:
    return MARGIN + share * (SIZE - 2 * MARGIN)


def _y(share: float) -> float:
    return SIZE - MARGIN - share * (SIZE - 2 * MARGIN)


def _radii(bins: Sequence[Bin]) -> Iterator[float]:
    most = max((one.count for one in bins), default=1)
    return (2.5 + 4.5 * (one.count / most) ** 0.5 for one in bins)

"""What a chart shows, without how: series of points over a number, or values over labels.

Ticks are multiples of 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", Graphics Gems 1990), and a
number is written with as few digits as tell it from its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

Point: TypeAlias = tuple[float, float]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line: points (x, y) in the order of x. `is_step` draws values that hold until the next point."""

    name: str
    points: tuple[Point, ...]
    is_step: bool = False


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines over a number. `marks` are vertical lines with a word each: (x, word). `most` fixes the top of the axis."""

    title: str
    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    marks: tuple[tuple[float, str], ...] = ()
    most: float | None = None

    def __post_init__(self) -> None:
        if not any(one.points for one in self.series):
            raise ValueError(f"the chart {self.title!r} has no point")

    def bounds(self) -> tuple[float, float, float, float]:
        """The least and greatest x and y; y begins at 0 unless it goes below, and no span is empty."""
        xs = [x for one in self.series for x, _ in one.points]
        ys = [y for one in self.series for _, y in one.points if math.isfinite(y)] or [0.0]
        left, right, low = min(xs), max(xs), min(0.0, *ys)
        high = self.most if self.most is not None else max(0.0, *ys)
        high = high if high > low else low + 1
        high = high if self.most is not None else rounded_up(low, high)
        return left, right if right > left else left + 1, low, high


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Values over labels; several series stand side by side."""

    title: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[float, ...]], ...]
    y_label: str = ""

    def __post_init__(self) -> None:
        if not self.labels or any(len(values) != len(self.labels) for _, values in self.series):
            raise ValueError(f"the chart {self.title!r} needs a label for each value of each series")

    @property
    def is_empty(self) -> bool:
        """True where no bar has a height: there is nothing to see."""
        return not any(value for _, values in self.series for value in values)


Chart: TypeAlias = Lines | Bars


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers in [low, high]; `high` must be the greater."""
    rough = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def rounded_up(low: float, high: float) -> float:
    """The first tick at or above `high`, so that the highest value does not stand above the last number."""
    marks = ticks(low, high)
    if len(marks) < 2 or marks[-1] >= high * (1 - 1e-9):
        return high
    return marks[-1] + (marks[1] - marks[0])


def spell(values: Sequence[float]) -> list[str]:
    """The numbers, each with as many decimals as tell them apart, and k, M or G where all are large."""
    largest = max((abs(value) for value in values), default=0.0)
    size, unit = next(
        ((size, unit) for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")) if largest >= size), (1.0, "")
    )
    size = 1e3 if unit == "k" else size
    scaled = [value / size for value in values]
    for decimals in range(7):
        texts = [f"{value:,.{decimals}f}" for value in scaled]
        if len(set(texts)) == len(set(values)) and all(
            abs(float(text.replace(",", "")) - value) <= 1e-6 * max(1.0, abs(value)) or decimals >= 3
            for text, value in zip(texts, scaled, strict=True)
        ):
            break
    return [text + unit if value else "0" for text, value in zip(texts, scaled, strict=True)] if values else []

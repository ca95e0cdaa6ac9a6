"""What a picture is made of, in units of an SVG pixel; `svg.py` writes the shapes, `png.py` paints the same ones.

Colours are `#rgb` or `#rrggbb`. `title` is what a viewer shows beside the pointer, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

Anchor: TypeAlias = Literal["start", "middle", "end"]

INK, DIM, GRID = "#333", "#777", "#ddd"
SIZE = 12
"""The height of a line of text."""


class Words(NamedTuple):
    """A line of text whose base line begins, ends or has its middle at (x, y). `is_turned`: read from below upward."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    color: str = INK
    is_bold: bool = False
    is_turned: bool = False


class Box(NamedTuple):
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    color: str
    title: str = ""


class Stroke(NamedTuple):
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    color: str
    width: float = 1.0
    is_dashed: bool = False
    title: str = ""


class Dot(NamedTuple):
    """A filled circle."""

    x: float
    y: float
    radius: float
    color: str
    title: str = ""


Shape: TypeAlias = Words | Box | Stroke | Dot


class Picture(NamedTuple):
    """Shapes in the order in which they are drawn, on white. `title` is what it shows, for those who cannot see it."""

    title: str
    width: int
    height: int
    shapes: tuple[Shape, ...]


def stacked(pictures: Iterable[Picture]) -> Picture:
    """All of them as one, the first one on top. Raises ValueError where there is none."""
    several = tuple(pictures)
    if not several:
        raise ValueError("there is nothing to draw: no call was made")
    shapes: list[Shape] = []
    height = 0
    for one in several:
        shapes += (_lowered(shape, height) for shape in one.shapes)
        height += one.height
    return Picture("; ".join(one.title for one in several), max(one.width for one in several), height, tuple(shapes))


def _lowered(shape: Shape, by: float) -> Shape:
    if isinstance(shape, Stroke):
        return shape._replace(points=tuple((x, y + by) for x, y in shape.points))
    return shape._replace(y=shape.y + by)

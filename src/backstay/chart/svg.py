"""Pictures as SVG: no script, no font file, nothing fetched; every name is escaped here."""

from __future__ import annotations

from html import escape

from backstay.chart.data import Bars, Chart, Lines
from backstay.chart.plot import plot
from backstay.chart.shape import INK, SIZE, Box, Dot, Picture, Shape, Stroke, Words

FONT = f"font: {SIZE}px system-ui, sans-serif"


def to_svg(picture: Chart | Picture) -> str:
    """A chart or a picture as one `<svg>` element that can stand in a file or in a page."""
    drawn = plot(picture) if isinstance(picture, (Lines, Bars)) else picture
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawn.width} {drawn.height}" role="img" '
        f'aria-label="{escape(drawn.title)}" style="{FONT}; max-width: {drawn.width}px; background: #fff" fill="{INK}">'
    )
    return "\n".join([head, *map(_element, drawn.shapes), "</svg>", ""])


def _element(shape: Shape) -> str:
    if isinstance(shape, Words):
        return _text(shape)
    title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
    if isinstance(shape, Box):
        place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}"'
        return f'<rect {place} fill="{shape.color}">{title}</rect>'
    if isinstance(shape, Dot):
        return f'<circle cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}" fill="{shape.color}">{title}</circle>'
    return _stroke(shape, title)


def _text(words: Words) -> str:
    marks = f' text-anchor="{words.anchor}"' if words.anchor != "start" else ""
    marks += ' font-weight="600"' if words.is_bold else ""
    marks += f' fill="{words.color}"' if words.color != INK else ""
    place = f'x="{_n(words.x)}" y="{_n(words.y)}"'
    if words.is_turned:
        place = f'transform="translate({_n(words.x)} {_n(words.y)}) rotate(-90)"'
    return f"<text {place}{marks}>{escape(words.text)}</text>"


def _stroke(stroke: Stroke, title: str) -> str:
    marks = f'stroke="{stroke.color}"' + (f' stroke-width="{stroke.width:g}"' if stroke.width != 1 else "")
    marks += ' stroke-dasharray="3 3"' if stroke.is_dashed else ""
    if len(stroke.points) == 2 and not title:
        (x1, y1), (x2, y2) = stroke.points
        return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" {marks}/>'
    path = "".join(f"{'L' if place else 'M'}{x:.1f} {y:.1f}" for place, (x, y) in enumerate(stroke.points))
    return f'<path d="{path}" fill="none" {marks}>{title}</path>'


def _n(value: float) -> str:
    """A place to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")

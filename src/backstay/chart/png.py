"""Pictures as PNG (RFC 2083), painted here, so that a plot needs nothing but Python: for where no SVG goes.

Twice the size of the SVG, with letters of our own (`font.py`); lines and dots are painted by how much of each pixel they cover.
"""

from __future__ import annotations

import functools
import math
import struct
import zlib
from itertools import pairwise
from typing import Final

from backstay.chart import font
from backstay.chart.data import Bars, Chart, Lines
from backstay.chart.plot import plot
from backstay.chart.shape import Box, Dot, Picture, Shape, Stroke, Words

SCALE: Final = 2
DASH: Final = 3.0
"""Units of a dash, and of the gap after it."""

Paint = tuple[int, int, int]


def to_png(picture: Chart | Picture) -> bytes:
    """A chart or a picture as the bytes of a PNG file."""
    drawn = plot(picture) if isinstance(picture, (Lines, Bars)) else picture
    canvas = Canvas(drawn.width * SCALE, drawn.height * SCALE)
    for shape in drawn.shapes:
        canvas.draw(shape)
    return canvas.encode()


@functools.cache
def paint_of(color: str) -> Paint:
    """`#rgb` or `#rrggbb` as three numbers to 255."""
    digits = color[1:]
    parts = [digit * 2 for digit in digits] if len(digits) == 3 else [digits[at : at + 2] for at in (0, 2, 4)]
    red, green, blue = (int(part, 16) for part in parts)
    return red, green, blue


_letter = functools.cache(font.doubled)


class Canvas:
    """A white picture of pixels, three bytes each."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._pixels = bytearray(b"\xff" * (3 * width * height))

    def draw(self, shape: Shape) -> None:
        """Paint `shape`, whose places are in units of `SCALE` pixels."""
        if isinstance(shape, Words):
            self._words(shape)
        elif isinstance(shape, Box):
            left, top = round(shape.x * SCALE), round(shape.y * SCALE)
            right, bottom = round((shape.x + shape.width) * SCALE), round((shape.y + shape.height) * SCALE)
            self._fill(left, top, right, bottom, paint_of(shape.color))
        elif isinstance(shape, Dot):
            self._disc(shape.x * SCALE, shape.y * SCALE, shape.radius * SCALE, paint_of(shape.color))
        else:
            self._stroke(shape)

    def _dot(self, x: int, y: int, paint: Paint, cover: float = 1.0) -> None:
        """Paint the share `cover` of one pixel."""
        if cover <= 0 or not (0 <= x < self._width and 0 <= y < self._height):
            return
        at = 3 * (y * self._width + x)
        if cover >= 1:
            self._pixels[at : at + 3] = bytes(paint)
        else:
            mixed = zip(self._pixels[at : at + 3], paint, strict=True)
            self._pixels[at : at + 3] = bytes(round(old + (new - old) * cover) for old, new in mixed)

    def _fill(self, left: int, top: int, right: int, bottom: int, paint: Paint) -> None:
        left, right = max(left, 0), min(right, self._width)
        row = bytes(paint) * max(right - left, 0)
        for y in range(max(top, 0), min(bottom, self._height)):
            at = 3 * (y * self._width + left)
            self._pixels[at : at + len(row)] = row

    def _disc(self, x: float, y: float, radius: float, paint: Paint) -> None:
        for row in range(math.floor(y - radius), math.ceil(y + radius) + 1):
            for column in range(math.floor(x - radius), math.ceil(x + radius) + 1):
                self._dot(column, row, paint, min(1.0, radius - math.hypot(column - x, row - y) + 0.5))

    def _stroke(self, stroke: Stroke) -> None:
        paint, half = paint_of(stroke.color), stroke.width * SCALE / 2
        points = [(x * SCALE, y * SCALE) for x, y in stroke.points]
        for start, end in pairwise(points):
            for one, other in _dashes(start, end) if stroke.is_dashed else [(start, end)]:
                self._segment(one, other, half, paint)

    def _segment(self, start: tuple[float, float], end: tuple[float, float], half: float, paint: Paint) -> None:
        """Walk along the longer axis, and paint across it by the distance from the line."""
        is_steep = abs(end[1] - start[1]) > abs(end[0] - start[0])
        (a, b), (c, d) = sorted([start[::-1], end[::-1]] if is_steep else [start, end])
        slope = (d - b) / (c - a) if c > a else 0.0
        slant = math.hypot(1.0, slope)
        reach = half * slant + 1
        for along in range(round(a), round(c) + 1):
            middle = b + (min(max(along, a), c) - a) * slope
            for across in range(math.floor(middle - reach), math.ceil(middle + reach) + 1):
                cover = min(1.0, half - abs(across - middle) / slant + 0.5)
                self._dot(*((across, along) if is_steep else (along, across)), paint, cover)

    def _words(self, words: Words) -> None:
        wide = font.WIDE * len(words.text)
        shift = {"start": 0, "middle": wide // 2, "end": wide - 1}[words.anchor] * SCALE
        left, base, paint = round(words.x * SCALE), round(words.y * SCALE), paint_of(words.color)
        for place, letter in enumerate(words.text):
            for x, y in _letter(letter):
                along, above = place * font.WIDE * SCALE + x - shift, font.BASE * SCALE - y
                for bold in range(1 + words.is_bold):
                    spot = (
                        (left - above, base - along - bold) if words.is_turned else (left + along + bold, base - above)
                    )
                    self._dot(*spot, paint)

    def encode(self) -> bytes:
        """The picture as PNG: 8-bit RGB, no filter."""
        width = 3 * self._width
        rows = b"".join(b"\0" + self._pixels[row * width : (row + 1) * width] for row in range(self._height))
        head = struct.pack(">IIBBBBB", self._width, self._height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _dashes(
    start: tuple[float, float], end: tuple[float, float]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    length = math.dist(start, end)
    step = DASH * SCALE

    def at(way: float) -> tuple[float, float]:
        share = min(way / length, 1.0) if length else 0.0
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    return [(at(2 * step * number), at(2 * step * number + step)) for number in range(math.ceil(length / (2 * step)))]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

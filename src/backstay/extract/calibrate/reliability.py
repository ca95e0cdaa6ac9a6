"""Reliability diagrams: stated confidence across, share of right answers upward; on the diagonal they agree.

One drawing in three forms: characters for a terminal, SVG for a page, PNG for where nothing else goes. Each shows the bins
before and after calibration; the size of a point is the number of answers in its bin.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from backstay.extract.calibrate.score import Bin

Series: TypeAlias = Sequence[tuple[str, Sequence[Bin]]]
"""Each line of the diagram: its name and its bins."""

COLORS: Final = ("#c2410c", "#0f766e")
MARKS: Final = ("o", "●")
SIZE, MARGIN = 420, 48
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)

# Rows of three pixels for each character of an axis label.
_ROWS: Final = {
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7), "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 1, 1, 1), "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7),
    ".": (0, 0, 0, 0, 2),
}  # fmt: skip


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


def to_svg(series: Series, *, title: str = "Reliability") -> str:
    """The diagram as an SVG document."""
    inner = SIZE - 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" font-family="sans-serif" font-size="12">',
        f'<rect width="{SIZE}" height="{SIZE}" fill="white"/>',
        f'<text x="{SIZE / 2}" y="24" text-anchor="middle">{_plain(title)}</text>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{inner}" height="{inner}" fill="none" stroke="#888"/>',
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#888" stroke-dasharray="4"/>',
    ]
    for tick in _TICKS:
        parts.append(f'<text x="{_x(tick)}" y="{SIZE - MARGIN + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{MARGIN - 8}" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<text x="{SIZE / 2}" y="{SIZE - 10}" text-anchor="middle">stated confidence</text>')
    parts.append(
        f'<text transform="translate(14 {SIZE / 2}) rotate(-90)" text-anchor="middle">share of right answers</text>'
    )
    for number, (color, (name, bins)) in enumerate(zip(COLORS, series, strict=False)):
        points = " ".join(f"{_x(one.confidence):.1f},{_y(one.accuracy):.1f}" for one in bins)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        for one, radius in zip(bins, _radii(bins), strict=True):
            said = f"{one.count} answers, stated {one.confidence:.2f}, right {one.accuracy:.2f}"
            place = f'cx="{_x(one.confidence):.1f}" cy="{_y(one.accuracy):.1f}"'
            parts.append(f'<circle {place} r="{radius:.1f}" fill="{color}"><title>{said}</title></circle>')
        parts.append(f'<text x="{MARGIN + 10}" y="{MARGIN + 20 + 16 * number}" fill="{color}">{_plain(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def to_png(series: Series) -> bytes:
    """The diagram as a PNG picture: frame, diagonal, ticks, lines and points; the colours are those of the SVG."""
    canvas = _Canvas(SIZE, SIZE)
    for one, other in (((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 0)), ((0, 0), (1, 1))):
        canvas.line((_x(one[0]), _y(one[1])), (_x(other[0]), _y(other[1])), (136, 136, 136))
    for tick in _TICKS:
        canvas.write(f"{tick:g}", round(_x(tick)) - 6, SIZE - MARGIN + 8)
        canvas.write(f"{tick:g}", MARGIN - 34, round(_y(tick)) - 5)
    for color, (_, bins) in zip(COLORS, series, strict=False):
        paint = (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))
        places = [(_x(one.confidence), _y(one.accuracy)) for one in bins]
        for start, end in pairwise(places):
            canvas.line(start, end, paint)
        for place, radius in zip(places, _radii(bins), strict=True):
            canvas.disc(place, radius, paint)
    return canvas.encode()


def _x(share: float) -> float:
    return MARGIN + share * (SIZE - 2 * MARGIN)


def _y(share: float) -> float:
    return SIZE - MARGIN - share * (SIZE - 2 * MARGIN)


def _radii(bins: Sequence[Bin]) -> Iterator[float]:
    most = max((one.count for one in bins), default=1)
    return (2.5 + 4.5 * (one.count / most) ** 0.5 for one in bins)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _Canvas:
    """A picture of pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._pixels = bytearray(b"\xff" * (3 * width * height))

    def _dot(self, x: int, y: int, paint: tuple[int, int, int]) -> None:
        if 0 <= x < self._width and 0 <= y < self._height:
            at = 3 * (y * self._width + x)
            self._pixels[at : at + 3] = bytes(paint)

    def line(self, start: tuple[float, float], end: tuple[float, float], paint: tuple[int, int, int]) -> None:
        steps = max(1, round(max(abs(end[0] - start[0]), abs(end[1] - start[1]))))
        for step in range(steps + 1):
            share = step / steps
            x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
            self._dot(round(x), round(y), paint)

    def disc(self, center: tuple[float, float], radius: float, paint: tuple[int, int, int]) -> None:
        reach = int(radius) + 1
        for x in range(-reach, reach + 1):
            for y in range(-reach, reach + 1):
                if x * x + y * y <= radius * radius:
                    self._dot(round(center[0]) + x, round(center[1]) + y, paint)

    def write(self, text: str, left: int, top: int, *, scale: int = 2) -> None:
        for position, char in enumerate(text):
            for row, bits in enumerate(_ROWS[char]):
                for column in range(3):
                    if bits & (4 >> column):
                        self._block(left + (4 * position + column) * scale, top + row * scale, scale)

    def _block(self, left: int, top: int, size: int) -> None:
        for x in range(size):
            for y in range(size):
                self._dot(left + x, top + y, (40, 40, 40))

    def encode(self) -> bytes:
        """The picture as PNG (RFC 2083): 8-bit RGB, no filter."""
        width = 3 * self._width
        rows = b"".join(b"\0" + self._pixels[row * width : (row + 1) * width] for row in range(self._height))
        head = struct.pack(">IIBBBBB", self._width, self._height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

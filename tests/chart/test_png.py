"""PNG pictures: what is drawn stands in the pixels, at the place and in the colour of the SVG; letters can be read."""

from __future__ import annotations

import string
import zlib
from collections.abc import Iterator

import pytest

from backstay.chart import Bars, Lines, Picture, Series, plot, stacked, to_png, to_svg
from backstay.chart.font import HIGH, doubled, pixels
from backstay.chart.png import SCALE, Canvas, paint_of
from backstay.chart.shape import Box, Dot, Stroke, Words

BARS = Bars(title="Cost", labels=("Mon", "Tue"), series=(("USD", (4.0, 1.0)),))
LINE = Lines(title="Waits", series=(Series(name="high", points=((0, 0), (5, 2), (10, 1))),))
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


class Pixels:
    """A PNG file, read again, chunk by chunk."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        chunks = dict(_chunks(data[8:]))
        self.width, self.height = (int.from_bytes(chunks[b"IHDR"][at : at + 4], "big") for at in (0, 4))
        self._rows = zlib.decompress(chunks[b"IDAT"])
        assert len(self._rows) == self.height * (3 * self.width + 1)

    def at(self, x: float, y: float) -> tuple[int, ...]:
        """The colour at a place in units of the picture."""
        start = round(y * SCALE) * (3 * self.width + 1) + 1 + 3 * round(x * SCALE)
        return tuple(self._rows[start : start + 3])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    while data:
        size = int.from_bytes(data[:4], "big")
        kind, body, check = data[4:8], data[8 : 8 + size], data[8 + size : 12 + size]
        assert zlib.crc32(kind + body) == int.from_bytes(check, "big")
        yield kind, body
        data = data[12 + size :]


def painted(*shapes: Box | Dot | Stroke | Words) -> Pixels:
    return Pixels(to_png(Picture("test", 60, 40, shapes)))


def test_every_bar_is_where_the_svg_has_it() -> None:
    """The middle of each box of a chart has its colour, and a place beside it has not."""
    picture = plot(BARS)
    seen = Pixels(to_png(BARS))
    assert (seen.width, seen.height) == (picture.width * SCALE, picture.height * SCALE)
    boxes = [shape for shape in picture.shapes if isinstance(shape, Box)]
    assert len(boxes) == 2
    for box in boxes:
        assert seen.at(box.x + box.width / 2, box.y + box.height / 2) == paint_of(box.color)
        assert seen.at(box.x - 3, box.y + box.height / 2) != paint_of(box.color)


def test_a_line_goes_through_its_points_in_pixels_too() -> None:
    """Every point of a series and the middle between two of them are painted."""
    (stroke,) = [shape for shape in plot(LINE).shapes if isinstance(shape, Stroke) and shape.title]
    seen = Pixels(to_png(LINE))
    for (x, y), (x2, y2) in zip(stroke.points, stroke.points[1:], strict=False):
        assert seen.at((x + x2) / 2, (y + y2) / 2) != WHITE


@pytest.mark.parametrize("turn", [(50, 20), (10, 35), (50, 5), (30, 38)])
def test_a_line_is_as_thick_whichever_way_it_goes(turn: tuple[int, int]) -> None:
    """The paint of a line is its length times its width, flat or steep; without the slant it would not be."""
    start = (10, 5)
    seen = painted(Stroke((start, turn), "#000", 3.0))
    paint = sum(255 - seen.at(x / 2, y / 2)[0] for x in range(120) for y in range(80)) / 255 / SCALE**2
    length = ((turn[0] - start[0]) ** 2 + (turn[1] - start[1]) ** 2) ** 0.5
    assert paint == pytest.approx(3.0 * length, rel=0.06)


def test_a_dot_is_round_and_a_dash_has_gaps() -> None:
    """The area of a dot is that of its circle; a dashed line paints half of the way."""
    seen = painted(Dot(20, 20, 8, "#000"))
    paint = sum(255 - seen.at(x / 2, y / 2)[0] for x in range(120) for y in range(80)) / 255 / SCALE**2
    assert paint == pytest.approx(3.14159 * 64, rel=0.03)
    dashed = painted(Stroke(((0, 20), (60, 20)), "#000", 2.0, is_dashed=True))
    share = sum(dashed.at(x / 2, 20) == BLACK for x in range(120)) / 120
    assert 0.4 < share < 0.65


def test_letters_differ_and_stand_on_their_line() -> None:
    """Every printable character has pixels of its own; unknown ones are a box; doubling keeps nearly all of a letter."""
    letters = string.ascii_letters + string.digits + string.punctuation
    forms = {pixels(letter) for letter in letters}
    assert len(forms) == len(letters)
    assert pixels("\u4e2d") == pixels("\u00e9") not in forms
    for letter in letters:
        area = sum(row.bit_count() for row in pixels(letter))
        assert len(pixels(letter)) == HIGH
        assert 2.5 * area < len(doubled(letter)) < 6 * area
    assert not any(pixels(letter)[7] for letter in string.ascii_uppercase + string.digits)


def test_words_are_anchored_and_turned() -> None:
    """Words that end at a place stand left of it, those in its middle on both sides; turned ones go upward."""

    def spread(words: Words) -> tuple[float, float, float, float]:
        seen = painted(words)
        places = [(x / 2, y / 2) for x in range(120) for y in range(80) if seen.at(x / 2, y / 2) != WHITE]
        xs, ys = [x for x, _ in places], [y for _, y in places]
        return min(xs), max(xs), min(ys), max(ys)

    left, right, top, bottom = spread(Words(30, 20, "HHHH"))
    assert left >= 30
    assert bottom < 20
    assert top >= 12
    assert spread(Words(30, 20, "HHHH", "end"))[1] <= 30
    middle = spread(Words(30, 20, "HHHH", "middle"))
    assert middle[0] < 30 < middle[1]
    assert right - left == pytest.approx(middle[1] - middle[0])
    turned = spread(Words(30, 35, "HHHH", is_turned=True))
    assert turned[3] - turned[2] == pytest.approx(right - left)
    assert turned[1] <= 30


def test_pictures_stand_one_below_the_other() -> None:
    """Both are in one SVG and one PNG, the second one lower; nothing to draw is an error."""
    both = stacked((plot(LINE), plot(BARS)))
    assert both.height == 2 * plot(LINE).height
    text = to_svg(both)
    assert text.index("Waits") < text.index("Cost")
    assert Pixels(to_png(both)).height == both.height * SCALE
    (box, _) = [shape for shape in both.shapes if isinstance(shape, Box)]
    assert box.y > plot(LINE).height
    with pytest.raises(ValueError, match="nothing to draw"):
        stacked(())


def test_what_lies_outside_is_not_painted() -> None:
    """A shape that leaves the canvas is cut at its edge and does not come in on the other side."""
    seen = painted(Box(50, 10, 40, 10, "#000"), Dot(0, 38, 4, "#000"))
    assert seen.at(0, 15) == WHITE
    assert seen.at(59, 15) == BLACK
    canvas = Canvas(2, 2)
    canvas.draw(Words(-50, -50, "far away"))
    assert Pixels(canvas.encode()).at(0, 0) == WHITE

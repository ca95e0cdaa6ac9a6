"""Layout: glyphs in any drawing order are set into the rows and columns that the eye sees."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from backstay.document.layout import Glyph, lay_out

SIZE, ADVANCE, LEADING = 10.0, 6.0, 14.0


def typeset(lines: list[str]) -> list[Glyph]:
    """The glyphs of lines set in a type of one width, without the spaces."""
    glyphs = []
    for number, line in enumerate(lines):
        bottom = 700 - number * LEADING
        for column, char in enumerate(line):
            if char != " ":
                glyphs.append(Glyph(char, column * ADVANCE, bottom, (column + 1) * ADVANCE, bottom + SIZE))
    return glyphs


def shuffled(glyphs: list[Glyph], seed: int) -> list[Glyph]:
    random.Random(seed).shuffle(glyphs)
    return glyphs


lines = st.lists(
    st.lists(st.text(alphabet="abcXYZ019.,", min_size=1, max_size=6), min_size=1, max_size=4).map("   ".join),
    min_size=1,
    max_size=6,
)


@given(lines, st.integers(min_value=0, max_value=2**16))
def test_drawing_order_does_not_matter(rows: list[str], seed: int) -> None:
    """Shuffled glyphs give back the words of each row, rows from top to bottom."""
    text = lay_out(shuffled(typeset(rows), seed))
    assert [line.split() for line in text.split("\n")] == [row.split() for row in rows]


def test_columns_are_two_spaces_apart_and_aligned() -> None:
    """A wide gap is two spaces or more, and what stands in one column of the page does in the text."""
    text = lay_out(typeset(["Item        Amount", "Tea           3.00", "Red apples   12.50"]))
    first, second, third = text.split("\n")
    assert first.index("Amount") == 12
    assert "  " in second
    assert third.endswith("12.50")
    assert second.index("3.00") + 4 == third.index("12.50") + 5


def test_words_keep_their_single_space() -> None:
    """A gap of one character parts words, not columns."""
    assert lay_out(typeset(["Net total due"])) == "Net total due"


def test_small_type_beside_large_type_is_one_row() -> None:
    """A label in small type and its value in large type share a row when their boxes overlap."""
    label = [Glyph(char, i * 4.0, 101, i * 4.0 + 4, 107) for i, char in enumerate("Total")]
    value = [Glyph(char, 80 + i * 8.0, 100, 88 + i * 8.0, 114) for i, char in enumerate("9.00")]
    assert lay_out(value + label).split() == ["Total", "9.00"]
    assert "\n" not in lay_out(value + label)


def test_type_drawn_twice_for_weight_is_read_once() -> None:
    """The second drawing of a bold word, a hair's breadth beside the first, is dropped; a real double letter is kept."""
    once = typeset(["Summe 22"])
    twice = [Glyph(g.char, g.left + 0.3, g.bottom, g.right + 0.3, g.top) for g in once]
    assert lay_out(once + twice) == "Summe 22"


def test_a_page_without_glyphs_is_empty() -> None:
    """No glyph, no text; spaces alone are no text either."""
    assert lay_out([]) == ""
    assert lay_out([Glyph(" ", 0, 0, 5, 10)]) == ""

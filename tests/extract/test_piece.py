"""Long documents: overlapping pieces lose nothing, and what they say is merged by evidence."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ContextLengthExceeded
from backstay.extract.extraction import Field
from backstay.extract.piece import MIN_PIECE, Piece, cut, halve, merge
from backstay.types import File, Request, Response

from .conftest import Make, said

LINES = "".join(f"{number:03}  item {number:03} of the list        {number}.50\n" for number in range(1, 81))
DOCUMENT = f"Delivery D-881\n\n{LINES}\nGrand total 3280.00\n"
SCHEMA: dict[str, Any] = {
    "title": "delivery",
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "total": {"type": "number"},
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": "number"}}},
        },
    },
}


@given(st.text(alphabet="ab \n", max_size=2000), st.integers(200, 500), st.integers(0, 400))
def test_pieces_cover_the_text(text: str, size: int, overlap: int) -> None:
    """Each piece is the text at its place and not too long; together they leave nothing out."""
    pieces = cut(text, size, overlap)
    covered = 0
    for piece in pieces:
        assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert len(piece.text) <= size
        assert piece.start <= covered
        assert piece.start + len(piece.text) > covered or not text
        covered = piece.start + len(piece.text)
    assert covered == len(text)


def reader(request: Request) -> Response:
    """A model that reads what stands in its piece, and nothing else."""
    (text,) = (part.text for part in request.messages[0].parts if isinstance(part, File))
    assert text is not None
    number = re.search(r"Delivery (\S+)", text)
    total = re.search(r"Grand total (\S+)", text)
    items = [
        {"name": match[1], "price": float(match[2])}
        for match in re.finditer(r"^\d+  (item \d+ of the list) +([\d.]+)$", text, re.MULTILINE)
    ]
    return said({"number": number and number[1], "total": total and float(total[1]), "items": items})


@pytest.mark.parametrize("size", [700, 1000, 2500])
async def test_a_long_document_is_read_whole(make: Make, size: int) -> None:
    """Eighty items over several pieces are eighty items, in order, each with its place in the document."""
    client, script = make(*[reader] * 20)
    found = await client.extract(SCHEMA, DOCUMENT, piece_chars=size, overlap=150)
    assert len(script.requests) > 1
    assert len({request.id for request in script.requests}) == len(script.requests)
    assert found.data["number"] == "D-881"
    assert found.data["total"] == 3280
    assert [item["name"] for item in found.data["items"]] == [f"item {n:03} of the list" for n in range(1, 81)]
    for path, field in found.fields.items():
        assert field.grounded, path
        start, end = field.evidence or (0, 0)
        printed = DOCUMENT[start:end]
        assert printed == field.value or float(printed) == field.value
    price = found.fields["items[40].price"].evidence
    assert price is not None
    assert DOCUMENT.rindex("\n", 0, price[0]) < DOCUMENT.index("item 041") < price[0]


def small(request: Request) -> Response:
    """A reader with a window of a thousand characters."""
    (document,) = (part for part in request.messages[0].parts if isinstance(part, File))
    if len(document.text or "") > 1000:
        raise ContextLengthExceeded("the prompt is longer than the window", status=400)
    return reader(request)


async def test_a_document_beyond_an_unknown_window_is_halved_until_it_fits(make: Make) -> None:
    """Nobody said how much the model takes; its refusals do, and the document is read whole all the same."""
    client, script = make(*[small] * 60)
    found = await client.extract(SCHEMA, DOCUMENT, overlap=150)
    assert found.status == "complete"
    assert [item["name"] for item in found.data["items"]] == [f"item {n:03} of the list" for n in range(1, 81)]
    assert all(one.grounded for one in found.fields.values())
    assert len({request.id for request in script.requests}) == len(script.requests)


async def test_a_window_that_takes_nothing_is_the_calls_own_error(make: Make) -> None:
    """Halving ends; what even the shortest piece meets is raised."""
    client, _ = make(*[ContextLengthExceeded("the prompt is longer than the window", status=400)] * 60)
    with pytest.raises(ContextLengthExceeded):
        await client.extract(SCHEMA, DOCUMENT)


@given(st.text(alphabet="ab \n", max_size=3000), st.integers(0, 3000))
def test_halves_are_shorter_and_cover_the_piece(text: str, overlap: int) -> None:
    """Every step makes shorter pieces, so halving ends, and no character is left out."""
    halves = halve(Piece(text=text, start=7), overlap)
    if len(halves) == 1:
        assert len(text) < 2 * MIN_PIECE
        return
    assert all(len(half.text) < len(text) for half in halves)
    assert halves[0].start == 7
    assert halves[-1].start + len(halves[-1].text) == 7 + len(text)
    assert all(one.start + len(one.text) >= other.start for one, other in pairwise(halves))


async def test_without_overlap_a_broken_item_would_be_lost(make: Make) -> None:
    """The broken variant: pieces that share nothing, cut inside a line, lose what stands across the cut."""
    text = " ".join(DOCUMENT.split())
    whole = len(re.findall(r"item \d+ of the list [\d.]+", text))
    parts = [text[at : at + 700] for at in range(0, len(text), 700)]
    assert sum(len(re.findall(r"item \d+ of the list [\d.]+ ", part)) for part in parts) < whole


def field(value: Any, start: int | None, confidence: float = 0.8) -> Field:
    evidence = None if start is None else (start, start + 3)
    return Field(value=value, confidence=confidence, evidence=evidence, grounded=start is not None)


def test_evidence_wins_over_certainty_and_number() -> None:
    """A grounded value beats two surer ones without a place; then the one that more pieces say."""
    parts = [({"a": "x"}, {"a": field("x", None, 0.99)}), ({"a": "x"}, {"a": field("x", None, 0.99)})]
    data, fields = merge([*parts, ({"a": "y"}, {"a": field("y", 5)})])
    assert data == {"a": "y"}
    assert fields["a"].grounded
    data, _ = merge([({"a": v}, {"a": field(v, at)}) for v, at in (("p", 1), ("q", 9), ("Q ", 20))])
    assert data == {"a": "q"}
    data, _ = merge([({"a": None}, {"a": field(None, None)}), ({"a": "z"}, {"a": field("z", None, 0.1)})])
    assert data == {"a": "z"}


def test_equal_lines_are_kept_and_a_shared_one_is_not_doubled() -> None:
    """Two lines that say the same at different places are two; the same place read twice is one, completed."""

    def part(*rows: tuple[str, Any, int]) -> tuple[dict[str, Any], dict[str, Field]]:
        data = {"rows": [{"name": name, "price": price} for name, price, _ in rows]}
        fields = {}
        for index, (name, price, place) in enumerate(rows):
            fields[f"rows[{index}].name"] = field(name, place)
            fields[f"rows[{index}].price"] = field(price, None if price is None else place + 5)
        return data, fields

    data, fields = merge(
        [part(("tea", 2, 10), ("tea", 2, 30), ("jam", None, 50)), part(("jam", 4, 50), ("tea", 2, 70))]
    )
    assert json.dumps([row["name"] for row in data["rows"]]) == '["tea", "tea", "jam", "tea"]'
    assert data["rows"][2]["price"] == 4
    assert fields["rows[2].price"].value == 4

"""A word that only says that there is no value is null with a reason, unless the document or the schema has it as a value."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.extract.filler import without_fillers

from .conftest import RIGHT, SCHEMA, TEXT, Make, said

WORDS = ("Unknown", "N/A", "n.a.", "not stated", "None", "null", "Not provided in the document.", "-", "—")
LISTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["retail", "unknown"]},
        "names": {"type": "array", "items": {"type": "string"}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"what": {"type": "string"}}}},
    },
}


@pytest.mark.parametrize("word", WORDS)
async def test_a_filler_is_null_with_a_reason(word: str, make: Make) -> None:
    """The field is empty, the status no longer complete where it was required, and the reason names the word."""
    client, _ = make(said({**RIGHT, "number": word}))
    found = await client.extract(SCHEMA, TEXT)
    field = found.fields["number"]
    assert (field.value, found.data["number"], field.grounded) == (None, None, False)
    assert repr(word) in (field.reason or "")
    assert found.status == "partial"
    assert found.fields["total"].value == 92.5


@pytest.mark.parametrize("line", ["Note: Unknown", "Note   Unknown   2", "| Unknown |", "Unknown"])
async def test_a_word_that_the_document_prints_as_the_value_stays(line: str, make: Make) -> None:
    """Behind a label, in a cell or on a line of its own: quoted and grounded."""
    client, _ = make(said({**RIGHT, "note": "Unknown"}))
    found = await client.extract(SCHEMA, TEXT + line + "\n")
    assert (found.data["note"], found.fields["note"].grounded) == ("Unknown", True)


@pytest.mark.parametrize("line", ["Sent for unknown reasons.", "The unknown buyer paid."])
async def test_a_word_inside_a_sentence_is_no_value(line: str, make: Make) -> None:
    """The broken variant: that the word stands somewhere is not enough."""
    client, _ = make(said({**RIGHT, "note": "Unknown"}))
    assert (await client.extract(SCHEMA, TEXT + line + "\n")).data["note"] is None


@pytest.mark.parametrize("value", ["Unknown Pleasures", "None of the lamps", "-5", "no. 7", "Not stated twice over"])
async def test_a_value_that_only_begins_like_one_stays(value: str, make: Make) -> None:
    """The whole value must be the filler."""
    client, _ = make(said({**RIGHT, "note": value}))
    assert (await client.extract(SCHEMA, TEXT)).data["note"] == value


def test_choices_stay_and_lists_lose_what_says_nothing() -> None:
    """A choice of the schema is a value; a list is shorter by its fillers, and by items of nothing else."""
    given = {"kind": "unknown", "names": ["Ada", "N/A"], "lines": [{"what": "none"}, {"what": "lamp"}, {"what": None}]}
    kept, words = without_fillers(given, LISTED, "Ada bought a lamp.")
    assert kept == {"kind": "unknown", "names": ["Ada"], "lines": [{"what": "lamp"}, {"what": None}]}
    assert words == {"names[1]": "N/A", "lines[0].what": "none"}

"""A model that is held to a schema without seeing it is told the fields in words, behind the document."""

from __future__ import annotations

from backstay.extract.outline import MAX_DEPTH, outline
from backstay.extract.schema import built_in
from backstay.types import File

from .conftest import RIGHT, SCHEMA, TEXT, Make, said


def test_every_field_is_a_line_with_its_meaning() -> None:
    """Names in order, descriptions, choices, kinds; the members of objects and of a list's items stand indented below."""
    schema = {
        "properties": {
            "name": {"type": ["string", "null"], "description": "The ship"},
            "state": {"enum": ["afloat", "aground", None]},
            "crew": {"type": "array", "items": {"$ref": "#/$defs/Sailor"}},
        },
        "$defs": {"Sailor": {"type": "object", "properties": {"age": {"type": "integer"}, "fit": {"type": "boolean"}}}},
    }
    assert outline(schema).splitlines() == [
        "- name: The ship",
        "- state: one of: afloat, aground",
        "- crew: a list; of each item",
        "  - age: a number",
        "  - fit: true or false",
    ]


def test_every_leaf_of_the_built_in_schemas_is_named() -> None:
    """Nothing that is asked for goes untold."""
    told = outline(built_in("denial").schema)
    for name in ("claim_number", "plan_type", "was_required", "appeal_deadline_days"):
        assert f"- {name}: " in told


def test_a_schema_that_holds_itself_ends() -> None:
    """A tree of trees is spelled out to a bounded depth."""
    node = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Node"}}}
    assert len(outline({**node, "$defs": {"Node": node}}).splitlines()) == MAX_DEPTH + 1


async def test_the_question_stands_behind_the_document(make: Make) -> None:
    """A service that answers by a grammar gets the document first and then the fields; in words the schema stands before it."""
    client, script = make(said(RIGHT), said(RIGHT))
    await client.extract(SCHEMA, TEXT)
    document, question = script.requests[0].messages[0].parts[-2:]
    assert isinstance(document, File)
    assert "- number" in question.text
    await client.extract(SCHEMA, TEXT, form="prompt")
    assert isinstance(script.requests[1].messages[0].parts[-1], File)

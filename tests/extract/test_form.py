"""The form of the question follows facts about the model; a schema may be a type."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from typing import Any

import msgspec
import pydantic
import pytest

from backstay.catalog.model import Model
from backstay.codecs.openai_schema import strict_faults
from backstay.codecs.registry import providers
from backstay.codecs.trait import traits
from backstay.errors import ConfigurationError
from backstay.extract.extraction import Field
from backstay.extract.form import closed, strongest
from backstay.extract.question import corrected, first_question, longer, with_document
from backstay.extract.schema import BUILT_IN, built_in, kind_of, load_schema, nullable
from backstay.extract.validation import validation_request
from backstay.types import Request, Response, Text, ToolCall

from .conftest import TEXT, Make, said

ROWS = {row.name: row for row in providers()}


@pytest.mark.parametrize(
    ("provider", "name", "form"),
    [
        ("openai", "gpt-5-mini", "schema"),
        ("gemini", "gemini-2.5-flash", "schema"),
        ("anthropic", "claude-3-haiku-20240307", "tool"),
        ("deepseek", "deepseek-chat", "tool"),
    ],
)
def test_the_strongest_form_is_a_fact_of_the_model(provider: str, name: str, form: str) -> None:
    """Structured output where the model takes a schema, else a tool."""
    assert strongest(ROWS[provider], name, None) == form


def test_the_catalogue_can_take_forms_away() -> None:
    """A model that is known to take neither schemas nor tools is asked in words; one that nothing is known of is trusted."""
    row = ROWS["openai"]
    model = Model(provider="openai", id="m", has_json_schema=False)
    assert strongest(row, "m", None) == "schema"
    assert strongest(row, "m", model) == "tool"
    assert strongest(row, "m", msgspec.structs.replace(model, has_tools=False)) == "prompt"
    assert strongest(None, "anything", None) == "schema"


def test_every_shipped_row_gets_a_form_that_it_takes() -> None:
    """No provider is asked by a schema that its rules refuse."""
    for row in ROWS.values():
        form = strongest(row, "some-model", None)
        if form == "schema":
            assert traits(row.dialect, "some-model").takes_schema
            assert row.rules is None or row.rules.schema != "object_only"


@pytest.mark.parametrize("provider", ROWS)
@pytest.mark.parametrize("form", [None, "prompt"])
def test_every_provider_takes_every_question(provider: str, form: Any) -> None:
    """First question, correction, longer answer and validation are requests that the provider's codec encodes without a fault."""
    row = ROWS[provider]
    schema = built_in("invoice")
    wanted = closed(nullable(schema.schema))
    chosen = form or strongest(row, "some-model", None)
    base = Request(model="some-model", id="r1")
    first = with_document(
        first_question(base, schema, wanted, form=chosen, examples=[("A text", {"number": "1"})]), TEXT, "a.txt"
    )
    call = ToolCall(id="call_12345", name="answer", arguments={"number": 5})
    answer = Response(parts=(call,) if chosen == "tool" else (Text(text="{}"),))
    fields = {"number": Field(value="HL-2041", confidence=0.5)}
    questions = (first, corrected(first, answer, ["number: wrong"]), longer(first))
    for question in (*questions, validation_request(base, TEXT, "a.txt", fields, chosen)):
        body = row.codec().encode(question).body
        assert b"HL-2041" in body or base64.b64encode(TEXT.encode()) in body


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_schemas_are_strict(name: str) -> None:
    """As they are asked for they fit the strict subset; as they are written they do not, so this can fail."""
    schema = built_in(name).schema
    assert strict_faults(closed(nullable(schema))) == []
    assert strict_faults(schema) != []


class Order(msgspec.Struct):
    number: str
    total: float
    date: dt.date | None = None
    note: str = "none"


@dataclasses.dataclass
class Plain:
    number: str
    total: float


class Pydantic(pydantic.BaseModel):
    number: str
    total: float
    date: dt.date | None = None


@pytest.mark.parametrize("kind", [Order, Plain, Pydantic])
async def test_a_type_is_a_schema_and_comes_back_typed(make: Make, kind: Any) -> None:
    """The data, and an instance of the type made of it."""
    client, _ = make(said({"number": "HL-2041", "total": 92.5, "date": "2026-03-05"}))
    found = await client.extract(kind, TEXT)
    assert found.status != "failed", found.errors
    assert isinstance(found.typed, kind)
    assert (found.typed.number, found.typed.total) == ("HL-2041", 92.5)
    if kind is not Plain:
        assert found.typed.date == dt.date(2026, 3, 5)


async def test_what_the_type_requires_and_the_document_lacks_is_no_instance(make: Make) -> None:
    """The data stands, with null; there is no half-made instance."""
    client, _ = make(said({"number": "HL-2041", "total": None, "date": None, "note": None}))
    found = await client.extract(Order, TEXT)
    assert found.data["total"] is None
    assert found.status == "partial"
    assert found.typed is None


def test_a_type_without_fields_is_refused() -> None:
    """A number is no object."""
    with pytest.raises(ConfigurationError, match="int"):
        load_schema(int)


def test_kinds_of_fields() -> None:
    """What a field is, for calibration: by its schema and its name."""
    invoice = built_in("invoice").schema
    found = {
        path: kind_of(path, invoice) for path in ("number", "issue_date", "grand_total", "seller", "lines[3].total")
    }
    assert found == {
        "number": "id",
        "issue_date": "date",
        "grand_total": "amount",
        "seller": "text",
        "lines[3].total": "amount",
    }
    order = load_schema(Order).schema
    assert [kind_of(path, order) for path in ("number", "total", "date")] == ["id", "number", "date"]


def test_an_absent_text_is_asked_for_as_empty_and_read_as_null() -> None:
    """The question offers "" for a text, with its pattern widened; the answer's empty texts come back as null, at every depth."""
    from backstay.extract.schema import blankable, built_in, nullable, without_blanks

    asked = blankable(nullable(built_in("receipt").schema))
    assert asked["properties"]["total"]["type"] == "string"
    assert asked["properties"]["total"]["pattern"] == r"^(-?[0-9]+(\.[0-9]+)?)?$"
    assert "format" not in asked["properties"]["date"]
    assert without_blanks({"a": "", "b": [{"c": ""}, 0, False]}) == {"a": None, "b": [{"c": None}, 0, False]}

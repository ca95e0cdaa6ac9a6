"""Alignment: coercions that lose nothing, each reported by path; what would lose or guess is an error by path."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from decimal import Decimal
from typing import Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from backstay.recover import Status, align


class Berth(msgspec.Struct):
    name: str
    depth: float
    is_free: bool = True


@dataclasses.dataclass
class Ship:
    name: str
    berth: int | None = None


class Port(TypedDict):
    name: str
    ships: list[str]


class Wind(enum.Enum):
    NORTH = "north"
    SOUTH_WEST = "south-west"


class Invoice(pydantic.BaseModel):
    number: str
    total: float
    paid: bool
    due: datetime.date | None = None


SCALARS: list[tuple[str, Any, Any]] = [
    ("1,234.50", {"type": "number"}, 1234.5),
    ("$1,200", {"type": "integer"}, 1200),
    ("3/4", {"type": "number"}, 0.75),
    ("The total is 42.", {"type": "integer"}, 42),
    ('"7.0"', {"type": "integer"}, 7),
    ("yes", {"type": "boolean"}, True),
    ("**False**", {"type": "boolean"}, False),
    ("That is true, I am sure.", {"type": "boolean"}, True),
    ("South West", {"enum": ["north", "south-west"]}, "south-west"),
    ("It blows from the NORTH today", {"enum": ["north", "south-west"]}, "north"),
    ("null", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
    ("2", {"const": 2}, 2),
    ("words as they stand", {"type": "string"}, "words as they stand"),
    ('{"a": 1} too', {"type": "string"}, '{"a": 1} too'),
]


@pytest.mark.parametrize(("text", "schema", "value"), SCALARS)
def test_a_scalar_is_read_without_loss(text: str, schema: dict[str, Any], value: Any) -> None:
    """Any spelling of one value becomes that value, in the type the schema asks for."""
    found = align(text, schema)
    assert found.value == value, found.errors
    assert type(found.value) is type(value)


REFUSED: list[tuple[Any, dict[str, Any]]] = [
    ("true or false", {"type": "boolean"}),
    ("north, or was it south-west", {"enum": ["north", "south-west"]}),
    ("7.5", {"type": "integer"}),
    ("2 or 3", {"anyOf": [{"const": 2}, {"const": 3}]}),
    ('["a", 1]', {"type": "array", "items": {"type": "integer"}}),
    ('[{"n": 1}, {"n": 2}]', {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
    ('{"n": null}', {"type": "object", "properties": {"n": {"type": "string"}}}),
    ("{}", {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}),
    ('{"n": 11}', {"type": "object", "properties": {"n": {"type": "integer", "maximum": 10}}}),
    ("nothing here", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
]


@pytest.mark.parametrize(("text", "schema"), REFUSED)
def test_a_guess_or_a_loss_is_an_error_by_path(text: str, schema: dict[str, Any]) -> None:
    """Two readings, rounding, dropping and defaulting are refused, with path and remedy."""
    found = align(text, schema)
    assert found.status is Status.FAILED
    assert found.value is None
    assert found.errors
    assert all((fault.path or "").startswith("$") and fault.remedy for fault in found.errors)


NESTED = {
    "type": "object",
    "properties": {
        "lines": {
            "type": "array",
            "items": {"$ref": "#/$defs/Line"},
        },
        "currency": {"enum": ["EUR", "USD"]},
    },
    "required": ["lines"],
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"sku": {"type": "string"}, "qty": {"type": "integer"}},
            "required": ["sku", "qty"],
        }
    },
}


def test_every_coercion_is_reported_by_path() -> None:
    """Path and kind of each change are listed; an untouched document has none and is SUCCESS."""
    found = align({"lines": {"SKU": 12, "qty": "3", "x": 0}, "currency": "eur"}, NESTED)
    assert found.value == {"lines": [{"sku": "12", "qty": 3}], "currency": "EUR"}
    assert {(c.path, c.code) for c in found.coercions} == {
        ("$.lines", "list_from_one"),
        ("$.lines[0].sku", "key_spelling"),
        ("$.lines[0].sku", "text_from_number"),
        ("$.lines[0].qty", "number_from_text"),
        ("$.lines[0].x", "extra_key"),
        ("$.currency", "case"),
    }
    assert found.warnings == ("$.lines[0].x: not in the schema, left out",)
    clean = align('{"lines": [{"sku": "a", "qty": 1}]}', NESTED)
    assert (clean.status, clean.coercions) == (Status.SUCCESS, ())


def test_the_fitting_candidate_is_taken() -> None:
    """Of several values in the text the one that fits the schema best is the answer."""
    text = 'Draft: {"note": "x"}\nFinal: {"lines": [{"sku": "a", "qty": 1}]}\nAlso [1, 2].'
    assert align(text, NESTED).value == {"lines": [{"sku": "a", "qty": 1}]}


def test_a_value_serialised_twice_is_unpacked() -> None:
    """JSON inside a string becomes the object asked for; a string that is no JSON does not."""
    assert align({"lines": '[{"sku": "a", "qty": 1}]'}, NESTED).value == {"lines": [{"sku": "a", "qty": 1}]}
    assert align({"lines": "sku a"}, NESTED).status is Status.FAILED


def test_a_union_takes_the_nearest_branch() -> None:
    """The branch that changes least wins: an exact object over a coerced one."""
    circle = {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]}
    square = {"type": "object", "properties": {"side": {"type": "number"}}, "required": ["side"]}
    assert align('{"side": 2}', {"anyOf": [circle, square]}).value == {"side": 2}
    assert align('{"v": "5"}', {"properties": {"v": {"type": ["integer", "string"]}}}).value == {"v": "5"}


def test_a_cut_text_leaves_only_open_containers_unfinished() -> None:
    """Members may be missing where the text was cut, not in an object that had closed; a cut number is no number."""
    found = align('{"lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2', NESTED)
    assert found.status is Status.PARTIAL
    assert found.value == {"lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": None}]}
    assert align('{"lines": [{"sku": "a"}, {"sku": "b"', NESTED).status is Status.FAILED


TYPED: list[tuple[Any, str, Any]] = [
    (Berth, "name: it is {'name': 'A1', 'depth': '4,5', }", None),
    (Berth, "{'name': 'A1', 'depth': '4.5'}", Berth("A1", 4.5)),
    (Ship, '{"name": "Ada", "berth": "3"}', Ship("Ada", 3)),
    (Ship, '{"name": "Ada"}', Ship("Ada")),
    (Port, '{name: Kiel, ships: Ada}', {"name": "Kiel", "ships": ["Ada"]}),
    (Wind, "it blows south-west", Wind.SOUTH_WEST),
    (Literal["in", "out"], '"OUT"', "out"),
    (int | None, "null", None),
    (list[Berth], '[{"name": "A", "depth": 1}]', [Berth("A", 1.0)]),
    (dict[str, int], "{'a': '1'}", {"a": 1}),
    (int, "12", 12),
    (Invoice, '{"number": 7, "total": "1,050.00", "paid": "no", "due": "2024-05-01"}',
     Invoice(number="7", total=1050.0, paid=False, due=datetime.date(2024, 5, 1))),
    (list[Invoice], '{"number": "a", "total": 1, "paid": true}', [Invoice(number="a", total=1.0, paid=True)]),
]  # fmt: skip


@pytest.mark.parametrize(("target", "text", "instance"), TYPED)
def test_a_type_gets_its_instance(target: Any, text: str, instance: Any) -> None:
    """Every kind of type takes the text, and `typed` is an instance of it."""
    found = align(text, target)
    if instance is None and target is Berth:
        assert found.status is Status.FAILED  # "4,5" is 4.5 or 45: a guess
        return
    assert found.status is not Status.FAILED, found.errors
    assert found.typed == instance


def test_dates_and_decimals_are_exact() -> None:
    """A decimal keeps its digits and a date is a date."""
    assert align("['19.90', '0.10',]", list[Decimal]).typed == [Decimal("19.90"), Decimal("0.10")]
    assert align('{"day": "2024-02-29"}', dict[str, datetime.date]).typed == {"day": datetime.date(2024, 2, 29)}
    assert align('{"day": "2023-02-29"}', dict[str, datetime.date]).status is Status.FAILED


def test_a_schema_that_is_none_is_the_callers_mistake() -> None:
    """An invalid schema raises at once, naming the fault."""
    with pytest.raises(ValueError, match="not valid JSON Schema"):
        align("[1]", {"type": "array", "items": {"type": "bogus"}})


def test_an_object_written_as_text_is_mended_unless_a_word_in_it_is_a_guess() -> None:
    """Quotes and literals of Python are plain; bare words might have been meant as text."""
    inner = {"type": "object", "properties": {"berth": {"type": "string"}}, "required": ["berth"]}
    schema = {"type": "object", "properties": {"plan": inner}, "required": ["plan"]}
    assert align("""{"plan": "{'berth': 'A1',}"}""", schema).value == {"plan": {"berth": "A1"}}
    assert align('{"plan": "{berth: A1}"}', schema).status is Status.FAILED

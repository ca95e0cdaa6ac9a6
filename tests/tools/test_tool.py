"""A function's signature becomes a schema, and foreign schemas are mended and say so."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import threading
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from backstay.codecs.registry import codec, dialects
from backstay.errors import ConfigurationError
from backstay.tools import Flags, ToolContext, ToolRegistry, tool
from backstay.tools.mend import mend_schema
from backstay.types import Request, user


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Struct(msgspec.Struct):
    name: str


class Typed(TypedDict):
    size: float


class Model(pydantic.BaseModel):
    when: str
    count: int = 1


@tool(tags=["demo"], inline=True)
def everything(
    text: str,
    number: Annotated[float, "how much", msgspec.Meta(ge=0)],
    kind: Literal["a", "b"] = "a",
    color: Color = Color.RED,
    point: Point | None = None,
    structs: list[Struct] = [],  # noqa: B006
    typed: Typed | None = None,
    model: Model | None = None,
    anything: Any = None,
    *,
    count: int = 3,
    context: ToolContext | None = None,
) -> dict[str, Any]:
    """Show what arrives.

    It returns the types of its arguments.

    Args:
        text: any words
            over two lines
        point: where
    """
    return {
        "color": type(color).__name__,
        "point": type(point).__name__,
        "struct": [type(one).__name__ for one in structs],
        "model": type(model).__name__,
        "call_id": context.call_id if context else None,
    }


def test_the_schema_says_what_the_function_says() -> None:
    """Types, defaults, required names and descriptions come from the signature and the docstring."""
    schema = everything.schema
    properties = schema.parameters["properties"]
    assert schema.name == "everything"
    assert schema.description.startswith("Show what arrives.")
    assert schema.parameters["required"] == ["text", "number"]
    assert schema.parameters["additionalProperties"] is False
    assert properties["text"] == {"type": "string", "description": "any words over two lines"}
    assert properties["number"] == {"type": "number", "minimum": 0, "description": "how much"}
    assert properties["kind"]["enum"] == ["a", "b"]
    assert properties["color"]["default"] == "red"
    assert properties["count"] == {"type": "integer", "default": 3}
    assert properties["anything"] == {"default": None}
    assert set(schema.parameters["$defs"]) == {"Color", "Point", "Struct", "Typed"}
    assert properties["model"]["anyOf"][0]["title"] == "Model"
    assert "context" not in properties


def test_a_tool_is_still_its_function() -> None:
    """Called by a program it does what it did."""

    @tool
    def double(n: int) -> int:
        return 2 * n

    assert double(4) == 8
    assert double.__name__ == "double"


async def test_arguments_arrive_as_their_types() -> None:
    """JSON becomes enums, dataclasses, Structs and models; the context is the registry's."""
    done = await ToolRegistry(everything).execute(
        "everything",
        {
            "text": "t",
            "number": "1.5",
            "color": "BLUE",
            "point": {"x": 1},
            "structs": [{"name": "n"}],
            "model": {"when": "now"},
        },
    )
    assert done.value == {
        "color": "Color",
        "point": "Point",
        "struct": ["Struct"],
        "model": "Model",
        "call_id": done.call_id,
    }
    assert {(one.path, one.code) for one in done.coercions} == {("$.number", "number_from_text"), ("$.color", "case")}


@pytest.mark.parametrize("name", sorted(dialects()))
def test_every_dialect_takes_the_schema(name: str) -> None:
    """A request with the tool is encoded by each codec."""
    request = Request(model="m", messages=(user("hi"),), tools=(everything.schema,))
    assert codec(name).encode(request).body


def test_what_a_model_cannot_give_is_refused() -> None:
    """Positional parameters, and a context that is something else, are told when the tool is made."""

    def by_place(a: int, /, *rest: int) -> None: ...

    def own_context(context: str) -> None: ...

    with pytest.raises(ConfigurationError, match=r"(?s)parameter a cannot.*parameter rest cannot"):
        tool(by_place)
    with pytest.raises(ConfigurationError, match="context"):
        tool(own_context)
    with pytest.raises(TypeError, match="unknown tool flag"):
        tool(speed=9)(by_place)  # type: ignore[call-overload]


def test_flags_that_contradict_are_refused_at_once() -> None:
    """A side effect is neither kept nor tried again; both faults are told."""
    with pytest.raises(ConfigurationError) as caught:
        Flags(side_effect=True, ttl=5, max_attempts=2)
    assert len(caught.value.faults) == 2


async def test_objects_with_schema_and_execute_are_tools() -> None:
    """A class of one's own, with a wire schema, and a partial function beside it."""

    class Adder:
        schema = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}  # noqa: RUF012
        flags = Flags(tags=frozenset({"math"}))

        async def execute(self, arguments: dict[str, Any], context: ToolContext) -> str:
            return context.call_id

    async def power(base: int, exponent: int) -> int:
        return int(base**exponent)

    registry = ToolRegistry(Adder())
    registry.add(tool(name="square", description="n squared")(functools.partial(power, exponent=2)))
    done = await registry.execute("add", {})
    assert done.value == done.call_id
    assert registry.names("math") == ["add"]
    assert (await registry.execute("square", {"base": 3})).value == 9


@pytest.mark.server
async def test_a_sync_function_holds_nobody_up() -> None:
    """It runs in a thread of its own, unless it says that it never waits."""
    here = threading.get_ident()

    @tool
    def slow() -> bool:
        return threading.get_ident() == here

    @tool(inline=True)
    def quick() -> bool:
        return threading.get_ident() == here

    registry = ToolRegistry(slow, quick)
    assert (await registry.execute("slow")).value is False
    assert (await registry.execute("quick")).value is True
    await asyncio.get_running_loop().shutdown_default_executor()


def test_foreign_schemas_are_mended_and_say_so() -> None:
    """Names of types, flags in the wrong place, null defaults: each change is reported by its place."""
    schema, notes = mend_schema(
        {
            "type": "dict",
            "properties": {
                "type": {"type": "String", "optional": True},
                "rate": {"type": "float", "default": None},
                "tags": {"type": "ArrayList<String>", "enum": ["a", "b"]},
                "extra": {"type": "any", "required": True},
                "pair": {"type": "array", "items": [{"type": "int"}, {"type": "bool"}]},
            },
            "required": ["rate", "gone"],
        }
    )
    assert schema["properties"]["type"] == {"type": "string"}
    assert schema["properties"]["rate"]["type"] == ["number", "null"]
    assert schema["properties"]["tags"] == {"type": "array", "items": {"enum": ["a", "b"]}}
    assert schema["properties"]["extra"] == {}
    assert schema["properties"]["pair"]["prefixItems"] == [{"type": "integer"}, {"type": "boolean"}]
    assert schema["required"] == ["rate", "extra"]
    assert {note.partition(":")[0] for note in notes} == {
        "$", "$.type", "$.rate", "$.tags", "$.extra", "$.pair", "$.pair.prefixItems[0]",
        "$.pair.prefixItems[1]",
    }  # fmt: skip
    assert any("gone" in note for note in notes)


def test_a_good_schema_is_not_touched() -> None:
    """What is JSON Schema already comes out as it went in."""
    good = everything.schema.parameters
    assert mend_schema(good) == (good, ())


@pytest.mark.parametrize("bad", [{"type": "string"}, {"type": "quux"}, {"type": 5}, {"properties": {"a": {"type": 3}}}])
def test_what_is_past_mending_is_refused(bad: dict[str, Any]) -> None:
    """Refused when it is registered, not when it is first called."""
    with pytest.raises(ConfigurationError):
        mend_schema(bad)


def test_names_that_providers_refuse_are_mended() -> None:
    """Dots become underlines; the old name still finds the tool; two that become one are refused."""
    registry = ToolRegistry()

    class Foreign:
        def __init__(self, name: str) -> None:
            self.schema = {"name": name, "parameters": {}}

        async def execute(self, arguments: dict[str, Any]) -> str:
            return "ok"

    bound = registry.add(Foreign("math.add"))
    assert (bound.name, bound.alias) == ("math_add", "math.add")
    assert registry.get("math.add") is bound
    assert "math_add" in bound.mended[0]
    with pytest.raises(ConfigurationError, match="there already"):
        registry.add(Foreign("math_add"))

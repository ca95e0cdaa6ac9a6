"""Form: the way in which a model is made to answer with an object: by its structured output, by a tool, or by words.

    schema    the provider holds the answer to the JSON Schema
    tool      a tool is forced whose arguments are the answer
    prompt    the schema stands in the prompt; what comes back is recovered

The strongest that the model has is chosen from facts: the traits of its dialect, the rules of its server, its row in the
catalogue. A catalogue that says nothing forbids nothing.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from backstay.catalog.model import Model
from backstay.codecs.openai_schema import strict_faults
from backstay.codecs.registry import ProviderRow
from backstay.codecs.trait import traits
from backstay.types import NamedTool, Request, Response, ResponseFormat, Tool

FormName: TypeAlias = Literal["schema", "tool", "prompt"]
TOOL_NAME = "answer"


def strongest(row: ProviderRow | None, name: str, model: Model | None) -> FormName:
    """The strongest form of the model called `name` at the provider `row` (None: a service of ours, which takes a
    schema)."""
    if row is None:
        return "schema"
    facts = traits(row.dialect, name)
    has_schema = facts.takes_schema and (row.rules is None or row.rules.schema != "object_only")
    if has_schema and not (model is not None and model.has_json_schema is False):
        return "schema"
    has_tools = facts.takes_tools and (row.rules is None or row.rules.has_named_tool)
    if has_tools and not (model is not None and model.has_tools is False):
        return "tool"
    return "prompt"


def dress(request: Request, form: FormName, schema: dict[str, Any], name: str) -> Request:
    """`request` with `schema` asked for in `form`."""
    if form == "schema":
        is_strict = not strict_faults(schema)
        return msgspec.structs.replace(
            request, response_format=ResponseFormat(schema=schema, name=name, strict=is_strict)
        )
    if form == "tool":
        tool = Tool(name=TOOL_NAME, description="Give the answer. Call this once.", parameters=schema)
        return msgspec.structs.replace(request, tools=(tool,), tool_choice=NamedTool(TOOL_NAME), response_format=None)
    return msgspec.structs.replace(request, response_format=None)


def answer_of(response: Response) -> str | dict[str, Any]:
    """What the model answered with: the arguments of its tool call, else its text."""
    for call in response.tool_calls:
        if call.name == TOOL_NAME:
            return call.arguments if call.raw_arguments is None else call.raw_arguments
    return response.text


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy in which every object with properties requires all of them and takes no others, where it does not say that
    it does.

    Together with `schema.blankable` this asks for every field by name, empty where the document lacks it.
    """
    copy: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            copy[key] = {name: closed(child) if isinstance(child, dict) else child for name, child in value.items()}
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            copy[key] = [closed(child) if isinstance(child, dict) else child for child in value]
        elif key in ("items", "additionalProperties", "not") and isinstance(value, dict):
            copy[key] = closed(value)
        else:
            copy[key] = value
    if copy.get("properties"):
        copy["required"] = list(copy["properties"])
        copy.setdefault("additionalProperties", False)
    return copy

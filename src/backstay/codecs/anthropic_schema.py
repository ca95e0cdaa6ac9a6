"""JSON Schemas in the form that Anthropic's structured output takes.

The API compiles a schema into a grammar and refuses what it cannot compile: an object that is open to other keys, bounds on
numbers, strings and arrays. `closed_schema` closes objects and moves such bounds into the description, where the model still
reads them, and says so; the caller validates the answer against the full schema.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (limitations of JSON Schema).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_BOUNDS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")


def closed_schema(schema: dict[str, Any], place: str, notes: list[str]) -> dict[str, Any]:
    """`schema` with closed objects and without bounds; `notes` gets one sentence for each changed place."""
    closed: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            closed[key] = {name: _closed(item, f"{place}.{key}.{name}", notes) for name, item in value.items()}
        elif key in _LISTS and isinstance(value, list):
            name = "anyOf" if key == "oneOf" else key
            closed[name] = [_closed(item, f"{place}.{key}[{index}]", notes) for index, item in enumerate(value)]
        else:
            closed[key] = _closed(value, f"{place}.{key}", notes) if key == "items" else value
    return _without_bounds(_without_openness(closed, place, notes), place, notes)


def _closed(schema: Any, place: str, notes: list[str]) -> Any:
    return closed_schema(schema, place, notes) if isinstance(schema, dict) else schema


def _without_openness(schema: dict[str, Any], place: str, notes: list[str]) -> dict[str, Any]:
    if schema.get("type") != "object" or schema.get("additionalProperties") is False:
        return schema
    notes.append(f"{place} was closed (additionalProperties: false): structured output takes no open object.")
    return {**schema, "additionalProperties": False}


def _without_bounds(schema: dict[str, Any], place: str, notes: list[str]) -> dict[str, Any]:
    bounds = {key: schema[key] for key in _BOUNDS if key in schema and not _is_taken(key, schema[key])}
    if not bounds:
        return schema
    names = ", ".join(bounds)
    notes.append(f"{place}: {names} moved into the description, because structured output takes no such bound.")
    rest = {key: value for key, value in schema.items() if key not in bounds}
    told = f"Must satisfy {msgspec.json.encode(bounds).decode()}."
    rest["description"] = f"{rest['description']} {told}" if rest.get("description") else told
    return rest


def _is_taken(key: str, value: Any) -> bool:
    """At least nought or one item is the single bound that the grammar knows."""
    return key == "minItems" and value in (0, 1)

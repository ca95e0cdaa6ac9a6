"""Mend: a foreign tool schema brought to JSON Schema, each change reported.

Tool descriptions in the wild are written for one provider or for none: types named as a programming language names them, a flag
`optional` beside a property, names with dots in them. Providers refuse the request for it. What can be read in one way only is
mended; what can't is refused when the tool is registered, and not when it is first called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from backstay.errors import ConfigurationError
from backstay.recover.validator import make_validator

TYPES: Final = {
    "dict": "object", "map": "object", "hashmap": "object", "struct": "object", "record": "object",
    "list": "array", "tuple": "array", "set": "array", "arraylist": "array", "vec": "array",
    "int": "integer", "long": "integer", "short": "integer", "bigint": "integer", "int32": "integer", "int64": "integer",
    "float": "number", "double": "number", "decimal": "number", "float32": "number", "float64": "number",
    "bool": "boolean", "str": "string", "char": "string", "text": "string",
    "none": "null", "nonetype": "null", "nil": "null",
}  # fmt: skip
"""Names of types in programming languages, and JSON Schema's."""

ANY: Final = frozenset({"any", "object?", "unknown", "mixed"})
"""Names that stand for any value, for which JSON Schema has no name."""

KNOWN: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
SINGLE: Final = ("items", "additionalProperties", "not", "propertyNames", "contains", "if", "then", "else")
SEVERAL: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
NAMED: Final = ("properties", "$defs", "definitions", "patternProperties")
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every provider takes as a tool's name."""


def mend_name(name: str) -> str:
    """`name` as every provider takes it: other characters become `_`. Raises ConfigurationError where nothing is left."""
    mended = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64]
    if not mended.strip("_"):
        raise ConfigurationError(f"tool name {name!r}: has no letter or digit; a name is 1 to 64 of A-Z a-z 0-9 _ -")
    return mended


def mend_schema(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The schema of an object, and what was changed to get it. Raises ConfigurationError where it is past mending."""
    notes: list[str] = []
    schema = _mend(dict(parameters), "$", notes)
    if not isinstance(schema, dict):
        raise ConfigurationError("the parameters of a tool are described by an object")
    if "type" not in schema:
        schema = {"type": "object", **schema}
    if schema["type"] != "object":
        raise ConfigurationError(f"the parameters of a tool are an object, not {schema['type']!r}")
    schema.setdefault("properties", {})
    try:
        make_validator(schema)
    except ValueError as error:
        raise ConfigurationError(f"the parameters of a tool are no valid JSON Schema: {error}") from error
    return schema, tuple(notes)


def _mend(node: Any, path: str, notes: list[str]) -> Any:
    if not isinstance(node, Mapping):
        return node
    made = dict(node)
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
        notes.append(f"{path}: items in a list are prefixItems")
    if "type" in made:
        _mend_type(made, path, notes)
    for word in NAMED:
        if isinstance(made.get(word), Mapping):
            made[word] = {name: _mend(child, f"{path}.{name}", notes) for name, child in made[word].items()}
    for word in SINGLE:
        if word in made:
            made[word] = _mend(made[word], f"{path}[]" if word == "items" else f"{path}.{word}", notes)
    for word in SEVERAL:
        if isinstance(made.get(word), list):
            made[word] = [_mend(child, f"{path}.{word}[{at}]", notes) for at, child in enumerate(made[word])]
    _mend_items(made, path, notes)
    _mend_null(made, path, notes)
    _mend_required(made, node, path, notes)
    return made


def _mend_type(made: dict[str, Any], path: str, notes: list[str]) -> None:
    kinds = made["type"] if isinstance(made["type"], list) else [made["type"]]
    named = [_type_of(kind) for kind in kinds]
    if None in named:
        del made["type"]
        notes.append(f"{path}: type {made.get('type', kinds[0])!r} is any value")
        return
    if named != kinds:
        notes.append(f"{path}: type {' or '.join(map(str, kinds))} is {' or '.join(map(str, named))}")
        made["type"] = named if isinstance(made["type"], list) else named[0]
    if made.get("nullable") is True and "null" not in named:
        made.pop("nullable")
        made["type"] = [*named, "null"]
        notes.append(f"{path}: nullable is a type of null")


def _type_of(kind: Any) -> str | None:
    """JSON Schema's name of a type, None where it stands for any value. Raises ConfigurationError for a name nobody knows."""
    if not isinstance(kind, str):
        raise ConfigurationError(f"type {kind!r}: is no name of a type")
    plain = kind.strip().lower()
    if plain in KNOWN:
        return plain
    if plain in ANY:
        return None
    plain = re.sub(r"[\[<(].*", "", plain)
    if plain in KNOWN or plain in TYPES:
        return TYPES.get(plain, plain)
    raise ConfigurationError(f"type {kind!r}: JSON Schema knows {', '.join(sorted(KNOWN))}")


def _mend_items(made: dict[str, Any], path: str, notes: list[str]) -> None:
    if made.get("type") == "array" and "items" not in made and "prefixItems" not in made:
        made["items"] = {}
        notes.append(f"{path}: items may be anything")
    choices = made.get("enum")
    if made.get("type") == "array" and isinstance(choices, list) and not any(_is_list(one) for one in choices):
        items = made.get("items")
        made["items"] = {**(items if isinstance(items, dict) else {}), "enum": made.pop("enum")}
        notes.append(f"{path}: enum is of the items, because none of its values is a list")


def _mend_null(made: dict[str, Any], path: str, notes: list[str]) -> None:
    """A default of null says that null is a value."""
    kind = made.get("type")
    if made.get("default", ...) is not None or not isinstance(kind, str) or kind == "null":
        return
    made["type"] = [kind, "null"]
    if isinstance(made.get("enum"), list) and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    notes.append(f"{path}: may be null, as its default is")


def _mend_required(made: dict[str, Any], node: Mapping[str, Any], path: str, notes: list[str]) -> None:
    """`required` names properties; a property that calls itself required or optional says so in its object's list."""
    if isinstance(made.get("required"), bool):
        del made["required"]  # it was read by the object around
        notes.append(f"{path}: required stands in the object around it")
    if isinstance(made.get("optional"), bool):
        del made["optional"]
        notes.append(f"{path}: optional is what is not in required")
    properties = made.get("properties")
    if not isinstance(properties, dict):
        return
    required = [name for name in made["required"] if isinstance(name, str)] if _is_list(made.get("required")) else []
    said = {name: child for name, child in node["properties"].items() if isinstance(child, Mapping)}
    chosen = [name for name in dict.fromkeys(required) if name in properties]
    chosen += [name for name, child in said.items() if child.get("required") is True and name not in chosen]
    if absent := [name for name in required if name not in properties]:
        notes.append(f"{path}: required names {', '.join(absent)}, which is no property")
    if "required" in made or chosen:
        made["required"] = chosen


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))

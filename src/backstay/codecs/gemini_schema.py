"""Schemas of the Gemini dialect, both ways between JSON Schema and what the API reads.

Models since 2.5 read a subset of JSON Schema (`readable_schema`); older ones read the subset of OpenAPI 3.0 that Google calls
Schema, with types in capitals, `nullable`, and no references (`openapi_schema`). Each keyword that has no counterpart is
dropped and named in a note, because the caller still checks the answer against the whole schema.

Source: https://ai.google.dev/gemini-api/docs/structured-output and https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

_READABLE: Final = frozenset(
    {
        "$id",
        "$defs",
        "$ref",
        "$anchor",
        "type",
        "format",
        "title",
        "description",
        "enum",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "required",
        "propertyOrdering",
        "default",
        "example",
        "pattern",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "nullable",
        "$schema",
    }
)
_OPENAPI: Final = _READABLE - {
    "$id",
    "$defs",
    "$ref",
    "$anchor",
    "$schema",
    "prefixItems",
    "oneOf",
    "additionalProperties",
}
_MAX_DEPTH: Final = 32
_CAMEL: Final = {
    "any_of": "anyOf",
    "property_ordering": "propertyOrdering",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
}


def readable_schema(schema: Schema, place: str, notes: list[str]) -> Schema:
    """`schema` in the JSON Schema that newer models read; `const` becomes an enum of one, other keywords are dropped."""
    return _mapped(_with_enum(schema), place, notes, _READABLE, readable_schema)


def openapi_schema(schema: Schema, place: str, notes: list[str], root: Schema | None = None, depth: int = 0) -> Schema:
    """`schema` in the OpenAPI subset: references are put in place, types in capitals, null becomes `nullable`."""
    root = schema if root is None else root
    if depth > _MAX_DEPTH:
        notes.append(f"{place} was cut: a schema that contains itself has no form in this dialect.")
        return {"type": "OBJECT"}
    plain = {
        key: value
        for key, value in _with_enum(_resolved(schema, root)).items()
        if key not in ("$defs", "$schema", "$id")
    }
    if plain.get("additionalProperties") is False:
        del plain["additionalProperties"]
    if "oneOf" in plain:
        plain["anyOf"] = plain.pop("oneOf")

    def deeper(inner: Schema, where: str, told: list[str]) -> Schema:
        return openapi_schema(inner, where, told, root, depth + 1)

    return _with_nullable(_mapped(plain, place, notes, _OPENAPI, deeper))


def _with_enum(schema: Schema) -> Schema:
    if "const" not in schema:
        return schema
    return {**{key: value for key, value in schema.items() if key != "const"}, "enum": [schema["const"]]}


def _mapped(schema: Schema, place: str, notes: list[str], known: frozenset[str], inner: Any) -> Schema:
    dropped = sorted(key for key in schema if key not in known)
    if dropped:
        notes.append(
            f"{place}: {', '.join(dropped)} left out, because the model's schema language has no such keyword."
        )
    mapped: Schema = {}
    for key, value in schema.items():
        if key not in known:
            continue
        if key in ("properties", "$defs") and isinstance(value, dict):
            mapped[key] = {name: _inner(item, f"{place}.{key}.{name}", notes, inner) for name, item in value.items()}
        elif key in ("anyOf", "oneOf", "prefixItems") and isinstance(value, list):
            mapped[key] = [_inner(item, f"{place}.{key}[{index}]", notes, inner) for index, item in enumerate(value)]
        else:
            mapped[key] = (
                _inner(value, f"{place}.{key}", notes, inner) if key in ("items", "additionalProperties") else value
            )
    return mapped


def _inner(schema: Any, place: str, notes: list[str], inner: Any) -> Any:
    return inner(schema, place, notes) if isinstance(schema, dict) else schema


def _resolved(schema: Schema, root: Schema) -> Schema:
    """`schema` with the target of its own reference in place; siblings of the reference win."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        target = target.get(step) if isinstance(target, dict) and step else target
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**target, **rest} if isinstance(target, dict) and target is not root else rest


def _with_nullable(schema: Schema) -> Schema:
    """Types in capitals; null, in a list of types or among alternatives, becomes `nullable`."""
    kinds, nullable = schema.get("type"), False
    if isinstance(kinds, list):
        others = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
        nullable = len(others) < len(kinds)
        if len(others) == 1:
            schema = {**schema, "type": others[0].upper()}
        else:
            rest = {key: value for key, value in schema.items() if key != "type"}
            schema = {**rest, "anyOf": [{"type": kind.upper()} for kind in others]}
    elif isinstance(kinds, str):
        schema = {**schema, "type": kinds.upper()}
    branches = schema.get("anyOf")
    if isinstance(branches, list) and {"type": "NULL"} in branches:
        left = [branch for branch in branches if branch != {"type": "NULL"}]
        nullable = True
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}
    return {**schema, "nullable": True} if nullable else schema


def json_schema(schema: Schema) -> Schema:
    """The JSON Schema that an OpenAPI schema of this dialect means: types in small letters, `nullable` as a null type."""
    plain: Schema = {}
    for name, value in schema.items():
        key = _CAMEL.get(name, name)
        if key == "type" and isinstance(value, str):
            plain[key] = value.lower()
        elif key == "properties" and isinstance(value, dict):
            plain[key] = {each: json_schema(item) if isinstance(item, dict) else item for each, item in value.items()}
        elif key == "anyOf" and isinstance(value, list):
            plain["anyOf"] = [json_schema(item) if isinstance(item, dict) else item for item in value]
        elif key == "items" and isinstance(value, dict):
            plain[key] = json_schema(value)
        elif key != "nullable":
            plain[key] = value
    if schema.get("nullable") is True:
        if isinstance(plain.get("type"), str):
            plain["type"] = [plain["type"], "null"]
        elif "anyOf" in plain:
            plain["anyOf"] = [*plain["anyOf"], {"type": "null"}]
    return plain

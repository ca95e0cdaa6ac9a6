"""The strict subset of JSON Schema that OpenAI enforces: every object is closed and requires all of its properties.

`strict_faults` names each place that breaks the rule, so that a schema is mended before it is sent and refused.
Source: https://platform.openai.com/docs/guides/structured-outputs (supported schemas)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MANY = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")


def strict_faults(schema: Any, path: str = "$") -> list[str]:
    """Every place where `schema` leaves the strict subset, as "path: what is missing"; empty where it fits."""
    return list(_walk(schema, path))


def _walk(schema: Any, path: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    if "object" in _types(schema) or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"{path}: additionalProperties must be false"
        required = schema.get("required")
        required = required if isinstance(required, list) else []
        properties = schema.get("properties")
        missing = [name for name in properties if name not in required] if isinstance(properties, dict) else []
        if missing:
            yield f"{path}: required must name every property, not leave out {', '.join(map(repr, missing))}"
    for key in _MAPS:
        below = schema.get(key)
        for name, part in below.items() if isinstance(below, dict) else ():
            yield from _walk(part, f"{path}.{name}" if key == "properties" else f"{path}.{key}.{name}")
    for key in _MANY:
        for number, part in enumerate(schema.get(key) or ()):
            yield from _walk(part, f"{path}.{key}[{number}]")
    yield from _walk(schema.get("items"), f"{path}[]")


def _types(schema: dict[str, Any]) -> list[Any]:
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [kind]

"""The property names a JSON Schema declares: keys the scanner may trust where the text around them is broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def property_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """Every property name and alias (`x-alias`) declared anywhere in the schema; each subschema is visited once."""
    names: set[str] = set()
    todo: list[Any] = [schema]
    seen: set[int] = set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Mapping):
            properties = node.get("properties")
            if isinstance(properties, Mapping):
                names.update(str(name) for name in properties)
            aliases = node.get("x-alias")
            if isinstance(aliases, Mapping):
                names.update(alias for alias in aliases.values() if isinstance(alias, str))
            todo.extend(node.values())
        elif isinstance(node, (list, tuple)):
            todo.extend(node)
    return frozenset(names)

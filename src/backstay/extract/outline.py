"""Outline: the fields of a schema in words, a line each, for a model that does not get to see the schema.

A server that holds an answer to a schema by a grammar (llama.cpp, Ollama, vLLM, LM Studio) does not show the schema to the
model: it learns the name of a field when the grammar has just forced it, and never what it means. Providers that take
schemas as part of the question show it themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backstay.extract.schema import branch, resolve

MAX_DEPTH = 8
"""Deeper levels of a schema (or of one that holds itself) are named and not spelled out."""


def outline(schema: dict[str, Any]) -> str:
    """The fields of `schema` in the order in which they are answered: `- name: description (one of: a, b)`."""
    return "\n".join(_lines(schema, schema, 0))


def _lines(node: dict[str, Any], root: dict[str, Any], depth: int) -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        if not isinstance(child, dict):
            continue
        inner = resolve(branch(child), root)
        item = resolve(branch(inner.get("items") or {}), root)
        about = child.get("description") or inner.get("description") or ""
        notes = "; ".join(_notes(inner, item))
        words = f"{about} ({notes})" if about and notes else about or notes
        yield f"{'  ' * depth}- {name}: {words}" if words else f"{'  ' * depth}- {name}"
        below = inner if inner.get("properties") else item
        if depth < MAX_DEPTH:
            yield from _lines(below, root, depth + 1)


def _notes(node: dict[str, Any], item: dict[str, Any]) -> Iterator[str]:
    """What the shape of a value says beside its description: a list, a choice, a number, a truth value."""
    if item:
        yield "a list; of each item" if item.get("properties") else "a list"
    choices = [str(choice) for choice in (node.get("enum") or item.get("enum") or ()) if choice is not None]
    if choices:
        yield f"one of: {', '.join(choices)}"
    kinds = node.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if kinds & {"number", "integer"}:
        yield "a number"
    if "boolean" in kinds:
        yield "true or false"

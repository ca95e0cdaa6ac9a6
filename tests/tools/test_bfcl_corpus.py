"""Recorded tool schemas and calls of a public benchmark: all schemas register, recorded calls pass, damaged ones don't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay.codecs.registry import codec, dialects
from backstay.tools import ToolRegistry
from backstay.tools.tool import Bound
from backstay.types import Request, ToolCall, user

pytestmark = pytest.mark.corpus

MAX_CONTRADICTIONS = 0.005
"""The share of recorded calls that may contradict their own schema (texts where it says integers)."""


class Foreign:
    """A tool that is nothing but a recorded schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    async def execute(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments


def lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield msgspec.json.decode(line)


def records(corpus: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each question with the calls that are right for it."""
    for path in sorted((corpus / "data" / "bfcl" / "dev").glob("*.inputs.jsonl")):
        truth = path.with_name(path.name.replace("inputs", "truth"))
        known = {one["id"]: one["ground_truth"] for one in lines(truth)} if truth.exists() else {}
        for record in lines(path):
            yield record, known.get(record["id"], [])


def registered(record: dict[str, Any]) -> ToolRegistry:
    return ToolRegistry(*(Foreign(schema) for schema in record.get("function", [])))


def concrete(value: Any) -> Any:
    """A value with its inner alternatives decided: each member of an object has a list of them, "" for may-be-left-out."""
    if isinstance(value, dict):
        return {
            name: concrete(inner[0]) if isinstance(inner, list) and inner else inner
            for name, inner in value.items()
            if not (isinstance(inner, list) and "" in inner)
        }
    return [concrete(item) for item in value] if isinstance(value, list) else value


def accepted(given: dict[str, list[Any]], required: set[str]) -> Iterator[dict[str, Any]]:
    """The calls that the alternatives of each parameter admit: a first one, and one for each further alternative."""
    chosen: dict[str, list[Any]] = {}
    for name, options in given.items():
        if not options:
            chosen[name] = [[]]
        elif "" not in options or name in required:
            chosen[name] = [concrete(one) for one in options if one != ""]
    first = {name: options[0] for name, options in chosen.items()}
    yield first
    for name, options in chosen.items():
        for option in options[1:]:
            yield {**first, name: option}


def damaged(bound: Bound, good: dict[str, Any]) -> Iterator[tuple[str, ToolCall]]:
    """Calls that must be refused: another tool, an invented parameter, no required one, a wrong type, half a text."""
    required = bound.schema.parameters.get("required", [])
    yield "unknown tool", ToolCall(id="1", name=f"{bound.name}_nonesuch", arguments=good)
    if not bound.schema.parameters.get("additionalProperties"):
        yield "invented", ToolCall(id="2", name=bound.name, arguments={**good, "qq_invented_zz": 1})
    if required:
        rest = {name: value for name, value in good.items() if name != required[0]}
        yield "missing", ToolCall(id="3", name=bound.name, arguments=rest)
    typed = [name for name in good if set(kinds(bound, name)) & {"integer", "number", "boolean"}]
    if typed:
        yield "wrong type", ToolCall(id="4", name=bound.name, arguments={**good, typed[0]: {"odd": ["value"]}})
    text = [name for name in good if set(kinds(bound, name)) == {"string"}]
    if text:
        yield "object for text", ToolCall(id="5", name=bound.name, arguments={**good, text[0]: {"odd": ["value"]}})
    raw = msgspec.json.encode(good).decode()
    if good:
        yield "cut", ToolCall(id="6", name=bound.name, raw_arguments=raw[:-1])
    yield "no object", ToolCall(id="7", name=bound.name, raw_arguments='["a", "b"]')


def kinds(bound: Bound, name: str) -> list[str]:
    kind = bound.schema.parameters["properties"].get(name, {}).get("type", [])
    return [kind] if isinstance(kind, str) else kind


def test_every_schema_registers_and_says_what_was_mended(corpus: Path) -> None:
    """No schema is refused, and each whose types were a language's own says so."""
    count = 0
    for record, _ in records(corpus):
        registry = registered(record)
        for schema in record.get("function", []):
            bound = registry.get(schema["name"])
            assert bound.mended or schema["parameters"]["type"] != "dict"
            count += 1
    assert count > 1_000
    for path in sorted((corpus / "data" / "bfcl" / "multi_turn_func_doc").glob("*.json")):
        assert len(ToolRegistry(*map(Foreign, lines(path)))) > 0


def test_every_schema_is_taken_by_every_dialect(corpus: Path) -> None:
    """Each codec encodes a request with the tools of each question."""
    codecs = [codec(name) for name in sorted(dialects())]
    for record, _ in records(corpus):
        tools = registered(record).schemas()
        if tools:
            request = Request(model="m", messages=(user("hi"),), tools=tools)
            for one in codecs:
                assert one.encode(request).body


async def test_recorded_calls_pass_and_damaged_ones_do_not(corpus: Path) -> None:
    """What the benchmark accepts is accepted; damaged in five ways and more, it is not."""
    passed, contradictions, refused = 0, [], Counter[str]()
    for record, truth in records(corpus):
        if record["id"].startswith("multi_turn"):
            continue
        registry = registered(record)
        for call in truth:
            ((name, given),) = call.items()
            bound = registry.get(name)
            good = None
            for arguments in accepted(given, set(bound.schema.parameters.get("required", ()))):
                checked = bound.check(arguments)
                if checked:
                    passed, good = passed + 1, arguments
                else:
                    contradictions.append((record["id"], checked.faults))
            for how, wrong in damaged(bound, good or {}) if good is not None else ():
                done = await registry.execute(wrong)
                assert done.outcome in ("invalid", "refused"), (record["id"], how, done)
                refused[how] += 1
    assert passed > 1_000
    assert len(contradictions) <= MAX_CONTRADICTIONS * passed, contradictions
    assert min(refused.values()) > 300, refused
    print(f"{passed} accepted, {len(contradictions)} contradict their schema, refused {dict(refused)}")

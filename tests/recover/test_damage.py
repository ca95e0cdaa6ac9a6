"""The local-damage rule: one damaged place changes at most the leaf it is in; every other leaf keeps every byte."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.recover import Parsed, Status, parse

WORDS = [
    "harbour",
    "sail",
    "Ms. Ng",
    "a, b",
    "12:30",
    "it's",
    "(see 3)",
    "{draft}",
    "x = [1]",
    "50%",
    "über",
    "né",
    "# 4",
    "a/b",
]
KEYS = ["id", "name", "note", "total", "crew", "due_date", "kind", "ok", "ref-no", "Port"]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
SCALAR = st.one_of(TEXT, TEXT, st.integers(-999, 9999), st.sampled_from([True, False, None, 0.5, -12.75, ""]))
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)
DOCUMENT = st.dictionaries(st.sampled_from(KEYS), VALUE, min_size=2, max_size=6)
Mutator = Callable[[str, random.Random], str | None]


def leaves(value: Any, path: str = "$") -> dict[str, Any]:
    """Every leaf by its path."""
    if isinstance(value, dict) and value:
        return {p: leaf for key, item in value.items() for p, leaf in leaves(item, f"{path}.{key}").items()}
    if isinstance(value, list) and value:
        return {p: leaf for index, item in enumerate(value) for p, leaf in leaves(item, f"{path}[{index}]").items()}
    return {path: value}


def at_random(pattern: str, replacement: Callable[[re.Match[str]], str]) -> Mutator:
    """A mutator that rewrites one random match of `pattern`."""
    compiled = re.compile(pattern)

    def mutate(text: str, source: random.Random) -> str | None:
        places = list(compiled.finditer(text))
        if not places:
            return None
        match = source.choice(places)
        return text[: match.start()] + replacement(match) + text[match.end() :]

    return mutate


MUTATORS: dict[str, Mutator] = {
    "trailing comma": at_random(r"(?<=[\w\"\]}])(?=\n *[}\]])", lambda m: ","),
    "missing comma": at_random(r",(?=\n)", lambda m: ""),
    "double comma": at_random(r",(?=\n)", lambda m: ",,"),
    "missing colon": at_random(r'(?<="):(?= )', lambda m: ""),
    "line comment": at_random(r",(?=\n)", lambda m: ', // it\'s "odd", {really}'),
    "block comment": at_random(r"(?<=\n)(?= *\")", lambda m: "/* [a, b] */"),
    "unquoted key": at_random(r'(?<=\n) *"([a-z_]+)":', lambda m: f"{m[1]}:"),
    "single-quoted key": at_random(r'"([a-z_]+)":', lambda m: f"'{m[1]}':"),
    "smart-quoted key": at_random(r'"([a-z_]+)":', lambda m: f"“{m[1]}”:"),
    "key without closing quote": at_random(r'(?<=\n) *"([a-z_]+)":', lambda m: f'"{m[1]}:'),
    "literal of Python": at_random(
        r"\b(true|false|null)(?=,?\n)", lambda m: {"true": "True", "false": "False", "null": "None"}[m[1]]
    ),
    "value without closing quote": at_random(r'(?<=: ")([^"\n]+)"(?=,?\n)', lambda m: m[1]),
    "number form": at_random(r"(?<=: )(\d+)(?=,?\n)", lambda m: f"+{m[1]}"),
    "extra closing brace": at_random(r"\}\Z", lambda m: "}}"),
    "missing last brace": at_random(r"\n\}\Z", lambda m: ""),
    "fenced": at_random(r"\A([\s\S]*)\Z", lambda m: f"Here you are:\n```json\n{m[1]}\n```\nAnything else?"),
    "prose around": at_random(r"\A([\s\S]*)\Z", lambda m: f"Result [1]: {m[1]}\nLet me know, {{name}}."),
}
"""Damage after which the whole document is known: every leaf must come back."""
IN_A_LEAF: dict[str, Mutator] = {
    "word in raw quotes": at_random(r"(?<=[a-z] )(harbour|sail)(?= [\w(])", lambda m: f'"{m[1]}"'),
    "raw newline": at_random(r"(?<=[a-z] )(?=harbour|sail)", lambda m: "\n"),
    "bad escape": at_random(r"(?<=[a-z] )(?=harbour|sail)", lambda m: "\\d "),
}
"""Damage inside one string: every other leaf must come back."""


def damaged(mutator: Mutator, document: Any, seed: int) -> str | None:
    return mutator(json.dumps(document, indent=2, ensure_ascii=False), random.Random(seed))


@pytest.mark.parametrize("name", MUTATORS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(document=DOCUMENT, seed=st.integers(0, 10_000))
def test_one_damaged_place_costs_no_leaf(name: str, document: Any, seed: int) -> None:
    """Damage to the structure alone leaves the whole document recoverable."""
    text = damaged(MUTATORS[name], document, seed)
    if text is not None:
        found = parse(text)
        assert found.status in (Status.RECOVERED, Status.PARTIAL, Status.SUCCESS)
        assert found.value == document, text


@pytest.mark.parametrize("name", IN_A_LEAF)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(document=DOCUMENT, seed=st.integers(0, 10_000))
def test_damage_in_one_string_touches_no_other_leaf(name: str, document: Any, seed: int) -> None:
    """A string with raw quotes, newlines or wrong escapes inside keeps its neighbours byte for byte."""
    text = damaged(IN_A_LEAF[name], document, seed)
    if text is not None:
        expected, found = leaves(document), leaves(parse(text).value)
        assert found.keys() == expected.keys(), text
        changed = [path for path in expected if found[path] != expected[path]]
        assert len(changed) <= 1, text


def test_the_local_damage_rule_catches_a_stripping_parser() -> None:
    """A parser that strips every string once anything is wrong (a real peer's habit) breaks the rule."""

    def stripping(text: str) -> Parsed:
        found = parse(text)
        return Parsed(
            status=found.status, value={k: v.strip() if isinstance(v, str) else v for k, v in found.value.items()}
        )

    document = {"code": "run()\n", "note": "sail harbour here", "ok": True}
    text = damaged(MUTATORS["trailing comma"], document, 1)
    assert text is not None
    assert parse(text).value == document
    assert stripping(text).value != document

"""What each departure from the literal value costs, so that of two readings the nearer one wins.

The scale is that of schema-aligned parsing as BAML practises it (a child's cost weighs on its parent, defaults cost most);
a coercion that would lose information has no price, because it is not made.
"""

from __future__ import annotations

from typing import Any

import msgspec

COST = {
    "number_from_text": 1,
    "integer_from_float": 1,
    "boolean_from_text": 1,
    "boolean_from_number": 1,
    "null_from_text": 1,
    "case": 1,
    "alias": 0,
    "list_from_one": 1,
    "optional_missing": 1,
    "default": 1,
    "extra_key": 1,
    "key_spelling": 1,
    "one_from_list": 2,
    "text_from_number": 2,
    "text_from_json": 2,
    "json_from_text": 2,
    "mention": 2,
    "punctuation": 3,
    "cut_item": 100,
    "empty_list": 100,
    "only_member": 2,
    "unfinished": 100,
}


class Coercion(msgspec.Struct, frozen=True):
    """One change of a value on its way to the schema: where (a JSON path), which (a key of `COST`), from what."""

    path: str
    code: str
    detail: str = ""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A value fitted to a schema at a cost, or the faults that kept it from fitting."""

    value: Any = None
    cost: int = 0
    coercions: tuple[Coercion, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()

    @property
    def is_fit(self) -> bool:
        """True if the value fits."""
        return not self.faults


def fit(value: Any, path: str, *codes: str, detail: str = "") -> Match:
    """A fitting value, with the coercions named by their codes."""
    noted = tuple(Coercion(path, code, detail[:60]) for code in codes)
    return Match(value=value, cost=sum(COST[code] for code in codes), coercions=noted)


def misfit(path: str, message: str) -> Match:
    """A value that cannot be fitted, and why."""
    return Match(faults=((path, message),))

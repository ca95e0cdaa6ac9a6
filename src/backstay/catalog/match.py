"""Match: is this name one of the names of that model?

A row carries clauses ("starts with claude-sonnet-5"), in the order in which its source asks them. Names come in forms that
mean the same model: resource paths and ARNs, a date with and without dashes. Fine-tuned and dated names lead to their base.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

_TESTS: Final[dict[str, Callable[[str, Any], bool]]] = {
    "equals": lambda name, value: name == value,
    "starts": lambda name, value: name.startswith(value),
    "ends": lambda name, value: name.endswith(value),
    "contains": lambda name, value: value in name,
    "regex": lambda name, value: re.search(value, name) is not None,
    "or": lambda name, value: any(matches(clause, name) for clause in value),
    "and": lambda name, value: all(matches(clause, name) for clause in value),
}

_PATH: Final = re.compile(r"^(?:arn:[^/]*:(?:foundation-model|inference-profile)/|(?:.*/)?models/)(?P<name>[^/]+)$")
"""Bedrock ARNs of foundation models and inference profiles; Google's `models/...` and `publishers/google/models/...`."""

_COMPACT_DATE: Final = re.compile(r"[-@](20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?=-|:|$)")
_SNAPSHOT: Final = re.compile(r"^(?P<base>.+?)[-@]20\d\d-?\d\d-?\d\d$")

_TUNED: Final = tuple(
    re.compile(form)
    for form in (
        r"^ft:(?P<base>[^:]+)(?::|$)",  # OpenAI, Mistral
        r"^(?P<base>[^:/]+):ft-",  # OpenAI's first form
        r"^(?P<base>.+)\.ft-[^/]*$",  # Azure
        r"^(?:arn:[^/]*:)?custom-model/(?P<base>[^/]+)(?:/|$)",  # Bedrock
    )
)
_TUNED_ROW: Final = ("ft:", ".ft-")


def matches(clause: list[Any], name: str) -> bool:
    """Whether `name` (lower case) fulfils a clause: [test, value], with nested clauses as the value of "or" and "and"."""
    test, value = clause
    return _TESTS[test](name, value)


def equals_of(clause: list[Any]) -> list[str] | None:
    """The names that alone fulfil `clause`; None when it takes more than a list of names."""
    test, value = clause
    if test == "equals":
        return [value]
    if test == "or" and all(kind == "equals" for kind, _ in value):
        return [name for _, name in value]
    return None


def forms_of(name: str) -> Iterator[str]:
    """The lower-case forms of `name` that mean the same model, the most literal first."""
    lower = name.lower()
    yield lower
    path = _PATH.match(lower)
    if path is not None:
        lower = path["name"]
        yield lower
    dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", lower)
    if dashed != lower:
        yield dashed
    if "@" in lower:
        yield lower.replace("@", "-")


def tuned_base(name: str) -> str | None:
    """The base of a fine-tuned model's name; None when `name` is not in a form of fine-tuned models."""
    for form in _TUNED:
        if found := form.match(name.lower()):
            return found["base"]
    return None


def snapshot_base(name: str) -> str | None:
    """The name without its date; None where it has none."""
    found = _SNAPSHOT.match(name.lower())
    return None if found is None else found["base"]


def is_tuned_row(id: str) -> bool:
    """True for a row that states the price of fine-tuned models."""
    return id.startswith(_TUNED_ROW[0]) or _TUNED_ROW[1] in id

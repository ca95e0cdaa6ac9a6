"""Check: the arguments of a call against the tool's schema, before anything runs.

What fits is passed on as it stands. What does not is fitted the way answers are (`recover.align`), but with less licence: a
change that loses nothing ("5" to 5, "Yes" to true, an enum's case, one value for a list of one) is made and reported; anything
that would have to be guessed, invented or left out is a fault that goes back to the model. So a call never runs on a default
that the model did not see, nor without an argument that it gave.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.recover import Coercion, Status, align, parse
from backstay.recover.validator import make_validator

REFUSED: Final = {
    "empty_list": "required and missing",
    "mention": "a value inside of other words is a guess",
    "only_member": "no object where one is required",
    "one_from_list": "a list where one value is required",
    "text_from_json": "an object or a list where a text is required",
    "cut_item": "is cut short",
    "unfinished": "is cut short",
}
"""Readings that are good enough for an answer, and too bold for an action; and what is said of them."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """`arguments` that fit, with every change that was made to them; or the `faults` for which they don't, by path."""

    arguments: dict[str, Any] = {}
    coercions: tuple[Coercion, ...] = ()
    faults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """True when the arguments may be used."""
        return not self.faults


class ArgumentCheck:
    """The check of one tool's arguments. Raises ValueError for parameters that are no JSON Schema."""

    __slots__ = ("_definitions", "_is_open", "_loose", "_name", "_properties", "_required", "_validator")

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        self._name = name
        self._properties: Mapping[str, Any] = parameters.get("properties", {})
        self._is_open = parameters.get("additionalProperties") not in (None, False)
        self._required = frozenset(parameters.get("required", ()))
        self._definitions = {word: parameters[word] for word in ("$defs", "definitions") if word in parameters}
        self._loose = without_defaults(parameters)
        self._validator = make_validator(parameters)

    def __call__(self, arguments: Any) -> Checked:
        """`arguments` (an object, or a model's text of one) checked."""
        repaired: tuple[Coercion, ...] = ()
        if isinstance(arguments, str):
            parsed = parse(arguments)
            if parsed.status in (Status.FAILED, Status.PARTIAL):
                return Checked(faults=("$: the arguments are no whole JSON object; send all of it again",))
            if parsed.status is Status.RECOVERED:
                repaired = tuple(Coercion("$", repair.code, repair.detail[:60]) for repair in parsed.repairs)
            arguments = parsed.value
        if not isinstance(arguments, dict):
            return Checked(faults=("$: the arguments are no object",))
        arguments, dropped = self._without_nulls(arguments)
        repaired += dropped
        if (self._is_open or arguments.keys() <= self._properties.keys()) and self._validator.is_valid(arguments):
            return Checked(arguments=arguments, coercions=repaired)
        return self._fitted(arguments, repaired)

    def _without_nulls(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], tuple[Coercion, ...]]:
        """Null for a parameter that need not be given, and can't be null, is how some dialects leave it out."""
        absent = {
            name
            for name, value in arguments.items()
            if value is None and name not in self._required and name in self._properties
            if not make_validator({**self._definitions, **_as_schema(self._properties[name])}).is_valid(None)
        }
        if not absent:
            return arguments, ()
        kept = {name: value for name, value in arguments.items() if name not in absent}
        return kept, tuple(Coercion(f"$.{name}", "null_is_absent") for name in sorted(absent))

    def _fitted(self, arguments: dict[str, Any], repaired: tuple[Coercion, ...]) -> Checked:
        found = align(arguments, self._loose)
        faults = [f"{fault.path or '$'}: {fault.message}" for fault in found.errors]
        for one in found.coercions:
            if one.code == "extra_key":
                faults.append(self._unknown(one.path))
            elif one.code in REFUSED:
                faults.append(f"{one.path}: {REFUSED[one.code]}")
        if found.errors and not self._is_open:
            known = set(map(_plain, self._properties))
            faults += [self._unknown(f"$.{name}") for name in arguments if _plain(name) not in known]
        if faults:
            return Checked(faults=tuple(dict.fromkeys(faults)))
        made = tuple(one for one in found.coercions if one.code not in ("optional_missing", "default"))
        return Checked(arguments=_as_given(arguments, found.value), coercions=(*repaired, *made))

    def _unknown(self, path: str) -> str:
        name = path.rpartition(".")[2]
        near = difflib.get_close_matches(name, self._properties, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(self._properties) or 'none'}"
        return f"{path}: no such parameter; {hint}"


def _as_schema(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def without_defaults(node: Any) -> Any:
    """A schema without its defaults, so that nothing is filled in; the names of properties are no keywords."""
    if isinstance(node, list):
        return [without_defaults(child) for child in node]
    if not isinstance(node, Mapping):
        return node
    made: dict[str, Any] = {}
    for word, child in node.items():
        if word in ("properties", "$defs", "definitions", "patternProperties") and isinstance(child, Mapping):
            made[word] = {name: without_defaults(inner) for name, inner in child.items()}
        elif word in ("enum", "const", "required"):
            made[word] = child
        elif word != "default":
            made[word] = without_defaults(child)
    return made


def _as_given(source: Any, fitted: Any) -> Any:
    """`fitted` without the members that only stand there because they may be null."""
    if isinstance(fitted, dict):
        known = source if isinstance(source, dict) else {}
        return {
            name: _as_given(known.get(name), value)
            for name, value in fitted.items()
            if value is not None or not isinstance(source, dict) or name in source
        }
    if isinstance(fitted, list) and isinstance(source, list) and len(source) == len(fitted):
        return [_as_given(old, new) for old, new in zip(source, fitted, strict=True)]
    return fitted

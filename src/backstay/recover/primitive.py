"""Scalars fitted to scalar schemas without loss: text to number or boolean, any spelling of an enum's member.

Two readings are an error, never a guess: `true or false` is no boolean, and a text that names two members of an enum
equally often names none.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from backstay.recover.cost import Match, fit, misfit
from backstay.recover.number import read_number

YES = frozenset({"true", "yes", "y", "on"})
NOT = frozenset({"false", "no", "n", "off"})
NOTHING = frozenset({"null", "none", "nil", "n/a", "undefined", ""})
GROUPED = re.compile(r"[-+]?[$€£¥]?\s?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s?[$€£¥]?\.?")
FRACTION = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)")
ANY_NUMBER = re.compile(r"(?<![\w.])[-+]?[$€£¥]?\d[\d,]*(?:\.\d+)?(?![\w])")
TRUE_WORD = re.compile(r"\btrue\b", re.IGNORECASE)
FALSE_WORD = re.compile(r"\bfalse\b", re.IGNORECASE)


def to_text(value: Any, path: str) -> Match:
    """A string; numbers, booleans and containers as their JSON."""
    if isinstance(value, str):
        return fit(value, path)
    if value is None:
        return misfit(path, "null where text is required")
    if isinstance(value, (dict, list)):
        return fit(json.dumps(value, ensure_ascii=False), path, "text_from_json")
    return fit(json.dumps(value), path, "text_from_number", detail=repr(value))


def to_number(value: Any, path: str, *, is_integer: bool, is_prose: bool = False) -> Match:
    """A number; text counts if it spells one number and nothing else (or, `is_prose`, holds exactly one)."""
    noun = "an integer" if is_integer else "a number"
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return misfit(path, f"{_name(value)} where {noun} is required")
    codes: tuple[str, ...] = ()
    number = value
    if isinstance(value, str):
        number = _spelled(value)
        codes = ("number_from_text",)
        if number is None and is_prose:
            found = ANY_NUMBER.findall(value)
            number = _spelled(found[0]) if len(found) == 1 else None
            codes = ("mention",)
    if number is None:
        return misfit(path, f"{value[:40]!r} spells no single number")
    if is_integer and isinstance(number, float):
        if not number.is_integer():
            return misfit(path, f"{value!r} is no integer, and rounding would lose a part")
        number, codes = int(number), (*codes, "integer_from_float")
    return fit(number, path, *codes, detail=repr(value) if codes else "")


def _spelled(text: str) -> int | float | None:
    text = text.strip().replace("\u2212", "-").strip("*_`\"'")
    plain = read_number(text)
    if plain is not None:
        return plain
    if GROUPED.fullmatch(text):
        return read_number(re.sub(r"[^\d.+-]", "", text).rstrip(".").lstrip("+"))
    fraction = FRACTION.fullmatch(text)
    if fraction is not None and float(fraction[2]):
        return float(fraction[1]) / float(fraction[2])
    return None


def to_boolean(value: Any, path: str) -> Match:
    """A boolean; 0 and 1, yes and no, or a text in which exactly one of the words true and false stands."""
    if isinstance(value, bool):
        return fit(value, path)
    if isinstance(value, (int, float)) and value in (0, 1):
        return fit(bool(value), path, "boolean_from_number", detail=repr(value))
    if not isinstance(value, str):
        return misfit(path, f"{_name(value)} where a boolean is required")
    word = value.strip().strip("*_`\"'.!").lower()
    if word in YES or word in NOT:
        return fit(word in YES, path, "boolean_from_text", detail=value)
    is_true, is_false = TRUE_WORD.search(value) is not None, FALSE_WORD.search(value) is not None
    if is_true == is_false:
        return misfit(path, f"{value[:40]!r} says {'both true and false' if is_true else 'neither true nor false'}")
    return fit(is_true, path, "mention", detail=value)


def to_null(value: Any, path: str) -> Match:
    """Null, or a text that says so."""
    if value is None:
        return fit(None, path)
    if isinstance(value, str) and value.strip().lower() in NOTHING:
        return fit(None, path, "null_from_text", detail=value)
    return misfit(path, f"{_name(value)} where null is required")


def to_member(value: Any, path: str, members: Sequence[Any], aliases: Mapping[str, str]) -> Match:
    """The member of an enum that `value` is, by name, alias, spelling, or as the only (or most) one mentioned."""
    for member in members:
        if type(member) is type(value) and member == value:
            return fit(member, path)
    if not isinstance(value, str):
        same = [m for m in members if not isinstance(m, bool) and not isinstance(value, bool) and m == value]
        return fit(same[0], path) if same else misfit(path, f"{value!r} is none of {list(members)!r}")
    names = {spelling: member for member in members if isinstance(member, str)
             for spelling in (member, aliases.get(member, member))}  # fmt: skip
    text = value.strip()
    for code, fold in (("alias", str), ("case", str.casefold), ("punctuation", _fold)):
        found = {id(member): member for spelling, member in names.items() if fold(spelling) == fold(text)}
        if len(found) == 1:
            return fit(next(iter(found.values())), path, code, detail=value)
    for member in members:
        if isinstance(member, (int, float)) and not isinstance(member, bool) and _spelled(text) == member:
            return fit(member, path, "number_from_text", detail=value)
        if isinstance(member, bool) and text.lower() == str(member).lower():
            return fit(member, path, "boolean_from_text", detail=value)
    return _mentioned(text, path, names)


def _mentioned(text: str, path: str, names: Mapping[str, Any]) -> Match:
    counts: dict[Any, int] = {}
    folded = text.casefold()
    for spelling, member in names.items():
        if spelling:
            hits = len(re.findall(rf"(?<!\w){re.escape(spelling.casefold())}(?!\w)", folded))
            counts[member] = max(counts.get(member, 0), hits)
    most = max(counts.values(), default=0)
    leaders = [member for member, count in counts.items() if count == most]
    if most and len(leaders) == 1:
        return fit(leaders[0], path, "mention", detail=text)
    if most:
        return misfit(path, f"{text[:40]!r} names {' and '.join(map(repr, leaders))} equally")
    return misfit(path, f"{text[:40]!r} is none of {sorted(set(names.values()))!r}")


def _fold(text: str) -> str:
    """Letters and digits only, without accents or case."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(char for char in plain if char.isalnum()).casefold()


def _name(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", dict: "an object", list: "an array", str: "text"}.get(type(value), "a number")

"""The gate: text that is JSON is decoded by one call of the C parser and never reaches the repair machinery.

That is the whole proof of "valid JSON is never changed": nothing after this module runs on it. The verdict and the value
are those of `json.loads`, duplicate keys, big integers and all; only NaN and the infinities, which `json.loads`
accepts and RFC 8259 does not, are taken as a repair.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from json.decoder import JSONDecoder
from typing import Any, Literal

import msgspec

from backstay.recover.outcome import Fault

NonFinite = Literal["float", "null"]
CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
DEFAULT_DEPTH = 512
"""Levels a damaged text may nest. Valid JSON is bounded by the C parser itself, unless the caller asks for less."""
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


class ConstantMet(Exception):
    """The C parser met NaN or an infinity; the text is read once more to say which."""


def _refuse_constant(name: str) -> Any:
    raise ConstantMet(name)


STRICT = JSONDecoder(parse_constant=_refuse_constant)


class Verdict(msgspec.Struct, kw_only=True):
    """What the gate found: `is_json` with a `value`, or the `fault` of the C parser."""

    is_json: bool = False
    value: Any = None
    fault: Fault | None = None
    constants: tuple[str, ...] = ()
    is_too_deep: bool = False


def judge(text: str, *, non_finite: NonFinite = "float", max_depth: int = 512) -> Verdict:
    """The C parser's verdict on the whole text; `constants` lists the non-finite numbers met."""
    met: list[str] = []

    def keep_constant(name: str) -> float | None:
        met.append(name)
        return CONSTANTS[name] if non_finite == "float" else None

    try:
        try:
            value = STRICT.decode(text)
        except ConstantMet:
            value = JSONDecoder(parse_constant=keep_constant).decode(text)
    except json.JSONDecodeError as error:
        remedy = "send valid JSON, or parse without strict"
        return Verdict(fault=Fault(message=error.msg, remedy=remedy, offset=error.pos))
    except RecursionError:
        return Verdict(fault=too_deep(max_depth))
    except ValueError as error:  # an integer beyond sys.get_int_max_str_digits
        return Verdict(fault=Fault(message=str(error).split(";")[0], remedy="send the number as a string"))
    if max_depth < DEFAULT_DEPTH and is_deeper(text, max_depth):
        return Verdict(fault=too_deep(max_depth), is_too_deep=True)
    return Verdict(is_json=True, value=value, constants=tuple(met))


def is_deeper(text: str, max_depth: int) -> bool:
    """True if a valid JSON text nests deeper than `max_depth`; two C counts settle it for nearly every document."""
    if text.count("[") + text.count("{") <= max_depth:
        return False
    depth = 0
    for token in TOKEN.finditer(text):
        char = token[0][0]
        if char in "[{":
            depth += 1
            if depth > max_depth:
                return True
        elif char in "]}":
            depth -= 1
    return False


def too_deep(max_depth: int) -> Fault:
    """The fault of a document nested beyond the bound."""
    return Fault(message=f"nested deeper than {max_depth} levels", remedy="raise max_depth if the input is trusted")


def repeated_keys(text: str) -> list[str]:
    """Names that occur twice in one object of a valid JSON text (RFC 7493 forbids them; `json.loads` keeps the last)."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) < len(items):
            counts = Counter(name for name, _ in items)
            found.extend(name for name, count in counts.items() if count > 1)
        return value

    JSONDecoder(object_pairs_hook=pairs).decode(text)
    return found

"""Lenient reading of JSON from the network: a value of the expected kind, or nothing; never an error below the top level.

Providers send nulls for absent fields, numbers for strings and fields of the wrong kind; none of that may cost an answer that
was paid for. Only a body that is no JSON at all is a ProtocolError.
"""

from __future__ import annotations

import re
from json import loads
from typing import Any, Final

import msgspec

from backstay.errors import ProtocolError

decode_json: Final = msgspec.json.Decoder().decode
"""Strict; for a hot loop that falls back on `read_json` when one of JSON_FAULTS is raised."""

JSON_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding text that is no JSON, no UTF-8, or nested too deep raises."""

_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F].."
)

_YEAR_10000: Final = 253_402_300_800


def read_json(data: bytes) -> Any:
    """The JSON value of `data`. Raises ProtocolError, with the beginning of the data, where it is none.

    Two things are taken that JSON forbids and servers send: NaN and infinities (in log-probabilities), and half a surrogate
    pair, which stands for a character cut in two by a token boundary and becomes U+FFFD.
    """
    try:
        return decode_json(data)
    except JSON_FAULTS as fault:
        return _read_forgiving(data, fault)


def _read_forgiving(data: bytes, fault: Exception) -> Any:
    text = _LONE_SURROGATE.sub(rb"\\ufffd", data)
    try:
        return decode_json(text)
    except JSON_FAULTS:
        pass
    if b"NaN" in text or b"Infinity" in text:
        try:
            return loads(text)
        except (ValueError, RecursionError):
            pass
    start = data[:80].decode("utf-8", "replace")
    raise ProtocolError(f"the answer is no JSON: {fault}; it begins with {start!r}") from fault


def text_of(value: Any) -> str:
    """`value` where it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def text_or_none(value: Any) -> str | None:
    """`value` where it is a string that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def count_of(value: Any) -> int | None:
    """`value` where it is a whole number of zero or more (12.0 counts), else None."""
    if type(value) is int:
        return value if 0 <= value < 1 << 62 else None
    if type(value) is not float or not 0 <= value < 1 << 62:
        return None
    return int(value) if value == int(value) else None


def number_of(value: Any) -> float | None:
    """`value` as a float where it is a number, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def moment_of(value: Any) -> float | None:
    """`value` as Unix seconds where it is a number of this era, else None: zero, milliseconds and NaN tell no time."""
    number = number_of(value)
    return number if number is not None and 0 < number < _YEAR_10000 else None


def object_of(value: Any) -> dict[str, Any]:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[dict[str, Any]]:
    """The objects of `value` where it is an array, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def rest_of(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of `value` that are not in `known` and say something (null says nothing)."""
    if value.keys() <= known:
        return {}
    return {name: field for name, field in value.items() if name not in known and field is not None}


def own(extra: dict[str, Any] | None, dialect: str) -> dict[str, Any]:
    """What an `extra` holds for `dialect`; fields of other dialects are never sent to it."""
    return object_of(extra.get(dialect)) if extra else {}


def keep(dialect: str, fields: dict[str, Any]) -> dict[str, Any] | None:
    """`fields` as an `extra` of `dialect`; None where there are none."""
    return {dialect: fields} if fields else None

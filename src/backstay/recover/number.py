"""Number forms beyond JSON's: `+5`, `.5`, `5.`, `1_000`, `0x1F`, and a number the end of the input cut short.

What could be read two ways stays text: leading zeros (`0123` is a code, an octal or a slip), `1/3`, `1.2.3`, `10-20`. So does
what a float cannot hold (`1e400`).
"""

from __future__ import annotations

import math
import re

STRICT = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
LOOSE = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d*)?")
HEX = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]+)")
GROUPED = re.compile(r"[+-]?\d+(?:_\d+)+(?:\.\d+(?:_\d+)*)?")
MAX_DIGITS = 4300
"""CPython's own bound on the digits of an integer read from text; a longer one stays text."""


def read_number(token: str) -> int | float | None:
    """The number `token` spells, or None if it spells none without a guess."""
    if len(token) > MAX_DIGITS:
        return None
    strict = STRICT.fullmatch(token)
    if strict is not None:
        return int(token) if strict.lastindex is None else _finite(token)
    hexadecimal = HEX.fullmatch(token)
    if hexadecimal is not None:
        return int(hexadecimal[1] + hexadecimal[2], 16)
    if GROUPED.fullmatch(token):
        token = token.replace("_", "")
    if LOOSE.fullmatch(token) is None:
        return None
    token = re.sub(r"[eE][+-]?$", "", token)
    return _finite(token) if "." in token or "e" in token or "E" in token else int(token)


def _finite(token: str) -> float | None:
    """The float of `token`; None beyond the range of a float (`1e400`), because infinity is not what was written."""
    number = float(token)
    return None if math.isinf(number) else number


def read_cut_number(token: str) -> int | float | None:
    """The longest number that starts `token`, the last thing before the end of the input; None for a lone sign."""
    return read_number(token.rstrip("+-eE.") or "-")

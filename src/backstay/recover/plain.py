"""The plain reading: one token after the other, the first quote outside a word closes, nothing is weighed.

A text damaged every few characters over hundreds of kilobytes is no document any more, and weighing each of its quotes
would take seconds. `Page.effort` bounds that work by the length of the text; when it is spent, what remains is read here, in
one pass at a few hundred nanoseconds a token. The report says where (`plain_reading`).
"""

from __future__ import annotations

import re
from typing import Any

from backstay.recover.escape import unescape
from backstay.recover.lexeme import WORDS
from backstay.recover.number import read_number
from backstay.recover.scan import ARRAY, CLOSE, OBJECT, TUPLE, Scan

TOKEN = re.compile(
    r'"([^"\\]*+(?:(?:\\[\s\S]|(?<=\w)"(?=\w))[^"\\]*+)*+)(?:"|\\?\Z)|([{\[(])|([}\])])|([:：])|([,，;])'
    r"|(-?\d[\d.eE+-]*|true|false|null|True|False|None)(?=[\s,}\]:])|'([^'\\\n]*+(?:\\.[^'\\\n]*+)*+)'"
    r"|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+|([^\s\"{}\[\](),:：，;][^\"{}\[\](),:：，;\n]*+)"
)
STRING, OPEN, CLOSING, COLON, COMMA, SCALAR, SINGLE, WORD = range(1, 9)
NEAR = 8
"""Containers that one closing bracket may close."""
KIND = {"{": OBJECT, "[": ARRAY, "(": TUPLE}


def read_plainly(scan: Scan, *, is_whole: bool) -> list[int]:
    """Read on from `scan.pos` until the outermost container closes, or (`is_whole`) to the end of the text.

    Returns where the containers began that now stand in `scan.boxes[0]`, if `is_whole`.
    """
    scan.log.add("plain_reading", scan.pos)
    scan.log.warn(f"plain_reading at offset {scan.pos}: damaged too densely, the first quote closes from here on")
    starts: list[int] = []
    boxes, kinds, text = scan.boxes, scan.kinds, scan.text
    key: str | None = None
    has_colon = False
    for token in TOKEN.finditer(text, scan.pos):
        which = token.lastindex
        if which is None:
            continue
        if which == OPEN:
            is_open = bool(kinds[-1] & 1)
            if is_open and not has_colon:
                key = ""
            if len(boxes) > scan.max_depth:
                scan.log.warn(f"nested deeper than {scan.max_depth} levels at offset {token.start()}: not read further")
                break
            if len(boxes) == 1:
                starts.append(token.start())
            _enter(scan, KIND[token[OPEN]], key if is_open else None)
            key, has_colon = None, False
        elif which == CLOSING:
            _leave(scan, token[CLOSING])
            key, has_colon = None, False
            if len(boxes) == 1 and not is_whole:
                scan.pos = token.end()
                return starts
        elif which == COLON:
            has_colon = key is not None
        elif which == COMMA:
            if has_colon and key is not None:
                boxes[-1][key] = None
            key, has_colon = None, False
        elif len(boxes) > 1:
            value = _value(scan, token, which)
            if not kinds[-1] & 1:
                boxes[-1].append(value)
            elif has_colon and key is not None:
                boxes[-1][key] = value
                key, has_colon = None, False
            else:
                key, has_colon = value if isinstance(value, str) else token[0], False
    scan.pos = scan.end
    return starts


def _value(scan: Scan, token: re.Match[str], which: int) -> Any:
    raw = token[which]
    if which in (STRING, SINGLE):
        return unescape(raw, scan.log, token.start(), is_script=which == SINGLE) if "\\" in raw else raw
    raw = raw.strip()
    if raw in WORDS:
        return WORDS[raw]
    number = read_number(raw)
    return raw if number is None else number


def _enter(scan: Scan, kind: int, key: str | None) -> None:
    child: Any = {} if kind & 1 else []
    if scan.kinds[-1] & 1:
        scan.boxes[-1][key or ""] = child
    else:
        scan.boxes[-1].append(child)
    scan.boxes.append(child)
    scan.kinds.append(kind)
    scan.keys.append(key)


def _leave(scan: Scan, bracket: str) -> None:
    """Close the innermost container of the bracket's kind, and all inside it; nothing if none is near."""
    kinds = scan.kinds
    for depth in range(len(kinds) - 1, max(0, len(kinds) - NEAR), -1):
        if CLOSE[kinds[depth]] == bracket:
            del scan.boxes[depth:], kinds[depth:], scan.keys[depth:]
            return

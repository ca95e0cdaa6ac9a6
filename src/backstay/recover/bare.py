"""Unquoted text as a value: up to the next key, item or bracket that can end it."""

from __future__ import annotations

import re
from typing import Any

from backstay.recover.lexeme import QUOTED_KEY, WORDS
from backstay.recover.number import read_number
from backstay.recover.scan import TUPLE, Scan

MEMBER_STOP = re.compile(
    r",(?=\s*(?:\"[^\"\n]{0,120}\"\s*[:：]|'[^'\n]{0,80}'\s*:|[A-Za-z_$][\w$-]{0,60}\s*:(?!//)|[}\]]|\Z|//|#|/\*))"
    r"|[{}\[\]]|\s(?=//|#|/\*)|\n(?=\s*(?:\"[^\"\n]{0,120}\"\s*:|[A-Za-z_$][\w$-]{0,60}\s*:(?!//)))"
    r"|\s(?=\"[^\"\n]{1,80}\"\s*:)|```"
)
ITEM_STOP = re.compile(r"[,，\n{}\[\]()]|\s(?=//|#|/\*)|\s(?=\"[^\"\n]*\"\s*[,\]])|```")


def read_bare(scan: Scan) -> tuple[Any] | None:
    """The text at `scan.pos` as a string (or what it spells); None if it is empty."""
    start = scan.pos
    is_item = not scan.kinds[-1] & 1
    end = _item_end(scan, start) if is_item else _member_end(scan, start)
    raw = scan.text[start:end].strip()
    scan.pos = max(end, start + 1)
    if not raw:
        return None
    if raw[-1] in "\"'”" and raw[0] not in "\"'“" and raw.count(raw[-1]) % 2 == 1:
        scan.log.add("missing_quote", start)
        raw = raw[:-1].rstrip()
        if is_item and raw.endswith('",'):
            raw = raw[:-2]
        return (raw,)
    if end >= scan.end and scan.is_open:
        scan.log.is_cut = True
    if raw in WORDS:
        scan.log.add("literal", start, raw)
        return (WORDS[raw],)
    number = read_number(raw)
    scan.log.add("unquoted_value", start, raw[:40])
    return (raw if number is None else number,)


def _member_end(scan: Scan, start: int) -> int:
    """Where bare text ends in an object: brackets inside it are counted, commas count only before a key."""
    text, depth = scan.text, 0
    for stop in MEMBER_STOP.finditer(text, start):
        char = stop[0]
        if char in ("{", "["):
            depth += 1
        elif char in ("}", "]"):
            if depth == 0:
                return stop.start()
            depth -= 1
        elif depth == 0 or (char == "," and QUOTED_KEY.match(text, stop.end())):
            return stop.start()
    return scan.end


def _item_end(scan: Scan, start: int) -> int:
    text, depth = scan.text, 0
    for stop in ITEM_STOP.finditer(text, start):
        char = stop[0]
        if char in ("(", "[", "{"):
            depth += 1
        elif char in (")", "]", "}"):
            if depth == 0:
                if char == ")" and scan.kinds[-1] != TUPLE:
                    continue
                return stop.start()
            depth -= 1
        elif depth == 0 or char == "\n":
            return stop.start()
    return scan.end

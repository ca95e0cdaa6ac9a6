"""Closing brackets that do not match: which containers a `]` or `}` really ends, decided by what follows it."""

from __future__ import annotations

import re

from backstay.recover.lexeme import BARE_KEY, QUOTED_KEY, SPACE
from backstay.recover.scan import ARRAY, CLOSE, IMPLICIT, OBJECT, Scan

CLOSERS = {"]": "]", "}": "}", ")": ")", "］": "]", "｝": "}"}
"""Every closing bracket with its plain form."""
AFTER_ITEM = re.compile(r"\s*,\s*[{\[\"'\d]")
TRAILING = re.compile(r",[ \n\r\t]*\Z")


def close_bracket(scan: Scan, char: str) -> None:
    """Act on the closing bracket `char` at `scan.pos`."""
    bracket = CLOSERS[char]
    if scan.text[scan.pos - 1] == "," or TRAILING.search(scan.text, max(0, scan.pos - 40), scan.pos):
        scan.log.add("trailing_comma", scan.pos)
    if CLOSE[scan.kinds[-1]] == bracket:
        scan.close()
    elif not any(CLOSE[kind] == bracket for kind in scan.kinds[1:]):
        scan.log.add("extra_close", scan.pos, char)
        scan.pos += 1
        _swallow_comma(scan)
    elif _is_wrong_bracket(scan, bracket):
        scan.log.add("wrong_close", scan.pos, char)
        scan.close()
    else:
        while CLOSE[scan.kinds[-1]] != bracket:
            if scan.kinds[-1] != IMPLICIT:
                scan.log.add("missing_close", scan.pos)
            scan.close(0)
        scan.close()


def _is_wrong_bracket(scan: Scan, bracket: str) -> bool:
    """True if the bracket stands for that of the innermost container: what follows belongs to the next one out."""
    text, after = scan.text, scan.pos + 1
    comma = SPACE.match(text, after)
    place = comma.end() if comma is not None else after
    if place >= scan.end or text[place] != "," or len(scan.kinds) < 3:
        return False
    space = SPACE.match(text, place + 1)
    place = space.end() if space is not None else place + 1
    if bracket == "}":
        return scan.kinds[-2] == OBJECT and bool(QUOTED_KEY.match(text, place) or BARE_KEY.match(text, place))
    return scan.kinds[-2] == ARRAY and scan.kinds[-1] == OBJECT and text.startswith("{", place)


def _swallow_comma(scan: Scan) -> None:
    """After a stray bracket a comma may follow; it separates what the bracket wrongly did."""
    scan.skip()
    if scan.pos < scan.end and scan.text[scan.pos] == "," and scan.text[scan.pos - 1] in "]})":
        scan.pos += 1

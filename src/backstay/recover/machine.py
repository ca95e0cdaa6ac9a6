"""The driver of the scan: healthy members and items by one regular expression each, the rest by the slow readers."""

from __future__ import annotations

import math
import re
from typing import Any

from backstay.recover.item import read_item
from backstay.recover.lexeme import ITEM, MEMBER, STRICT_WORDS, WORDS
from backstay.recover.member import read_member
from backstay.recover.outcome import Log
from backstay.recover.plain import read_plainly
from backstay.recover.scan import ARRAY, OBJECT, Scan


def run(scan: Scan) -> None:
    """Read until the outermost container closes, the text ends, or its fence does."""
    page = scan.page
    while scan.is_open:
        if page.effort < 0:
            read_plainly(scan, is_whole=False)
            return
        page.effort -= 1
        if scan.kinds[-1] & 1:
            if _members(scan) or not read_member(scan):
                continue
        elif (scan.kinds[-1] == ARRAY and _items(scan)) or not read_item(scan):
            continue
        return


def _members(scan: Scan) -> bool:
    """Take healthy members of the innermost object; True if a container was opened or closed on the way."""
    text, box, log, match_member, pos = scan.text, scan.boxes[-1], scan.log, MEMBER.match, scan.pos
    while (match := match_member(text, pos)) is not None:
        which = match.lastindex or 0
        notes, key = match.group(1, 2)
        if key is None or notes is not None:
            key = _note_key(scan, match)
        if which == 10:
            scan.pos = match.start(10)
            whole = scan.take(scan.pos)
            if whole is None:
                scan.enter(key, OBJECT if match[10] == "{" else ARRAY)
                return True
            scan.put(key, whole[0])
            scan.pos = whole[1]
            scan.gap()
            pos = scan.pos
            continue
        if key in box:
            log.warn(f"duplicate key {key!r} at offset {match.start()}: the last value is kept")
        box[key] = match[5] if which == 5 else _scalar(match, which - 6, 6, log)
        pos = match.end()
        if text[pos - 1] == "}":
            _close_behind(scan, match, which)
            return True
    scan.pos = pos
    return False


def _close_behind(scan: Scan, match: re.Match[str], which: int) -> None:
    """Leave the container whose bracket is the last character of a fast match."""
    scan.pos = match.end() - 1
    if "," in scan.text[match.end(which) : scan.pos]:
        scan.log.add("trailing_comma", scan.pos)
    scan.close()


def _note_key(scan: Scan, match: re.Match[str]) -> str:
    """The key of a member whose key or place needs a note."""
    log = scan.log
    if match[1] is not None:
        log.add("comment", match.start(1))
    if match[2] is not None:
        return match[2]
    if match[3] is not None:
        log.add("quote_style", match.start(3) - 1)
        return match[3]
    scan.has_bare_keys = True
    log.add("unquoted_key", match.start(4), match[4])
    return match[4]


def _items(scan: Scan) -> bool:
    """Take healthy items of the innermost array; True if a container was opened or closed on the way."""
    text, box, log, match_item = scan.text, scan.boxes[-1], scan.log, ITEM.match
    while (match := match_item(text, scan.pos)) is not None:
        which = match.lastindex or 0
        if match[1] is not None:
            log.add("comment", match.start(1))
        if which == 7:
            scan.pos = match.start(7)
            if not scan.take_items():
                scan.enter(None, OBJECT if text[scan.pos] == "{" else ARRAY)
                return True
            continue
        box.append(match[2] if which == 2 else _scalar(match, which - 3, 3, log))
        scan.pos = match.end()
        if text[scan.pos - 1] == "]":
            _close_behind(scan, match, which)
            return True
    return False


def _scalar(match: re.Match[str], kind: int, first: int, log: Log) -> Any:
    """The scalar of a fast match: group `first + kind`, kinds being single-quoted string, int, float, word."""
    raw = match[first + kind]
    if kind == 1:
        return int(raw)
    if kind == 2:
        number = float(raw)
        return raw if math.isinf(number) else number
    if kind == 0:
        log.add("quote_style", match.start(first) - 1)
        return raw
    if raw not in STRICT_WORDS:
        log.add("literal", match.start(first + kind), raw)
    return WORDS[raw]

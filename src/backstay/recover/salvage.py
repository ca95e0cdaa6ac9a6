"""Named fields saved from a ruin: each name is looked for as a key, and what follows its colon is read alone."""

from __future__ import annotations

import re
from typing import Any

from backstay.recover.machine import run
from backstay.recover.outcome import Log
from backstay.recover.scan import OBJECT, Page, Scan, TooDeep
from backstay.recover.value import read_value


def salvage(text: str, fields: tuple[str, ...]) -> tuple[dict[str, Any], Log]:
    """The fields found, each from the first place that yields a value, and the repairs it took."""
    log = Log()
    saved: dict[str, Any] = {}
    names = frozenset(fields)
    page = Page(text)
    for name in fields:
        key = re.compile(rf"(?<![\w$])[\"'“‘`*]*{re.escape(name)}[\"'”’`*]*\s*[:：=]\s*[*]*", re.IGNORECASE)
        for match in list(key.finditer(text))[:8]:
            scan = Scan(page, match.end(), log, names=names)
            if scan.pos >= scan.end or text[scan.pos] in ",}]":
                continue
            scan.boxes.append({})
            scan.kinds.append(OBJECT)
            scan.keys.append(None)
            try:
                _read_one(scan, name)
            except TooDeep:
                continue
            if name in scan.boxes[1]:
                saved[name] = scan.boxes[1][name]
                log.add("salvaged", match.start(), name)
                break
    return saved, log


def _read_one(scan: Scan, name: str) -> None:
    read_value(scan, name)
    while len(scan.boxes) > 2:
        before = len(scan.boxes)
        run_nested(scan)
        if len(scan.boxes) >= before:
            return


def run_nested(scan: Scan) -> None:
    """Finish the container just entered, leaving the object that stands for the ruin open."""
    outer, kinds, keys = scan.boxes[:2], scan.kinds[:2], scan.keys[:1]
    scan.boxes, scan.kinds, scan.keys = [[], *scan.boxes[2:]], [0, *scan.kinds[2:]], scan.keys[1:]
    run(scan)
    scan.boxes, scan.kinds, scan.keys = [*outer, *scan.boxes[1:]], [*kinds, *scan.kinds[1:]], [*keys, *scan.keys]

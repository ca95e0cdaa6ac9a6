"""A whole text that is one scalar: a number form, a quoted text, or a JSON value the end of the input cut short.

A bare word is prose, whatever it spells (`False`, `hello`): without a schema nothing says that it is an answer. A proper
prefix of a JSON literal is JSON cut short, so a stream that has sent `tru` is PARTIAL, not FAILED.
"""

from __future__ import annotations

import math
import re
from typing import Any

from backstay.recover.escape import has_bad_escape, unescape
from backstay.recover.gate import NonFinite
from backstay.recover.lexeme import COMMENT, NON_FINITE, SPACE
from backstay.recover.number import read_cut_number, read_number
from backstay.recover.outcome import Log, Parsed, Status
from backstay.recover.quote import CLOSING

LITERALS: dict[str, Any] = {
    "true": True, "false": False, "null": None, "NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf,
}  # fmt: skip
READABLE = re.compile(r"\w")


def read_lone(text: str, non_finite: NonFinite) -> Parsed | None:
    """The scalar that is the whole of `text`, comments apart; None if there is none."""
    log = Log()
    body, at = _bare_body(text, log)
    if not body:
        return None
    for word, value in LITERALS.items():
        kept = None if non_finite == "null" and isinstance(value, float) else value
        if body == word:
            return _report(log, Status.RECOVERED, kept)
        if word.startswith(body) and body != "-":
            log.add("truncated", len(text), "inside a literal")
            return _report(log, Status.PARTIAL, kept)
    if body.lstrip("+-") in NON_FINITE:
        log.add("non_finite", at, body)
        number = NON_FINITE[body.lstrip("+-")] * (-1 if body[0] == "-" else 1)
        return _report(log, Status.RECOVERED, number if non_finite == "float" else None)
    if body[0] in CLOSING and len(body) > 1:
        return _read_quoted(body, at, log)
    spelled = read_number(body)
    if spelled is not None:
        log.add("number_form", at, body[:40])
        return _report(log, Status.RECOVERED, spelled)
    if re.fullmatch(r"-?\d+(?:\.\d*)?(?:[eE][+-]?)?", body) and not re.match(r"-?0\d", body):
        log.add("truncated", len(text), "inside a number")
        return _report(log, Status.PARTIAL, read_cut_number(body))
    return None


def _bare_body(text: str, log: Log) -> tuple[str, int]:
    """The text without white space and comments around it, and its offset."""
    at = 0
    while True:
        space = SPACE.match(text, at)
        at = space.end() if space is not None else at
        comment = COMMENT.match(text, at)
        if comment is None or comment.end() == at:
            break
        log.add("comment", at)
        at = comment.end()
    body = text[at:].strip()
    tail = re.search(r"\s(?://[^\n]*|/\*[\s\S]*)\Z", body) if body[:1] not in CLOSING else None
    if tail is not None:
        log.add("comment", at + tail.start())
        body = body[: tail.start()].strip()
    return body, at


def _read_quoted(body: str, at: int, log: Log) -> Parsed | None:
    quote = body[0]
    raw = body[1:]
    is_closed = raw[-1] in CLOSING[quote] and (len(raw) - len(raw[:-1].rstrip("\\"))) % 2 == 1
    raw = raw[:-1] if is_closed else raw
    if body == "''":
        log.add("quote_style", at, quote)
        return _report(log, Status.RECOVERED, "")
    if not READABLE.search(raw) or "\x00" in raw or (is_closed and has_bad_escape(raw)):
        return None
    if quote != '"':
        log.add("quote_style", at, quote)
    elif is_closed:
        log.add("raw_control" if "\n" in raw else "unescaped_quote", at)
    if not is_closed:
        log.add("truncated", at + len(body), "inside a string")
    value = unescape(raw, log, at, is_script=quote == "'", is_cut=not is_closed)
    return _report(log, Status.RECOVERED if is_closed else Status.PARTIAL, value)


def _report(log: Log, status: Status, value: Any) -> Parsed:
    return Parsed(status=status, value=value, method="scalar", repairs=tuple(log.kept), repair_count=log.count)

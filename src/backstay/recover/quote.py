"""Where a string ends when its quotes cannot be trusted: the cheapest reading, not the first quote.

Each quote that could close the string is judged by what follows it (`closing`): a legal continuation, checked one token
further, closes it; anything else makes it an inner quote, unless a new key or item visibly starts there, which means that
the closing quote was forgotten. A first quote with a legal continuation always closes, so healthy strings keep every byte
whatever happens around them. Inner quotes come in pairs and brackets in balance; a closing that would break either
needs stronger proof.
"""

from __future__ import annotations

import re

from backstay.recover.closing import NO, STRONG, Closing
from backstay.recover.escape import dedent, unescape
from backstay.recover.lexeme import JSON_VALUE_START, QUOTED_KEY
from backstay.recover.scan import CLOSE, Scan

QUOTES = frozenset("\"'`“”„«‘’‛´")
CLOSING = {
    '"': '"”“', "'": "'", "`": "`´'", "´": "´`'", "“": '”“"', "”": '”“"', "„": '”“"', "«": '»"', "‘": "’‘'", "’": "’‘'",
    "‛": "’'",
}  # fmt: skip
STRICT_STRING = {
    opening: re.compile(rf"{opening}([^{closing}\\\x00-\x1f]*(?:\\.[^{closing}\\\x00-\x1f]*)*)[{closing}]")
    for opening, closing in {**CLOSING, '"': '"'}.items()
}
CANDIDATE = {opening: re.compile(rf"\\[\s\S]|[{closing}]") for opening, closing in CLOSING.items()}
DOUBLED = re.compile(r'""(\w[^"\n]*)""(?=\s*[,}\]:])|\'\'(\w[^\'\n]*)\'\'(?=\s*[,}\]:])')
TRIPLE = re.compile(r'"""([\s\S]*?)"""(?=\s*(?:[,}\])]|\Z|\n\s*["\']))|\'\'\'([\s\S]*?)\'\'\'(?=\s*(?:[,}\])]|\Z|\n))')
BARE_MEMBER = re.compile(r",\s*[A-Za-z_$][\w$]*\s*:\s*\Z")
SPLIT_MEMBER = re.compile(r",\s*(?=[A-Za-z_$][\w$]*\s*:\s*(?:[\[\"'{]|-?\d|true|false|null|[A-Za-z]))")
TAIL_FENCE = re.compile(r"\s*`{3,}[\s`]*\Z")
ITEM_CUT = re.compile(r"[,\n]")
BRACKET = re.compile(r"[{}\[\]]")
PATIENCE = 6
"""Quotes judged after a weak closing one, in search of a proven one."""
LAYOUT = re.compile(r",?[ \t]*\n\s*([}\]])(?:[\s{}\[\],\d.eE+-]|true|false|null)*\Z")
"""Lines of brackets and numbers: what lies between a string whose closing quote is missing and the next key or item."""
LONE_QUOTE = re.compile(r"(?<!\s)\s*\n[ \t]*[\"'][ \t]*\n\s*\Z")
"""A closing quote on a line of its own, before another one."""
ITEM_STRING = re.compile(r'"[^"\\\n]*"\s*(?:[,\]]|\Z)')


def read_string(scan: Scan, *, is_item: bool) -> str:
    """The string value whose opening quote is at `scan.pos`, which moves behind it."""
    text, start = scan.text, scan.pos
    quote = text[start]
    if quote != '"':
        scan.log.add("quote_style", start, quote)
    closing = Closing(scan, is_item=is_item)
    strict = STRICT_STRING[quote].match(text, start)
    if strict is not None and closing.judge(strict.end(), 0, 0) == STRONG:
        scan.pos = strict.end()
        return unescape(strict[1], scan.log, start, is_script=quote == "'")
    block = (DOUBLED.match(text, start) or TRIPLE.match(text, start)) if text.startswith(quote * 2, start) else None
    if block is not None:
        scan.pos = block.end()
        raw = block[1] if block[1] is not None else block[2]
        scan.log.add("block_quote", start, text[start : start + 3])
        return dedent(raw) if block.re is TRIPLE and not raw.split("\n", 1)[0].strip() else raw
    return _seek_end(scan, start, quote, closing)


def _seek_end(scan: Scan, start: int, quote: str, closing: Closing) -> str:
    """Judge each candidate quote in turn; the first proven closing wins, else the best weak one, else the end."""
    text = scan.text
    if start >= scan.barren.get(quote, scan.end + 1):
        return _unclosed(scan, start, closing, is_first=False)
    inner, balance, weak, weak_inner, seen = 0, 0, -1, 0, start + 1
    patience = min(PATIENCE, scan.page.patience)
    for candidate in CANDIDATE[quote].finditer(text, start + 1):
        at = candidate.start()
        if text[at] == "\\":
            continue
        piece = text[seen:at]
        if BRACKET.search(piece) is not None:
            balance += piece.count("{") + piece.count("[") - piece.count("}") - piece.count("]")
        if weak >= 0 and ("\n" in piece or patience == 0):
            return _take(scan, start, weak, weak_inner)
        if weak >= 0:
            patience -= 1
            scan.page.patience -= 1
        scan.page.effort -= 1
        if scan.page.effort < 0:
            return _end_plainly(scan, start, quote, closing)
        seen = at
        # a letter or digit right behind a quote proves nothing: by far the commonest inner quote
        verdict = NO if text[at + 1 : at + 2].isalnum() else closing.judge(at + 1, inner, balance)
        if verdict == STRONG:
            return _take(scan, start, at, inner)
        if verdict != NO and weak < 0 and text[at] == quote:
            weak, weak_inner = at, inner
        elif text[at] == quote or text[at] in '"”':
            end = _forgotten_end(scan, start, at, inner, balance, closing)
            if end >= 0:
                scan.log.add("missing_quote", end)
                scan.pos = end
                return unescape(text[start + 1 : end].rstrip(), scan.log, start)
        if text[at] in (quote, CLOSING[quote][0]):
            inner += 1
    if weak >= 0:
        return _take(scan, start, weak, weak_inner)
    scan.barren[quote] = min(start, scan.barren.get(quote, start))
    return _unclosed(scan, start, closing, is_first=True)


def _end_plainly(scan: Scan, start: int, quote: str, closing: Closing) -> str:
    """The string up to its first quote, the effort of the page being spent."""
    strict = STRICT_STRING[quote].match(scan.text, start)
    return (
        _unclosed(scan, start, closing, is_first=False) if strict is None else _take(scan, start, strict.end() - 1, 0)
    )


def _take(scan: Scan, start: int, end: int, inner: int) -> str:
    """The contents up to the quote at `end`, with what they needed noted."""
    raw = scan.text[start + 1 : end]
    scan.pos = end + 1
    lone = LONE_QUOTE.search(raw) if inner == 1 and "```" not in raw else None
    if lone is not None:
        scan.log.add("doubled_quote", start + 1 + lone.start())
        raw = raw[: lone.start()]
    elif inner:
        scan.log.add("unescaped_quote", start, f"{inner} inside")
        if inner == 1 and raw.startswith(scan.text[start]):
            raw = raw[1:]
    if scan.text[end] != CLOSING[scan.text[start]][0] and scan.text[start] == '"':
        scan.log.add("quote_style", end, scan.text[end])
    if any(char in raw for char in "\n\r\t"):
        scan.log.add("raw_control", start)
        if "```" in raw:
            # in Markdown the newline before the closing quote is layout; elsewhere (code) it is content
            raw = raw.rstrip("\n\r")
    return unescape(raw, scan.log, start, is_script=scan.text[start] == "'")


def _forgotten_end(scan: Scan, start: int, at: int, inner: int, balance: int, closing: Closing) -> int:
    """Where the string ended if the quote at `at` opens the next key or item; -1 if it does not."""
    text = scan.text
    before = _back(text, at, start)
    comma = text[before - 1] == "," if before > start + 1 else False
    has_newline = "\n" in text[before:at]
    layout = _layout(text, start, at) if inner == 0 and before > start + 1 else None
    if layout is not None and layout[1][0] == CLOSE[scan.kinds[-1]] and _starts_member_or_item(text, at):
        return layout.start()
    if closing.is_item:
        is_joined = comma or (inner == 0 and text[before - 1] == "+" and before > start + 1)
        if is_joined and inner % 2 == 0 and ITEM_STRING.match(text, at):
            return before - 1 if comma else _back(text, before - 1, start)
        return -1
    key = QUOTED_KEY.match(text, at)
    if key is not None and balance <= 0:
        name = key[1] or key[2] or key[3] or key[4] or ""
        is_known = name in scan.names
        if (is_known or comma or has_newline) and _has_value(text, key.end(), is_strict=not is_known):
            return before - 1 if comma else before
    if inner == 0:
        member = BARE_MEMBER.search(text, max(start + 1, at - 70), at)
        if member is not None and closing.is_clean_string(at):
            return member.start()
    return -1


def _layout(text: str, start: int, end: int) -> re.Match[str] | None:
    begin = max(start + 1, end - 400)
    return LAYOUT.search(text, begin, end) if text.find("\n", begin, end) >= 0 else None


def _starts_member_or_item(text: str, at: int) -> bool:
    key = QUOTED_KEY.match(text, at)
    return _has_value(text, key.end(), is_strict=True) if key is not None else ITEM_STRING.match(text, at) is not None


def _back(text: str, at: int, start: int) -> int:
    """The end of what stands before `at`, white space and comments apart, looking back a bounded way."""
    stop = max(start + 1, at - 200)
    while at > stop and (text[at - 1].isspace() or text.endswith("*/", stop, at)):
        opening = text.rfind("/*", stop, at) if text[at - 1] == "/" else at - 1
        if opening < 0:
            break
        at = opening
    return at


def _has_value(text: str, at: int, *, is_strict: bool) -> bool:
    while at < len(text) and text[at].isspace():
        at += 1
    return at >= len(text) or not is_strict or JSON_VALUE_START.match(text, at) is not None


def _unclosed(scan: Scan, start: int, closing: Closing, *, is_first: bool) -> str:
    """A string no quote closes: cut by the end of the input, or its closing quote is missing and brackets remain."""
    text = scan.text
    tail = len(text)
    fence = TAIL_FENCE.search(text, max(start + 1, tail - 40))
    if fence is not None:
        tail = fence.start()
    body = _strip_closers(scan, start, tail)
    if is_first and body < tail and _is_balanced(text[start + 1 : tail]):
        body = tail  # the brackets are part of the string; asked once a document, for it reads to the end
    if body == tail and fence is None:
        return _cut(scan, start)
    scan.log.add("missing_quote", body)
    layout = _layout(text, start, tail)
    if layout is not None and layout[1] == CLOSE[scan.kinds[-1]]:
        body = layout.start()
    elif closing.is_item:
        first = ITEM_CUT.search(text, start + 1, body)
        body = body if first is None else first.start()
    elif (member := SPLIT_MEMBER.search(text, start + 1, body)) is not None:
        body = member.start()
    scan.pos = body
    return unescape(text[start + 1 : body].rstrip(), scan.log, start)


def _is_balanced(inside: str) -> bool:
    return inside.count("}") + inside.count("]") <= inside.count("{") + inside.count("[")


def _strip_closers(scan: Scan, start: int, tail: int) -> int:
    """`tail` moved before the closing brackets that fit the open containers."""
    text, depth = scan.text, len(scan.kinds) - 1
    end = _rstrip(text, tail, start)
    place = end
    run: list[str] = []
    while place > start + 1 and text[place - 1] in "]}" and len(run) < depth:
        run.append(text[place - 1])
        place = _rstrip(text, place - 1, start)
    while run and (scan.kinds[-1] & 1) != (run[-1] == "}"):
        run.pop()
    if not run:
        return tail
    place = end
    for _ in run:
        place = _rstrip(text, place - 1, start)
    return place


def _rstrip(text: str, end: int, start: int) -> int:
    while end > start + 1 and text[end - 1].isspace():
        end -= 1
    return end


def _cut(scan: Scan, start: int) -> str:
    """The rest of the input, which ends inside this string."""
    scan.log.add("truncated", scan.end, "inside a string")
    scan.log.is_cut = True
    scan.pos = scan.end
    raw = scan.text[start + 1 :]
    return unescape(raw, scan.log, start, is_script=scan.text[start] == "'", is_cut=True)

"""One value, the slow way: a string in any quotes, a container, a number, a word, a call, or bare text."""

from __future__ import annotations

import re
from typing import Any

from backstay.recover.bare import read_bare
from backstay.recover.closing import CONCATENATION
from backstay.recover.escape import dedent
from backstay.recover.lexeme import (
    CALL,
    DELIMITED,
    LONE_GROUP,
    NON_FINITE,
    NUMBERISH,
    SET_LIKE,
    STRICT_WORDS,
    WORD,
    WORDS,
)
from backstay.recover.number import STRICT, read_cut_number, read_number
from backstay.recover.quote import QUOTES, read_string
from backstay.recover.scan import ARRAY, OBJECT, SET, TUPLE, Scan

BLOCK = re.compile(r"```[^\n`]*\n([\s\S]*?)\n?[ \t]*```(?=\s*(?:[,}\]]|\Z|\n))")
PREFIXES = tuple((word[:size], value) for word, value in (("true", True), ("false", False), ("null", None),
                 ("True", True), ("False", False), ("None", None)) for size in range(1, len(word)))  # fmt: skip
CUT_WORDS = dict(PREFIXES)


def read_value(scan: Scan, key: str | None) -> None:
    """Read the value at `scan.pos` into the innermost container; containers are entered, not finished."""
    text = scan.text
    char = text[scan.pos]
    if char in "{[(｛［":
        _read_container(scan, key, char)
        return
    if char == "\\" and text[scan.pos + 1 : scan.pos + 2] in QUOTES:
        scan.log.add("stray_backslash", scan.pos)
        scan.pos += 1
        char = text[scan.pos]
    is_item = not scan.kinds[-1] & 1
    if char in QUOTES and not text.startswith("```", scan.pos):
        value: Any = read_string(scan, is_item=is_item)
        while (plus := CONCATENATION.match(text, scan.pos)) is not None:
            scan.log.add("concatenation", scan.pos)
            scan.pos = plus.end()
            value += read_string(scan, is_item=is_item)
    elif (block := BLOCK.match(text, scan.pos)) is not None:
        scan.log.add("block_quote", scan.pos, "```")
        scan.pos = block.end()
        value = dedent(block[1])
    else:
        found = _read_scalar(scan)
        if found is None:
            return
        value = found[0]
    scan.put(key, value)
    scan.gap()


def _read_container(scan: Scan, key: str | None, char: str) -> None:
    if char in "｛［":
        scan.log.add("punctuation", scan.pos, char)
    if char == "(":
        if LONE_GROUP.match(scan.text, scan.pos):
            scan.log.add("parentheses", scan.pos)
            scan.pos += 1
            scan.skip()
            read_value(scan, key)
            scan.skip()
            if scan.pos < scan.end and scan.text[scan.pos] == ")":
                scan.pos += 1
                scan.gap()
            return
        scan.log.add("tuple", scan.pos)
        scan.open(key, TUPLE)
        return
    if char == "{" and SET_LIKE.match(scan.text, scan.pos):
        scan.log.add("set", scan.pos)
        scan.open(key, SET)
        return
    scan.open(key, ARRAY if char in "[［" else OBJECT)


def _read_scalar(scan: Scan) -> tuple[Any] | None:
    """A number, word or call whose end is clear, else bare text; None if only a comment or nothing stood there."""
    text, pos = scan.text, scan.pos
    number = NUMBERISH.match(text, pos)
    if number is not None and DELIMITED.match(text, number.end()):
        is_cut = number.end() >= scan.end
        value = read_cut_number(number[0]) if is_cut else read_number(number[0])
        if value is not None or is_cut:
            if STRICT.fullmatch(number[0]) is None and not is_cut:
                scan.log.add("number_form", pos, number[0][:40])
            scan.pos = number.end()
            if is_cut:
                scan.log.is_cut = True
                scan.log.add("truncated", pos, "inside a number")
            return None if value is None else (value,)
    word = WORD.match(text, pos)
    if word is not None and DELIMITED.match(text, word.end()):
        found = _read_word(scan, word[0], word.end())
        if found is not None:
            return found
    call = CALL.match(text, pos)
    if call is not None:
        scan.log.add("call", pos, call[0][:40])
        scan.pos = call.end()
        inner = call[1]
        return (
            (inner[1:-1],) if inner[0] in "\"'" else (read_number(inner) if read_number(inner) is not None else inner,)
        )
    return read_bare(scan)


def _read_word(scan: Scan, word: str, end: int) -> tuple[Any] | None:
    if word in WORDS:
        if word not in STRICT_WORDS:
            scan.log.add("literal", scan.pos, word)
        scan.pos = end
        return (WORDS[word],)
    name = word.lstrip("+-")
    if name in NON_FINITE:
        scan.log.add("non_finite", scan.pos, word)
        scan.pos = end
        number = -NON_FINITE[name] if word[0] == "-" else NON_FINITE[name]
        return (number if scan.non_finite == "float" else None,)
    if end >= scan.end and word in CUT_WORDS:
        scan.log.add("truncated", scan.pos, "inside a literal")
        scan.log.is_cut = True
        scan.pos = end
        return (CUT_WORDS[word],)
    return None

"""One member of an object, the slow way: a key in any dress, its colon, its value, or what stands in their place."""

from __future__ import annotations

import re

from backstay.recover.bracket import CLOSERS, close_bracket
from backstay.recover.escape import unescape
from backstay.recover.lexeme import ANY_KEY, COLON, ELLIPSIS, OPEN_KEY, VALUE_START
from backstay.recover.quote import QUOTES, STRICT_STRING
from backstay.recover.scan import ARRAY, Scan
from backstay.recover.value import read_value

LATE_COLON = re.compile(r"[^\n]{1,100}?[\"'”’`]\s*[:：]")
DOUBLED_KEY = re.compile(r'""(\w[^"\n]{0,79})""\s*[:：]')
MULTILINE_KEY = re.compile(r'"([^"\\]{0,200})"\s*[:：]')
CUT_KEY = re.compile(r"[^\n\"',}\]]{0,200}\Z")
"""The rest of a text that ended within a key: nothing in it closes anything."""
NOTHING = re.compile(r"\s*\Z")
BRACES = re.compile(r"(?:\{\s*)+")
STRAY = re.compile(r"[^,}\]\"'\n]*")
WORD_THEN_VALUE = re.compile(r"([A-Za-z_$][\w$-]*)\s+(?=[\"'“‘{\[\d])")


def read_member(scan: Scan) -> bool:
    """Read one member (or skip what is none) at `scan.pos`; True if the document ends here."""
    pos = scan.skip()
    text = scan.text
    if pos >= scan.end or text.startswith("```", pos):
        return True
    char = text[pos]
    if char in CLOSERS:
        close_bracket(scan, char)
    elif char in ",，;":
        scan.log.add("extra_comma", pos)
        scan.pos += 1
    elif (ellipsis := ELLIPSIS.match(text, pos)) is not None:
        scan.log.add("ellipsis", pos)
        scan.pos = ellipsis.end()
    elif char in "{[｛［(":
        _read_keyless(scan, char)
    else:
        key = _read_key(scan)
        if key is not None:
            _read_member_value(scan, key)
    return False


def _read_keyless(scan: Scan, char: str) -> None:
    """A container where a key belongs: the next item of the array around, or more of the array just before."""
    scan.log.add("missing_key", scan.pos)
    box = scan.boxes[-1]
    last = next(reversed(box)) if box else None
    if scan.kinds[-2] == ARRAY and len(scan.kinds) > 2 and char in "{｛":
        scan.log.add("missing_close", scan.pos)
        scan.close(0)
    elif char == "[" and last is not None and isinstance(box[last], list):
        scan.boxes.append(box[last])
        scan.kinds.append(ARRAY)
        scan.keys.append(last)
        scan.pos += 1
    elif not box and char in "{｛":
        braces = BRACES.match(scan.text, scan.pos)
        scan.pos = braces.end() if braces is not None else scan.pos + 1
    else:
        scan.log.lost += 1
        read_value(scan, "")
        box.pop("", None)


def _read_key(scan: Scan) -> str | None:
    """The key at `scan.pos`, which moves to its colon or value; None if what stood there was skipped."""
    text, pos = scan.text, scan.pos
    char = text[pos]
    if char in QUOTES or text.startswith('\\"', pos):
        return _read_quoted_key(scan, pos + (char == "\\"))
    bare = ANY_KEY.match(text, pos)
    if bare is not None:
        scan.has_bare_keys = True
        scan.log.add("missing_quote" if bare[2] else "unquoted_key", pos, bare[1][:40])
        scan.pos = bare.end(2) if bare[2] else bare.end(1)
        return unescape(bare[1], scan.log, pos)
    word = WORD_THEN_VALUE.match(text, pos)
    if word is not None and not _starts_key(text, word.end()):
        scan.log.add("unquoted_key", pos, word[1][:40])
        scan.pos = word.end()
        return word[1]
    _skip_stray(scan)
    return None


def _starts_key(text: str, pos: int) -> bool:
    string = STRICT_STRING[text[pos]].match(text, pos) if text[pos] in STRICT_STRING else None
    return string is not None and COLON.match(text, string.end()) is not None


def _skip_stray(scan: Scan) -> None:
    """Skip text that is no member: a colon without a key with its value, or words before the next key."""
    start = scan.pos
    if scan.text[start] in ":：":
        scan.pos += 1
        scan.log.add("missing_key", start)
        box = scan.boxes[-1]
        kept = dict(box)
        read_value(scan, "")
        if "" in box and "" not in kept and box is scan.boxes[-1]:
            del box[""]
    else:
        stray = STRAY.match(scan.text, start)
        scan.pos = max(stray.end() if stray is not None else start, start + 1)
        if not scan.text[start : scan.pos].strip().isalnum() and scan.pos >= scan.end:
            return
        scan.log.add("stray_text", start, scan.text[start : scan.pos][:40])
    if scan.pos < scan.end:
        scan.log.lost += 1


def _read_quoted_key(scan: Scan, pos: int) -> str | None:
    text, quote = scan.text, scan.text[pos]
    if quote == '"' and (doubled := DOUBLED_KEY.match(text, pos)) is not None:
        scan.log.add("doubled_quote", pos)
        scan.pos = doubled.end(1) + 2
        return doubled[1]
    strict = STRICT_STRING[quote].match(text, pos)
    if strict is not None and COLON.match(text, strict.end()):
        return _take_key(scan, pos, strict.end(), strict[1], "" if quote == '"' else "quote_style")
    if strict is not None and strict[1] and not strict[1].rstrip().endswith(":"):
        after = _skip_space(text, strict.end())
        if VALUE_START.match(text, after):
            scan.log.add("missing_colon", strict.end())
            return _take_key(scan, pos, after, strict[1], "" if quote == '"' else "quote_style")
    if (NOTHING if strict else CUT_KEY).match(text, strict.end() if strict else pos + 1, scan.end):
        scan.pos = scan.end  # cut, in the key or before its colon: one fault; a key without its quote would be a second
        return None
    unclosed = OPEN_KEY.match(text, pos)
    if unclosed is not None:
        return _take_key(scan, pos, unclosed.end(1), unclosed[1], "missing_quote")
    late = LATE_COLON.match(text, pos + 1)
    if late is not None:
        end = late.end() - 1
        while text[end] not in "\"'”’`":
            end -= 1
        return _take_key(scan, pos, end + 1, text[pos + 1 : end], "unescaped_quote")
    if (loose := MULTILINE_KEY.match(text, pos)) is not None:
        return _take_key(scan, pos, loose.end(1) + 1, loose[1].rstrip("\r\n"), "raw_control")
    if strict is None:
        _cut_key(scan, pos)
        return None
    scan.pos = strict.end()
    if scan.skip() >= scan.end:
        return None
    if text[scan.pos] in ",}，｝":
        if text[scan.pos + 1 :].strip() == "" and text[scan.pos] == ",":
            scan.log.add("missing_value", pos, strict[1][:40])
            scan.log.lost += 1
            return None
        scan.log.add("missing_value", pos, strict[1][:40])
        scan.put(unescape(strict[1], scan.log, pos), None)
        scan.gap()
        return None
    scan.log.add("stray_text", pos, strict[0][:40])
    scan.log.lost += 1
    return None


def _cut_key(scan: Scan, pos: int) -> None:
    """A quote that opens a key and never closes: the end of the input cut the key, or the quote is stray."""
    rest = scan.text[pos + 1 : pos + 202]
    if len(rest) <= 200 and "\n" not in rest.strip():
        scan.pos = scan.end
        return
    scan.log.add("stray_quote", pos)
    scan.log.lost += 1
    scan.pos = pos + 1


def _take_key(scan: Scan, pos: int, end: int, raw: str, code: str) -> str:
    if code:
        scan.log.add(code, pos)
    scan.pos = end
    return unescape(raw, scan.log, pos, is_script=scan.text[pos] == "'")


def _skip_space(text: str, pos: int) -> int:
    while pos < len(text) and text[pos].isspace():
        pos += 1
    return pos


def _read_member_value(scan: Scan, key: str) -> None:
    scan.skip()
    colon = COLON.match(scan.text, scan.pos)
    if colon is not None:
        if colon[0].strip() != ":":
            scan.log.add("punctuation", scan.pos, colon[0].strip())
        scan.pos = colon.end()
    scan.skip()
    if scan.pos >= scan.end:
        return
    if scan.text[scan.pos] in ",，}])":
        scan.log.add("missing_value", scan.pos, key[:40])
        scan.put(key, None)
        scan.gap()
        return
    read_value(scan, key)

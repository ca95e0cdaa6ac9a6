"""One item of an array, the slow way: a value, or what stands in its place."""

from __future__ import annotations

from backstay.recover.bracket import CLOSERS, close_bracket
from backstay.recover.lexeme import COLON, ELLIPSIS
from backstay.recover.quote import STRICT_STRING
from backstay.recover.scan import ARRAY, IMPLICIT, Scan
from backstay.recover.value import read_value


def read_item(scan: Scan) -> bool:
    """Read one item (or skip what is none) at `scan.pos`; True if the document ends here."""
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
    elif char in STRICT_STRING and _opens_member(scan, pos, char):
        scan.log.add("missing_open", pos, "{")
        scan.open(None, IMPLICIT, 0)
    else:
        read_value(scan, None)
    return False


def _opens_member(scan: Scan, pos: int, quote: str) -> bool:
    """True if a key with its colon stands where an item belongs: the object's brace is missing."""
    if scan.kinds[-1] != ARRAY:
        return False
    string = STRICT_STRING[quote].match(scan.text, pos)
    return string is not None and COLON.match(scan.text, string.end()) is not None

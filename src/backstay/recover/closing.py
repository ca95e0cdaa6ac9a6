"""The verdict on one quote: does what follows it prove that the string ends here?"""

from __future__ import annotations

import re

from backstay.recover.lexeme import BARE_KEY, ELLIPSIS, JSON_VALUE_START, OPEN_KEY, QUOTED_KEY, SPACE, VALUE_START
from backstay.recover.scan import ARRAY, CLOSE, IMPLICIT, TUPLE, Scan

NO, WEAK, STRONG = 0, 1, 2
JUNK_THEN_END = re.compile(r"[ \t]+[\w.]+\"?\s*(?:[\]}]|,\s*[\"\]}])")
CLEAN = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\\n]|\\.)*[`´]|[“”][^“”\"\n]*[“”\"]|‘[^’\n]*’")
JSON_OPEN = re.compile(r"\{\s*[\"'}]|\[")
DIGIT = re.compile(r"-?\d")
PLAIN_ITEM = re.compile(r"(?:-?\d[\d.eE+-]*|true|false|null|True|False|None)\s*(?:[,\]})]|\Z)")
STRAY_SLASH = re.compile(r"\\+\s*(?=[,}\]])")
CONCATENATION = re.compile(r"\s*(?:/\*[^*\n]{0,200}\*/\s*)?\+\s*(?:/\*[^*\n]{0,200}\*/\s*)?(?=[\"'`])")
CUT_KEY = re.compile(r"(?:\"[^\"\n]{0,120}\"?|'[^\"'\n]{0,120}[\"']?|“[^\"'\n]{0,120}[\"'”]?)\s*\Z")
KEY_WITHOUT_COLON = re.compile(r"[\"'“][^\"'\n]{1,80}[\"'”]\s*(?=[\"'“{\[]|-?\d|(?:true|false|null)\b)")
KEYISH = re.compile(r"[\w$.-]{1,60}[\"']?\s*[:：]|[A-Za-z_]\w*\s+\"[^\"\n]{0,80}\"\s*:")
CHAIN = 16
"""Items looked at before a chain of clean strings counts as proven."""


class Closing:
    """Judges the quotes of one string in its place: a member's value or an array's item."""

    __slots__ = ("is_item", "scan")

    def __init__(self, scan: Scan, *, is_item: bool) -> None:
        self.scan, self.is_item = scan, is_item

    def judge(self, at: int, inner: int, balance: int) -> int:
        """NO, WEAK or STRONG for the quote just before `at`, with `inner` quotes and bracket `balance` behind it."""
        scan, text = self.scan, self.scan.text
        place = self._skip(at)
        if place >= scan.end:
            return STRONG
        char = text[place]
        if char in ",，;":
            verdict = self._after_comma(self._skip(place + 1), place, inner, balance)
        elif char in "}])":
            verdict = self._after_close(place, inner)
        elif char == "\\" and STRAY_SLASH.match(text, place):
            verdict = STRONG if inner == 0 else WEAK
        elif char in "+/" and inner == 0 and CONCATENATION.match(text, place):
            verdict = STRONG
        elif text.startswith(("//", "/*", "```"), place) or (char == "#" and place > at):
            verdict = STRONG if inner % 2 == 0 else WEAK
        else:
            verdict = self._without_comma(place, at, inner, balance)
        if verdict == NO and inner % 2 == 0 and JUNK_THEN_END.match(text, at):
            return WEAK
        return verdict

    def is_clean_string(self, at: int) -> bool:
        """True if a string without surprises starts at `at` and something legal follows it."""
        string = CLEAN.match(self.scan.text, at)
        if string is None:
            return False
        place = self._skip(string.end())
        return place >= self.scan.end or self.scan.text[place] in ",}]"

    def _skip(self, at: int) -> int:
        space = SPACE.match(self.scan.text, at)
        return at if space is None else space.end()

    def _after_comma(self, place: int, comma: int, inner: int, balance: int) -> int:
        scan, text = self.scan, self.scan.text
        if place >= scan.end:
            return STRONG
        char = text[place]
        if char in "}]),，" or text.startswith(("//", "/*"), place) or ELLIPSIS.match(text, place):
            return STRONG if inner % 2 == 0 or char in "}]" else WEAK
        if char == "#":
            return STRONG
        if self.is_item:
            return self._next_item(place, inner)
        if (key := QUOTED_KEY.match(text, place)) is not None:
            if inner and scan.names and (key[1] or key[2] or "") not in scan.names:
                return WEAK
            return STRONG if balance <= 0 or inner == 0 else WEAK
        if (bare := BARE_KEY.match(text, place)) is not None:
            is_expected = scan.has_bare_keys or inner == 0 or "\n" in text[comma:place] or bare[1] in scan.names
            is_expected = is_expected or (inner % 2 == 0 and self._has_json_value(bare.end()))
            return STRONG if is_expected and (balance <= 0 or inner == 0) else NO
        if inner % 2 == 0 and balance <= 0 and OPEN_KEY.match(text, place):
            return STRONG
        if inner == 0 and any(key.match(text, place) for key in (CUT_KEY, KEYISH, KEY_WITHOUT_COLON)):
            return STRONG
        if inner == 0 and char == "{" and len(scan.kinds) > 2 and scan.kinds[-2] == ARRAY:
            return STRONG
        return WEAK if inner == 0 and char in "\"'" and self.is_clean_string(place) else NO

    def _has_json_value(self, at: int) -> bool:
        return JSON_VALUE_START.match(self.scan.text, self._skip(at)) is not None

    def _next_item(self, place: int, inner: int) -> int:
        text = self.scan.text
        char = text[place]
        if char in "\"'`“‘":
            if inner % 2 == 0:
                return STRONG
            return STRONG if self._is_chain(place) else WEAK
        if inner == 0:
            return STRONG
        if char in "{[":
            return STRONG if JSON_OPEN.match(text, place) else WEAK
        return STRONG if PLAIN_ITEM.match(text, place) else NO

    def _is_chain(self, place: int) -> bool:
        """True if clean strings, comma by comma, lead from `place` to the end of the array."""
        text, end = self.scan.text, self.scan.end
        for _ in range(CHAIN):
            string = CLEAN.match(text, place)
            if string is None:
                return PLAIN_ITEM.match(text, place) is not None
            place = self._skip(string.end())
            if place >= end or text[place] == "]":
                return True
            if text[place] != ",":
                return False
            place = self._skip(place + 1)
        return True

    def _after_close(self, place: int, inner: int) -> int:
        """Closing brackets follow: they must fit the stack, and what follows them must fit what remains of it."""
        scan, text = self.scan, self.scan.text
        depth = len(scan.kinds) - 1
        while place < scan.end and text[place] in "}])" and depth > 0:
            kind = scan.kinds[depth]
            if kind == IMPLICIT and text[place] == "]":
                depth -= 1
                continue
            if text[place] != CLOSE[kind]:
                return self._misfit(place, depth, inner)
            depth -= 1
            place = self._skip(place + 1)
        if place >= scan.end:
            return STRONG
        return self._outside(place, inner) if depth == 0 else self._inside(place, depth, inner)

    def _misfit(self, place: int, depth: int, inner: int) -> int:
        """A bracket that does not fit ends the string only if a container of its kind is open further out."""
        char = self.scan.text[place]
        if not any(CLOSE[kind] == char for kind in self.scan.kinds[1 : depth + 1]):
            return STRONG if depth < len(self.scan.kinds) - 1 else WEAK if inner == 0 else NO
        after = self._skip(place + 1)
        if after < self.scan.end and self.scan.text[after] not in ",}])":
            return WEAK if inner == 0 and "\n" in self.scan.text[place:after] else NO
        return STRONG if inner == 0 else WEAK

    def _outside(self, place: int, inner: int) -> int:
        """The document would end before `place`."""
        text = self.scan.text
        if text[place] in ",;<{[}])`" or "\n" in text[max(0, place - 40) : place]:
            if not inner:
                return STRONG
            return STRONG if text[place] not in "{[}])`," or place > self._final() else WEAK
        return STRONG if place > self._final() else NO

    def _final(self) -> int:
        """The place of the last quote that looks like a closing one, found once for the text."""
        return self.scan.page.final_close

    def _inside(self, place: int, depth: int, inner: int) -> int:
        scan, text = self.scan, self.scan.text
        is_object = scan.kinds[depth] & 1
        char = text[place]
        if char in ",，":
            place = self._skip(place + 1)
            if place >= scan.end or text[place] in "}]),":
                return STRONG
            if is_object:
                is_key = QUOTED_KEY.match(text, place) or (
                    BARE_KEY.match(text, place) and (scan.has_bare_keys or inner == 0)
                )
                return STRONG if is_key or inner == 0 else WEAK
            return STRONG if VALUE_START.match(text, place) or inner == 0 else NO
        if text.startswith(("//", "/*", "#", "```"), place):
            return STRONG
        if QUOTED_KEY.match(text, place) if is_object else char in '{["':
            return STRONG
        return WEAK if inner == 0 else NO

    def _without_comma(self, place: int, at: int, inner: int, balance: int) -> int:
        """Neither comma nor bracket follows: a missing comma, if the next key or item stands there."""
        scan, text = self.scan, self.scan.text
        char = text[place]
        if scan.kinds[-1] == TUPLE and char == ")":
            return STRONG
        if self.is_item:
            return self._next_item_without_comma(place, at, inner)
        has_newline = "\n" in text[at:place]
        if (key := QUOTED_KEY.match(text, place)) is not None and (place > at or inner == 0):
            is_known = not scan.names or (key[1] or key[2] or "") in scan.names
            return STRONG if is_known and (balance <= 0 or inner == 0) else WEAK
        if has_newline and BARE_KEY.match(text, place) and balance <= 0 and inner % 2 == 0:
            return STRONG
        return NO

    def _next_item_without_comma(self, place: int, at: int, inner: int) -> int:
        text = self.scan.text
        char = text[place]
        if char in ":：":
            return STRONG if inner == 0 else NO
        if char == '"' and place > at:
            string = CLEAN.match(text, place)
            after = self._skip(string.end()) if string is not None else -1
            if string is None or (after < self.scan.end and text[after] not in ',]"'):
                is_last = string is not None and inner == 0 and DIGIT.match(text, after)
                return STRONG if is_last else NO
            return STRONG if inner == 0 else WEAK
        if inner == 0 and (PLAIN_ITEM.match(text, place) or (char in "{[" and place > at)):
            return STRONG
        return NO

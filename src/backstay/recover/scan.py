"""The state of one pass over a damaged document: a stack of live containers and the moves on it.

The stack is explicit, so depth costs memory and no recursion, and the value is whole at every moment. Healthy containers
are taken by one call of the C parser (`scan_once`); these attempts draw on an allowance of characters they may
waste, which keeps the total linear on any input.
"""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError
from typing import Any

from backstay.recover.gate import DEFAULT_DEPTH, ConstantMet, NonFinite
from backstay.recover.lexeme import COMMENT, SPACE, STRICT_OPEN
from backstay.recover.outcome import Log
from backstay.recover.rewrite import MAX_SKIPS, NESTING, SCAN_ONCE, Rewriter

ARRAY, OBJECT, TUPLE, IMPLICIT, SET = 0, 1, 2, 3, 4
"""Kinds of frame; odd kinds hold members. IMPLICIT is an object whose opening brace is missing."""
CLOSE = "]})}}"
"""The closing bracket of each kind."""
NEXT_ITEM = re.compile(r"\s*,\s*(?=[{\[])")
BRACKET = re.compile(r"\s*[}\]]")
FINAL = re.compile(r"[\"'”](?=\s*(?:[}\]]|,\s*\"[^\"\n]{0,80}\"\s*:))")


class TooDeep(Exception):
    """The document nests beyond the bound."""


class Page:
    """A text and what is found out about the whole of it, once, for every scan of it."""

    __slots__ = ("_final_close", "allowance", "effort", "is_one_line", "patience", "rewriter", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._final_close = -1
        self.patience = 4000
        self.is_one_line = False
        self.effort = len(text) // 16 + 4000
        self.allowance = 4 * len(text) + 20_000
        self.rewriter = Rewriter(len(text))

    def decode(self, pos: int) -> tuple[Any, int] | None:
        """The JSON value at `pos` and its end, by the C parser; failed attempts draw on the allowance."""
        if self.allowance <= 0:
            return None
        try:
            return SCAN_ONCE(self.text, pos)
        except JSONDecodeError as error:
            # building the error counts lines up to its place: charge for that too
            self.allowance -= error.pos - pos + error.pos // 64 + 200
        except StopIteration as stop:
            self.allowance -= stop.value - pos + 200
        except (ConstantMet, ValueError):
            self.allowance -= (len(self.text) - pos) // 8 + 200
        except RecursionError:
            self.allowance = 0
        return None

    @property
    def final_close(self) -> int:
        """The offset of the last quote that looks like a closing one; 0 without one."""
        if self._final_close < 0:
            self._final_close = 0
            for match in FINAL.finditer(self.text):
                self._final_close = match.start()
        return self._final_close


class Scan:
    """Where the pass stands: `pos` in `text`, the open `boxes` with their `kinds`, and the `log` of repairs.

    `boxes[0]` is a list that receives the root value; `keys[i]` is the name under which box `i + 1` hangs in box `i`.
    """

    __slots__ = (
        "barren", "boxes", "end", "has_bare_keys", "keys", "kinds", "log", "max_depth", "misses", "names", "non_finite",
        "page", "pos", "skips", "text",
    )  # fmt: skip

    def __init__(
        self,
        page: Page,
        pos: int,
        log: Log,
        *,
        names: frozenset[str] = frozenset(),
        max_depth: int = 512,
        non_finite: NonFinite = "float",
    ) -> None:
        text = page.text
        self.page, self.text, self.pos, self.end, self.log = page, text, pos, len(text), log
        self.names, self.max_depth, self.non_finite = names, max_depth, non_finite
        self.boxes: list[Any] = [[]]
        self.kinds: list[int] = [ARRAY]
        self.keys: list[str | None] = []
        self.has_bare_keys = False
        self.barren: dict[str, int] = {}
        self.misses: dict[int, int] = {}
        self.skips: dict[int, int] = {}
        if max_depth < DEFAULT_DEPTH:
            page.allowance = 0  # the C parser knows no bound but its own

    @property
    def is_open(self) -> bool:
        """True while the outermost container has not closed."""
        return len(self.boxes) > 1

    def put(self, key: str | None, value: Any) -> None:
        """Store a value in the innermost container."""
        box = self.boxes[-1]
        if self.kinds[-1] & 1:
            name = key or ""
            if name in box:
                self.log.warn(f"duplicate key {name!r} at offset {self.pos}: the last value is kept")
            box[name] = value
        else:
            box.append(value)

    def take(self, pos: int) -> tuple[Any, int] | None:
        """The container at `pos` and its end, if the C parser can read it, as it stands or rewritten."""
        whole = self._take_strict(pos)
        if whole is not None or len(self.boxes) + NESTING >= self.max_depth:
            return whole
        return self.page.rewriter.take(self.text, pos, len(self.boxes), self.log)

    def _take_strict(self, pos: int) -> tuple[Any, int] | None:
        """The container at `pos` as it stands."""
        page, depth = self.page, len(self.boxes)
        if self.skips.get(depth, 0) > 0:
            self.skips[depth] -= 1
            return None
        if page.allowance <= 0 or STRICT_OPEN.match(self.text, pos) is None:
            return None
        whole = page.decode(pos)
        if whole is not None:
            self.misses[depth] = 0
            return whole
        misses = self.misses[depth] = self.misses.get(depth, 0) + 1
        # where neighbour after neighbour is damaged, trying the next few is waste
        self.skips[depth] = min(1 << misses, MAX_SKIPS) if misses > 1 else 0
        return None

    def take_items(self) -> bool:
        """Take the container at `pos` and its neighbours, as far as they can be read whole; False where one cannot."""
        text, box, pos, depth, log = self.text, self.boxes[-1], self.pos, len(self.boxes), self.log
        take_run, next_item = self.page.rewriter.take_run, NEXT_ITEM.match
        while True:
            run = take_run(text, pos, depth, log)
            if run is not None:
                box.extend(run[0])
                end = run[1]
            elif (whole := self.take(pos)) is not None:
                box.append(whole[0])
                end = whole[1]
            else:
                self.pos = pos
                return False
            more = next_item(text, end)
            if more is None:
                self.pos = end
                self.gap()
                return True
            pos = more.end()

    def open(self, key: str | None, kind: int, width: int = 1) -> None:
        """Enter the container at `pos`, or take it whole if the C parser can; `width` is that of its bracket."""
        whole = self.take(self.pos) if kind < TUPLE and width else None
        if whole is not None:
            self.put(key, whole[0])
            self.pos = whole[1]
            self.gap()
        else:
            self.enter(key, kind, width)

    def enter(self, key: str | None, kind: int, width: int = 1) -> None:
        """Enter the container whose bracket is at `pos`. Raises TooDeep beyond the bound."""
        if len(self.boxes) > self.max_depth:
            raise TooDeep
        child: Any = {} if kind & 1 else []
        self.put(key, child)
        self.boxes.append(child)
        self.kinds.append(kind)
        self.keys.append(key)
        self.pos += width

    def close(self, width: int = 1) -> None:
        """Leave the innermost container, its bracket (of `width` characters) being at `pos`."""
        self.boxes.pop()
        self.kinds.pop()
        self.keys.pop()
        self.pos += width
        if width:
            self.gap()

    def skip(self) -> int:
        """Move past white space and comments; returns the new `pos`."""
        text = self.text
        while True:
            match = SPACE.match(text, self.pos)
            self.pos = match.end() if match is not None else self.pos
            if self.pos >= self.end or text[self.pos] not in "/#<":
                return self.pos
            comment = COMMENT.match(text, self.pos)
            if comment is None:
                return self.pos
            self.log.add("comment", self.pos)
            self.pos = self._comment_end(comment)

    def _comment_end(self, comment: re.Match[str]) -> int:
        """The end of a comment: on one line, `#` cannot hide the brackets that close the document (judged once a text)."""
        end = comment.end()
        if end < self.end or comment[0][0] != "#" or self.page.is_one_line or comment[0].rstrip()[-1] not in "}]":
            return end
        self.page.is_one_line = True
        bracket = BRACKET.search(comment[0])
        return end if bracket is None else comment.start() + bracket.start()

    def gap(self) -> None:
        """Move past the comma behind a value; note one that is missing."""
        if not self.is_open:
            return
        text = self.text
        if self.pos < self.end and text[self.pos] == ",":
            self.pos += 1
            return
        self.skip()
        while text.startswith("\\", self.pos) and text[self.pos + 1 : self.pos + 2] not in ('"', "'"):
            self.log.add("stray_backslash", self.pos)
            self.pos += 1
            self.skip()
        if self.pos >= self.end:
            return
        char = text[self.pos]
        if char in ",，;":
            if char != ",":
                self.log.add("punctuation", self.pos, char)
            self.pos += 1
        elif char not in "}])" and not text.startswith("```", self.pos):
            self.log.add("missing_comma", self.pos)

    def path(self) -> str:
        """The JSON path of the innermost open container."""
        steps = []
        for depth, key in enumerate(self.keys[1:], start=1):
            steps.append(f"[{len(self.boxes[depth]) - 1}]" if key is None else f".{key}")
        return "$" + "".join(steps)

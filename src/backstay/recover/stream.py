"""A value that grows while the text arrives, at a cost linear in the text.

Undamaged JSON (behind any prose that holds no bracket) is read incrementally: frames, the open string and at most one token of
unread text are kept between pieces, and the live containers are what `feed` returns. Text that leaves this path is
parsed anew whenever it has grown by a quarter, which is a geometric series and so still linear. `finish` is `parse` of the
whole, so no split of the text can change the outcome.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from backstay.recover.gate import NonFinite
from backstay.recover.outcome import Parsed
from backstay.recover.recovery import parse

MIN_GROWTH = 64
SPACE = re.compile(r"[ \n\r\t]*")
PART = re.compile(
    r"(?:[^\"\\\x00-\x1f]|\\(?:[\"\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))+"
)
SCALAR = re.compile(r"(-?(?:0|[1-9]\d{0,300})(?:\.\d+)?(?:[eE][+-]?\d{1,4})?|true|false|null)(?=[ \n\r\t,}\]])")
SCALAR_PREFIX = re.compile(r"(?:-?[\d.eE+-]*|t|tr|tru|true|f|fa|fal|fals|false|n|nu|nul|null)\Z")
ESCAPE_PREFIX = re.compile(r"\\(?:u[0-9a-fA-F]{0,4}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?\Z")
START, KEY, COLON, VALUE, COMMA, STRING, DONE, OTHER = range(8)


class Stream:
    """Feed the pieces as they come; `value` is what stands so far, `finish` gives the outcome of the whole.

    >>> stream = Stream()
    >>> [str(stream.feed(piece)) for piece in ('{"name": "Ad', 'a", "age": 36', "}")]
    ["{'name': 'Ad'}", "{'name': 'Ada'}", "{'name': 'Ada', 'age': 36}"]
    >>> stream.finish().status
    <Status.SUCCESS: 'SUCCESS'>
    """

    __slots__ = (
        "_boxes", "_chunks", "_cut_at", "_keys", "_length", "_may_close", "_options", "_parsed_at", "_state",
        "_string_is_key", "_tail", "value",
    )  # fmt: skip

    GROWTH: ClassVar[float] = 1.25
    """A text off the incremental path is parsed again when it is longer by this factor."""

    def __init__(
        self,
        *,
        schema: Mapping[str, Any] | None = None,
        max_depth: int = 512,
        non_finite: NonFinite = "float",
        latex: bool = False,
    ) -> None:
        self.value: Any = None
        self._options: dict[str, Any] = {
            "schema": schema,
            "max_depth": max_depth,
            "non_finite": non_finite,
            "latex": latex,
        }
        self._chunks: list[str] = []
        self._length = 0
        self._parsed_at = 0
        self._tail = ""
        self._cut_at = -1
        self._state = OTHER if latex else START  # a TeX command is known by what follows it
        self._boxes: list[Any] = []
        self._keys: list[str] = []
        self._may_close = False
        self._string_is_key = False

    def feed(self, text: str) -> Any:
        """Take the next piece; returns the value so far (the live object: later pieces change it)."""
        self._chunks.append(text)
        self._length += len(text)
        if self._state < DONE:
            self._advance(self._tail + text)
        elif self._state == DONE and text.strip():
            self._state = OTHER
        if self._state == OTHER and self._length >= max(self._parsed_at * self.GROWTH, self._parsed_at + MIN_GROWTH):
            self._parse_anew()
        return self.value

    def finish(self) -> Parsed:
        """The outcome of the whole text, the same however it was cut."""
        return self._read()

    def _read(self) -> Parsed:
        """`parse` of what has arrived."""
        return parse("".join(self._chunks), **self._options)

    def _parse_anew(self) -> None:
        parsed = self._read()
        self._parsed_at = self._length
        if parsed:
            self.value = parsed.value

    def _advance(self, text: str) -> None:
        """Read `text` as far as it goes; what needs more text stays in `_tail`."""
        at, end = 0, len(text)
        while at < end and self._state < DONE:
            if self._state == STRING:
                following = self._read_string(text, at)
            elif self._state == START:
                following = self._find_start(text)
            else:
                space = SPACE.match(text, at)
                at = space.end() if space is not None else at
                if at >= end:
                    break
                following = self._read_token(text, at)
            if following < 0:
                at = max(at, self._cut_at)
                break
            at = following
        self._tail = text[at:] if self._state < DONE else ""
        self._cut_at = -1
        if self._state == DONE and text[at:].strip():
            self._state = OTHER

    def _find_start(self, text: str) -> int:
        """The text before the first bracket is prose, unless it says that it is thinking."""
        places = [place for place in (text.find("{"), text.find("[")) if place >= 0]
        start = min(places, default=len(text))
        if "<" in text[:start]:
            self._state = OTHER
        elif places:
            self._state = VALUE
        return start

    def _read_token(self, text: str, at: int) -> int:
        """Read one token at `at`; the offset behind it, or -1 if its end has not arrived."""
        char = text[at]
        if char in "}]":
            return self._close(char, at)
        if self._state == COMMA and char == ",":
            self._state = KEY if isinstance(self._boxes[-1], dict) else VALUE
            self._may_close = False
            return at + 1
        if self._state == COLON and char == ":":
            self._state = VALUE
            return at + 1
        if self._state == KEY and char == '"':
            self._string_is_key = True
            self._keys[-1] = ""
            self._state = STRING
            return at + 1
        if self._state == VALUE:
            return self._read_value(text, at, char)
        self._state = OTHER
        return at

    def _read_value(self, text: str, at: int, char: str) -> int:
        if char == '"':
            self._string_is_key = False
            self._put("")
            self._state = STRING
            return at + 1
        if char in "{[":
            if len(self._boxes) >= self._options["max_depth"]:
                self._state = OTHER
                return at
            box: Any = {} if char == "{" else []
            self._put(box)
            self._boxes.append(box)
            self._keys.append("")
            self._state, self._may_close = (KEY if char == "{" else VALUE), True
            return at + 1
        scalar = SCALAR.match(text, at)
        if scalar is not None:
            self._put(json.loads(scalar[1]))
            self._state = COMMA
            return scalar.end()
        if len(text) - at < 400 and SCALAR_PREFIX.match(text, at):
            return -1
        self._state = OTHER
        return at

    def _close(self, char: str, at: int) -> int:
        is_object = bool(self._boxes) and isinstance(self._boxes[-1], dict)
        is_place = self._state == COMMA or (self._may_close and self._state == (KEY if is_object else VALUE))
        if not self._boxes or not is_place or (char == "}") != is_object:
            self._state = OTHER
            return at
        self._boxes.pop()
        self._keys.pop()
        self._state = COMMA if self._boxes else DONE
        return at + 1

    def _put(self, value: Any) -> None:
        if not self._boxes:
            self.value = value
        elif isinstance(self._boxes[-1], dict):
            self._boxes[-1][self._keys[-1]] = value
        else:
            self._boxes[-1].append(value)

    def _read_string(self, text: str, at: int) -> int:
        """Add what has arrived of the open string; -1 if an escape is cut."""
        part = PART.match(text, at)
        if part is not None:
            raw = part[0]
            self._grow(json.loads(f'"{raw}"') if "\\" in raw else raw)
            at = part.end()
        if at >= len(text):
            return at
        if text[at] == '"':
            self._state = COLON if self._string_is_key else COMMA
            return at + 1
        if ESCAPE_PREFIX.match(text, at):
            self._cut_at = at
            return -1
        self._state = OTHER
        return at

    def _grow(self, text: str) -> None:
        """Append to the open key or string; the container lets go of it first, so that appending copies nothing."""
        if self._string_is_key:
            self._keys[-1] += text
            return
        box = self._boxes[-1]
        string = box.pop(self._keys[-1]) if isinstance(box, dict) else box.pop()
        string += text
        if isinstance(box, dict):
            box[self._keys[-1]] = string
        else:
            box.append(string)

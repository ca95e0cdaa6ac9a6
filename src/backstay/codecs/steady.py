"""Steady: the events of a stream that differ from one already read in nothing but one string.

Most chunks of a chat stream repeat some 300 bytes around a few letters of text. Once such a chunk has been read, the bytes
before and after its text are kept; a later chunk with the same bytes around a JSON string is the same object with another
text, so the string alone is decoded. That this holds is proved when it is learnt: the bytes are decoded once with another
string in the place, which must then stand at the text's path, and the rest be equal. A string in the place of a string changes
nothing else of a JSON text.
"""

from __future__ import annotations

from json import dumps
from typing import Any, Final

import msgspec

from backstay.codecs.lenient import JSON_FAULTS, decode_json

MAX_TRIES: Final = 8
"""A stream whose chunks differ elsewhere too (a time, a serial number) is not tried for longer."""

_PROBE: Final = "another text"
_decode_text: Final = msgspec.json.Decoder(str).decode


class Steady:
    """What one stream's plain events have in common. `path` leads to their text, by keys and places."""

    __slots__ = ("_head", "_path", "_tail", "_tries")

    def __init__(self, *path: str | int) -> None:
        self._path = path
        self._head: bytes | None = None
        self._tail = b""
        self._tries = 0

    def read(self, payload: bytes) -> str:
        """The text of an event that is the one learnt with another text; "" for any other event, and for one without text."""
        head = self._head
        if head is None or not payload.startswith(head) or not payload.endswith(self._tail):
            return ""
        try:
            return _decode_text(payload[len(head) : len(payload) - len(self._tail)])
        except JSON_FAULTS:
            return ""

    def learn(self, payload: bytes, text: str) -> None:
        """Keep what stands around `text` in an event just read."""
        if self._tries >= MAX_TRIES:
            self._head = None
            return
        self._tries += 1
        self._head = None
        for literal in (msgspec.json.encode(text), dumps(text).encode()):  # in UTF-8 or in escapes, as servers do
            head, found, tail = payload.partition(literal)
            if found and self._is_proved(payload, head, tail):
                self._head, self._tail = head, tail
                return

    def forget(self) -> None:
        """After an event of another kind nothing is known of the next one."""
        self._head = None

    def _is_proved(self, payload: bytes, head: bytes, tail: bytes) -> bool:
        try:
            probed = decode_json(head + msgspec.json.encode(_PROBE) + tail)
            place: Any = probed
            for step in self._path[:-1]:
                place = place[step]
            last = self._path[-1]
            if place[last] != _PROBE:
                return False
            place[last] = decode_json(payload[len(head) : len(payload) - len(tail)])
            return bool(probed == decode_json(payload))
        except (*JSON_FAULTS, KeyError, IndexError, TypeError):
            return False

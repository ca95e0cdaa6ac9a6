"""Parts of a Chat Completions stream under construction that deltas alone cannot say: ids to make up, fields to keep.

A tool call, a detail of the reasoning and a spoken answer each hold wire fields without a neutral name, so their final value
is told in a `PartDone` at the end.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.codecs.lenient import keep, object_of, own, rest_of, text_of
from backstay.codecs.media import from_base64
from backstay.codecs.openai_part import DIALECT, Wire
from backstay.codecs.openai_turn import make_call_id, read_audio, read_tool_call, tool_call_extra
from backstay.event import PartDone, ReasoningDelta, ToolCallDelta
from backstay.fold import parse_arguments
from backstay.types import AnyPart, Audio, Reasoning


class CallSlot:
    """One tool call: fragments in, a `PartDone` at the end where the fragments could not say everything."""

    __slots__ = ("_extra", "_fragments", "_is_custom", "_made_id", "_name", "id", "index", "is_begun", "slot")

    def __init__(self, slot: int, index: Any, seed: str, number: int) -> None:
        self.slot = slot
        self.index = index
        self.id: str | None = None
        self.is_begun = False
        self._made_id = (seed, number)
        self._name = ""
        self._is_custom = False
        self._extra: Wire = {}
        self._fragments: list[str] = []

    def add(self, item: Wire, call_id: str | None, name: str | None) -> ToolCallDelta:
        """The delta of one fragment. An id is made with the first one that brings a name but no id."""
        self._is_custom = self._is_custom or isinstance(item.get("custom"), dict)
        inner = object_of(item.get("custom") if self._is_custom else item.get("function"))
        given = inner.get("input" if self._is_custom else "arguments")
        text = msgspec.json.encode(given).decode() if isinstance(given, dict) else text_of(given)
        self._extra.update(own(tool_call_extra(item), DIALECT))
        self._fragments.append(text)
        is_first = not self.is_begun
        if is_first:
            self.id = call_id or make_call_id(*self._made_id, name or "")
            self._name = name or ""
            self.is_begun = True
            return ToolCallDelta(self.slot, self.id, name, text)
        if name and not self._name:
            self._name = name
            return ToolCallDelta(self.slot, None, name, text)
        return ToolCallDelta(self.slot, None, None, text)

    def is_other(self, call_id: str | None, name: str | None) -> bool:
        """True when a fragment of this id and name, at this call's index, begins another call: parallel calls may share one."""
        if name is None or not self.is_begun:
            return False
        if call_id is not None:
            return call_id != self.id
        text = "".join(self._fragments)
        return bool(text) and parse_arguments(text)[1] is None

    def done(self) -> PartDone | None:
        """The whole call, where it has more than id, name and arguments."""
        if not self._extra and not self._is_custom:
            return None
        field, inner = ("custom", "input") if self._is_custom else ("function", "arguments")
        whole = {**self._extra, "id": self.id, field: {"name": self._name, inner: "".join(self._fragments)}}
        return PartDone(read_tool_call(whole, 0, ""), self.slot)


class DetailSlot:
    """One entry of `reasoning_details`, joined from its fragments."""

    __slots__ = ("_pieces", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self._pieces: list[Reasoning] = []

    def add(self, piece: Reasoning) -> None:
        """Take one fragment."""
        self._pieces.append(piece)

    def delta(self, piece: Reasoning) -> ReasoningDelta:
        """The event that tells of `piece`."""
        return ReasoningDelta(piece.text, self.slot, piece.signature, piece.encrypted, piece.id, piece.is_summary)

    def part(self) -> Reasoning:
        """The whole entry: texts joined, of every other field the last that says something."""
        rest: Wire = {}
        for piece in self._pieces:
            rest.update(own(piece.extra, DIALECT)["detail"])
        last = {
            name: next((value for piece in reversed(self._pieces) if (value := getattr(piece, name))), None)
            for name in ("signature", "encrypted", "id")
        }
        return Reasoning(
            text="".join(piece.text for piece in self._pieces),
            is_summary=any(piece.is_summary for piece in self._pieces),
            extra=keep(DIALECT, {"detail": rest}),
            **last,
        )


class AudioSlot:
    """A spoken answer: its bytes come as base64 fragments, its transcript as text fragments."""

    __slots__ = ("_data", "_rest", "_transcript", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self._data: list[str] = []
        self._transcript: list[str] = []
        self._rest: Wire = {}

    def add(self, audio: Wire) -> None:
        """Take one fragment."""
        self._data.append(text_of(audio.get("data")))
        self._transcript.append(text_of(audio.get("transcript")))
        self._rest.update(rest_of(audio, frozenset({"data", "transcript"})))

    def part(self) -> AnyPart:
        """The whole sound; `Unknown` where a fragment is damaged."""
        facts = {**self._rest, "transcript": "".join(self._transcript)}
        pieces = [from_base64(fragment) for fragment in self._data if fragment]
        if any(piece is None for piece in pieces):
            return read_audio({**facts, "data": "".join(self._data)})
        data = b"".join(piece for piece in pieces if piece)
        return Audio(data=data, extra=keep(DIALECT, {"audio": facts}))

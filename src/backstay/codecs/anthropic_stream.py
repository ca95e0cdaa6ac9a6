"""The Anthropic stream: `AnthropicDecoder`, a state machine from bytes to events.

Blocks come one after another: `content_block_start`, deltas, `content_block_stop`; each opens a slot. Text, reasoning and
tool-call arguments are handed on as they arrive. A block that the deltas cannot say in full (citations, unknown types,
fields of its own) is put together here and given whole at its stop.

A second `message_start` of the same message says nothing. One of another message in the middle of an answer means that the server
began again: the new parts replace the old ones, and an answer that comes out shorter than what was already delivered was
interrupted.

The end is `message_stop` and nothing else; `Finished` waits for it. Counts in `message_delta` are cumulative and override those
of `message_start`. `ping` says nothing. Unknown events pass as `UnknownEvent`. An `error` event is raised as the typed error
that its HTTP status would have been, after the events before it were handed out.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.anthropic_answer import ANSWER_KEYS, read_answer
from backstay.codecs.anthropic_error import error_in_body
from backstay.codecs.anthropic_part import read_block
from backstay.codecs.anthropic_wire import DIALECT, read_stop_reason, read_usage
from backstay.codecs.lenient import (
    JSON_FAULTS,
    decode_json,
    keep,
    object_of,
    objects_of,
    read_json,
    rest_of,
    text_of,
    text_or_none,
)
from backstay.codecs.sse import SSEParser
from backstay.errors import LLMError, ProtocolError, StreamInterrupted
from backstay.event import (
    Event,
    Finished,
    PartDone,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UnknownEvent,
    UsageReport,
)
from backstay.fold import unfold

_MAX_FRAME: Final = 32 << 20
"""A result of a server tool comes as one frame."""

_DELTA_KEYS: Final = frozenset({"stop_reason", "stop_sequence"})
_DELTA_EVENT_KEYS: Final = frozenset({"type", "delta", "usage"})
_SPOKEN: Final = {
    "text": frozenset({"type", "text"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "tool_use": frozenset({"type", "id", "name", "input"}),
}
"""The fields of a block that deltas can say; one with others is given whole at its stop."""

_DELTAS: Final = {
    "text_delta": ("text", "text", "text"),
    "input_json_delta": ("partial_json", "tool_use", "input"),
    "thinking_delta": ("thinking", "thinking", "thinking"),
    "signature_delta": ("signature", "thinking", "signature"),
}
"""By type of delta: its field, the type of block that it belongs to, the field of the block that it adds to."""


class _Block:
    """One open block: its slot, its first form, and what the deltas added to each of its fields."""

    __slots__ = ("added", "data", "has_rest", "kind", "slot")

    def __init__(self, slot: int, data: dict[str, Any]) -> None:
        self.slot = slot
        self.data = data
        self.kind = text_of(data.get("type"))
        self.added: dict[str, list[Any]] = {}
        spoken = _SPOKEN.get(self.kind)
        self.has_rest = spoken is None or any(
            value is not None and value != [] and key not in spoken for key, value in data.items()
        )

    def add(self, key: str, piece: Any) -> None:
        pieces = self.added.get(key)
        if pieces is None:
            self.added[key] = [piece]
        else:
            pieces.append(piece)

    def whole(self) -> dict[str, Any]:
        """The block as it would stand in an answer that was not streamed."""
        data = dict(self.data)
        for key, pieces in self.added.items():
            if key == "input":
                data[key] = _input("".join(pieces), data.get(key))
            elif all(isinstance(piece, str) for piece in pieces):
                data[key] = text_of(data.get(key)) + "".join(pieces)
            else:
                known = data.get(key)
                data[key] = [*(known if isinstance(known, list) else ()), *pieces]
        return data


def _input(text: str, given: Any) -> Any:
    """A tool's input from its fragments; the text itself where they are no JSON, the first form where they are empty."""
    if not text.strip():
        return given if given is not None else {}
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text


class AnthropicDecoder:
    """One stream's decoder."""

    __slots__ = (
        "_blocks",
        "_error",
        "_extra",
        "_is_done",
        "_is_restarted",
        "_parser",
        "_peak",
        "_reason",
        "_sequence",
        "_slots",
        "_started",
        "_usage",
    )

    def __init__(self) -> None:
        self._parser = SSEParser(_MAX_FRAME)
        self._blocks: dict[Any, _Block] = {}
        self._slots = 0
        self._started: Started | None = None
        self._is_restarted = False
        self._peak = 0
        self._is_done = False
        self._error: LLMError | None = None
        self._reason: str | None = None
        self._sequence: str | None = None
        self._extra: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._error is not None:
            raise self._error
        return self._read(self._parser.feed(data))

    def finish(self) -> list[Event]:
        """The last events. Raises StreamInterrupted where `message_stop` was not seen."""
        if self._error is not None:
            raise self._error
        try:
            events = self._read(self._parser.finish())
        except ProtocolError as fault:
            raise StreamInterrupted(f"the stream ended inside an event: {fault}") from fault
        if self._error is not None:
            raise self._error
        plain = self._parser.plain
        if plain is not None:
            return unfold(read_answer(plain))
        if not self._is_done:
            raise StreamInterrupted("the stream ended before message_stop")
        return events

    def _read(self, payloads: list[bytes]) -> list[Event]:
        events: list[Event] = []
        try:
            for data in payloads:
                try:
                    wire = decode_json(data)
                except JSON_FAULTS:
                    wire = {} if data == b"[DONE]" else read_json(data)
                if self._is_done:
                    break
                if type(wire) is not dict:
                    raise ProtocolError(f"an event of the stream is no object but {data[:40]!r}")
                if wire.get("type") == "content_block_delta":
                    self._on_delta(wire, events)
                else:
                    self._on_event(wire, events)
        except LLMError as error:
            self._error = error
            if not events:
                raise
        return events

    def _on_event(self, wire: dict[str, Any], events: list[Event]) -> None:
        kind = text_of(wire.get("type"))
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, wire, events)
        elif wire.get("error"):
            raise error_in_body(wire)
        elif kind != "ping" and wire:
            events.append(UnknownEvent(kind, wire))

    def _on_delta(self, wire: dict[str, Any], events: list[Event]) -> None:
        index = wire.get("index")
        block = self._blocks.get(index) if type(index) is int else None
        if block is None:
            block = self._open(index, {"type": _kind_of_delta(wire)})
        delta = wire.get("delta")
        if type(delta) is not dict:
            return
        kind = delta.get("type")
        rule = _DELTAS.get(kind) if type(kind) is str else None
        if rule is None or (rule[1] != block.kind and rule[0] != "partial_json"):
            self._on_other_delta(block, delta)
            return
        text = delta.get(rule[0])
        if type(text) is not str:
            return
        block.add(rule[2], text)
        if not text or self._is_restarted or rule[1] != block.kind:
            return
        if kind == "text_delta":
            events.append(TextDelta(text, block.slot))
        elif kind == "input_json_delta":
            events.append(ToolCallDelta(block.slot, None, None, text))
        elif kind == "thinking_delta":
            events.append(ReasoningDelta(text, block.slot))
        else:
            events.append(ReasoningDelta("", block.slot, text))

    def _on_other_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        """A delta that no event can say: kept, for the block's stop. `citations_delta` adds one to the list `citations`."""
        block.has_rest = True
        for key, value in delta.items():
            if key != "type" and value is not None:
                block.add("citations" if key == "citation" else key, value)

    def _on_message_start(self, wire: dict[str, Any], events: list[Event]) -> None:
        message = object_of(wire.get("message"))
        started = Started(text_or_none(message.get("id")), text_or_none(message.get("model")))
        if self._started is not None and started.id != self._started.id and self._slots:
            self._restart()
        if self._started is None or self._is_restarted:
            self._started = started
            events.append(started)
            self._extra.update(rest_of(message, ANSWER_KEYS))
            for block in objects_of(message.get("content")):
                events.append(PartDone(read_block(block), self._slots))
                self._slots += 1
        self._on_usage(message, events)

    def _restart(self) -> None:
        """Another message begins in the middle: its parts take the places of those before it, whole, at their stops."""
        self._is_restarted = True
        self._peak = max(self._peak, self._slots)
        self._slots = 0
        self._blocks.clear()
        self._extra.clear()
        self._usage.clear()

    def _on_usage(self, wire: dict[str, Any], events: list[Event]) -> None:
        """Counts so far. Uncached, cached and written tokens add up to the input, so they are summed with what is known."""
        if not isinstance(wire.get("usage"), dict):
            return
        self._usage.update({key: value for key, value in wire["usage"].items() if value is not None})
        events.append(UsageReport(read_usage(self._usage)))

    def _on_block_start(self, wire: dict[str, Any], events: list[Event]) -> None:
        data = object_of(wire.get("content_block"))
        block = self._open(wire.get("index"), data)
        if self._is_restarted:
            return
        if block.kind == "text" and data.get("text"):
            events.append(TextDelta(text_of(data["text"]), block.slot))
        elif block.kind == "thinking" and (data.get("thinking") or data.get("signature")):
            signature = text_or_none(data.get("signature"))
            events.append(ReasoningDelta(text_of(data.get("thinking")), block.slot, signature))
        elif block.kind == "tool_use":
            events.append(ToolCallDelta(block.slot, text_of(data.get("id")), text_of(data.get("name"))))

    def _open(self, index: Any, data: dict[str, Any]) -> _Block:
        block = self._blocks[index if type(index) is int else -1] = _Block(self._slots, data)
        self._slots += 1
        return block

    def _on_block_stop(self, wire: dict[str, Any], events: list[Event]) -> None:
        index = wire.get("index")
        block = self._blocks.pop(index if type(index) is int else -1, None)
        if block is None:
            return
        came_whole = block.kind == "tool_use" and block.data.get("input") and not any(block.added.get("input", ()))
        if block.has_rest or came_whole or self._is_restarted:
            events.append(PartDone(read_block(block.whole()), block.slot))

    def _on_message_delta(self, wire: dict[str, Any], events: list[Event]) -> None:
        delta = object_of(wire.get("delta"))
        self._reason = text_or_none(delta.get("stop_reason")) or self._reason
        self._sequence = text_or_none(delta.get("stop_sequence")) or self._sequence
        self._extra.update(rest_of(delta, _DELTA_KEYS))
        self._extra.update(rest_of(wire, _DELTA_EVENT_KEYS))
        self._on_usage(wire, events)

    def _on_message_stop(self, wire: dict[str, Any], events: list[Event]) -> None:
        for index in list(self._blocks):
            self._on_block_stop({"index": index}, events)
        if self._slots < self._peak:
            raise StreamInterrupted(
                "the answer began again in the middle, and came out shorter than what was delivered"
            )
        self._is_done = True
        reason = read_stop_reason(self._reason)
        events.append(Finished(reason, self._reason, self._sequence, keep(DIALECT, self._extra)))

    def _on_error(self, wire: dict[str, Any], events: list[Event]) -> None:
        raise error_in_body(wire)


def _kind_of_delta(wire: dict[str, Any]) -> str:
    """The type of a block whose start was never seen, from its first delta."""
    kind = text_of(object_of(wire.get("delta")).get("type")).removesuffix("_delta")
    return {"input_json": "tool_use", "signature": "thinking", "citations": "text"}.get(kind, kind)


_HANDLERS: Final = {
    "content_block_start": AnthropicDecoder._on_block_start,
    "content_block_stop": AnthropicDecoder._on_block_stop,
    "message_start": AnthropicDecoder._on_message_start,
    "message_delta": AnthropicDecoder._on_message_delta,
    "message_stop": AnthropicDecoder._on_message_stop,
    "error": AnthropicDecoder._on_error,
}

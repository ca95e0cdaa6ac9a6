"""The Bedrock ConverseStream: `BedrockDecoder`, a state machine from bytes to events.

A text block has no start; a block's slot is opened by whatever comes first for its index. Counts come in `metadata`, after
`messageStop`, so `Finished` waits for the end of the body. An exception message is raised as the typed error that its status
would have been. Source: API_runtime_ConverseStream of the Bedrock reference.
"""

from __future__ import annotations

from typing import Any, Final

from backstay.codecs.bedrock_error import error_in_stream
from backstay.codecs.bedrock_part import read_block
from backstay.codecs.bedrock_wire import DIALECT, Wire, read_stop_reason, read_usage
from backstay.codecs.eventstream import EventStreamParser, Message
from backstay.codecs.lenient import keep, object_of, read_json, rest_of, text_of, text_or_none
from backstay.errors import LLMError, StreamInterrupted
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
from backstay.types import Text, Unknown

_STOP_KEYS: Final = frozenset({"stopReason", "p"})
_METADATA_KEYS: Final = frozenset({"usage", "p"})


class _Block:
    """One open block: its slot, and what no delta can say."""

    __slots__ = ("citations", "other", "slot", "texts")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.texts: list[str] = []
        self.citations: list[Any] = []
        self.other: list[Wire] = []


class BedrockDecoder:
    """One stream's decoder. An error inside the stream is raised after the events before it were handed out."""

    __slots__ = ("_blocks", "_error", "_extra", "_parser", "_raw", "_slots")

    def __init__(self) -> None:
        self._parser = EventStreamParser()
        self._blocks: dict[Any, _Block] = {}
        self._slots = 0
        self._raw: str | None = None
        self._extra: Wire = {}
        self._error: LLMError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._error is not None:
            raise self._error
        events: list[Event] = []
        try:
            for message in self._parser.feed(data):
                self._take(message, events)
        except LLMError as error:
            self._error = error
            if not events:
                raise
        return events

    def finish(self) -> list[Event]:
        """The last events. Raises StreamInterrupted where `messageStop` was not seen or a message is incomplete."""
        if self._error is not None:
            raise self._error
        if self._raw is None or self._parser.pending:
            raise StreamInterrupted(
                "the stream ended before messageStop" if self._raw is None else "the stream ended inside a message"
            )
        events: list[Event] = []
        for index in list(self._blocks):
            self._on_block_stop({"contentBlockIndex": index}, events)
        events.append(Finished(read_stop_reason(self._raw), self._raw, None, keep(DIALECT, self._extra)))
        return events

    def _take(self, message: Message, events: list[Event]) -> None:
        headers, payload = message
        kind = headers.get(":event-type")
        if kind == "contentBlockDelta":
            self._on_delta(object_of(read_json(payload)), events)
        elif headers.get(":message-type", "event") != "event":
            self._on_failure(headers, payload)
        else:
            handler = _HANDLERS.get(kind or "")
            wire = object_of(read_json(payload)) if payload else {}
            if handler is None:
                events.append(UnknownEvent(kind or "", wire))
            else:
                handler(self, wire, events)

    def _on_failure(self, headers: Any, payload: bytes) -> None:
        """An exception (with a type) or an error of the transport's own (`:error-code`, no payload)."""
        kind = headers.get(":exception-type") or headers.get(":error-code") or "internalServerException"
        wire = object_of(read_json(payload)) if payload.strip() else {"message": headers.get(":error-message", "")}
        raise error_in_stream(kind, wire)

    def _on_delta(self, wire: Wire, events: list[Event]) -> None:
        block = self._block(wire)
        delta = object_of(wire.get("delta"))
        text = delta.get("text")
        if type(text) is str:
            block.texts.append(text)
            if text:
                events.append(TextDelta(text, block.slot))
        elif "toolUse" in delta:
            fragment = text_of(object_of(delta["toolUse"]).get("input"))
            if block.other:
                block.other.append({"input": fragment})
            elif fragment:
                events.append(ToolCallDelta(block.slot, None, None, fragment))
        elif "reasoningContent" in delta:
            self._on_reasoning(object_of(delta["reasoningContent"]), block, events)
        elif "citation" in delta:
            block.citations.append(delta["citation"])
        else:
            block.other.append(delta)

    def _on_reasoning(self, wire: Wire, block: _Block, events: list[Event]) -> None:
        text, signature = text_of(wire.get("text")), text_or_none(wire.get("signature"))
        encrypted = text_or_none(wire.get("redactedContent"))
        if text or signature or encrypted:
            events.append(ReasoningDelta(text, block.slot, signature, encrypted))

    def _block(self, wire: Wire) -> _Block:
        index = _index(wire)
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block(self._slots)
            self._slots += 1
        return block

    def _on_start(self, wire: Wire, events: list[Event]) -> None:
        events.append(Started())

    def _on_block_start(self, wire: Wire, events: list[Event]) -> None:
        block, start = self._block(wire), object_of(wire.get("start"))
        use = start.get("toolUse")
        if isinstance(use, dict) and use.get("type") != "server_tool_use":
            events.append(ToolCallDelta(block.slot, text_of(use.get("toolUseId")), text_of(use.get("name"))))
        elif start:
            block.other.append(start)

    def _on_block_stop(self, wire: Wire, events: list[Event]) -> None:
        """A block that deltas could not say in full is given whole: cited text, a server's tool and its result."""
        block = self._blocks.pop(_index(wire), None)
        if block is None:
            return
        if block.citations:
            text = "".join(block.texts)
            events.append(PartDone(Text(text=text, extra={DIALECT: {"citations": block.citations}}), block.slot))
        elif block.other:
            events.append(PartDone(_whole(block.other), block.slot))

    def _on_stop(self, wire: Wire, events: list[Event]) -> None:
        self._raw = text_of(wire.get("stopReason"))
        self._extra.update(rest_of(wire, _STOP_KEYS))

    def _on_metadata(self, wire: Wire, events: list[Event]) -> None:
        self._extra.update(rest_of(wire, _METADATA_KEYS))
        if isinstance(wire.get("usage"), dict):
            events.append(UsageReport(read_usage(wire["usage"])))


def _index(wire: Wire) -> int:
    index = wire.get("contentBlockIndex")
    return index if type(index) is int else -1


def _whole(pieces: list[Wire]) -> Any:
    """A block of an unnamed kind from its start and deltas: fields of the same kind joined, strings and lists extended."""
    merged: Wire = {}
    for piece in pieces:
        if set(piece) == {"input"} and isinstance(merged.get("toolUse"), dict):
            merged["toolUse"]["input"] = text_of(merged["toolUse"].get("input")) + text_of(piece["input"])
            continue
        for kind, value in piece.items():
            if kind == "toolResult" and isinstance(value, list):
                result = merged[kind] = object_of(merged.get(kind))
                known = result.get("content")
                result["content"] = [*(known if isinstance(known, list) else ()), *value]
            else:
                merged[kind] = dict(value) if isinstance(value, dict) else value
    use = merged.get("toolUse")
    if isinstance(use, dict) and isinstance(use.get("input"), str):
        use["input"] = read_json(use["input"].encode() or b"{}")
    part = read_block(merged)
    return part if isinstance(part, Unknown) else Unknown(dialect=DIALECT, data=merged)


_HANDLERS: Final = {
    "messageStart": BedrockDecoder._on_start,
    "contentBlockStart": BedrockDecoder._on_block_start,
    "contentBlockStop": BedrockDecoder._on_block_stop,
    "messageStop": BedrockDecoder._on_stop,
    "metadata": BedrockDecoder._on_metadata,
}

"""The mirror of the ConverseStream: `BedrockEncoder`, events to event-stream messages.

Blocks are written by slot and closed together at the end or when a final value arrives, because the wire tells them apart by
index. Source: API_runtime_ConverseStream of the Bedrock reference.
"""

from __future__ import annotations

import msgspec

from backstay.codecs.bedrock_answer import write_content
from backstay.codecs.bedrock_error import name_error
from backstay.codecs.bedrock_wire import DIALECT, Wire, write_stop_reason, write_usage
from backstay.codecs.eventstream import write_message
from backstay.codecs.lenient import own
from backstay.errors import LLMError
from backstay.event import (
    Event,
    Finished,
    PartDone,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from backstay.fold import merge_usage
from backstay.types import AnyPart, Reasoning, Refusal, Text, ToolCall, Usage

_STOP_EXTRA = ("additionalModelResponseFields",)


class BedrockEncoder:
    """One stream's encoder."""

    __slots__ = ("_finished", "_has_begun", "_indices", "_open", "_said", "_usage")

    def __init__(self) -> None:
        self._finished = Finished("stop")
        self._usage: Usage | None = None
        self._has_begun = False
        self._indices: dict[int, int] = {}
        self._open: dict[int, bool] = {}
        self._said: dict[int, str] = {}

    def encode(self, event: Event) -> bytes:
        """The bytes that say `event`; empty for what is said later or has no word here."""
        if isinstance(event, TextDelta | RefusalDelta):
            return self._delta(event.index, {"text": event.text}, event.text) if event.text else b""
        if isinstance(event, ToolCallDelta):
            start = b""
            if event.index not in self._indices:
                start = self._start(event.index, {"toolUse": {"toolUseId": event.id or "", "name": event.name or ""}})
            fragment = {"toolUse": {"input": event.arguments}}
            return start + (self._delta(event.index, fragment, event.arguments) if event.arguments else b"")
        if isinstance(event, ReasoningDelta):
            return self._reasoning(event)
        if isinstance(event, PartDone):
            return self._part(event.index, event.part)
        if isinstance(event, UsageReport):
            self._usage = merge_usage(self._usage, event.usage)
        elif isinstance(event, Finished):
            self._finished = event
        return b""

    def finish(self) -> bytes:
        """The bytes that end the stream: the blocks' ends, stop reason, counts."""
        extra = dict(own(self._finished.extra, DIALECT))
        more = {key: extra.pop(key) for key in _STOP_EXTRA if key in extra}
        reason = write_stop_reason(self._finished.finish_reason, self._finished.raw_finish_reason)
        metadata = {"usage": write_usage(self._usage or Usage()), "metrics": {"latencyMs": 0}, **extra}
        return (
            self._begin()
            + b"".join(self._stop(slot) for slot in list(self._open))
            + _event("messageStop", {"stopReason": reason, **more})
            + _event("metadata", metadata)
        )

    def encode_error(self, error: LLMError) -> bytes:
        """The bytes that end the stream with an exception."""
        _, kind = name_error(error)
        headers = {
            ":message-type": "exception",
            ":exception-type": kind[:1].lower() + kind[1:],
            ":content-type": "application/json",
        }
        return write_message(headers, msgspec.json.encode({"message": str(error)}))

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        return _event("messageStart", {"role": "assistant"})

    def _index(self, slot: int) -> int:
        self._open[slot] = True
        return self._indices.setdefault(slot, len(self._indices))

    def _start(self, slot: int, start: Wire) -> bytes:
        return self._begin() + _event("contentBlockStart", {"contentBlockIndex": self._index(slot), "start": start})

    def _delta(self, slot: int, delta: Wire, text: str = "") -> bytes:
        self._said[slot] = self._said.get(slot, "") + text
        return self._begin() + _event("contentBlockDelta", {"contentBlockIndex": self._index(slot), "delta": delta})

    def _stop(self, slot: int) -> bytes:
        self._open.pop(slot, None)
        return _event("contentBlockStop", {"contentBlockIndex": self._indices[slot]}) if slot in self._indices else b""

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        if event.encrypted is not None and event.id is None:
            return self._delta(event.index, {"reasoningContent": {"redactedContent": event.encrypted}})
        said = self._delta(event.index, {"reasoningContent": {"text": event.text}}, event.text) if event.text else b""
        if event.signature and event.id is None:
            said += self._delta(event.index, {"reasoningContent": {"signature": event.signature}})
        return said

    def _part(self, slot: int, part: AnyPart) -> bytes:
        """A part's final form: what is missing of it, then the block's end."""
        said = self._said.get(slot, "")
        if isinstance(part, Text | Refusal) and part.text.startswith(said):
            data = (
                self._delta(slot, {"text": part.text[len(said) :]}, part.text[len(said) :])
                if part.text != said
                else b""
            )
            for citation in own(part.extra, DIALECT).get("citations", ()):
                data += self._delta(slot, {"citation": citation})
            return data + self._stop(slot)
        if slot in self._said or (slot in self._indices and not isinstance(part, ToolCall)):
            return self._stop(slot)
        if isinstance(part, ToolCall):
            start = b"" if slot in self._indices else self.encode(ToolCallDelta(slot, part.id, part.name))
            return start + self._delta(slot, {"toolUse": {"input": _arguments(part)}}) + self._stop(slot)
        if isinstance(part, Reasoning):
            delta = ReasoningDelta(part.text, slot, part.signature, part.encrypted, part.id)
            return self._reasoning(delta) + self._stop(slot)
        return b"".join(self._block(slot, block) for block in write_content((part,)))

    def _block(self, slot: int, block: Wire) -> bytes:
        """A block that only its start can say: a server's tool, or its result."""
        return self._start(slot, block) + self._stop(slot)


def _arguments(part: ToolCall) -> str:
    """The text of a call's arguments, as the model wrote it where it is no object: fragments are text on this wire."""
    return part.raw_arguments if part.raw_arguments is not None else msgspec.json.encode(part.arguments).decode()


def _event(kind: str, payload: Wire) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return write_message(headers, msgspec.json.encode(payload))

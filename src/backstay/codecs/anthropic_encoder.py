"""The mirror of the Anthropic stream: `AnthropicEncoder`, events to named server-sent events.

The wire opens, fills and closes one block after the other, while events name slots freely. So the open block is closed when
another slot begins, unless it is a tool call whose arguments are no whole JSON yet: servers that write parallel calls in turns
get several open blocks, which clients tell apart by index. A slot that goes on after it was closed gets a new block.

The message begins with the first content, so that input counts which came before it stand in `message_start`, and ends at
`finish`, because counts may follow the finish reason. Fields of a block that only its final form tells come too late for its
start and are lost (`caller` of a tool call), but for citations, which have a delta of their own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.codecs.anthropic_answer import write_content
from backstay.codecs.anthropic_error import write_error
from backstay.codecs.anthropic_wire import DIALECT, write_stop_reason, write_usage
from backstay.codecs.lenient import own, text_of
from backstay.codecs.sse import write_frame
from backstay.errors import LLMError
from backstay.event import (
    Event,
    Finished,
    PartDone,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from backstay.fold import merge_usage
from backstay.types import AnyPart, Reasoning, Refusal, Text, ToolCall, Unknown, Usage

_encode = msgspec.json.encode


class _Open:
    """A block that was started and not stopped: its index on the wire, and the text that it holds so far."""

    __slots__ = ("index", "kind", "pieces", "signature")

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        self.kind = kind
        self.pieces: list[str] = []
        self.signature = ""

    def is_partial_call(self) -> bool:
        if self.kind != "tool_use" or not self.pieces:
            return False
        try:
            msgspec.json.decode("".join(self.pieces))
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return True
        return False


class AnthropicEncoder:
    """One stream's encoder; `model` names the model where no Started event does."""

    __slots__ = ("_blocks", "_done", "_finished", "_has_begun", "_model", "_next", "_started", "_usage")

    def __init__(self, model: str = "") -> None:
        self._model = model
        self._started = Started()
        self._finished = Finished("stop")
        self._usage: Usage | None = None
        self._has_begun = False
        self._blocks: dict[int, _Open] = {}
        self._done: set[int] = set()
        self._next = 0

    def encode(self, event: Event) -> bytes:
        """The bytes that say `event`; empty for what the wire says later or has no word for."""
        if isinstance(event, TextDelta | RefusalDelta):
            return self._add(event.index, {"type": "text", "text": ""}, "text_delta", "text", event.text)
        if isinstance(event, ToolCallDelta):
            block = {"type": "tool_use", "id": event.id or "", "name": event.name or "", "input": {}}
            return self._add(event.index, block, "input_json_delta", "partial_json", event.arguments)
        if isinstance(event, ReasoningDelta):
            return self._add_reasoning(event)
        if isinstance(event, PartDone):
            return self._add_part(event.index, event.part)
        if isinstance(event, UsageReport):
            self._usage = merge_usage(self._usage, event.usage)
        elif isinstance(event, Started):
            self._started = event
        elif isinstance(event, Finished):
            self._finished = event
        return b""

    def finish(self) -> bytes:
        """The bytes that end the stream: the open blocks' ends, reason and counts, `message_stop`."""
        finished = self._finished
        delta = {
            "stop_reason": write_stop_reason(finished.finish_reason, finished.raw_finish_reason),
            "stop_sequence": finished.stop_sequence,
            **own(finished.extra, DIALECT),
        }
        usage = write_usage(self._usage or Usage())
        return (
            self._begin()
            + b"".join(self._close(slot) for slot in list(self._blocks))
            + _event("message_delta", delta=delta, usage=usage)
            + _event("message_stop")
        )

    def encode_error(self, error: LLMError) -> bytes:
        """The bytes that end the stream with an `error` event."""
        _, _, body = write_error(error)
        return write_frame(body, "error")

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        message: dict[str, Any] = {
            "id": self._started.id or "msg_0",
            "type": "message",
            "role": "assistant",
            "model": self._started.model or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage or Usage()),
        }
        return _event("message_start", message=message)

    def _open(self, slot: int, block: dict[str, Any]) -> bytes:
        closed = b"".join(
            self._close(other) for other, open_ in list(self._blocks.items()) if not open_.is_partial_call()
        )
        opened = self._blocks[slot] = _Open(self._next, text_of(block.get("type")))
        self._next += 1
        return self._begin() + closed + _event("content_block_start", index=opened.index, content_block=block)

    def _close(self, slot: int) -> bytes:
        self._done.add(slot)
        return _event("content_block_stop", index=self._blocks.pop(slot).index)

    def _add(self, slot: int, block: dict[str, Any], kind: str, field: str, text: str) -> bytes:
        start = b"" if slot in self._blocks else self._open(slot, block)
        if not text:
            return start
        opened = self._blocks[slot]
        opened.pieces.append(text)
        return start + self._delta(opened, {"type": kind, field: text})

    def _delta(self, opened: _Open, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=opened.index, delta=delta)

    def _add_reasoning(self, event: ReasoningDelta) -> bytes:
        """Another provider's encrypted thoughts cannot be shown here; those of this one are a block of their own."""
        if event.encrypted is not None:
            return self._add_part(event.index, Reasoning(encrypted=event.encrypted, id=event.id))
        block = {"type": "thinking", "thinking": "", "signature": ""}
        if not event.text and not event.signature:
            return b""
        said = self._add(event.index, block, "thinking_delta", "thinking", event.text)
        return said + self._sign(event.index, event.signature) if event.signature and event.id is None else said

    def _sign(self, slot: int, signature: str) -> bytes:
        opened = self._blocks[slot]
        opened.signature = signature
        return self._delta(opened, {"type": "signature_delta", "signature": signature})

    def _add_part(self, slot: int, part: AnyPart) -> bytes:
        """A part's final form: whole where nothing of it was said, else what is missing of it."""
        if slot in self._blocks:
            return self._complete(slot, part) + self._close(slot)
        if slot in self._done:
            return b""
        said = b""
        if (
            isinstance(part, ToolCall) and part.raw_arguments is not None
        ):  # fragments are text here: as the model wrote it
            said = self._open(slot, _empty(write_content((part,))[0]))
            return said + self._complete(slot, part) + self._close(slot)
        for block in write_content((part,)):
            if isinstance(part, Unknown):
                said += self._open(slot, block) + self._close(slot)
                continue
            said += self._open(slot, _empty(block)) + self._fill(slot, block) + self._close(slot)
        return said

    def _fill(self, slot: int, block: dict[str, Any]) -> bytes:
        if block.get("type") == "text":
            return self._add(slot, block, "text_delta", "text", block["text"])
        if block.get("type") == "tool_use":
            return self._add(slot, block, "input_json_delta", "partial_json", _encode(block["input"]).decode())
        if block.get("type") == "thinking":
            said = self._add(slot, block, "thinking_delta", "thinking", block["thinking"])
            return said + self._sign(slot, block["signature"]) if block["signature"] else said
        return b""

    def _complete(self, slot: int, part: AnyPart) -> bytes:
        opened = self._blocks[slot]
        said = "".join(opened.pieces)
        if isinstance(part, Text | Refusal | Reasoning) and part.text.startswith(said):
            kind, field = ("thinking_delta", "thinking") if opened.kind == "thinking" else ("text_delta", "text")
            more = self._add(slot, {}, kind, field, part.text[len(said) :])
            for citation in own(part.extra, DIALECT).get("citations", ()):
                more += self._delta(opened, {"type": "citations_delta", "citation": citation})
            signature = part.signature if isinstance(part, Reasoning) and part.id is None else None
            return more + self._sign(slot, signature) if signature and not opened.signature else more
        if isinstance(part, ToolCall) and not said:
            text = part.raw_arguments or (_encode(part.arguments).decode() if part.arguments else "")
            return self._add(slot, {}, "input_json_delta", "partial_json", text)
        return b""


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    """The form in which a block starts on the wire: what deltas will say is left empty."""
    if block.get("type") == "text":
        return {**block, "text": ""}
    if block.get("type") == "tool_use":
        return {**block, "input": {}}
    if block.get("type") == "thinking":
        return {**block, "thinking": "", "signature": ""}
    return block


def _event(kind: str, **fields: Any) -> bytes:
    return write_frame(_encode({"type": kind, **fields}), kind)

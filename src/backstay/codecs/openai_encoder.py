"""ChatEncoder: events as a Chat Completions stream, the mirror of `ChatDecoder`, for a server of this dialect.

The finish chunk and the usage chunk are written by `finish`, in the order in which clients expect them: the usage comes last,
with no choice, and only where the client asked for it. What a `PartDone` adds to text or arguments already sent is sent;
what it takes back cannot be.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.codecs.lenient import object_of, own
from backstay.codecs.openai_answer import write_head, write_logprobs
from backstay.codecs.openai_error import write_error
from backstay.codecs.openai_outcome import write_finish_reason, write_usage
from backstay.codecs.openai_part import DIALECT, Draft, Wire, write_part
from backstay.codecs.openai_rule import COMPATIBLE
from backstay.codecs.openai_turn import write_detail, write_tool_call
from backstay.codecs.sse import write_frame
from backstay.errors import LLMError
from backstay.event import (
    Event,
    Finished,
    LogprobsDelta,
    PartDone,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from backstay.fold import merge_usage
from backstay.types import AnyPart, Audio, Reasoning, Refusal, Request, Text, ToolCall, Usage


class ChatEncoder:
    """One stream's encoder: `encode` each event, then `finish`, or `encode_error`."""

    __slots__ = ("_calls", "_finished", "_has_begun", "_has_usage", "_head", "_model", "_sent", "_usage")

    def __init__(self, request: Request) -> None:
        options = object_of(own(request.options, DIALECT).get("stream_options"))
        self._has_usage = options.get("include_usage") is not False
        self._model = request.model
        self._head = write_head(None, request.model, None, "chat.completion.chunk")
        self._has_begun = False
        self._calls: dict[int, int] = {}
        self._sent: dict[int, list[str]] = {}
        self._finished = Finished()
        self._usage: Usage | None = None

    def encode(self, event: Event) -> bytes:
        """The bytes that say `event`; empty where this dialect says nothing, or says it at the end."""
        if isinstance(event, TextDelta):
            return self._send(event.index, "content", event.text)
        if isinstance(event, ReasoningDelta):
            return self._send(event.index, "reasoning_content", event.text)
        if isinstance(event, RefusalDelta):
            return self._send(event.index, "refusal", event.text)
        if isinstance(event, ToolCallDelta):
            return self._send_call(event)
        if isinstance(event, PartDone):
            return self._send_part(event.part, event.index)
        if isinstance(event, LogprobsDelta):
            return self._chunk({}, logprobs=write_logprobs(event.tokens))
        if isinstance(event, UsageReport):
            self._usage = merge_usage(self._usage, event.usage)
        elif isinstance(event, Finished):
            self._finished = event
        elif isinstance(event, Started):
            self._head = write_head(event.id, event.model or self._model, event.created_at, "chat.completion.chunk")
        return b""

    def finish(self) -> bytes:
        """The finish chunk, the usage chunk where it was asked for, and `[DONE]`."""
        kept = own(self._finished.extra, DIALECT)
        reason = write_finish_reason(self._finished.finish_reason, self._finished.raw_finish_reason)
        choice: Wire = {"index": 0, "delta": {}, "finish_reason": reason, **object_of(kept.get("choice"))}
        if self._finished.stop_sequence is not None:
            choice["stop_reason"] = self._finished.stop_sequence
        choice["delta"] = object_of(kept.get("message"))
        rest = {name: value for name, value in kept.items() if name not in ("choice", "message")}
        last = b"" if self._has_begun else self._chunk({})
        last += self._frame({**self._head, "choices": [choice], **rest})
        if self._has_usage and self._usage is not None:
            last += self._frame({**self._head, "choices": [], "usage": write_usage(self._usage)})
        return last + write_frame(b"[DONE]")

    def encode_error(self, error: LLMError) -> bytes:
        """The bytes that end the stream with `error`; no `[DONE]` follows, so that nobody takes it for an end."""
        return write_frame(write_error(error)[2])

    def _frame(self, chunk: Wire) -> bytes:
        return write_frame(msgspec.json.encode(chunk))

    def _chunk(self, delta: Wire, **fields: Any) -> bytes:
        if not self._has_begun:
            self._has_begun = True
            delta = {"role": "assistant", **delta}
        choice = {"index": 0, "delta": delta, "finish_reason": None, **fields}
        return self._frame({**self._head, "choices": [choice]})

    def _send(self, slot: int, field: str, text: str) -> bytes:
        if not text:
            return b""
        self._sent.setdefault(slot, []).append(text)
        return self._chunk({field: text})

    def _send_rest(self, slot: int, field: str, text: str) -> bytes:
        """What `text` adds to the text already sent for this slot."""
        sent = "".join(self._sent.get(slot, ()))
        return self._send(slot, field, text[len(sent) :]) if text.startswith(sent) else b""

    def _send_call(self, event: ToolCallDelta) -> bytes:
        index = self._calls.setdefault(event.index, len(self._calls))
        is_first = event.index not in self._sent
        self._sent.setdefault(event.index, []).append(event.arguments)
        function: Wire = {"arguments": event.arguments}
        if event.name is not None:
            function["name"] = event.name
        call: Wire = {"index": index, "function": function}
        if is_first:
            call |= {"id": event.id, "type": "function"}
        return self._chunk({"tool_calls": [call]})

    def _send_part(self, part: AnyPart, slot: int) -> bytes:
        if isinstance(part, Text):
            return self._send_rest(slot, "content", part.text)
        if isinstance(part, Refusal):
            return self._send_rest(slot, "refusal", part.text)
        if isinstance(part, Reasoning):
            if "detail" in own(part.extra, DIALECT):
                return b"" if slot in self._sent else self._chunk({"reasoning_details": [write_detail(part)]})
            return self._send_rest(slot, "reasoning_content", part.text)
        if isinstance(part, ToolCall):
            return self._send_whole_call(part, slot)
        return self._send_media(part, slot)

    def _send_whole_call(self, part: ToolCall, slot: int) -> bytes:
        wire = write_tool_call(part, Draft(COMPATIBLE))
        if slot not in self._calls:
            index = self._calls[slot] = len(self._calls)
            return self._chunk({"tool_calls": [{"index": index, **wire}]})
        sent = "".join(self._sent.get(slot, ()))
        text = object_of(wire.get("function")).get("arguments", "")
        rest = text[len(sent) :] if text.startswith(sent) else ""
        more = {name: value for name, value in wire.items() if name not in ("id", "type", "function", "custom")}
        if not rest and not more:
            return b""
        return self._chunk({"tool_calls": [{"index": self._calls[slot], "function": {"arguments": rest}, **more}]})

    def _send_media(self, part: AnyPart, slot: int) -> bytes:
        kept = own(part.extra, DIALECT).get("audio")
        if isinstance(part, Audio) and isinstance(kept, dict):
            wire = object_of(write_part(Audio(data=part.data), "", Draft(COMPATIBLE)))
            return self._chunk({"audio": {**kept, "data": wire["input_audio"]["data"]}})
        item = write_part(part, "", Draft(COMPATIBLE))
        return b"" if item is None else self._chunk({"images": [item]})

"""The mirror of the Gemini stream: `GeminiEncoder`, events to server-sent answer objects.

Text and thoughts go out as they come. Calls go out whole, when their slot is over, because that is how clients of this dialect
read them. The last object carries finish reason and counts. Lines end in CRLF, as Google's do.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.codecs.gemini_answer import write_content, write_logprobs
from backstay.codecs.gemini_error import write_error
from backstay.codecs.gemini_wire import DIALECT, Wire, write_reason, write_usage
from backstay.codecs.lenient import own
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
from backstay.fold import Folding, merge_usage
from backstay.types import AnyPart, Reasoning, Refusal, Text, Usage


class GeminiEncoder:
    """One stream's encoder; `model` names the model where no Started event does."""

    __slots__ = ("_calls", "_finished", "_logprobs", "_model", "_said", "_started", "_usage")

    def __init__(self, model: str = "") -> None:
        self._model = model
        self._started = Started()
        self._finished = Finished("stop")
        self._usage: Usage | None = None
        self._said: dict[int, str] = {}
        self._calls: dict[int, Folding] = {}
        self._logprobs: list[Any] = []

    def encode(self, event: Event) -> bytes:
        """The bytes that say `event`; empty for what is said later or has no word here."""
        if isinstance(event, TextDelta | RefusalDelta):
            return self._say(event.index, {"text": event.text}, event.text)
        if isinstance(event, ReasoningDelta):
            return self._say(event.index, {"text": event.text, "thought": True}, event.text)
        if isinstance(event, ToolCallDelta):
            calls = self._flush(but=event.index)
            self._calls.setdefault(event.index, Folding()).add(msgspec.structs.replace(event, index=0))
            return calls
        if isinstance(event, PartDone):
            return self._on_part(event.index, event.part)
        if isinstance(event, UsageReport):
            self._usage = merge_usage(self._usage, event.usage)
        elif isinstance(event, LogprobsDelta):
            self._logprobs += event.tokens
        elif isinstance(event, Started):
            self._started = event
        elif isinstance(event, Finished):
            self._finished = event
        return b""

    def finish(self) -> bytes:
        """The bytes that end the stream: open calls, finish reason, counts."""
        calls = self._flush()
        finished = self._finished
        candidate: Wire = {
            "content": {"role": "model", "parts": []},
            "finishReason": write_reason(finished.finish_reason, finished.raw_finish_reason),
            "index": 0,
            **({"logprobsResult": write_logprobs(self._logprobs)} if self._logprobs else {}),
            **own(finished.extra, DIALECT),
        }
        top: Wire = {key: candidate.pop(key) for key in ("promptFeedback", "modelStatus") if key in candidate}
        return calls + self._frame(
            {"candidates": [candidate], **top, "usageMetadata": write_usage(self._usage or Usage())}
        )

    def encode_error(self, error: LLMError) -> bytes:
        """The bytes that end the stream with an error object."""
        _, _, body = write_error(error)
        return b"data: " + body + b"\r\n\r\n"

    def _say(self, slot: int, part: Wire, text: str) -> bytes:
        calls = self._flush()
        if not text:
            return calls
        self._said[slot] = self._said.get(slot, "") + text
        return calls + self._parts([part])

    def _on_part(self, slot: int, part: AnyPart) -> bytes:
        """A part's final form: whole where nothing of it was said, else what is missing of it."""
        self._calls.pop(slot, None)
        calls, said = self._flush(), self._said.get(slot)
        if said is None:
            written = write_content((part,))
            return calls + self._parts(written) if written else calls
        if isinstance(part, Text | Refusal | Reasoning) and part.text.startswith(said):
            thought = {"thought": True} if isinstance(part, Reasoning) else {}
            return calls + self._say(slot, {"text": part.text[len(said) :], **thought}, part.text[len(said) :])
        return calls

    def _flush(self, but: int | None = None) -> bytes:
        """The calls that are over: those whose slot is not `but`, in the order in which they began, when all are whole."""
        over = [slot for slot in self._calls if slot != but]
        calls = {slot: self._calls[slot].response().parts[0] for slot in over}
        if but is not None and any(getattr(part, "raw_arguments", None) is not None for part in calls.values()):
            return b""
        for slot in over:
            del self._calls[slot]
        return self._parts(write_content(tuple(calls.values()))) if calls else b""

    def _parts(self, parts: list[Wire]) -> bytes:
        return self._frame({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}]})

    def _frame(self, wire: Wire) -> bytes:
        model = self._started.model or self._model
        names = {"modelVersion": model, "responseId": self._started.id}
        body = msgspec.json.encode({**wire, **{key: value for key, value in names.items() if value}})
        return b"data: " + body + b"\r\n\r\n"

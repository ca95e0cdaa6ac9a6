"""A Responses stream: `ResponsesDecoder`, from bytes to events.

Every event names the item that it belongs to, so items are kept apart by `output_index` and content parts by
`content_index`, not by the order of arrival. Deltas show progress, but the truth is in what is done: `output_item.done` gives
each item whole, and the terminal event the whole answer, so servers that leave out deltas or additions lose nothing. The
stream ends with `response.completed`, `.incomplete` or `.failed`, and with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from backstay.codecs.lenient import (
    JSON_FAULTS,
    decode_json,
    moment_of,
    object_of,
    objects_of,
    read_json,
    text_of,
    text_or_none,
)
from backstay.codecs.openai_answer import read_logprobs
from backstay.codecs.openai_error import error_in_body
from backstay.codecs.openai_outcome import read_usage
from backstay.codecs.responses_answer import raise_error, read_decoded, read_extra, read_finish
from backstay.codecs.responses_item import DIALECT, SUMMARY_BREAK, Wire, read_item
from backstay.codecs.sse import SSEParser
from backstay.errors import LLMError, ProtocolError, StreamInterrupted
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
    UnknownEvent,
    UsageReport,
)
from backstay.fold import parse_arguments, unfold
from backstay.types import AnyPart, FinishReason, Refusal, Text, ToolCall

_MAX_FRAME: Final = 64 << 20
"""The terminal event repeats the whole answer, pictures included."""

_QUIET: Final = frozenset(
    {
        *("response.in_progress", "response.queued", "response.content_part.added", "response.content_part.done"),
        *("response.output_text.done", "response.refusal.done", "response.function_call_arguments.done"),
        *("response.reasoning_summary_part.added", "response.reasoning_summary_part.done"),
        *(
            "response.reasoning_summary_text.done",
            "response.reasoning_text.done",
            "response.output_text.annotation.added",
        ),
        *("response.reasoning_part.added", "response.reasoning_part.done", "keepalive", "ping"),
    }
)
"""Events that say nothing which a later one does not say too."""


class ResponsesDecoder:
    """One stream's decoder. An error inside the stream is raised after the events before it were handed out."""

    __slots__ = (
        "_built",
        "_done",
        "_error",
        "_handlers",
        "_ids",
        "_is_done",
        "_kinds",
        "_opened",
        "_parser",
        "_slots",
        "_started",
        "_summaries",
    )

    def __init__(self) -> None:
        self._parser = SSEParser(_MAX_FRAME)
        self._slots: dict[tuple[Any, int], int] = {}
        self._built: dict[int, list[str]] = {}
        self._opened: dict[Any, list[int]] = {}
        self._done: set[Any] = set()
        self._ids: set[str] = set()
        self._kinds: set[type] = set()
        self._summaries: dict[int, Any] = {}
        self._started = self._is_done = False
        self._error: LLMError | None = None
        self._handlers: dict[str, Callable[[Wire, list[Event]], None]] = {
            "response.output_text.delta": self._on_text,
            "response.refusal.delta": self._on_refusal,
            "response.function_call_arguments.delta": self._on_arguments,
            "response.custom_tool_call_input.delta": self._on_arguments,
            "response.reasoning_summary_text.delta": self._on_summary,
            "response.reasoning_text.delta": self._on_thought,
            "response.output_item.added": self._on_added,
            "response.output_item.done": self._on_item_done,
            "response.created": self._on_created,
            "response.completed": self._on_end,
            "response.incomplete": self._on_end,
            "response.failed": self._on_end,
            "response.cancelled": self._on_end,
        }

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises StatusError for an error in the stream, ProtocolError for garbage."""
        events: list[Event] = []
        if self._error is None:
            try:
                for payload in self._parser.feed(data):
                    self._on_frame(payload, events)
            except LLMError as error:
                self._error = error
        if self._error is not None and not events:
            raise self._error
        return events

    def finish(self) -> list[Event]:
        """The last events. Raises StreamInterrupted where no terminal event was seen."""
        events: list[Event] = []
        if self._error is not None:
            raise self._error
        if self._parser.plain is not None:
            try:
                body = read_json(self._parser.plain)
            except ProtocolError as error:
                raise StreamInterrupted(f"the body is JSON that was cut: {error}") from error
            return unfold(read_decoded(body))
        try:
            for payload in self._parser.finish():
                self._on_frame(payload, events)
        except ProtocolError as error:
            raise StreamInterrupted(f"the stream ended inside an event: {error}") from error
        if not self._is_done:
            raise StreamInterrupted("the stream ended without a terminal event")
        return events

    def _on_frame(self, payload: bytes, events: list[Event]) -> None:
        if self._is_done:
            return
        try:
            event = decode_json(payload)
        except JSON_FAULTS:
            if payload == b"[DONE]" or not payload or payload.isspace():
                return
            event = read_json(payload)
        if type(event) is not dict:
            raise ProtocolError(f"an event is no object but a {type(event).__name__}")
        kind = event.get("type")
        handler = self._handlers.get(kind) if type(kind) is str else None
        if handler is not None:
            handler(event, events)
        else:
            self._on_other(text_of(kind), event, events)

    def _on_other(self, kind: str, event: Wire, events: list[Event]) -> None:
        if kind not in _QUIET:
            error = error_in_body(event)
            if error is not None:
                raise error
            events.append(UnknownEvent(kind, event))

    def _slot(self, event: Wire, content: int = 0) -> int:
        """The slot of an item's content part, by the part's index; indices need not begin at zero."""
        item = self._item_key(event)
        slot = self._slots.get((item, content))
        if slot is None:
            slot = self._slots[item, content] = len(self._slots)
            self._opened.setdefault(item, []).append(slot)
        return slot

    def _nth_slot(self, event: Wire, number: int) -> int:
        """The slot of the n-th content part of an item that is done: parts were opened in their order."""
        opened = self._opened.get(self._item_key(event), [])
        return opened[number] if number < len(opened) else self._slot(event, 1000 + number)

    def _item_key(self, event: Wire) -> Any:
        index = event.get("output_index")
        return index if isinstance(index, int) else text_of(event.get("item_id"))

    def _content_slot(self, event: Wire) -> int:
        index = event.get("content_index")
        return self._slot(event, index if isinstance(index, int) else 0)

    def _grow(self, slot: int, text: str) -> None:
        pieces = self._built.get(slot)
        if pieces is None:
            self._built[slot] = [text]
        else:
            pieces.append(text)

    def _on_created(self, event: Wire, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            answer = object_of(event.get("response"))
            model, created = text_or_none(answer.get("model")), moment_of(answer.get("created_at"))
            events.append(Started(text_or_none(answer.get("id")), model, created))

    def _on_text(self, event: Wire, events: list[Event]) -> None:
        text, item, content = event.get("delta"), event.get("output_index"), event.get("content_index")
        slot = self._slots.get((item, content)) if type(item) is int and type(content) is int else None
        if slot is None:
            slot = self._content_slot(event)
        if text and type(text) is str:
            self._grow(slot, text)
            events.append(TextDelta(text, slot))
        tokens = read_logprobs({"content": event.get("logprobs")}) if event.get("logprobs") else ()
        if tokens:
            events.append(LogprobsDelta(tokens))

    def _on_refusal(self, event: Wire, events: list[Event]) -> None:
        slot = self._content_slot(event)
        if text := text_of(event.get("delta")):
            self._grow(slot, text)
            events.append(RefusalDelta(text, slot))

    def _on_arguments(self, event: Wire, events: list[Event]) -> None:
        slot = self._slot(event)
        if text := text_of(event.get("delta")):
            self._grow(slot, text)
            events.append(ToolCallDelta(slot, None, None, text))

    def _on_summary(self, event: Wire, events: list[Event]) -> None:
        slot, index = self._slot(event), event.get("summary_index")
        text = text_of(event.get("delta"))
        if self._summaries.setdefault(slot, index) != index:
            self._summaries[slot] = index
            text = SUMMARY_BREAK + text
        if text:
            events.append(ReasoningDelta(text, slot, is_summary=True))

    def _on_thought(self, event: Wire, events: list[Event]) -> None:
        if text := text_of(event.get("delta")):
            events.append(ReasoningDelta(text, self._slot(event)))

    def _on_added(self, event: Wire, events: list[Event]) -> None:
        """An item begins. A call is announced; other items wait for their content, which may never come."""
        item = object_of(event.get("item"))
        if item.get("type") in ("function_call", "custom_tool_call"):
            call_id = text_or_none(item.get("call_id")) or text_or_none(item.get("id"))
            events.append(ToolCallDelta(self._slot(event), call_id, text_or_none(item.get("name"))))

    def _on_item_done(self, event: Wire, events: list[Event]) -> None:
        key = self._item_key(event)
        if key not in self._done:
            item = object_of(event.get("item"))
            self._done.add(key)
            self._ids.add(text_of(item.get("id")))
            self._close_item(item, event, events)

    def _close_item(self, item: Wire, event: Wire, events: list[Event]) -> None:
        """The final parts of an item, where they are not what the deltas have built already."""
        for number, part in enumerate(read_item(item)):
            slot = self._nth_slot(event, number)
            self._kinds.add(type(part))
            if not self._is_built(slot, part):
                events.append(PartDone(part, slot))

    def _is_built(self, slot: int, part: AnyPart) -> bool:
        if part.extra is not None or slot not in self._built:
            return False
        text = "".join(self._built[slot])
        if isinstance(part, Text | Refusal):
            return part.text == text
        return isinstance(part, ToolCall) and part.raw_arguments is None and read_call_text(text) == part.arguments

    def _on_end(self, event: Wire, events: list[Event]) -> None:
        answer = object_of(event.get("response"))
        self._is_done = True
        raise_error(answer)
        if event["type"] == "response.failed":
            raise_error({"status": "failed"})
        self._on_created(event, events)
        self._close_rest(objects_of(answer.get("output")), events)
        usage = read_usage(answer.get("usage"), DIALECT)
        if usage is not None:
            events.append(UsageReport(usage))
        reason, raw = self._finish_of(answer, event)
        events.append(Finished(reason, raw, None, read_extra(answer)))

    def _close_rest(self, output: list[Wire], events: list[Event]) -> None:
        """The items of the whole answer that never were done by themselves: known by id, else by place."""
        if len(output) <= len(self._done):
            return
        for index, item in enumerate(output):
            if index not in self._done and text_of(item.get("id")) not in self._ids:
                self._close_item(item, {"output_index": index}, events)

    def _finish_of(self, answer: Wire, event: Wire) -> tuple[FinishReason | None, str | None]:
        """The finish reason; an answer that does not say how it ended has it from the terminal event's name."""
        status = answer.get("status")
        if not isinstance(status, str) or status in ("in_progress", "queued"):
            status = text_of(event["type"]).removeprefix("response.")
        return read_finish({**answer, "status": status}, self._kinds)


def read_call_text(text: str) -> Any:
    """The object that streamed arguments are, or None."""

    arguments, raw = parse_arguments(text)
    return arguments if raw is None else None

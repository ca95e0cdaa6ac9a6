"""Fold: events to a Response, and back.

A left fold over a stream, pure and total: any sequence of events gives a Response, so the partial answer of a stream that
broke is `Folding.response()` at that moment. Text is kept as a list of fragments and joined once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

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
from backstay.types import AnyPart, Reasoning, Refusal, Response, Text, TokenLogprob, ToolCall, Usage


def parse_arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """Tool-call arguments from the model's text: the object, and the text itself where it is no object.

    Empty text is an empty object. Arguments that were encoded twice (a JSON string that holds an object) are decoded twice.
    """
    if not text or text.isspace():
        return {}, None
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, str):
            value = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return {}, text
    return (value, None) if isinstance(value, dict) else ({}, text)


class _Slot:
    """One part under construction; `kind` is the class of the delta that opened it."""

    __slots__ = ("done", "fragments", "id", "kind", "last", "name", "signature")

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.fragments: list[str] = []
        self.done: AnyPart | None = None
        self.id: str | None = None
        self.name: str | None = None
        self.signature: str | None = None
        self.last: ReasoningDelta | None = None

    def part(self) -> AnyPart:
        if self.done is not None:
            return self.done
        text = "".join(self.fragments)
        if self.kind is ToolCallDelta:
            arguments, raw = parse_arguments(text)
            return ToolCall(
                id=self.id or "",
                name=self.name or "",
                arguments=arguments,
                raw_arguments=raw,
                signature=self.signature,
            )
        if self.kind is ReasoningDelta:
            encrypted, is_summary = (self.last.encrypted, self.last.is_summary) if self.last else (None, False)
            return Reasoning(
                text=text, signature=self.signature, encrypted=encrypted, id=self.id, is_summary=is_summary
            )
        return Refusal(text=text) if self.kind is RefusalDelta else Text(text=text)


class Folding:
    """A fold in progress: `add` events, read `response()` at any moment."""

    __slots__ = ("_finished", "_logprobs", "_slots", "_started", "_usage")

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._started = Started()
        self._finished: Finished | None = None
        self._usage: Usage | None = None
        self._logprobs: list[TokenLogprob] = []

    def add(self, event: Event) -> None:
        """Take one event; the kinds are tried in the order of their frequency."""
        kind = type(event)
        if kind is TextDelta or kind is RefusalDelta:
            self._slot(event.index, kind).fragments.append(event.text)  # type: ignore[union-attr]
        elif isinstance(event, ReasoningDelta):
            self._add_reasoning(event)
        elif isinstance(event, ToolCallDelta):
            self._add_tool_call(event)
        elif isinstance(event, PartDone):
            self._slot(event.index, PartDone).done = event.part
        elif isinstance(event, UsageReport):
            self._usage = merge_usage(self._usage, event.usage)
        elif isinstance(event, Finished):
            self._finished = event
        elif isinstance(event, Started):
            self._started = event
        elif isinstance(event, LogprobsDelta):
            self._logprobs.extend(event.tokens)

    def _slot(self, index: int, kind: type) -> _Slot:
        slot = self._slots.get(index)
        if slot is None:
            slot = self._slots[index] = _Slot(kind)
        return slot

    def _add_reasoning(self, event: ReasoningDelta) -> None:
        slot = self._slot(event.index, ReasoningDelta)
        slot.fragments.append(event.text)
        slot.id = event.id or slot.id
        slot.signature = event.signature or slot.signature
        if event.encrypted is not None or event.is_summary:
            slot.last = event

    def _add_tool_call(self, event: ToolCallDelta) -> None:
        slot = self._slot(event.index, ToolCallDelta)
        slot.id = event.id or slot.id
        slot.name = event.name or slot.name
        slot.signature = event.signature or slot.signature
        if event.arguments:
            slot.fragments.append(event.arguments)

    @property
    def is_finished(self) -> bool:
        """True after a Finished event."""
        return self._finished is not None

    def response(self) -> Response:
        """The answer so far; its `finish_reason` is None until the provider said that it ended."""
        finished = self._finished or Finished()
        return Response(
            parts=tuple(self._slots[index].part() for index in sorted(self._slots)),
            finish_reason=finished.finish_reason,
            raw_finish_reason=finished.raw_finish_reason,
            stop_sequence=finished.stop_sequence,
            extra=finished.extra,
            usage=self._usage or Usage(),
            model=self._started.model,
            id=self._started.id,
            created_at=self._started.created_at,
            logprobs=tuple(self._logprobs) or None,
        )


def merge_usage(known: Usage | None, latest: Usage) -> Usage:
    """The counts of `latest`, and those of `known` where `latest` says nothing."""
    if known is None:
        return latest
    merged = {name: getattr(latest, name) for name in Usage.__struct_fields__ if getattr(latest, name) is not None}
    return msgspec.structs.replace(known, **merged)


def fold(events: Iterable[Event]) -> Response:
    """The Response that `events` add up to."""
    folding = Folding()
    for event in events:
        folding.add(event)
    return folding.response()


def unfold(response: Response) -> list[Event]:
    """Events that fold into `response` again: how a whole answer is delivered to one who asked for a stream."""
    events: list[Event] = [Started(id=response.id, model=response.model, created_at=response.created_at)]
    for index, part in enumerate(response.parts):
        plain = part.cache is None and part.extra is None
        if plain and isinstance(part, Text):
            events.append(TextDelta(part.text, index))
        elif plain and isinstance(part, Refusal):
            events.append(RefusalDelta(part.text, index))
        else:
            events.append(PartDone(part, index))
    if response.logprobs:
        events.append(LogprobsDelta(response.logprobs))
    if response.usage != Usage():
        events.append(UsageReport(response.usage))
    events.append(Finished(response.finish_reason, response.raw_finish_reason, response.stop_sequence, response.extra))
    return events

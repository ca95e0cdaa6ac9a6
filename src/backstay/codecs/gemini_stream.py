"""The Gemini stream: `GeminiDecoder`, a state machine from bytes to events.

Each frame is a whole answer object that holds the next parts. Texts of the same kind run on in one slot; a part with a thought
signature is a part of its own, because it must go back as it came. Calls arrive whole, or, where the caller asked for it, as
`partialArgs`: values by JSON path, closed by a call without `willContinue`.

There is no end mark: the finish reason is the end, or a blocked prompt. Counts are cumulative; the first and the last are
reported. A body that is a JSON array (no `alt=sse`) is read at its end. Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
from typing import Any, Final

from backstay.codecs.gemini_answer import created_at, extra_of, finish_of, first_candidate, read_logprobs, reason_of
from backstay.codecs.gemini_error import error_in_body
from backstay.codecs.gemini_part import read_call, read_part
from backstay.codecs.gemini_wire import DIALECT, Wire, field, items, read_usage
from backstay.codecs.lenient import (
    JSON_FAULTS,
    decode_json,
    keep,
    object_of,
    objects_of,
    read_json,
    text_of,
    text_or_none,
)
from backstay.codecs.sse import SSEParser
from backstay.errors import LLMError, ProtocolError, StreamInterrupted
from backstay.event import Event, Finished, LogprobsDelta, PartDone, ReasoningDelta, Started, TextDelta, UsageReport
from backstay.types import Reasoning, Text, ToolCall

_MAX_FRAME: Final = 64 << 20
"""A picture comes as one frame of base64."""

_PLAIN_CANDIDATE: Final = frozenset({"content", "index"})
_PLAIN_TOP: Final = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "createTime"})
"""The fields of an object in the middle of a stream; one with others is looked at more closely."""

_STEP: Final = re.compile(r"\.?([A-Za-z_$][\w$-]*)|\[(\d+)\]|\['([^']*)'\]")
_MAX_ITEMS: Final = 10_000


class GeminiDecoder:
    """One stream's decoder. An error inside the stream is raised after the events before it were handed out."""

    __slots__ = (
        "_candidate_keys",
        "_error",
        "_extra",
        "_has_calls",
        "_has_usage",
        "_keys",
        "_kind",
        "_last",
        "_parser",
        "_partial",
        "_raw",
        "_seed",
        "_slot",
        "_started",
        "_usage",
    )

    def __init__(self) -> None:
        self._parser = SSEParser(_MAX_FRAME)
        self._error: LLMError | None = None
        self._started = False
        self._seed = ""
        self._slot = -1
        self._kind: type | None = None
        self._partial: tuple[Wire, Wire, dict[str, Any]] | None = None
        self._has_calls = False
        self._keys: tuple[str, ...] = ()
        self._candidate_keys: tuple[str, ...] = ()
        self._raw: str | None = None
        self._last: Wire = {}
        self._usage: Wire = {}
        self._has_usage = False
        self._extra: Wire = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._error is not None:
            raise self._error
        return self._read(self._parser.feed(data))

    def finish(self) -> list[Event]:
        """The last events. Raises StreamInterrupted where no finish reason was seen."""
        if self._error is not None:
            raise self._error
        try:
            events = self._read(self._parser.finish())
            plain = self._parser.plain
            if plain is not None:
                self._read_plain(plain, events)
        except ProtocolError as fault:
            raise StreamInterrupted(f"the stream ended inside an object: {fault}") from fault
        if self._error is not None:
            raise self._error
        if self._raw is None:
            raise StreamInterrupted("the stream ended before a finish reason")
        if self._partial is not None:
            raise StreamInterrupted("the stream ended inside a function call")
        if self._usage:
            events.append(UsageReport(read_usage(self._usage)))
        reason = reason_of(self._last, self._raw, has_calls=self._has_calls)
        events.append(Finished(reason, self._raw, None, keep(DIALECT, self._extra)))
        return events

    def _read(self, payloads: list[bytes]) -> list[Event]:
        events: list[Event] = []
        try:
            for data in payloads:
                try:
                    wire = decode_json(data)
                except JSON_FAULTS:
                    if data == b"[DONE]":
                        continue
                    wire = read_json(data)
                if type(wire) is not dict or tuple(wire) != self._keys or not self._on_plain(wire, events):
                    self._take(wire, events)
        except LLMError as error:
            self._error = error
            if not events:
                raise
        return events

    def _read_plain(self, body: bytes, events: list[Event]) -> None:
        wire = read_json(body)
        for item in wire if isinstance(wire, list) else [wire]:
            self._take(item, events)

    def _take(self, wire: Any, events: list[Event]) -> None:
        if type(wire) is not dict:
            raise ProtocolError("an item of the stream is no object")
        if wire.get("error"):
            raise error_in_body(wire)
        if not self._started:
            self._on_start(wire, events)
        candidate = first_candidate(wire)
        content = candidate.get("content")
        if type(content) is dict:
            parts = content.get("parts")
            for part in parts if type(parts) is list else items(parts):
                self._on_part(part, events)
        usage = wire.get("usageMetadata") or wire.get("usage_metadata")
        if type(usage) is dict:
            self._usage = usage if len(usage) >= len(self._usage) else {**self._usage, **usage}
            if not self._has_usage and "promptTokenCount" in usage:
                self._has_usage = True
                events.append(UsageReport(read_usage(usage)))
        if candidate.keys() <= _PLAIN_CANDIDATE and wire.keys() <= _PLAIN_TOP:
            self._keys, self._candidate_keys = tuple(wire), tuple(candidate)
        else:
            self._on_rest(wire, candidate, events)

    def _on_plain(self, wire: Wire, events: list[Event]) -> bool:
        """The fast path: one more text, in an object of the same fields as an ordinary one before it."""
        try:
            (candidate,) = wire["candidates"]
            (part,) = candidate["content"]["parts"]
            text = part["text"]
        except (KeyError, TypeError, ValueError):  # of another kind, or absent: nothing but an object has fields
            return False
        if self._kind is not Text or tuple(candidate) != self._candidate_keys or len(part) != 1:
            return False
        usage = wire.get("usageMetadata")
        if type(text) is not str or not text or (usage is not None and not (self._has_usage and type(usage) is dict)):
            return False
        if usage:
            self._usage = usage if len(usage) >= len(self._usage) else {**self._usage, **usage}
        events.append(TextDelta(text, self._slot))
        return True

    def _on_start(self, wire: Wire, events: list[Event]) -> None:
        self._started = True
        self._seed = text_of(field(wire, "responseId"))
        events.append(Started(self._seed or None, text_or_none(field(wire, "modelVersion")), created_at(wire)))

    def _on_rest(self, wire: Wire, candidate: Wire, events: list[Event]) -> None:
        raw = finish_of(wire, candidate)
        if raw is not None:
            self._raw, self._last = raw, wire
        self._extra.update(extra_of(wire, candidate))
        logprobs = read_logprobs(candidate)
        if logprobs:
            events.append(LogprobsDelta(logprobs))

    def _on_part(self, wire: Any, events: list[Event]) -> None:
        if type(wire) is not dict:
            return
        text = wire.get("text")
        if len(wire) == 1 and self._kind is Text and text and type(text) is str:
            events.append(TextDelta(text, self._slot))  # the ordinary case
            return
        is_signed = "thoughtSignature" in wire or "thought_signature" in wire
        if type(text) is str and not is_signed:
            if text:
                self._on_text(text, wire.get("thought") is True, events)
            return
        call = field(wire, "functionCall")
        if type(call) is dict and (
            self._partial is not None or field(call, "willContinue") or field(call, "partialArgs")
        ):
            self._on_partial_call(wire, call, events)
            return
        self._close_text()
        part = read_part(wire, self._seed, self._slot + 1)
        if part is not None:
            self._slot += 1
            self._has_calls = self._has_calls or type(part) is ToolCall
            events.append(PartDone(part, self._slot))

    def _on_text(self, text: str, is_thought: bool, events: list[Event]) -> None:
        kind = Reasoning if is_thought else Text
        if self._kind is not kind:
            self._slot += 1
            self._kind = kind
        events.append(ReasoningDelta(text, self._slot) if is_thought else TextDelta(text, self._slot))

    def _close_text(self) -> None:
        self._kind = None

    def _on_partial_call(self, wire: Wire, call: Wire, events: list[Event]) -> None:
        """A call in pieces: the first names it, each sets values, one without `willContinue` closes it."""
        if self._partial is None:
            self._close_text()
            self._slot += 1
            self._partial = (wire, call, {})
        first, named, arguments = self._partial
        arguments.update(object_of(call.get("args")))
        for piece in objects_of(field(call, "partialArgs")):
            _set_value(arguments, piece)
        if not field(call, "willContinue"):
            self._partial = None
            self._has_calls = True
            whole = {**{key: value for key, value in named.items() if key in ("id", "name")}, "args": arguments}
            signature = text_or_none(field(first, "thoughtSignature"))
            shell = {key: value for key, value in first.items() if key != "functionCall"}
            events.append(PartDone(read_call(shell, whole, signature, self._seed, self._slot), self._slot))


def _set_value(arguments: dict[str, Any], piece: Wire) -> None:
    """Put one piece where its JSON path says; a string goes on where one already stands."""
    steps = [
        key or quoted if key or not number else int(number)
        for key, number, quoted in _STEP.findall(text_of(field(piece, "jsonPath")))
    ]
    steps = steps[1:] if steps[:1] == ["$"] else steps
    if not steps:
        return
    value = next((piece[key] for key in piece if key.endswith(("Value", "_value"))), None)
    if field(piece, "nullValue") is not None:
        value = None
    place: Any = arguments
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        empty: Any = [] if isinstance(following, int) else {}
        known = _get(place, step)
        if following is None:
            _put(place, step, known + value if isinstance(known, str) and isinstance(value, str) else value)
        elif not isinstance(known, dict | list):
            _put(place, step, empty)
        place = _get(place, step)


def _get(place: Any, step: Any) -> Any:
    if isinstance(place, dict):
        return place.get(step)
    return place[step] if isinstance(place, list) and isinstance(step, int) and step < len(place) else None


def _put(place: Any, step: Any, value: Any) -> None:
    if isinstance(place, dict):
        place[step] = value
    elif isinstance(place, list) and isinstance(step, int) and step < _MAX_ITEMS:
        place.extend([None] * (step + 1 - len(place)))
        place[step] = value

"""A Chat Completions stream: `ChatDecoder`, a state machine from bytes to events.

The end is `[DONE]`, a finish reason, or both: servers omit either one. A stream that ends with neither, or inside a frame, was
cut. Chunks without a choice carry usage or filter results. `Finished` is held back until the end, because the usage comes
after the finish reason and a consumer may stop at `Finished`.

Slots are opened in the order in which parts begin. Text goes to one slot, unless `thinking` parts alternate with it. A tool
call is known by its index; where a server leaves indices out, or gives parallel calls the same one, a new id with a name
opens a new call.

Dicts and no typed structs: a chunk is small, its fields vary with the server, and unknown ones are to be kept. The text delta
of an ordinary chunk takes a fast path (`_plain_text`), and one that repeats the chunk before it but for its text a faster one
(`Steady`).
"""

from __future__ import annotations

from typing import Any, Final

from backstay.codecs.lenient import (
    JSON_FAULTS,
    count_of,
    decode_json,
    keep,
    object_of,
    objects_of,
    read_json,
    rest_of,
    text_of,
    text_or_none,
)
from backstay.codecs.openai_answer import (
    CHOICE_FIELDS,
    TOP_FIELDS,
    created_at,
    find_usage,
    finish_word,
    read_decoded,
    read_logprobs,
    with_stop_sequence,
)
from backstay.codecs.openai_error import error_in_body
from backstay.codecs.openai_outcome import read_finish_reason, settle_finish_reason
from backstay.codecs.openai_part import DIALECT, Wire, read_part, read_thinking
from backstay.codecs.openai_slot import AudioSlot, CallSlot, DetailSlot
from backstay.codecs.openai_turn import TURN_FIELDS, read_detail
from backstay.codecs.sse import SSEParser
from backstay.codecs.steady import Steady
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
    UsageReport,
)
from backstay.fold import unfold
from backstay.types import FinishReason

_MAX_FRAME: Final = 32 << 20
"""Pictures and sounds come as one frame of base64."""


class ChatDecoder:
    """One stream's decoder. An error inside the stream is raised after the events before it were handed out."""

    __slots__ = (
        "_audio",
        "_calls",
        "_choice_keys",
        "_details",
        "_error",
        "_extra",
        "_has_choice",
        "_has_refusal",
        "_id",
        "_is_done",
        "_keys",
        "_parser",
        "_raw_reason",
        "_reason",
        "_refusal_slot",
        "_seed",
        "_sequence",
        "_slots",
        "_started",
        "_steady",
        "_text_slot",
        "_thought_slot",
    )

    def __init__(self, seed: str = "") -> None:
        self._parser = SSEParser(_MAX_FRAME)
        self._seed = seed
        self._id = ""
        self._slots = 0
        self._text_slot = self._thought_slot = self._refusal_slot = -1
        self._calls: list[CallSlot] = []
        self._keys: tuple[str, ...] | None = None
        self._choice_keys: tuple[str, ...] = ()
        self._details: dict[tuple[str, int | None, str | None], DetailSlot] = {}
        self._audio: AudioSlot | None = None
        self._steady = Steady("choices", 0, "delta", "content")
        self._extra: dict[str, Any] = {}
        self._raw_reason: str | None = None
        self._reason: FinishReason | None = None
        self._sequence: str | None = None
        self._started = self._has_choice = self._has_refusal = self._is_done = False
        self._error: LLMError | None = None

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
        """The last events. Raises StreamInterrupted where neither a finish reason nor `[DONE]` was seen."""
        events: list[Event] = []
        if self._error is None:
            plain = self._parser.plain
            if plain is not None:
                return unfold(read_decoded(_read_plain(plain)))
            self._take_rest(events)
        if self._error is None and not self._is_done:
            if self._raw_reason is None:
                self._error = StreamInterrupted("the stream ended without a finish reason and without [DONE]")
            else:
                self._end(events)
        if self._error is not None:
            raise self._error
        return events

    def _take_rest(self, events: list[Event]) -> None:
        """A last frame without its blank line: taken if it can be read, else the stream was cut inside it."""
        try:
            for payload in self._parser.finish():
                self._on_frame(payload, events)
        except ProtocolError as error:
            self._error = StreamInterrupted(f"the stream ended inside an event: {error}")
        except LLMError as error:
            self._error = error

    def _on_frame(self, payload: bytes, events: list[Event]) -> None:
        if self._is_done:
            return
        if text := self._steady.read(payload):
            events.append(TextDelta(text, self._text_slot))
            return
        try:
            chunk = decode_json(payload)
        except JSON_FAULTS:
            if payload == b"[DONE]":
                self._end(events)
                return
            if not payload or payload.isspace():
                return
            chunk = read_json(payload)
        if type(chunk) is not dict:
            raise ProtocolError(f"a chunk is no object but a {type(chunk).__name__}")
        if tuple(chunk) == self._keys and (text := self._plain_text(chunk)):
            events.append(TextDelta(text, self._text_slot))
            self._steady.learn(payload, text)
        else:
            self._steady.forget()
            self._on_chunk(chunk, events)

    def _plain_text(self, chunk: Wire) -> str:
        """The fast path: the text of a chunk that says nothing else, of the same fields as an ordinary one before it; else ""."""
        try:
            (choice,) = chunk["choices"]
            delta = choice["delta"]
            text = delta["content"]
        except (KeyError, TypeError, ValueError):  # of another kind, or absent: nothing but an object has fields
            return ""
        if tuple(choice) != self._choice_keys or len(delta) != 1 or type(text) is not str or self._text_slot < 0:
            return ""
        if choice["finish_reason"] is not None or choice.get("logprobs") or choice.get("index"):
            return ""
        return text if chunk.get("usage") is None else ""

    def _learn(self, chunk: Wire, choice: Wire, rest: Wire) -> None:
        """Remember the fields of an ordinary chunk: no unknown field that could grow, nothing that needs another look."""
        is_ordinary = {"finish_reason", "delta"} <= choice.keys() <= CHOICE_FIELDS and "error" not in chunk
        if is_ordinary and "x_groq" not in chunk and not any(isinstance(value, dict | list) for value in rest.values()):
            self._keys, self._choice_keys = tuple(chunk), tuple(choice)

    def _on_chunk(self, chunk: Wire, events: list[Event]) -> None:
        choices = chunk.get("choices")
        if not self._started or "error" in chunk or not choices:
            self._on_odd_chunk(chunk, events)
        rest = rest_of(chunk, TOP_FIELDS)
        if rest:
            self._keep(self._extra, rest)
        choice = choices[0] if choices and isinstance(choices, list) else None
        if isinstance(choice, dict) and not choice.get("index"):
            self._on_choice(choice, events)
            self._learn(chunk, choice, rest)
        else:
            choice = {}
        if chunk.get("usage") is not None or "x_groq" in chunk or "usage" in choice:
            usage = find_usage(chunk, choice)
            if usage is not None:
                events.append(UsageReport(usage))

    def _on_odd_chunk(self, chunk: Wire, events: list[Event]) -> None:
        """The first chunk, and those that hold an error or no choice."""
        self._raise_error(chunk)
        identity = text_or_none(chunk.get("id"))
        if not self._started and (identity or chunk.get("choices")):
            self._started = True
            self._id = identity or self._seed
            events.append(Started(identity, text_or_none(chunk.get("model")), created_at(chunk)))

    def _raise_error(self, chunk: Wire) -> None:
        error = error_in_body(chunk)
        if error is not None:
            raise error

    def _on_choice(self, choice: Wire, events: list[Event]) -> None:
        self._has_choice = True
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            text = delta.get("content")
            if text and isinstance(text, str):
                events.append(TextDelta(text, self._open_text()))
                if len(delta) > 2 or (len(delta) == 2 and "role" not in delta):
                    self._on_delta(delta, events)
            elif delta:
                self._on_delta(delta, events)
        elif text := text_of(choice.get("text")):
            events.append(TextDelta(text, self._open_text()))
        if choice.get("logprobs") is not None:
            tokens = read_logprobs(choice["logprobs"])
            if tokens:
                events.append(LogprobsDelta(tokens))
        if choice.get("finish_reason") is not None:
            self._on_finish_reason(choice)
        if not choice.keys() <= CHOICE_FIELDS:
            if isinstance(choice.get("error"), dict):
                self._raise_error({"error": choice["error"]})
            self._keep_below("choice", rest_of(choice, CHOICE_FIELDS))

    def _on_delta(self, delta: Wire, events: list[Event]) -> None:
        """Everything of a delta but its plain text."""
        if isinstance(delta.get("content"), list):
            self._on_content_parts(objects_of(delta["content"]), events)
        self._on_reasoning(delta, events)
        if refusal := text_of(delta.get("refusal")):
            if self._refusal_slot < 0:
                self._refusal_slot = self._open()
            events.append(RefusalDelta(refusal, self._refusal_slot))
        for item in objects_of(delta.get("tool_calls")):
            self._on_tool_call(item, events)
        legacy = delta.get("function_call")
        if isinstance(legacy, dict) and (legacy.get("name") or self._calls):
            self._on_tool_call({"index": 0, "function": legacy}, events)
        for item in objects_of(delta.get("images")):
            events.append(PartDone(read_part(item), self._open()))
        if isinstance(delta.get("audio"), dict):
            self._audio = self._audio or AudioSlot(self._open())
            self._audio.add(delta["audio"])
        if not delta.keys() <= TURN_FIELDS:
            self._keep_below("message", rest_of(delta, TURN_FIELDS))

    def _on_content_parts(self, items: list[Wire], events: list[Event]) -> None:
        for item in items:
            if item.get("type") == "thinking":
                thought = read_thinking(item)
                if thought.text or thought.signature:
                    self._text_slot = -1
                    delta = ReasoningDelta(thought.text, self._open_thought(), thought.signature)
                    events.append(delta)
            elif item.get("type") == "text":
                if text := text_of(item.get("text")):
                    events.append(TextDelta(text, self._open_text()))
            else:
                events.append(PartDone(read_part(item), self._open()))

    def _on_reasoning(self, delta: Wire, events: list[Event]) -> None:
        text = text_of(delta.get("reasoning_content")) or text_of(delta.get("reasoning"))
        details = delta.get("reasoning_details")
        if details:
            for item in objects_of(details):
                part = read_detail(item)
                key = (text_of(item.get("type")), count_of(item.get("index")), part.id if part.encrypted else None)
                slot = self._details.get(key)
                if slot is None:
                    slot = self._details[key] = DetailSlot(self._open())
                slot.add(part)
                text = "" if part.text else text
                events.append(slot.delta(part))
        if text:
            events.append(ReasoningDelta(text, self._open_thought()))

    def _on_tool_call(self, item: Wire, events: list[Event]) -> None:
        index, call_id = item.get("index"), text_or_none(item.get("id"))
        name = text_or_none(object_of(item.get("function") or item.get("custom")).get("name"))
        call = self._find_call(index, call_id, name)
        if call is None:
            number = len(self._calls)
            call = CallSlot(self._open(), index, self._id or self._seed, number)
            self._calls.append(call)
        events.append(call.add(item, call_id, name))

    def _find_call(self, index: Any, call_id: str | None, name: str | None) -> CallSlot | None:
        """The call that a fragment goes on with; None where it begins a new one."""
        for call in reversed(self._calls):
            if index is None and call_id is not None and call.id == call_id:
                return call
            if index is not None and call.index == index:
                return None if call.is_other(call_id, name) else call
        if index is None and self._calls and name is None and call_id is None:
            return self._calls[-1]
        return None

    def _on_finish_reason(self, choice: Wire) -> None:
        self._raw_reason = finish_word(choice["finish_reason"])
        reason = read_finish_reason(self._raw_reason, ())
        if self._raw_reason and self._raw_reason.lower() in ("tool_calls", "tool_use", "function_call", "tool_call"):
            reason = "tool_call"
        self._reason, self._sequence = with_stop_sequence(reason, choice)

    def _end(self, events: list[Event]) -> None:
        """The events that close the answer."""
        self._is_done = True
        if not self._has_choice:
            raise ProtocolError("the stream holds no choice")
        for slot in self._details.values():
            events.append(PartDone(slot.part(), slot.slot))
        events.extend(done for call in self._calls if (done := call.done()) is not None)
        if self._audio is not None:
            events.append(PartDone(self._audio.part(), self._audio.slot))
        reason = settle_finish_reason(self._reason, has_calls=bool(self._calls), has_refusal=self._refusal_slot >= 0)
        extra = keep(DIALECT, {name: value for name, value in self._extra.items() if value not in ([], {}, "")})
        events.append(Finished(reason, self._raw_reason, self._sequence, extra))

    def _open(self) -> int:
        self._slots += 1
        return self._slots - 1

    def _open_text(self) -> int:
        if self._text_slot < 0:
            self._text_slot = self._open()
        return self._text_slot

    def _open_thought(self) -> int:
        if self._thought_slot < 0:
            self._thought_slot = self._open()
        return self._thought_slot

    def _keep_below(self, name: str, rest: Wire) -> None:
        if rest:
            below = self._extra.get(name)  # a chunk's own field of that name may be of any kind
            if not isinstance(below, dict):
                below = self._extra[name] = {}
            self._keep(below, rest)

    def _keep(self, place: dict[str, Any], rest: Wire) -> None:
        """Keep unknown fields: lists grow from chunk to chunk, anything else is replaced by the latest."""
        for name, value in rest.items():
            known = place.get(name)
            if isinstance(known, list) and isinstance(value, list) and value != known:
                place[name] = known + value
            else:
                place[name] = value


def _read_plain(body: bytes) -> Any:
    try:
        return read_json(body)
    except ProtocolError as error:
        raise StreamInterrupted(f"the body is JSON that was cut: {error}") from error

"""A native Ollama answer, whole or as lines: `read_answer`, `OllamaDecoder`, and their mirrors.

A stream is one JSON object a line; the last one has `done: true` with the reason and the counts. A whole answer is that one
line alone. An error may stand in a line of its own. Durations (nanoseconds) are kept in `extra`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from backstay.codecs.lenient import (
    count_of,
    keep,
    object_of,
    objects_of,
    own,
    read_json,
    rest_of,
    text_of,
    text_or_none,
)
from backstay.codecs.ndjson import LineParser
from backstay.codecs.ollama_request import DIALECT, Draft, Wire, read_call, read_images, write_parts
from backstay.codecs.openai_answer import read_logprobs
from backstay.codecs.openai_error import error_in_body, write_error
from backstay.codecs.openai_outcome import settle_finish_reason
from backstay.codecs.shown import show_arguments
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
from backstay.fold import Folding, fold
from backstay.types import AnyPart, FinishReason, Refusal, Request, Response, Text, ToolCall, Usage

_KNOWN: Final = frozenset(
    {"model", "created_at", "message", "done", "done_reason", "prompt_eval_count", "eval_count", "logprobs"}
)
_PLAIN: Final = frozenset({"model", "created_at", "message", "done"})
_PLAIN_MESSAGE: Final = frozenset({"role", "content"})
_REASONS: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}


def read_answer(body: bytes) -> Response:
    """The Response of a body, of one line or many. Raises ProtocolError where it is cut or no answer."""
    decoder = OllamaDecoder()
    try:
        single = read_json(body)
    except ProtocolError:
        return fold(decoder.feed(body) + decoder.finish())
    events: list[Event] = []
    decoder.take(single, events)
    return fold(events + decoder.finish())


class OllamaDecoder:
    """One stream's decoder. An error inside the stream is raised after the events before it were handed out."""

    __slots__ = ("_calls", "_error", "_is_done", "_parser", "_seed", "_slots", "_started")

    def __init__(self, seed: str = "") -> None:
        self._parser = LineParser()
        self._seed = seed
        self._slots: dict[str, int] = {}
        self._calls = 0
        self._started = self._is_done = False
        self._error: LLMError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises StatusError for an error in the stream, ProtocolError for garbage."""
        events: list[Event] = []
        if self._error is None:
            try:
                for line in self._parser.feed(data):
                    self.take(read_json(line), events)
            except LLMError as error:
                self._error = error
        if self._error is not None and not events:
            raise self._error
        return events

    def finish(self) -> list[Event]:
        """The last events. Raises StreamInterrupted where no line said that the answer is done."""
        events: list[Event] = []
        if self._error is not None:
            raise self._error
        for line in self._parser.finish():
            try:
                answer = read_json(line)
            except ProtocolError as error:
                raise StreamInterrupted(f"the stream ended inside a line: {error}") from error
            self.take(answer, events)
        if not self._is_done:
            raise StreamInterrupted("the stream ended before a line said that the answer is done")
        return events

    def take(self, answer: Any, events: list[Event]) -> None:
        """One line's object."""
        if type(answer) is dict and (text := self._plain_text(answer)):
            events.append(TextDelta(text, self._slots["content"]))
            return
        error = error_in_body(answer)
        if error is not None:
            raise error
        if not isinstance(answer, dict) or not ("message" in answer or "done" in answer):
            raise ProtocolError("the answer holds no message")
        if self._is_done:
            return
        if not self._started:
            self._started = True
            events.append(Started(None, text_or_none(answer.get("model")), _read_time(answer.get("created_at"))))
        self._take_message(object_of(answer.get("message")), events)
        tokens = read_logprobs({"content": answer.get("logprobs")})
        if tokens:
            events.append(LogprobsDelta(tokens))
        if answer.get("done") is True:
            self._end(answer, events)

    def _plain_text(self, answer: Wire) -> str:
        """The fast path: the text of a line that says nothing else, once there was a text before; else ""."""
        if answer.keys() != _PLAIN or answer["done"] is not False or self._is_done or "content" not in self._slots:
            return ""
        message = answer["message"]
        text = message["content"] if type(message) is dict and message.keys() == _PLAIN_MESSAGE else ""
        return text if type(text) is str else ""

    def _take_message(self, message: Wire, events: list[Event]) -> None:
        if thinking := text_of(message.get("thinking")):
            events.append(ReasoningDelta(thinking, self._slot("thinking")))
        if content := text_of(message.get("content")):
            events.append(TextDelta(content, self._slot("content")))
        for picture in read_images(message):
            events.append(PartDone(picture, self._slot(f"image {len(self._slots)}")))
        for item in objects_of(message.get("tool_calls")):
            events.append(PartDone(read_call(item, self._calls, self._seed), self._slot(f"call {self._calls}")))
            self._calls += 1

    def _slot(self, name: str) -> int:
        return self._slots.setdefault(name, len(self._slots))

    def _end(self, answer: Wire, events: list[Event]) -> None:
        self._is_done = True
        counts = count_of(answer.get("prompt_eval_count")), count_of(answer.get("eval_count"))
        if counts != (None, None):
            events.append(UsageReport(Usage(input_tokens=counts[0], output_tokens=counts[1])))
        raw = text_or_none(answer.get("done_reason"))
        reason = _REASONS.get(raw or "stop", "other")
        reason = settle_finish_reason(reason, has_calls=self._calls > 0, has_refusal=False) or "other"
        events.append(Finished(reason, raw, None, keep(DIALECT, rest_of(answer, _KNOWN))))


def _read_time(value: Any) -> float | None:
    """Unix seconds of an RFC 3339 instant with any number of digits after the second."""
    try:
        moment = datetime.fromisoformat(text_of(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def write_answer(response: Response) -> bytes:
    """The body of `response` for a client of this dialect."""
    message = {"role": "assistant", **_write_said(response.parts)}
    return msgspec.json.encode(_write_last(response, response.model, message))


def _write_head(model: str | None, created_at: float | None) -> Wire:
    moment = datetime.fromtimestamp(created_at or 0.0, UTC)
    return {"model": model or "", "created_at": moment.isoformat().replace("+00:00", "Z")}


def _write_last(response: Response, model: str | None, message: Wire) -> Wire:
    wire = {**_write_head(model, response.created_at), "message": message, "done": True}
    wire["done_reason"] = "length" if response.was_truncated else "stop"
    for field, count in (
        ("prompt_eval_count", response.usage.input_tokens),
        ("eval_count", response.usage.output_tokens),
    ):
        if count is not None:
            wire[field] = count
    if response.logprobs:
        wire["logprobs"] = [
            {
                "token": token.token,
                "logprob": token.logprob,
                "top_logprobs": [{"token": other, "logprob": value} for other, value in token.top],
            }
            for token in response.logprobs
        ]
    return {**own(response.extra, DIALECT), **wire}


def _write_said(parts: tuple[AnyPart, ...]) -> Wire:
    """What the model said: texts without anything between them, arguments always an object."""
    return write_parts(tuple(map(show_arguments, parts)), "parts", Draft(), joint="")


class OllamaEncoder:
    """Events as lines; whole tool calls are written at the end, because this dialect has no fragments of arguments."""

    __slots__ = ("_folding", "_model", "_streamed")

    def __init__(self, request: Request) -> None:
        self._model = request.model
        self._folding = Folding()
        self._streamed: set[int] = set()

    def encode(self, event: Event) -> bytes:
        """The line that says `event`; empty for what is said at the end."""
        self._folding.add(event)
        if isinstance(event, PartDone) and isinstance(event.part, Text | Refusal) and event.index not in self._streamed:
            event = TextDelta(event.part.text, event.index)
        if isinstance(event, TextDelta | RefusalDelta):
            field = "content"
        elif isinstance(event, ReasoningDelta) and event.text:
            field = "thinking"
        else:
            return b""
        self._streamed.add(event.index)
        return self._line({field: event.text})

    def _line(self, fields: Wire) -> bytes:
        answer = self._folding.response()
        head = _write_head(answer.model or self._model, answer.created_at)
        return (
            msgspec.json.encode({**head, "message": {"role": "assistant", "content": "", **fields}, "done": False})
            + b"\n"
        )

    def finish(self) -> bytes:
        """A line with every part that came whole, and the last one."""
        answer = self._folding.response()
        rest = tuple(
            part for slot, part in enumerate(answer.parts) if slot not in self._streamed or isinstance(part, ToolCall)
        )
        lines = self._line(_write_said(rest)) if rest else b""
        last = _write_last(answer, answer.model or self._model, {"role": "assistant", "content": ""})
        return lines + msgspec.json.encode(last) + b"\n"

    def encode_error(self, error: LLMError) -> bytes:
        """The line that ends the stream with `error`."""
        message = msgspec.json.decode(write_error(error)[2])["error"]["message"]
        return msgspec.json.encode({"error": message}) + b"\n"


def write_error_text(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body: this dialect's error is one string."""
    status, headers, body = write_error(error)
    return status, headers, msgspec.json.encode({"error": msgspec.json.decode(body)["error"]["message"]})

"""A whole Chat Completions answer: `read_answer` from a body, `write_answer` to one.

Only the first choice is read: a request asks for one answer. What has no neutral name is kept in `Response.extra` under this
dialect's name, fields of the choice and of its message below "choice" and "message", so that a gateway can put them back.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.lenient import (
    keep,
    moment_of,
    number_of,
    object_of,
    objects_of,
    own,
    read_json,
    rest_of,
    text_of,
    text_or_none,
)
from backstay.codecs.openai_error import error_in_body
from backstay.codecs.openai_outcome import read_finish_reason, read_usage, write_finish_reason, write_usage
from backstay.codecs.openai_part import DIALECT, Draft, Wire
from backstay.codecs.openai_rule import COMPATIBLE
from backstay.codecs.openai_turn import TURN_FIELDS, read_turn, write_turn
from backstay.errors import ProtocolError
from backstay.types import Message, Response, TokenLogprob, Usage

TOP_FIELDS: Final = frozenset({"id", "object", "created", "model", "choices", "usage", "obfuscation", "p", "error"})
CHOICE_FIELDS: Final = frozenset(
    {"index", "message", "delta", "finish_reason", "logprobs", "usage", "text", "obfuscation"}
)


def read_answer(body: bytes) -> Response:
    """The Response of a body. Raises ProtocolError where it is no answer, StatusError where it holds an error."""
    return read_decoded(read_json(body))


def read_decoded(answer: Any) -> Response:
    """The Response of a decoded body."""
    error = error_in_body(answer)
    if error is not None:
        raise error
    choices = objects_of(answer.get("choices")) if isinstance(answer, dict) else []
    if not choices:
        raise ProtocolError("the answer holds no choice")
    choice = choices[0]
    message = object_of(choice.get("message") or choice.get("delta"))
    if not message and isinstance(choice.get("text"), str):
        message = {"content": choice["text"]}
    parts = read_turn(message, text_of(answer.get("id")))
    raw = finish_word(choice.get("finish_reason"))
    reason, sequence = with_stop_sequence(read_finish_reason(raw, parts), choice)
    return Response(
        parts=parts,
        finish_reason=reason,
        raw_finish_reason=raw,
        stop_sequence=sequence,
        usage=find_usage(answer, choice) or Usage(),
        model=text_or_none(answer.get("model")),
        id=text_or_none(answer.get("id")),
        created_at=created_at(answer),
        logprobs=read_logprobs(said) or None if (said := choice.get("logprobs")) else None,
        extra=_read_extra(answer, choice, message),
    )


def created_at(answer: Wire) -> float | None:
    """The time of creation in Unix seconds; 0 says nothing."""
    return moment_of(answer.get("created"))


def finish_word(value: Any) -> str | None:
    """The raw finish reason; some servers send a number."""
    return value if value is None or isinstance(value, str) else str(value)


def with_stop_sequence(reason: Any, choice: Wire) -> tuple[Any, str | None]:
    """A stop with the sequence that caused it, where the server names one (vLLM's `stop_reason`)."""
    sequence = text_or_none(choice.get("stop_reason"))
    return ("stop_sequence", sequence) if reason == "stop" and sequence else (reason, None)


def find_usage(answer: Wire, choice: Wire) -> Usage | None:
    """The usage of a body or a chunk: at the top, inside Groq's own object, or in the choice (Moonshot)."""
    usage = read_usage(answer.get("usage"))
    if usage is None and "x_groq" in answer:
        usage = read_usage(object_of(answer["x_groq"]).get("usage"))
    return usage or read_usage(choice.get("usage"))


def read_logprobs(value: Any) -> tuple[TokenLogprob, ...]:
    """The log-probabilities of a choice's tokens; those of a refusal follow."""
    found = object_of(value)
    items = objects_of(found.get("content")) + objects_of(found.get("refusal"))
    return tuple(
        TokenLogprob(
            token=text_of(item.get("token")),
            logprob=number_of(item.get("logprob")) or 0.0,
            top=tuple(
                (text_of(other.get("token")), number_of(other.get("logprob")) or 0.0)
                for other in objects_of(item.get("top_logprobs"))
            ),
        )
        for item in items
    )


def _read_extra(answer: Wire, choice: Wire, message: Wire) -> dict[str, Any] | None:
    if answer.keys() <= TOP_FIELDS and choice.keys() <= CHOICE_FIELDS and message.keys() <= TURN_FIELDS:
        return None
    extra = rest_of(answer, TOP_FIELDS)
    for name, rest in (
        ("choice", rest_of(choice, CHOICE_FIELDS)),
        ("message", rest_of(message, TURN_FIELDS)),
    ):
        said = {field: value for field, value in rest.items() if value not in ([], {}, "")}
        if said:
            extra[name] = said
    return keep(DIALECT, extra)


def write_answer(response: Response) -> bytes:
    """The body of `response` for a client of this dialect."""
    kept = own(response.extra, DIALECT)
    message = write_turn(Message(role="assistant", parts=response.parts), "parts", Draft(COMPATIBLE), is_answer=True)
    message = {"role": "assistant", "content": None, "refusal": None, **message, **object_of(kept.get("message"))}
    choice: Wire = {
        "index": 0,
        "message": message,
        "finish_reason": write_finish_reason(response.finish_reason, response.raw_finish_reason),
        "logprobs": write_logprobs(response.logprobs),
        **object_of(kept.get("choice")),
    }
    if response.stop_sequence is not None:
        choice["stop_reason"] = response.stop_sequence
    body: Wire = {
        **write_head(response.id, response.model, response.created_at, "chat.completion"),
        "choices": [choice],
        "usage": None if response.usage == Usage() else write_usage(response.usage),
        **{name: value for name, value in kept.items() if name not in ("choice", "message")},
    }
    return msgspec.json.encode(body)


def write_head(identity: str | None, model: str | None, created: float | None, kind: str) -> Wire:
    """The fields that every body and chunk begins with."""
    return {"id": identity or "chatcmpl-0", "object": kind, "created": int(created or 0), "model": model or ""}


def write_logprobs(tokens: tuple[TokenLogprob, ...] | None) -> Wire | None:
    """The wire's log-probabilities, with the bytes that clients expect."""
    if not tokens:
        return None
    content = [
        {
            **_write_token(token.token, token.logprob),
            "top_logprobs": [_write_token(other, logprob) for other, logprob in token.top],
        }
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _write_token(token: str, logprob: float) -> Wire:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}

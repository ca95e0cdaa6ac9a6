"""Answers of the Gemini dialect: one generateContent object to a Response, and back.

The first candidate is the answer. There may be none, where the prompt was blocked (HTTP 200, `promptFeedback.blockReason`), and
it may hold no parts, where the token limit was spent on thinking. Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from backstay.codecs.gemini_error import error_in_body
from backstay.codecs.gemini_part import MADE_UP, Draft, read_parts, write_parts
from backstay.codecs.gemini_wire import (
    DIALECT,
    Wire,
    field,
    items,
    raw_reason,
    read_reason,
    read_usage,
    rest,
    write_reason,
    write_usage,
)
from backstay.codecs.lenient import (
    count_of,
    keep,
    number_of,
    object_of,
    objects_of,
    own,
    read_json,
    text_of,
    text_or_none,
)
from backstay.codecs.shown import show_arguments
from backstay.errors import ProtocolError
from backstay.types import AnyPart, Response, TokenLogprob, ToolCall, Usage

TOP_KEYS: Final = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "error"})
CANDIDATE_KEYS: Final = frozenset({"content", "finishReason", "index", "logprobsResult"})


def read_answer(body: bytes) -> Response:
    """The Response of a whole body. Raises ProtocolError, or the typed error that stands in a 200."""
    return read_decoded(read_json(body))


def read_decoded(wire: Any) -> Response:
    """The Response of a decoded body."""
    if not isinstance(wire, dict):
        raise ProtocolError("the answer is no object")
    if wire.get("error"):
        raise error_in_body(wire)
    if not any(
        key in wire for key in ("candidates", "promptFeedback", "prompt_feedback", "usageMetadata", "usage_metadata")
    ):
        raise ProtocolError(f"the answer has no candidates, only {', '.join(sorted(wire)) or 'nothing'}")
    candidate = first_candidate(wire)
    parts = read_parts(candidate.get("content"), text_of(field(wire, "responseId")))
    raw = finish_of(wire, candidate)
    usage = object_of(field(wire, "usageMetadata"))
    return Response(
        parts=parts,
        finish_reason=reason_of(wire, raw, has_calls=any(isinstance(part, ToolCall) for part in parts)),
        raw_finish_reason=raw,
        usage=read_usage(usage) if usage else Usage(),
        model=text_or_none(field(wire, "modelVersion")),
        id=text_or_none(field(wire, "responseId")),
        created_at=created_at(wire),
        logprobs=read_logprobs(candidate) or None,
        extra=keep(DIALECT, extra_of(wire, candidate)),
    )


def first_candidate(wire: Wire) -> Wire:
    """The first candidate, empty where there is none."""
    candidates = wire.get("candidates")
    if type(candidates) is list and candidates and type(candidates[0]) is dict:
        return candidates[0]
    return next(iter(items(candidates)), {})


def finish_of(wire: Wire, candidate: Wire) -> str | None:
    """The raw finish reason: the candidate's, else the reason for which the prompt was blocked."""
    feedback = object_of(field(wire, "promptFeedback"))
    return raw_reason(field(candidate, "finishReason")) or raw_reason(field(feedback, "blockReason"))


def reason_of(wire: Wire, raw: str | None, *, has_calls: bool) -> Any:
    """The neutral finish reason; a blocked prompt is a content filter's work, whatever reason it names."""
    is_blocked = raw is not None and not first_candidate(wire)
    return "content_filter" if is_blocked else read_reason(raw, has_calls=has_calls)


def extra_of(wire: Wire, candidate: Wire) -> Wire:
    """The fields that the neutral model has no name for, of the answer and its candidate."""
    return {**rest(wire, TOP_KEYS), **rest(candidate, CANDIDATE_KEYS)}


def created_at(wire: Wire) -> float | None:
    """`createTime` in Unix seconds."""
    text = text_of(field(wire, "createTime"))
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None
    except ValueError:
        return None


def read_logprobs(candidate: Wire) -> tuple[TokenLogprob, ...]:
    """Log-probabilities of the candidate's tokens."""
    result = object_of(field(candidate, "logprobsResult"))
    chosen = objects_of(field(result, "chosenCandidates"))
    tops = objects_of(field(result, "topCandidates"))
    found = []
    for index, item in enumerate(chosen):
        top = objects_of(tops[index].get("candidates")) if index < len(tops) else []
        pairs = tuple((text_of(each.get("token")), number_of(field(each, "logProbability")) or 0.0) for each in top)
        found.append(
            TokenLogprob(
                token=text_of(item.get("token")), logprob=number_of(field(item, "logProbability")) or 0.0, top=pairs
            )
        )
    return tuple(found)


def write_logprobs(logprobs: Iterable[TokenLogprob]) -> Wire:
    """The `logprobsResult` of a candidate."""
    tokens = list(logprobs)
    return {
        "chosenCandidates": [{"token": item.token, "logProbability": item.logprob} for item in tokens],
        "topCandidates": [
            {"candidates": [{"token": token, "logProbability": value} for token, value in item.top]} for item in tokens
        ],
    }


def write_answer(response: Response) -> bytes:
    """The body that a client of this dialect reads `response` from."""
    extra = dict(own(response.extra, DIALECT))
    top: Wire = {key: extra.pop(key) for key in ("promptFeedback", "modelStatus") if key in extra}
    candidate: Wire = {
        "content": {"role": "model", "parts": write_content(response.parts)},
        "finishReason": write_reason(response.finish_reason, response.raw_finish_reason),
        "index": 0,
        **({"logprobsResult": write_logprobs(response.logprobs)} if response.logprobs else {}),
        **extra,
    }
    is_blocked = bool(object_of(top.get("promptFeedback")).get("blockReason")) and not response.parts
    wire: Wire = {} if is_blocked else {"candidates": [candidate]}
    wire |= {**top, "usageMetadata": write_usage(response.usage)}
    wire |= {key: value for key, value in (("modelVersion", response.model), ("responseId", response.id)) if value}
    return msgspec.json.encode(wire)


def write_content(parts: Iterable[AnyPart]) -> list[Wire]:
    """The parts of an answer; calls keep even ids that were made up, since a client's results will name them."""
    written: list[Wire] = []
    for part in parts:
        wires = write_parts((show_arguments(part),), "parts", Draft(), {})
        if isinstance(part, ToolCall) and part.id.startswith(MADE_UP):
            wires[0]["functionCall"]["id"] = part.id
        written += wires
    return written


def read_token_count(body: bytes) -> int:
    """The tokens that a countTokens answer states. Raises ProtocolError where it states none."""
    count = count_of(field(object_of(read_json(body)), "totalTokens"))
    if count is None:
        raise ProtocolError("the answer states no totalTokens")
    return count

"""A whole Responses answer: `read_answer` from a body, `write_answer` to one.

The status says how it ended, `incomplete_details` why it did not; a failed answer is an error although its HTTP status is 200.
The body repeats the request (tools, instructions, temperature): those echoes are not kept.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.lenient import (
    keep,
    moment_of,
    object_of,
    objects_of,
    own,
    read_json,
    rest_of,
    text_or_none,
)
from backstay.codecs.media import to_base64
from backstay.codecs.openai_answer import read_logprobs
from backstay.codecs.openai_error import error_in_body
from backstay.codecs.openai_outcome import read_usage, settle_finish_reason
from backstay.codecs.responses_history import write_turn
from backstay.codecs.responses_item import DIALECT, Draft, Wire, read_item
from backstay.errors import ProtocolError
from backstay.types import (
    AnyPart,
    FinishReason,
    Image,
    Reasoning,
    Refusal,
    Response,
    TokenLogprob,
    ToolCall,
    Unknown,
    Usage,
)

_KNOWN: Final = frozenset(
    {
        *(
            "id",
            "object",
            "created_at",
            "completed_at",
            "status",
            "model",
            "output",
            "usage",
            "error",
            "incomplete_details",
        ),
        *(
            "instructions",
            "input",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "temperature",
            "top_p",
            "top_logprobs",
        ),
        *("max_output_tokens", "max_tool_calls", "reasoning", "text", "store", "truncation", "user", "background"),
        *("previous_response_id", "presence_penalty", "frequency_penalty", "prompt_cache_key", "safety_identifier"),
        *("prompt_cache_retention", "prompt_cache_options", "metadata", "output_text", "billing", "prompt", "include"),
    }
)
_REASONS: Final[dict[str, FinishReason]] = {
    "completed": "stop",
    "complete": "stop",
    "stop": "stop",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "length": "length",
    "content_filter": "content_filter",
    "failed": "error",
    "cancelled": "error",
}
_INCOMPLETE: Final[dict[FinishReason, str]] = {
    "length": "max_output_tokens",
    "context_window": "max_output_tokens",
    "content_filter": "content_filter",
}


def read_answer(body: bytes) -> Response:
    """The Response of a body. Raises ProtocolError where it is no answer, StatusError where it holds an error."""
    return read_decoded(read_json(body))


def read_decoded(answer: Any) -> Response:
    """The Response of a decoded body."""
    raise_error(answer)
    if not isinstance(answer, dict) or not isinstance(answer.get("output"), list):
        raise ProtocolError("the answer holds no output")
    parts = tuple(part for item in objects_of(answer["output"]) for part in read_item(item))
    reason, raw = read_finish(answer, {type(part) for part in parts})
    return Response(
        parts=parts,
        finish_reason=reason,
        raw_finish_reason=raw,
        usage=read_usage(answer.get("usage"), DIALECT) or Usage(),
        model=text_or_none(answer.get("model")),
        id=text_or_none(answer.get("id")),
        created_at=moment_of(answer.get("created_at")),
        logprobs=_read_all_logprobs(answer) or None,
        extra=read_extra(answer),
    )


def raise_error(answer: Any) -> None:
    """Raise the error that stands in an answer, if one does."""
    error = error_in_body(answer)
    if error is None and isinstance(answer, dict) and answer.get("status") == "failed":
        error = error_in_body({"error": {"message": "the provider failed to answer"}})
    if error is not None:
        raise error


def read_finish(answer: Wire, kinds: set[type]) -> tuple[FinishReason | None, str | None]:
    """Neutral and raw finish reason of an answer with parts of these kinds; None while it is still being made."""
    raw = text_or_none(object_of(answer.get("incomplete_details")).get("reason")) or text_or_none(answer.get("status"))
    if raw is None or raw in ("in_progress", "queued"):
        return None, raw
    reason = _REASONS.get(raw, "other")
    return settle_finish_reason(reason, has_calls=ToolCall in kinds, has_refusal=Refusal in kinds), raw


def read_extra(answer: Wire) -> dict[str, Any] | None:
    """The fields of an answer that are neither known nor an echo of the request."""
    return keep(DIALECT, {name: value for name, value in rest_of(answer, _KNOWN).items() if value not in ([], {}, "")})


def _read_all_logprobs(answer: Wire) -> tuple[TokenLogprob, ...]:
    contents = [content for item in objects_of(answer["output"]) for content in objects_of(item.get("content"))]
    return tuple(token for content in contents for token in read_logprobs({"content": content.get("logprobs")}))


def write_answer(response: Response) -> bytes:
    """The body of `response` for a client of this dialect."""
    return msgspec.json.encode(write_body(response, is_done=True))


def write_body(response: Response, *, is_done: bool) -> Wire:
    """The response object; while it is not done it has no output and no usage."""
    cut = _INCOMPLETE.get(response.finish_reason or "stop")
    status = "incomplete" if cut else "completed"
    body: Wire = {
        "id": response.id or "resp_0",
        "object": "response",
        "created_at": int(response.created_at or 0),
        "model": response.model or "",
        "status": status if is_done else "in_progress",
        "error": None,
        "incomplete_details": {"reason": cut} if cut and is_done else None,
        "instructions": None,
        "metadata": {},
        "output": write_output(response.parts) if is_done else [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
    }
    if is_done:
        body |= {
            "usage": None if response.usage == Usage() else write_usage(response.usage),
            **own(response.extra, DIALECT),
        }
    if response.logprobs and is_done:
        _put_logprobs(response.logprobs, body["output"])
    return body


def write_output(parts: tuple[AnyPart, ...], first: int = 0) -> list[Wire]:
    """The output items of an answer, numbered from `first`, with the ids and states that clients expect."""
    items = write_turn(tuple(show(part) for part in parts), "parts", Draft())
    return [write_item(item, number) for number, item in enumerate(items, first)]


def show(part: AnyPart) -> AnyPart:
    """`part`, or the item that shows it: for a picture its bytes, for another dialect's reasoning its text as a summary."""
    item = own(part.extra, DIALECT).get("item")
    is_own = isinstance(item, dict)
    if isinstance(part, Image) and part.data is not None:
        kept = item if isinstance(item, dict) else {"type": "image_generation_call"}
        return Unknown(dialect=DIALECT, data={**kept, "status": "completed", "result": to_base64(part.data)})
    if not isinstance(part, Reasoning) or (is_own and part.encrypted is not None):
        return part
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return Unknown(dialect=DIALECT, data={"type": "reasoning", "summary": summary})


def write_item(item: Wire, number: int) -> Wire:
    """One item as it stands in an answer."""
    if item.get("role") == "assistant":
        pieces = objects_of(item.get("content"))
        content = [{"annotations": [], **piece} if piece.get("type") == "output_text" else piece for piece in pieces]
        head = {"type": "message", "id": f"msg_{number}", "status": "completed"}
        return {**head, **item, "content": content}
    if item.get("type") == "function_call":
        return {"id": f"fc_{number}", "status": "completed", **item}
    return {"id": f"item_{number}", **item}


def _put_logprobs(tokens: tuple[TokenLogprob, ...], output: list[Wire]) -> None:
    """Log-probabilities stand in the first text."""
    texts = [
        piece for item in output for piece in objects_of(item.get("content")) if piece.get("type") == "output_text"
    ]
    if texts:
        texts[0]["logprobs"] = [
            {
                "token": token.token,
                "logprob": token.logprob,
                "bytes": list(token.token.encode("utf-8", "replace")),
                "top_logprobs": [{"token": other, "logprob": value, "bytes": []} for other, value in token.top],
            }
            for token in tokens
        ]


def write_usage(usage: Usage) -> Wire:
    """The usage object; the counts that clients insist on are 0 where they are unknown."""
    inputs = {"cached_tokens": usage.cache_read_tokens or 0, "cache_write_tokens": usage.cache_write_tokens or 0}
    return {
        **own(usage.extra, DIALECT),
        "input_tokens": usage.input_tokens or 0,
        "input_tokens_details": inputs,
        "output_tokens": usage.output_tokens or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
    }

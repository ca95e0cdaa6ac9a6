"""Answers of the Anthropic dialect that are not streamed: body to Response and back.

Source: https://platform.claude.com/docs/en/api/messages (response).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.anthropic_error import error_in_body
from backstay.codecs.anthropic_part import Block, Draft, read_blocks, write_blocks
from backstay.codecs.anthropic_wire import DIALECT, read_stop_reason, read_usage, write_stop_reason, write_usage
from backstay.codecs.lenient import keep, object_of, own, read_json, rest_of, text_or_none
from backstay.codecs.shown import join_blanks, show_arguments
from backstay.errors import ProtocolError
from backstay.types import AnyPart, Reasoning, Response

ANSWER_KEYS: Final = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "error", "request_id"}
)


def read_answer(body: bytes) -> Response:
    """The Response of a whole body. Raises ProtocolError, or the typed error that stands in a 200."""
    wire = read_json(body)
    if not isinstance(wire, dict):
        raise ProtocolError(f"the answer is no object but {body[:40]!r}")
    if wire.get("type") == "error" or ("content" not in wire and wire.get("error")):
        raise error_in_body(wire)
    if "content" not in wire:
        raise ProtocolError(f"the answer is no message: it has no content, only {', '.join(sorted(wire))}")
    reason = text_or_none(wire.get("stop_reason"))
    return Response(
        parts=read_blocks(wire.get("content")),
        finish_reason=read_stop_reason(reason),
        raw_finish_reason=reason,
        stop_sequence=text_or_none(wire.get("stop_sequence")),
        usage=read_usage(object_of(wire.get("usage"))),
        model=text_or_none(wire.get("model")),
        id=text_or_none(wire.get("id")),
        extra=keep(DIALECT, rest_of(wire, ANSWER_KEYS)),
    )


def write_answer(response: Response) -> bytes:
    """The body that a client of this dialect reads `response` from."""
    wire = {
        "id": response.id or "msg_0",
        "type": "message",
        "role": "assistant",
        "model": response.model or "",
        "content": write_content(response.parts),
        "stop_reason": write_stop_reason(response.finish_reason, response.raw_finish_reason),
        "stop_sequence": response.stop_sequence,
        "usage": write_usage(response.usage),
        **own(response.extra, DIALECT),
    }
    return msgspec.json.encode(wire)


def write_content(parts: tuple[AnyPart, ...]) -> list[Block]:
    """The blocks of an answer. Reasoning of another provider is shown with an empty signature."""
    draft, blocks = Draft(), []
    for _, part in join_blanks(show_arguments(part) for part in parts):
        if isinstance(part, Reasoning) and (part.id is not None or not (part.signature or part.encrypted)):
            if part.text:
                blocks.append({"type": "thinking", "thinking": part.text, "signature": ""})
        else:
            blocks += write_blocks((part,), "assistant", "parts", draft)
    return blocks


def read_token_count(body: bytes) -> int:
    """The input tokens that a count_tokens answer states. Raises ProtocolError where it states none."""
    wire: Any = object_of(read_json(body))
    count = wire.get("input_tokens")
    if not isinstance(count, int):
        raise ProtocolError("the answer states no input_tokens")
    return count

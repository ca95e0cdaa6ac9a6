"""Answers of the Bedrock Converse dialect that are not streamed: body to Response and back.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (response).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.bedrock_part import Draft, read_blocks, write_blocks
from backstay.codecs.bedrock_wire import (
    DIALECT,
    Wire,
    read_stop_reason,
    read_usage,
    write_stop_reason,
    write_usage,
)
from backstay.codecs.lenient import count_of, keep, object_of, own, read_json, rest_of, text_or_none
from backstay.codecs.shown import show_arguments
from backstay.errors import ProtocolError
from backstay.types import AnyPart, Response, Usage

_KEYS: Final = frozenset({"output", "stopReason", "usage"})


def read_answer(body: bytes) -> Response:
    """The Response of a whole body. Raises ProtocolError where it is none."""
    wire = read_json(body)
    if not isinstance(wire, dict) or "output" not in wire:
        raise ProtocolError(f"the answer is no Converse output but {body[:60]!r}")
    raw = text_or_none(wire.get("stopReason"))
    usage = object_of(wire.get("usage"))
    return Response(
        parts=read_blocks(object_of(object_of(wire["output"]).get("message")).get("content")),
        finish_reason=read_stop_reason(raw),
        raw_finish_reason=raw,
        usage=read_usage(usage) if usage else Usage(),
        extra=keep(DIALECT, rest_of(wire, _KEYS)),
    )


def write_answer(response: Response) -> bytes:
    """The body that a client of this dialect reads `response` from."""
    wire: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": write_content(response.parts)}},
        "stopReason": write_stop_reason(response.finish_reason, response.raw_finish_reason),
        "usage": write_usage(response.usage),
        "metrics": {"latencyMs": int((response.latency or 0) * 1000)},
        **own(response.extra, DIALECT),
    }
    return msgspec.json.encode(wire)


def write_content(parts: tuple[AnyPart, ...]) -> list[Wire]:
    """The blocks of an answer; cache marks are a matter of requests."""
    shown = map(show_arguments, parts)
    return [block for block in write_blocks(shown, "assistant", "parts", Draft()) if "cachePoint" not in block]


def read_token_count(body: bytes) -> int:
    """The tokens that a count-tokens answer states. Raises ProtocolError where it states none."""
    count = count_of(object_of(read_json(body)).get("inputTokens"))
    if count is None:
        raise ProtocolError("the answer states no inputTokens")
    return count

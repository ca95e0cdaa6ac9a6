"""The small vocabulary of the Bedrock Converse dialect that both directions share: stop reasons and usage.

Cached tokens are counted beside `inputTokens`, `totalTokens` includes them. Some models repeat the cache counts under a second
name; those are dropped. Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Any, Final

from backstay.codecs.lenient import count_of, keep, objects_of, own, rest_of
from backstay.types import FinishReason, Usage

DIALECT: Final = "bedrock"
Wire = dict[str, Any]

STOP_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool_call",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_OUTWARD: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "tool_call": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
    "error": "malformed_model_output",
}
_COUNTED: Final = frozenset(
    {
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokenCount",
        "cacheDetails",
    }
)


def read_stop_reason(raw: str | None) -> FinishReason | None:
    """The neutral finish reason; an unknown one is "other"."""
    return None if raw is None else STOP_REASONS.get(raw, "other")


def write_stop_reason(reason: FinishReason | None, raw: str | None) -> str:
    """The wire's stop reason: `raw` where this dialect knows it as `reason`, else the nearest one."""
    if raw is not None and STOP_REASONS.get(raw, "other") == reason:
        return raw
    return _OUTWARD.get(reason, "end_turn") if reason is not None else "end_turn"


def read_usage(wire: Wire) -> Usage:
    """Neutral counts of a usage object."""
    uncached = count_of(wire.get("inputTokens"))
    read, written = count_of(wire.get("cacheReadInputTokens")), count_of(wire.get("cacheWriteInputTokens"))
    long_lived = [
        count_of(item.get("inputTokens")) or 0
        for item in objects_of(wire.get("cacheDetails"))
        if item.get("ttl") == "1h"
    ]
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        output_tokens=count_of(wire.get("outputTokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=sum(long_lived) if long_lived else None,
        stated_total_tokens=count_of(wire.get("totalTokens")),
        extra=keep(DIALECT, {key: value for key, value in rest_of(wire, _COUNTED).items() if value != {}}),
    )


def write_usage(usage: Usage) -> Wire:
    """A usage object; the three counts that clients insist on are 0 where they are unknown."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    total = usage.total_tokens if usage.stated_total_tokens is None else usage.stated_total_tokens
    wire: Wire = {
        "inputTokens": max((usage.input_tokens or 0) - read - written, 0),
        "outputTokens": usage.output_tokens or 0,
        "totalTokens": total or 0,
        **own(usage.extra, DIALECT),
    }
    if usage.cache_read_tokens is not None:
        wire["cacheReadInputTokens"] = read
    if usage.cache_write_tokens is not None:
        wire["cacheWriteInputTokens"] = written
    if usage.cache_write_1h_tokens is not None:
        short = max(written - usage.cache_write_1h_tokens, 0)
        wire["cacheDetails"] = [
            *([{"ttl": "5m", "inputTokens": short}] if short else []),
            {"ttl": "1h", "inputTokens": usage.cache_write_1h_tokens},
        ]
    return wire

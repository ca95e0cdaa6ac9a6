"""The small vocabulary of the Anthropic dialect that both directions share: stop reasons, usage, the `extra` convention.

Anthropic counts cached tokens beside `input_tokens`, not inside; the neutral count includes them, so the way in adds and the
way out subtracts. Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from typing import Any, Final

from backstay.codecs.lenient import count_of, keep, object_of, own, rest_of
from backstay.types import FinishReason, Usage

DIALECT: Final = "anthropic"

STOP_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool_call",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}

_RAW_STOP_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "tool_call": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "error": "error",
}


def read_stop_reason(raw: str | None) -> FinishReason | None:
    """The neutral finish reason; an unknown one is "other"."""
    return None if raw is None else STOP_REASONS.get(raw, "other")


def write_stop_reason(reason: FinishReason | None, raw: str | None) -> str | None:
    """The wire's stop reason: `raw` where it is one of this dialect that means `reason`, else the nearest one."""
    if raw is not None and STOP_REASONS.get(raw) == reason:
        return raw
    if reason is None:
        return None
    return _RAW_STOP_REASONS.get(reason) or raw or "end_turn"


_COUNTED: Final = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "output_tokens_details",
    }
)


def read_usage(wire: dict[str, Any]) -> Usage:
    """Neutral counts of a usage object; whatever else stands in it goes to `extra`."""
    uncached = count_of(wire.get("input_tokens"))
    read = count_of(wire.get("cache_read_input_tokens"))
    written = count_of(wire.get("cache_creation_input_tokens"))
    by_lifetime = object_of(wire.get("cache_creation"))
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        output_tokens=count_of(wire.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=count_of(by_lifetime.get("ephemeral_1h_input_tokens")),
        reasoning_tokens=count_of(object_of(wire.get("output_tokens_details")).get("thinking_tokens")),
        extra=keep(DIALECT, rest_of(wire, _COUNTED)),
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """A usage object; the two counts that clients insist on are 0 where they are unknown."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    wire: dict[str, Any] = dict(own(usage.extra, DIALECT))
    wire["input_tokens"] = max((usage.input_tokens or 0) - read - written, 0)
    wire["output_tokens"] = usage.output_tokens or 0
    if usage.cache_read_tokens is not None:
        wire["cache_read_input_tokens"] = read
    if usage.cache_write_tokens is not None:
        wire["cache_creation_input_tokens"] = written
    if usage.cache_write_1h_tokens is not None:
        long_lived = usage.cache_write_1h_tokens
        wire["cache_creation"] = {
            "ephemeral_5m_input_tokens": max(written - long_lived, 0),
            "ephemeral_1h_input_tokens": long_lived,
        }
    if usage.reasoning_tokens is not None:
        wire["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return wire

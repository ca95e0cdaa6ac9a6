"""How an answer of the OpenAI dialects ended and what it used: finish reasons and token counts, in both directions.

Usage is counted inclusively in the neutral model (cached in input, reasoning in output), as OpenAI does. Servers that speak
the dialect differ, so the provider's own total is the judge: where prompt + completion + reasoning is the total and prompt +
completion is not, the reasoning came on top (xAI). A cache count above the prompt count cannot be a subset of it, so it is
added. No provider is named.

A finish reason is read from the answer's content as well as from its field: "stop" with tool calls is a tool call, as
OpenAI itself sends when one tool is forced, and "tool_calls" without any is a stop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from backstay.codecs.lenient import count_of, keep, object_of, own, rest_of
from backstay.codecs.openai_part import DIALECT
from backstay.types import AnyPart, FinishReason, Refusal, ToolCall, Usage

_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "": "stop",
    "stop_sequence": "stop_sequence",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "context_window",
    "model_context_window_exceeded": "context_window",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
    "error": "error",
}
_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_window": "length",
    "tool_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
    "error": "error",
    "other": "stop",
}


def read_finish_reason(raw: str | None, parts: Iterable[AnyPart]) -> FinishReason | None:
    """The neutral reason of `raw` for an answer of these parts; None stays None unless the parts hold a tool call."""
    reason = None if raw is None else _REASONS.get(raw.lower(), "other")
    kinds = set(map(type, parts))
    return settle_finish_reason(reason, has_calls=ToolCall in kinds, has_refusal=Refusal in kinds)


def settle_finish_reason(reason: FinishReason | None, *, has_calls: bool, has_refusal: bool) -> FinishReason | None:
    """`reason` as the content has it: limits, filters and errors stand, a stop gives way to what was produced."""
    if reason not in (None, "stop", "tool_call"):
        return reason
    if has_calls:
        return "tool_call"
    if has_refusal:
        return "refusal"
    return "stop" if reason == "tool_call" else reason


def write_finish_reason(reason: FinishReason | None, raw: str | None) -> str:
    """The dialect's word: `raw` where it is one that means `reason`, else the nearest."""
    if raw and raw in ("stop", "length", "tool_calls", "content_filter", "function_call") and reason is not None:
        neutral = _REASONS[raw]
        if neutral == reason or _WORDS[reason] == raw:
            return raw
    return _WORDS[reason or "stop"]


_COUNTED: Final = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cached_tokens",
        "num_cached_tokens",
        "prompt_cache_hit_tokens",
        "prompt_cache_miss_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "reasoning_tokens",
        "input_tokens",
        "output_tokens",
        "input_tokens_details",
        "output_tokens_details",
    }
)


_PLAIN: Final = frozenset(
    ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details")
)


def _first(*values: Any) -> int | None:
    return next((count for value in values if (count := count_of(value)) is not None), None)


def read_usage(wire: Any, dialect: str = DIALECT) -> Usage | None:
    """The counts of a `usage` object of Chat Completions, Responses or Embeddings; None where there is none.

    Fields that are no counts of ours (a cost, timings) are kept in `extra` under `dialect`.
    """
    if not isinstance(wire, dict) or not wire:
        return None
    if wire.keys() <= _PLAIN:
        return _read_plain_usage(wire)
    inputs = object_of(wire.get("prompt_tokens_details") or wire.get("input_tokens_details"))
    outputs = object_of(wire.get("completion_tokens_details") or wire.get("output_tokens_details"))
    prompt = _first(wire.get("prompt_tokens"), wire.get("input_tokens"))
    completion = _first(wire.get("completion_tokens"), wire.get("output_tokens"))
    total = count_of(wire.get("total_tokens"))
    read = _first(
        inputs.get("cached_tokens"),
        wire.get("prompt_cache_hit_tokens"),
        wire.get("cached_tokens"),
        wire.get("num_cached_tokens"),
        wire.get("cache_read_input_tokens"),
    )
    write = _first(inputs.get("cache_write_tokens"), wire.get("cache_creation_input_tokens"))
    reasoning = _first(outputs.get("reasoning_tokens"), wire.get("reasoning_tokens"))
    rest = rest_of(wire, _COUNTED)
    return Usage(
        input_tokens=_with_cache(prompt, read, write),
        output_tokens=_with_reasoning(prompt, completion, reasoning, total),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=count_of(object_of(wire.get("cache_creation")).get("ephemeral_1h_input_tokens")),
        reasoning_tokens=reasoning,
        input_audio_tokens=count_of(inputs.get("audio_tokens")),
        output_audio_tokens=count_of(outputs.get("audio_tokens")),
        stated_total_tokens=total,
        extra=keep(dialect, rest),
    )


def _read_plain_usage(wire: dict[str, Any]) -> Usage:
    """The fast path: OpenAI's own fields and no others, which is what most servers send."""
    prompt, completion = count_of(wire.get("prompt_tokens")), count_of(wire.get("completion_tokens"))
    total = count_of(wire.get("total_tokens"))
    inputs, outputs = wire.get("prompt_tokens_details"), wire.get("completion_tokens_details")
    if not inputs and not outputs:
        return Usage(input_tokens=prompt, output_tokens=completion, stated_total_tokens=total)
    inputs, outputs = object_of(inputs), object_of(outputs)
    read, write = count_of(inputs.get("cached_tokens")), count_of(inputs.get("cache_write_tokens"))
    reasoning = count_of(outputs.get("reasoning_tokens"))
    return Usage(
        input_tokens=_with_cache(prompt, read, write),
        output_tokens=_with_reasoning(prompt, completion, reasoning, total),
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        input_audio_tokens=count_of(inputs.get("audio_tokens")),
        output_audio_tokens=count_of(outputs.get("audio_tokens")),
        stated_total_tokens=total,
    )


def _with_reasoning(prompt: int | None, completion: int | None, reasoning: int | None, total: int | None) -> int | None:
    """Output tokens with reasoning inside, judged by the stated total; a part cannot be more than the whole."""
    if completion is None or not reasoning:
        return completion
    on_top = prompt is not None and total == prompt + completion + reasoning
    return completion + reasoning if on_top or reasoning > completion else completion


def _with_cache(prompt: int | None, read: int | None, write: int | None) -> int | None:
    """Input tokens with cached ones inside: a count that is more than the prompt cannot be a part of it."""
    if prompt is None or max(read or 0, write or 0) <= prompt:
        return prompt
    return prompt + (read or 0) + (write or 0)


def write_usage(usage: Usage) -> dict[str, Any]:
    """The `usage` object of Chat Completions; the three counts that clients insist on are 0 where they are unknown."""
    inputs = {
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.input_audio_tokens,
    }
    outputs = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.output_audio_tokens}
    wire: dict[str, Any] = {
        **own(usage.extra, DIALECT),
        "prompt_tokens": usage.input_tokens or 0,
        "completion_tokens": usage.output_tokens or 0,
        "total_tokens": usage.total_tokens or (usage.input_tokens or 0) + (usage.output_tokens or 0),
    }
    for name, details in (("prompt_tokens_details", inputs), ("completion_tokens_details", outputs)):
        known = {field: count for field, count in details.items() if count is not None}
        if known:
            wire[name] = known
    if usage.cache_write_1h_tokens is not None:
        wire["cache_creation"] = {"ephemeral_1h_input_tokens": usage.cache_write_1h_tokens}
    return wire

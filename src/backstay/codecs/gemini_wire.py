"""The small vocabulary of the Gemini dialect that both directions share: names, finish reasons, usage.

Google's JSON is that of protocol buffers: a field may be written in camelCase or snake_case, an enum as its name or its
number, a list of one as the item itself. `field` and `items` read all of these; what we write is camelCase and names.

Counts: the prompt includes cached tokens, but neither tool-use prompts nor thoughts are inside the other counts, so they are
added. Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from backstay.codecs.lenient import count_of, keep, objects_of, own, rest_of
from backstay.types import FinishReason, Usage

DIALECT: Final = "gemini"
Wire = dict[str, Any]

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "CONTINUATION": "pause",
}
_BY_NUMBER: Final = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
)
_OUTWARD: Final[dict[FinishReason, str]] = {
    "stop": "STOP",
    "tool_call": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "CONTINUATION",
    "error": "MALFORMED_RESPONSE",
}
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_COUNTED: Final = frozenset(
    {
        "promptTokenCount",
        "candidatesTokenCount",
        "cachedContentTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "totalTokenCount",
    }
)


@lru_cache(maxsize=256)
def snake(name: str) -> str:
    """`name` in snake_case."""
    return _CAPITAL.sub("_", name).lower()


def field(wire: Wire, name: str) -> Any:
    """The field called `name`, in either spelling; None where there is none."""
    value = wire.get(name)
    return wire.get(snake(name)) if value is None else value


def items(value: Any) -> list[Wire]:
    """The objects of a repeated field, which may be written as a single object."""
    return [value] if isinstance(value, dict) else objects_of(value)


def rest(wire: Wire, known: frozenset[str]) -> Wire:
    """The fields that are not in `known`, in neither spelling."""
    return rest_of(wire, known | {snake(name) for name in known})


def raw_reason(value: Any) -> str | None:
    """The name of a finish reason given by name or by number; None where none is given."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _BY_NUMBER[value] if 0 <= value < len(_BY_NUMBER) else str(value)
    return value if isinstance(value, str) and value else None


def read_reason(raw: str | None, *, has_calls: bool) -> FinishReason | None:
    """The neutral finish reason. A stop with function calls is a tool call: the wire has no word for it."""
    if raw is None:
        return None
    reason = FINISH_REASONS.get(raw)
    if reason is None:
        reason = "content_filter" if raw.startswith("IMAGE_") and raw != "IMAGE_OTHER" else "other"
    return "tool_call" if reason == "stop" and has_calls else reason


def write_reason(reason: FinishReason | None, raw: str | None) -> str:
    """The wire's finish reason: `raw` where this dialect knows it, else the nearest one."""
    if raw is not None and (raw in FINISH_REASONS or raw in _BY_NUMBER or raw.startswith("IMAGE_")):
        return raw
    return _OUTWARD.get(reason, "OTHER") if reason is not None else "OTHER"


def read_usage(wire: Wire) -> Usage:
    """Neutral counts of a `usageMetadata`. A count that is absent where the total is known follows from it."""
    prompt, tools = count_of(field(wire, "promptTokenCount")), count_of(field(wire, "toolUsePromptTokenCount"))
    answer, thoughts = count_of(field(wire, "candidatesTokenCount")), count_of(field(wire, "thoughtsTokenCount"))
    total = count_of(field(wire, "totalTokenCount"))
    given = None if prompt is None else prompt + (tools or 0)
    made = None if answer is None else answer + (thoughts or 0)
    if made is None and total is not None and given is not None:
        made = max(total - given, thoughts or 0)
    return Usage(
        input_tokens=given,
        output_tokens=made,
        cache_read_tokens=count_of(field(wire, "cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        input_audio_tokens=_audio(field(wire, "promptTokensDetails")),
        output_audio_tokens=_audio(field(wire, "candidatesTokensDetails")),
        stated_total_tokens=total,
        extra=keep(DIALECT, rest(wire, _COUNTED - ({"toolUsePromptTokenCount"} if tools else set()))),
    )


def _audio(details: Any) -> int | None:
    counts = [
        count_of(field(item, "tokenCount")) or 0 for item in objects_of(details) if item.get("modality") == "AUDIO"
    ]
    return sum(counts) if counts else None


def write_usage(usage: Usage) -> Wire:
    """A `usageMetadata`; unknown counts are absent."""
    extra = own(usage.extra, DIALECT)
    thoughts, tools = usage.reasoning_tokens, count_of(extra.get("toolUsePromptTokenCount")) or 0
    wire: Wire = {
        "promptTokenCount": None if usage.input_tokens is None else max(usage.input_tokens - tools, 0),
        "candidatesTokenCount": None if usage.output_tokens is None else max(usage.output_tokens - (thoughts or 0), 0),
        "cachedContentTokenCount": usage.cache_read_tokens,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": usage.total_tokens if usage.stated_total_tokens is None else usage.stated_total_tokens,
        **extra,
    }
    return {name: value for name, value in wire.items() if value is not None}

"""What an oracle reads from a body, and the plain readers that all oracles share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Expected:
    """What the body holds. `is_error`: it holds an error in spite of its status, or nothing at all."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    raw_finish: str | int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    is_error: bool = False
    unfinished: bool = False
    has_calls_opinion: bool = True

    @property
    def finish(self) -> set[str | None]:
        """The neutral reasons that would be right."""
        if self.unfinished:
            return {None}
        if isinstance(self.raw_finish, int):
            return {"stop", "length", "tool_call", "other"}
        found = _REASONS.get(str(self.raw_finish or "").lower())
        if found is not None:
            return set(found)
        if self.calls:
            return {"tool_call"}
        if self.refusal:
            return {"refusal"}
        if self.raw_finish is None:
            return {None, "stop"}
        return {"stop", "stop_sequence"}


_LENGTH = ("length", "context_window")
_REASONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), _LENGTH),
    "model_context_window_exceeded": ("context_window",),
    **dict.fromkeys(
        ("content_filter", "safety", "recitation", "guardrail_intervened", "content_filtered"), ("content_filter",)
    ),
    **dict.fromkeys(("prohibited_content", "blocklist", "spii", "image_safety"), ("content_filter",)),
    **dict.fromkeys(("error", "failed", "malformed_function_call", "unexpected_tool_call"), ("error",)),
    **dict.fromkeys(("malformed_model_output", "malformed_tool_use"), ("error",)),
    "refusal": ("refusal",),
    "pause_turn": ("pause",),
    "compaction": ("pause",),
    "stop_sequence": ("stop_sequence",),
}


def arguments(text: Any) -> Any:
    """Tool arguments as an object, or the text where they are none."""
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(text) if text and text.strip() else {}
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def sse_data(body: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of an event stream, by lines."""
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        data = line[5:].strip() if line.startswith(b"data:") else b""
        if data and data != b"[DONE]":
            yield json.loads(data)

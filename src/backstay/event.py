"""Events: an answer while it arrives. `fold.fold(events)` gives the `Response`; `fold.unfold(response)` the way back.

Deltas carry `index`, the slot of the part that they add to: slots are numbered in the order in which parts begin, so a
Response's parts are its slots. A tool call's name and id come once, its arguments as fragments of JSON text. `PartDone`
gives a slot's final value and replaces what the deltas built, because some servers correct themselves there.
Usage is cumulative: the last known value of each count is the true one.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from backstay.types import AnyPart, FinishReason, TokenLogprob, Usage


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="type"):
    """The provider began to answer; nothing of the answer is known yet."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text", tag_field="type"):
    """More text for slot `index`."""

    text: str
    index: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False, tag="reasoning", tag_field="type"):
    """More reasoning for slot `index`: readable text, its signature, or an encrypted form."""

    text: str = ""
    index: int = 0
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None
    is_summary: bool = False


class RefusalDelta(msgspec.Struct, frozen=True, gc=False, tag="refusal", tag_field="type"):
    """More of a refusal for slot `index`."""

    text: str
    index: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False, tag="tool_call", tag_field="type"):
    """A tool call begins (id and name) or its arguments go on (a fragment of JSON text)."""

    index: int = 0
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    signature: str | None = None


class PartDone(msgspec.Struct, frozen=True, tag="part", tag_field="type"):
    """The final value of slot `index`; replaces whatever the deltas built there."""

    part: AnyPart
    index: int = 0


class LogprobsDelta(msgspec.Struct, frozen=True, tag="logprobs", tag_field="type"):
    """Log-probabilities of the tokens that just arrived."""

    tokens: tuple[TokenLogprob, ...]


class UsageReport(msgspec.Struct, frozen=True, tag="usage", tag_field="type"):
    """Token counts so far; counts that are None leave what was known."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, tag="finished", tag_field="type"):
    """The provider said that the answer is whole, and why it ended."""

    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    stop_sequence: str | None = None
    extra: dict[str, Any] | None = None


class UnknownEvent(msgspec.Struct, frozen=True, tag="unknown", tag_field="type"):
    """An event of a kind that this model has no type for, kept for whoever knows it."""

    kind: str
    data: Any = None


ContentEvent: TypeAlias = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | PartDone
Event: TypeAlias = (
    Started
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | PartDone
    | LogprobsDelta
    | UsageReport
    | Finished
    | UnknownEvent
)

CONTENT_EVENTS = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta, PartDone)
"""The kinds that commit a call: after the first of them nothing is retried."""

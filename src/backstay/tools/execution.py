"""Execution: what came of one call of a tool, as data; its text for the model; and the sums over many.

A tool that fails is an answer. The model reads what went wrong, in bounded words, and may do better; the program goes on.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay import types
from backstay.errors import ToolFailed
from backstay.recover import Coercion

Outcome: TypeAlias = Literal["success", "failed", "timeout", "invalid", "refused", "cancelled"]
Content: TypeAlias = str | tuple[types.Text | types.Image | types.File | types.Unknown, ...]

MAX_TEXT: Final = 20_000
"""Characters of a result that a model is given; about five thousand tokens."""

MAX_ERROR: Final = 2_000
"""Characters of an error that a model is given."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool and its end.

    `outcome`: "success"; "failed" (it raised), "timeout"; "invalid" (its arguments did not fit, nothing ran); "refused" (no such
    tool, not allowed here, or not approved; nothing ran); "cancelled". `value` is the result as JSON, `content` what the model is
    given. `is_uncertain`: a tool with a side effect was broken off, so it may or may not have taken effect.
    """

    call_id: str
    name: str
    arguments: dict[str, Any] = {}
    outcome: Outcome
    value: Any = None
    content: Content = ""
    error: str | None = None
    coercions: tuple[Coercion, ...] = ()
    is_cached: bool = False
    is_uncertain: bool = False
    attempts: int = 0
    started_at: float = 0.0
    duration: float = 0.0

    @property
    def is_error(self) -> bool:
        """True unless it succeeded."""
        return self.outcome != "success"

    @property
    def text(self) -> str:
        """What the model is given, as text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text or "" for part in self.content if isinstance(part, (types.Text, types.File)))

    def result(self) -> types.ToolResult:
        """The answer to the model's call."""
        return types.ToolResult(call_id=self.call_id, name=self.name, content=self.content, is_error=self.is_error)


class ToolStats(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a tool's calls: all of them, those that did not succeed, those answered from kept results; latency in seconds.

    `by_outcome` has the count of each outcome that occurred.
    """

    count: int = 0
    errors: int = 0
    cached: int = 0
    total_latency: float = 0.0
    max_latency: float = 0.0
    by_outcome: dict[str, int] = {}

    @property
    def mean_latency(self) -> float:
        """Seconds a run took, over those that ran."""
        ran = self.count - self.cached
        return self.total_latency / ran if ran else 0.0

    def with_one(self, one: Execution) -> ToolStats:
        """These sums with `one` more."""
        outcomes = {**self.by_outcome, one.outcome: self.by_outcome.get(one.outcome, 0) + 1}
        return ToolStats(
            count=self.count + 1,
            errors=self.errors + one.is_error,
            cached=self.cached + one.is_cached,
            total_latency=self.total_latency + one.duration,
            max_latency=max(self.max_latency, one.duration),
            by_outcome=outcomes,
        )


KINDS: Final = (types.Text, types.Image, types.File, types.Unknown)
PARTS: Final = "$parts"
"""The member under which parts of a message stand where a result is JSON."""

_parts_of = tuple[types.Text | types.Image | types.File | types.Unknown, ...]


def packed(found: Any) -> Any:
    """What a tool gave, as JSON data: structs, dataclasses, dates and the like in their JSON form, a model by its `model_dump`.

    Parts of a message (a picture, say) stand under `PARTS`. Raises ToolFailed where there is no JSON form.
    """
    if isinstance(found, KINDS):
        found = (found,)
    if isinstance(found, (tuple, list)) and found and all(isinstance(part, KINDS) for part in found):
        found = {PARTS: found}
    try:
        return msgspec.json.decode(msgspec.json.encode(found, enc_hook=_dumped))
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolFailed(f"the result has no JSON form: {error}") from error


def _dumped(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"objects of type {type(value).__name__} have none")


def unpacked(value: Any, *, max_text: int = MAX_TEXT) -> tuple[Any, Content]:
    """A packed result, and what the model is given of it: a text as it is, parts, anything else as JSON; shortened."""
    if isinstance(value, dict) and value.keys() == {PARTS}:
        parts = msgspec.convert(value[PARTS], _parts_of)
        return value, tuple(_short_part(part, max_text) for part in parts)
    return value, shorten(value if isinstance(value, str) else msgspec.json.encode(value).decode(), max_text)


def _short_part(part: Any, max_text: int) -> Any:
    return types.Text(text=shorten(part.text, max_text)) if isinstance(part, types.Text) else part


def shorten(text: str, limit: int) -> str:
    """`text` in at most about `limit` characters: its beginning and its end, and between them how much was left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]}\n[... {len(text) - head - tail:,} characters left out ...]\n{text[len(text) - tail :]}"

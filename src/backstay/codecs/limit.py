"""Limits: what a provider's answer says about its rate limits, whatever the provider calls them.

Header names differ in where they put the dimension (`x-ratelimit-remaining-tokens`, `anthropic-ratelimit-tokens-remaining`,
`x-ratelimit-remaining-req-minute`, `ratelimitbysize-remaining`), values in form (integers, Go durations, RFC 3339, bare
seconds). A header name is read as a set of words: one of them is the fact (limit, remaining, reset), the others name the
dimension and the period. So a provider that arranges the same words in another order is understood without a row of its own.
Garbage and negative values are no facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.codecs.retry_after import parse_wait
from backstay.types import Limit

Dimension: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens"]

_PREFIXES: Final = (
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "x-rate-limit-",
    "ratelimit-",
    "ratelimitbysize-",
    "x-ratelimitbysize-",
)
_WAITS: Final = ("retry-after", "retry-after-ms")
_FACTS: Final = ("limit", "remaining", "reset")
_DIMENSIONS: Final[dict[str, Dimension]] = {
    "": "requests",
    "requests": "requests",
    "req": "requests",
    "tokens": "tokens",
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
    "project-tokens": "tokens",
    "project-requests": "requests",
}
_PERIODS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 30 * 86400.0}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one answer, and the names of those headers whose value could not be read (worth a counter)."""

    entries: tuple[Limit, ...] = ()
    unreadable: tuple[str, ...] = ()


def limits(headers: Mapping[str, str], *, now: float | None = None) -> Limits:
    """Every limit that the headers (lower-case names) speak of; `now`, Unix seconds, is for resets given as instants.

    Where the same dimension and period is named twice, the entry with less remaining stands: the tighter one binds.
    """
    found: dict[tuple[str, Dimension, float | None], dict[str, float | int]] = {}
    unreadable = [name for name in _WAITS if name in headers and parse_wait(headers[name], now=now or 0.0) is None]
    for name, text in headers.items():
        place = _place(name)
        if place is None:
            continue
        scope, fact, dimension, period = place
        value = parse_wait(text, now=now) if fact == "reset" else _count(text)
        if value is None:
            unreadable.append(name)
        else:
            found.setdefault((scope, dimension, period), {})[fact] = value
    entries = [
        Limit(dimension=dimension, period=period, **facts)  # type: ignore[arg-type]
        for (_, dimension, period), facts in found.items()
    ]
    return Limits(entries=_tightest(entries), unreadable=tuple(unreadable))


@lru_cache(maxsize=256)
def _place(name: str) -> tuple[str, str, Dimension, float | None] | None:
    """Scope, fact, dimension and period that a header's name speaks of; None when it is no rate-limit header."""
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
    if prefix is None:
        return None
    words = name[len(prefix) :].split("-")
    fact = next((word for word in words if word in _FACTS), None)
    if fact is None:
        return None
    words.remove(fact)
    period = next((_PERIODS[word] for word in words if word in _PERIODS), None)
    rest = "-".join(word for word in words if word not in _PERIODS)
    dimension = "tokens" if "bysize" in prefix else _DIMENSIONS.get(rest)
    return None if dimension is None else (prefix + rest, fact, dimension, period)


def _count(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _tightest(entries: list[Limit]) -> tuple[Limit, ...]:
    kept: dict[tuple[Dimension, float | None], Limit] = {}
    for entry in entries:
        key = (entry.dimension, entry.period)
        other = kept.get(key)
        if other is None or _room(entry) < _room(other):
            kept[key] = entry
    return tuple(kept.values())


def _room(entry: Limit) -> float:
    return float("inf") if entry.remaining is None else entry.remaining

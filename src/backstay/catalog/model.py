"""Model: what is known of a model: its limits, its abilities, and what it costs, each with a date.

Rates are exact integers: nano-dollars (10^-9 USD) per million tokens. Three US dollars per million tokens are 3,000,000,000.
A field that is None is unknown, which is neither zero nor false.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec


class Rate(msgspec.Struct, frozen=True, array_like=True):
    """A price per million tokens. Each tier (start, rate) applies to *all* tokens once the input is longer than `start`."""

    base: int
    tiers: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> int:
        """The rate for a request with `input_tokens`."""
        rate = self.base
        for start, tier in self.tiers:
            if input_tokens > start:
                rate = tier
        return rate

    def highest(self, input_tokens: int) -> int:
        """The dearest rate that a request with at most `input_tokens` can meet."""
        return max((self.base, *(rate for start, rate in self.tiers if input_tokens > start)))


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates of one period. A kind without a rate of its own is charged as the kind above it: cache as input, and so on.

    `per_request` is nano-dollars for a request as such. `input_image` and `output_image` are the rates of pictures (or
    video), whose tokens no usage tells apart from text.
    """

    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    input_audio: Rate | None = None
    cache_audio_read: Rate | None = None
    output_audio: Rate | None = None
    input_image: Rate | None = None
    output_image: Rate | None = None
    reasoning: Rate | None = None
    per_request: int | None = None


class Period(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rates with the time from which they hold: a first day, or daily hours in UTC ("16:30:00" to "00:30:00")."""

    rates: Rates
    since: str | None = None
    daily: tuple[str, str] | None = None

    def has_begun(self, day: str) -> bool:
        """True from the first day on; `day` is written 2026-11-21."""
        return self.since is None or day >= self.since

    def holds(self, at: dt.datetime) -> bool:
        """True when these rates hold at `at` (an aware time)."""
        now = at.astimezone(dt.UTC)
        if not self.has_begun(now.date().isoformat()):
            return False
        if self.daily is None:
            return True
        start, end = (dt.time.fromisoformat(edge) for edge in self.daily)
        clock = now.time()
        return start <= clock < end if start <= end else clock >= start or clock < end


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model of one provider. `matches` are the names that it answers to, as nested clauses (see `catalog.match`).

    `source` says where the row comes from; `checked` is the day when it was last true. `base` is the model whose limits these
    are, where this one is a fine-tuned or dated model without a row of its own.
    """

    provider: str
    id: str
    name: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    has_json_mode: bool | None = None
    has_json_schema: bool | None = None
    has_system_prompt: bool | None = None
    has_streaming: bool | None = None
    has_tools: bool | None = None
    has_vision: bool | None = None
    has_audio: bool | None = None
    has_reasoning: bool | None = None
    deprecated_on: str | None = None
    matches: list[Any] | None = None
    periods: tuple[Period, ...] = ()
    batch: tuple[Period, ...] = ()
    base: str | None = None
    source: str = ""
    checked: str = ""

    def rates(self, at: dt.datetime | None, *, is_batch: bool = False) -> Rates | None:
        """The rates that hold at `at`; None where the price is unknown.

        Without a time, those that held on the day when the row was checked, outside of daily hours.
        """
        for period in reversed(self.batch if is_batch else self.periods):
            if period.holds(at) if at is not None else period.daily is None and self._had_begun(period):
                return period.rates
        return None

    def possible(self, at: dt.datetime | None, *, is_batch: bool = False) -> tuple[Rates, ...]:
        """The rates that may hold at `at`: one where the time is known; without it, those of all hours of the day."""
        if at is not None:
            rates = self.rates(at, is_batch=is_batch)
            return () if rates is None else (rates,)
        found: list[Rates] = []
        for period in reversed(self.batch if is_batch else self.periods):
            if self._had_begun(period):
                found.append(period.rates)
                if period.daily is None:
                    break
        return tuple(found)

    def _had_begun(self, period: Period) -> bool:
        return not self.checked or period.has_begun(self.checked)

"""Tariff: a model's rates at one time, made ready for many requests; the same integers as `price`, in a fraction of the time.

Most models have one set of rates without tiers. For those a sum is a handful of multiplications; whatever is not of that shape,
or counts that are not the usual ones, goes the general way.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from backstay.catalog.model import Model, Rate, Rates
from backstay.catalog.price import MILLION, estimate, price, price_id
from backstay.types import Cost, Usage

DEAREST_INPUT: Final = ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image")
DEAREST_OUTPUT: Final = ("output", "output_audio", "output_image", "reasoning")


class Tariff:
    """What `model` costs at `at`. One that has no known price gives None for every sum."""

    __slots__ = ("_at", "_flat", "_id", "_model")

    def __init__(self, model: Model, at: dt.datetime) -> None:
        self._model = model
        self._at = at
        self._id = price_id(model, False)
        options = model.possible(at)
        self._flat = _Flat.of(options[0]) if len(options) == 1 else None

    def price(self, usage: Usage) -> Cost | None:
        """What `usage` cost. Raises ValueError for a negative count."""
        found = None if self._flat is None else self._flat.total(usage)
        if found is None:
            return price(self._model, usage, at=self._at)
        total, has_excess = found
        return Cost(nano_usd=(total + MILLION // 2) // MILLION, is_estimate=has_excess, price_id=self._id)

    def estimate(self, input_tokens: int, output_tokens: int) -> Cost | None:
        """The most that a request of at most these tokens can cost."""
        flat = self._flat
        if flat is None:
            return estimate(self._model, input_tokens, output_tokens, at=self._at)
        total = flat.per_request + input_tokens * flat.most_input + output_tokens * flat.most_output
        return Cost(nano_usd=-(-total // MILLION), is_estimate=True, price_id=self._id)


class _Flat:
    """Rates without tiers and without pictures, as integers: millionths of nano-dollars a token."""

    __slots__ = (
        "input",
        "most_input",
        "most_output",
        "output",
        "per_request",
        "read",
        "reasoning",
        "write",
        "write_1h",
    )

    def __init__(self, rates: Rates, input: Rate, output: Rate) -> None:
        self.input, self.output = input.base, output.base
        self.read = (rates.cache_read or input).base
        self.write = (rates.cache_write or input).base
        self.write_1h = (rates.cache_write_1h or rates.cache_write or input).base
        self.reasoning = None if rates.reasoning is None else rates.reasoning.base
        self.per_request = (rates.per_request or 0) * MILLION
        self.most_input = max(one.base for name in DEAREST_INPUT if (one := getattr(rates, name)) is not None)
        self.most_output = max(one.base for name in DEAREST_OUTPUT if (one := getattr(rates, name)) is not None)

    @classmethod
    def of(cls, rates: Rates) -> _Flat | None:
        """None for rates of another shape."""
        every = [getattr(rates, name) for name in Rates.__struct_fields__ if name != "per_request"]
        has_tiers = any(rate is not None and rate.tiers for rate in every)
        if rates.input is None or rates.output is None or has_tiers or rates.input_image or rates.output_image:
            return None
        return cls(rates, rates.input, rates.output)

    def total(self, usage: Usage) -> tuple[int, bool] | None:
        """Millionths of nano-dollars, and whether parts are more than their whole; None for counts that need the general way:
        unknown, negative, of sound."""
        length, written_out = usage.input_tokens, usage.output_tokens
        if length is None or written_out is None or usage.input_audio_tokens or usage.output_audio_tokens:
            return None
        read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        long, thought = usage.cache_write_1h_tokens or 0, usage.reasoning_tokens or 0
        if length < 0 or written_out < 0 or read < 0 or written < 0 or long < 0 or thought < 0:
            return None
        has_excess = read + written > length or long > written or thought > written_out
        if self.reasoning is None:  # charged as any output
            thought = 0
        long = min(long, written)
        plain, answer = length - read - written, written_out - thought
        total = (
            self.per_request
            + (plain * self.input if plain > 0 else 0)
            + read * self.read
            + (written - long) * self.write
            + long * self.write_1h
            + (answer * self.output if answer > 0 else 0)
            + thought * (self.reasoning or 0)
        )
        return total, has_excess

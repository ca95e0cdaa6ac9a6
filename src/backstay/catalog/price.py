"""Price: usage to money, exactly.

All arithmetic is in integers: tokens times nano-dollars per million tokens, summed, divided once at the end and rounded half
up to the nano-dollar. A price that is not known makes the sum unknown (None), never smaller.
"""

from __future__ import annotations

import datetime as dt

from backstay.catalog.model import Model, Rate, Rates
from backstay.types import Cost, Usage

MILLION = 1_000_000


def price(model: Model, usage: Usage, *, at: dt.datetime | None = None, is_batch: bool = False) -> Cost | None:
    """What `usage` cost at the rates that held at `at`; None where tokens or rates are unknown."""
    rates = model.rates(at, is_batch=is_batch)
    if rates is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    total = _input(rates, usage, usage.input_tokens)
    output = _output(rates, usage, usage.output_tokens, usage.input_tokens)
    if total is None or output is None:
        return None
    exact = total + output + (rates.per_request or 0) * MILLION
    return Cost(nano_usd=(exact + MILLION // 2) // MILLION, price_id=_price_id(model, is_batch))


def _input(rates: Rates, usage: Usage, length: int) -> int | None:
    """Millionths of nano-dollars for the input: each kind at its own rate, the rest at the plain one."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    long, audio = min(usage.cache_write_1h_tokens or 0, written), usage.input_audio_tokens or 0
    plain = max(length - read - written - audio, 0)
    write = rates.cache_write or rates.input
    return _sum(
        length,
        (plain, rates.input),
        (read, rates.cache_read or rates.input),
        (written - long, write),
        (long, rates.cache_write_1h or write),
        (audio, rates.input_audio or rates.input),
    )


def _output(rates: Rates, usage: Usage, tokens: int, length: int) -> int | None:
    reasoning = min(usage.reasoning_tokens or 0, tokens) if rates.reasoning is not None else 0
    audio = min(usage.output_audio_tokens or 0, tokens - reasoning)
    return _sum(
        length,
        (tokens - reasoning - audio, rates.output),
        (reasoning, rates.reasoning),
        (audio, rates.output_audio or rates.output),
    )


def _sum(length: int, *items: tuple[int, Rate | None]) -> int | None:
    total = 0
    for count, rate in items:
        if count:
            if rate is None:
                return None
            total += count * rate.at(length)
    return total


def estimate(model: Model, input_tokens: int, output_tokens: int, *, at: dt.datetime | None = None) -> Cost | None:
    """The most that a request of at most these tokens can cost: the dearest rate of each side, cache writes included."""
    rates = model.rates(at)
    if rates is None:
        return None
    sides = (
        (input_tokens, (rates.input, rates.cache_write, rates.cache_write_1h, rates.input_audio)),
        (output_tokens, (rates.output, rates.output_audio, rates.reasoning)),
    )
    exact = (rates.per_request or 0) * MILLION
    for count, options in sides:
        known = [rate.highest for rate in options if rate is not None]
        if count and not known:
            return None
        exact += count * max(known, default=0)
    return Cost(nano_usd=-(-exact // MILLION), is_estimate=True, price_id=_price_id(model, False))


def _price_id(model: Model, is_batch: bool) -> str:
    return f"{model.provider}/{model.id}@{model.checked}{'/batch' if is_batch else ''}"

"""Price: usage to money, exactly.

All arithmetic is in integers: tokens times nano-dollars per million tokens, summed, divided once at the end and rounded half
up to the nano-dollar. A price that is not known makes the sum unknown (None), never smaller. Where the usage leaves two prices
possible, the sum is the dearer one and says that it is an estimate: a price that depends on the hour, when no time is given;
pictures, whose tokens no usage tells apart; parts that are more than their whole.
"""

from __future__ import annotations

import datetime as dt

from backstay.catalog.model import Model, Rate, Rates
from backstay.types import Cost, Usage

MILLION = 1_000_000


def price(model: Model, usage: Usage, *, at: dt.datetime | None = None, is_batch: bool = False) -> Cost | None:
    """What `usage` cost at the rates that held at `at`; None where tokens or rates are unknown.

    Without `at`, the rates of the day when the row was checked. Raises ValueError for a negative count.
    """
    check_counts(usage)
    sums = [_sum_of(rates, usage) for rates in model.possible(at, is_batch=is_batch)]
    exact = [total for total in sums if total is not None]
    if not exact or len(exact) < len(sums):
        return None
    is_estimate = len(set(exact)) > 1 or _is_mixed(model.possible(at, is_batch=is_batch), usage) or has_excess(usage)
    nano = (max(exact) + MILLION // 2) // MILLION
    return Cost(nano_usd=nano, is_estimate=is_estimate, price_id=price_id(model, is_batch))


def check_counts(usage: Usage) -> None:
    """Raise ValueError when a count of `usage` is negative: no provider means that."""
    for name in _COUNTS:
        count = getattr(usage, name)
        if count is not None and count < 0:
            raise ValueError(f"usage: {name} is {count}; a count of tokens is 0 or more")


_COUNTS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))


def has_excess(usage: Usage) -> bool:
    """True when parts of `usage` are more than the whole that they are parts of."""
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return (
        cached + (usage.input_audio_tokens or 0) > (usage.input_tokens or 0)
        or (usage.cache_write_1h_tokens or 0) > (usage.cache_write_tokens or 0)
        or (usage.reasoning_tokens or 0) + (usage.output_audio_tokens or 0) > (usage.output_tokens or 0)
    )


def _is_mixed(options: tuple[Rates, ...], usage: Usage) -> bool:
    """True when a part of `usage` may have been pictures, at another rate."""
    return any(
        (rates.input_image is not None and usage.input_tokens)
        or (rates.output_image is not None and usage.output_tokens)
        for rates in options
    )


def _sum_of(rates: Rates, usage: Usage) -> int | None:
    """Millionths of nano-dollars for `usage`. A side that has no rate and no tokens costs nothing: embeddings have no output."""
    length = usage.input_tokens if usage.input_tokens is not None else 0
    if (usage.input_tokens is None and _charges(rates.input)) or (
        usage.output_tokens is None and _charges(rates.output)
    ):
        return None
    if rates.input is None and rates.output is None:
        return None
    items = (*_input(rates, usage, length), *_output(rates, usage, usage.output_tokens or 0))
    total = (rates.per_request or 0) * MILLION
    for count, options in items:
        if count:
            known = [rate.at(length) for rate in options if rate is not None]
            if not known:
                return None
            total += count * max(known)
    return total


def _charges(rate: Rate | None) -> bool:
    return rate is not None and (rate.base > 0 or bool(rate.tiers))


def _input(rates: Rates, usage: Usage, length: int) -> tuple[tuple[int, tuple[Rate | None, ...]], ...]:
    """The input by kinds: each with the rates that it may meet."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    long, audio = min(usage.cache_write_1h_tokens or 0, written), usage.input_audio_tokens or 0
    write = rates.cache_write or rates.input
    return (
        (max(length - read - written - audio, 0), (rates.input, rates.input_image)),
        (read, (rates.cache_read or rates.input, rates.cache_audio_read if audio else None)),
        (written - long, (write,)),
        (long, (rates.cache_write_1h or write,)),
        (audio, (rates.input_audio or rates.input,)),
    )


def _output(rates: Rates, usage: Usage, tokens: int) -> tuple[tuple[int, tuple[Rate | None, ...]], ...]:
    """The output by kinds. Reasoning and sound without a rate of their own are charged as any output."""
    reasoning = (usage.reasoning_tokens or 0) if rates.reasoning is not None else 0
    audio = (usage.output_audio_tokens or 0) if rates.output_audio is not None else 0
    return (
        (max(tokens - reasoning - audio, 0), (rates.output, rates.output_image)),
        (reasoning, (rates.reasoning,)),
        (audio, (rates.output_audio,)),
    )


def estimate(model: Model, input_tokens: int, output_tokens: int, *, at: dt.datetime | None = None) -> Cost | None:
    """The most that a request of at most these tokens can cost: the dearest rate of each side, cache writes included."""
    sums = [_most(rates, input_tokens, output_tokens) for rates in model.possible(at)]
    exact = [total for total in sums if total is not None]
    if not exact or len(exact) < len(sums):
        return None
    return Cost(nano_usd=-(-max(exact) // MILLION), is_estimate=True, price_id=price_id(model, False))


def _most(rates: Rates, input_tokens: int, output_tokens: int) -> int | None:
    read = (
        rates.input,
        rates.cache_read,
        rates.cache_write,
        rates.cache_write_1h,
        rates.input_audio,
        rates.input_image,
    )
    written = (rates.output, rates.output_audio, rates.output_image, rates.reasoning)
    exact = (rates.per_request or 0) * MILLION
    for count, options in ((input_tokens, read), (output_tokens, written)):
        known = [rate.highest(input_tokens) for rate in options if rate is not None]
        if count and not known:
            return None
        exact += count * max(known, default=0)
    return exact


def price_id(model: Model, is_batch: bool) -> str:
    """The name of a price in the ledger: the model, and the day when its row was checked."""
    return f"{model.provider}/{model.id}@{model.checked}{'/batch' if is_batch else ''}"

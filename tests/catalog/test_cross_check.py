"""Our prices against those of the source's own calculator, to the nano-dollar, for every model that ships."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import msgspec
import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ModelInfo, TieredPrices

from backstay.catalog import Catalog, Model, price
from backstay.types import Usage

pytestmark = pytest.mark.slow

THEIR_PROVIDERS = {provider.id: provider for provider in providers}
BATCH = {"processing": "batch"}
NAMES = {"reasoning_tokens": "output_reasoning_tokens"}

USAGES = (
    Usage(input_tokens=0, output_tokens=0),
    Usage(input_tokens=1, output_tokens=1),
    Usage(input_tokens=1_234, output_tokens=567, cache_read_tokens=1_000),
    Usage(input_tokens=10_007, output_tokens=3, cache_write_tokens=9_001),
    Usage(
        input_tokens=99_999,
        output_tokens=4_097,
        cache_read_tokens=333,
        cache_write_tokens=777,
        cache_write_1h_tokens=77,
    ),
    Usage(input_tokens=100_001, output_tokens=64_000, reasoning_tokens=60_001),
    Usage(input_tokens=200_000, output_tokens=1),
    Usage(input_tokens=200_001, output_tokens=11, cache_read_tokens=150_000),
    Usage(input_tokens=272_001, output_tokens=8_191),
    Usage(input_tokens=5_003, output_tokens=2_011, input_audio_tokens=4_001, output_audio_tokens=1_999),
)
TIMES = tuple(
    dt.datetime(*when, tzinfo=dt.UTC)
    for when in (
        (2025, 2, 1, 12),
        (2026, 3, 12, 23),
        (2026, 11, 21, 2, 59),
        (2026, 11, 21, 9),
        (2026, 11, 21, 20),
        (2027, 2, 1),
    )
)


@cache
def catalog() -> Catalog:
    return Catalog.load()


@cache
def row(provider: str, id: str) -> Model:
    return next(model for model in catalog().models(provider) if model.id == id)


def theirs(usage: Usage) -> TheirUsage:
    counts = {name: value for name, value in msgspec.structs.asdict(usage).items() if value is not None}
    return TheirUsage(**{NAMES.get(name, name): value for name, value in counts.items()})


def nano(dollars: Decimal) -> int:
    return int(dollars.scaleb(9).to_integral_value(ROUND_HALF_UP))


def prices_of(model: ModelInfo) -> Iterator[Decimal]:
    listed = [item.prices for item in model.prices] if isinstance(model.prices, list) else [model.prices]
    for value in (value for prices in listed for value in vars(prices).values() if value is not None):
        if isinstance(value, TieredPrices):
            yield from (value.base, *(tier.price for tier in value.tiers))
        else:
            yield value


def is_artefact(model: ModelInfo) -> bool:
    """True where the source states a price with more than nine decimals: a third, or what a float made of 0.18."""
    return any(int(value.as_tuple().exponent) < -9 for value in prices_of(model))


def differences(provider_id: str, *, is_batch: bool = False, skew: int = 0) -> tuple[int, list[str]]:
    """How many sums were compared, and those in which the two disagree."""
    provider, compared, wrong = THEIR_PROVIDERS[provider_id], 0, []
    for model in provider.models:
        ours = row(provider_id, model.id)
        for usage in USAGES:
            for at in TIMES if is_batch or isinstance(model.prices, list) else TIMES[-2:-1]:
                cost = price(ours, usage, at=at, is_batch=is_batch)
                if cost is None or cost.is_estimate:
                    continue
                expected = model.calc_price(
                    theirs(usage), provider, genai_request_timestamp=at, price_context=BATCH if is_batch else None
                ).total_price
                compared += 1
                if abs(cost.nano_usd + skew - nano(expected)) > (1 if is_artefact(model) else 0):
                    wrong.append(f"{provider_id}/{model.id} at {at}: {usage}: {cost.nano_usd} for {expected}")
    return compared, wrong


@pytest.mark.parametrize("provider_id", sorted(THEIR_PROVIDERS))
def test_each_sum_is_theirs(provider_id: str) -> None:
    """For every model, usage and time that we price exactly, the cost equals the source's, rounded half up to the nano-dollar."""
    compared, wrong = differences(provider_id)
    assert wrong == []
    assert compared > 0 or not any(row(provider_id, model.id).periods for model in THEIR_PROVIDERS[provider_id].models)


@pytest.mark.parametrize("provider_id", ["openai", "anthropic", "google", "mistral", "groq", "x-ai"])
def test_each_batch_sum_is_theirs(provider_id: str) -> None:
    """Batch prices are the source's partial ones, completed by the standard ones."""
    compared, wrong = differences(provider_id, is_batch=True)
    assert wrong == []
    assert compared > 0


def test_the_check_sees_a_nano_dollar() -> None:
    """The broken variant: a sum that is off by one nano-dollar is found in every comparison."""
    compared, wrong = differences("anthropic", skew=1)
    assert len(wrong) == compared > 300


def test_artefacts_are_few() -> None:
    """The only sums that may be a nano-dollar off are those of prices that the source itself states inexactly."""
    odd = [f"{provider.id}/{model.id}" for provider in providers for model in provider.models if is_artefact(model)]
    assert 0 < len(odd) < 30


def test_what_is_left_out_is_what_cannot_be_said() -> None:
    """The shipped rows that we refuse to price: no rate at all, a unit other than tokens, or pictures, which need an estimate."""
    usage, at = Usage(input_tokens=1_000, output_tokens=100), TIMES[-2]
    unpriced, estimated = [], []
    for provider in providers:
        for model in provider.models:
            cost = price(row(provider.id, model.id), usage, at=at)
            prices = {name for name, value in vars(model.get_prices(at)).items() if value is not None}
            if cost is None and {"input_mtok", "output_mtok"} <= prices:
                unpriced.append(f"{provider.id}/{model.id}")
            if cost is not None and cost.is_estimate and not any("image" in name or "video" in name for name in prices):
                estimated.append(f"{provider.id}/{model.id}")
    assert unpriced == []
    assert estimated == []


def test_names_are_understood_as_by_the_source() -> None:
    """Every id that ships, and every name of a row that is a plain equality, finds the row that the source finds."""
    wrong = []
    for provider in providers:
        names = {model.id for model in provider.models}
        names |= {
            clause.equals
            for model in provider.models
            for clause in getattr(model.match, "or_", ())
            if isinstance(clause, ClauseEquals)
        }
        for name in sorted(names):
            expected, found = provider.find_model(name), catalog().find(provider.id, name)
            if expected is not None and (found is None or found.id != expected.id):
                wrong.append(f"{provider.id}:{name} is {expected.id}, found {found and found.id}")
    assert wrong == []

"""A tariff gives the very sums of the general way, for every model of the catalogue and any counts."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.catalog.catalog import Catalog
from backstay.catalog.price import estimate, price
from backstay.catalog.tariff import Tariff
from backstay.types import Usage

MODELS = list(Catalog.load().models())
AT = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
COUNT = st.one_of(st.none(), st.just(0), st.integers(0, 300_000))
USAGES = st.builds(
    Usage,
    input_tokens=COUNT,
    output_tokens=COUNT,
    cache_read_tokens=COUNT,
    cache_write_tokens=COUNT,
    cache_write_1h_tokens=COUNT,
    reasoning_tokens=COUNT,
    input_audio_tokens=st.one_of(st.none(), st.integers(0, 50)),
    output_audio_tokens=st.one_of(st.none(), st.integers(0, 50)),
)


@settings(max_examples=300)
@given(st.sampled_from(MODELS), USAGES, st.integers(0, 2_000_000), st.integers(0, 200_000))
def test_the_same_integers(model: object, usage: Usage, input_tokens: int, output_tokens: int) -> None:
    """Cost and upper bound are equal in sum, name and honesty."""
    tariff = Tariff(model, AT)  # type: ignore[arg-type]
    assert tariff.price(usage) == price(model, usage, at=AT)  # type: ignore[arg-type]
    assert tariff.estimate(input_tokens, output_tokens) == estimate(model, input_tokens, output_tokens, at=AT)  # type: ignore[arg-type]


def test_most_models_are_of_the_common_shape() -> None:
    """The short way is taken where it matters; a price by hours, tiers or pictures takes the general one."""
    flat = sum(Tariff(model, AT)._flat is not None for model in MODELS)
    assert 0.5 * len(MODELS) < flat < len(MODELS)


def test_a_negative_count_is_refused() -> None:
    """As the general way refuses it."""
    with pytest.raises(ValueError, match="input_tokens"):
        Tariff(MODELS[0], AT).price(Usage(input_tokens=-1, output_tokens=1))

"""Money: exact sums, tiers, what a missing rate means, and that an estimate is an upper bound."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.catalog import Model, Period, Rate, Rates, estimate, price
from backstay.types import Usage

DOLLAR = 10**9
NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def model(*periods: Period, batch: tuple[Period, ...] = (), checked: str = "2026-11-21", **rates: Rate) -> Model:
    listed = periods or (Period(rates=Rates(**rates)),)
    return Model(provider="acme", id="m1", periods=listed, batch=batch, checked=checked)


def cost(found: Model, usage: Usage, **facts: object) -> int | None:
    sum_ = price(found, usage, **facts)  # type: ignore[arg-type]
    return None if sum_ is None else sum_.nano_usd


def test_dollars_a_million_are_micro_dollars_a_token() -> None:
    """At $3 in and $15 out, 1,000 and 100 tokens cost $0.0045."""
    found = price(model(input=Rate(3 * DOLLAR), output=Rate(15 * DOLLAR)), Usage(input_tokens=1_000, output_tokens=100))
    assert found is not None
    assert (found.nano_usd, found.is_estimate, found.price_id) == (4_500_000, False, "acme/m1@2026-11-21")


@pytest.mark.parametrize(
    ("rate", "tokens", "nano"), [(500_000, 1, 1), (499_999, 1, 0), (1_500_000, 1, 2), (500_000, 3, 2)]
)
def test_half_a_nano_dollar_rounds_up_once(rate: int, tokens: int, nano: int) -> None:
    """The sum is rounded at its end, half up, and not each item."""
    found = model(input=Rate(rate), output=Rate(0))
    assert cost(found, Usage(input_tokens=tokens, output_tokens=0)) == nano


def test_items_are_not_rounded_one_by_one() -> None:
    """Four items of 0.25 nano-dollars make one nano-dollar."""
    quarter = Rate(250_000)
    found = model(input=quarter, output=quarter, cache_read=quarter, cache_write=quarter)
    usage = Usage(input_tokens=3, output_tokens=1, cache_read_tokens=1, cache_write_tokens=1)
    assert cost(found, usage) == 1


def test_each_kind_has_its_rate() -> None:
    """Cached, written, written for an hour, sound and reasoning are taken out of their whole and charged apart."""
    found = model(
        input=Rate(1 * DOLLAR),
        output=Rate(2 * DOLLAR),
        cache_read=Rate(10 * DOLLAR),
        cache_write=Rate(100 * DOLLAR),
        cache_write_1h=Rate(1_000 * DOLLAR),
        input_audio=Rate(10_000 * DOLLAR),
        output_audio=Rate(20_000 * DOLLAR),
        reasoning=Rate(200 * DOLLAR),
    )
    usage = Usage(
        input_tokens=1_000,
        output_tokens=500,
        cache_read_tokens=100,
        cache_write_tokens=50,
        cache_write_1h_tokens=20,
        input_audio_tokens=10,
        reasoning_tokens=40,
        output_audio_tokens=5,
    )
    expected = 840 * 1 + 100 * 10 + 30 * 100 + 20 * 1_000 + 10 * 10_000 + 455 * 2 + 40 * 200 + 5 * 20_000
    assert cost(found, usage) == expected * 1_000


def test_a_tier_charges_all_tokens() -> None:
    """Above the threshold the dearer rate holds for the whole request, output included, and not at the threshold."""
    found = model(input=Rate(DOLLAR, ((200_000, 2 * DOLLAR),)), output=Rate(DOLLAR, ((200_000, 3 * DOLLAR),)))
    assert cost(found, Usage(input_tokens=200_000, output_tokens=10)) == 200_010_000
    assert cost(found, Usage(input_tokens=200_001, output_tokens=10)) == 400_002_000 + 30_000


@pytest.mark.parametrize(
    "usage",
    [Usage(), Usage(input_tokens=5), Usage(output_tokens=5)],
)
def test_unknown_tokens_make_an_unknown_cost(usage: Usage) -> None:
    """What the provider did not count is not free."""
    assert price(model(input=Rate(1), output=Rate(1)), usage) is None


def test_an_unknown_rate_makes_an_unknown_cost() -> None:
    """A model without prices, and one without a rate for what was used, cost None, never zero."""
    usage = Usage(input_tokens=1, output_tokens=1)
    assert price(Model(provider="acme", id="m1"), usage) is None
    assert price(model(input=Rate(1)), usage) is None


def test_embeddings_have_no_output() -> None:
    """A model that writes nothing needs no rate and no count for it."""
    assert cost(model(input=Rate(DOLLAR)), Usage(input_tokens=1_000)) == 1_000_000


def test_a_negative_count_is_refused() -> None:
    """No provider means it, and a sum made of it would be money back."""
    with pytest.raises(ValueError, match="cache_read_tokens is -1"):
        price(model(input=Rate(1), output=Rate(1)), Usage(input_tokens=1, output_tokens=1, cache_read_tokens=-1))


def test_parts_beyond_their_whole_are_an_estimate() -> None:
    """More cached than read is charged as it stands, and says that it is no exact sum."""
    found = price(
        model(input=Rate(DOLLAR), output=Rate(DOLLAR), cache_read=Rate(DOLLAR)),
        Usage(input_tokens=10, output_tokens=0, cache_read_tokens=30),
    )
    assert found is not None
    assert (found.nano_usd, found.is_estimate) == (30_000, True)


def test_pictures_are_charged_at_the_dearer_rate() -> None:
    """No usage says how much of an answer was a picture, so the sum is the most that it can be, as an estimate."""
    found = price(
        model(input=Rate(0), output=Rate(DOLLAR), output_image=Rate(30 * DOLLAR)),
        Usage(input_tokens=0, output_tokens=10),
    )
    assert found is not None
    assert (found.nano_usd, found.is_estimate) == (300_000, True)


HISTORY = (
    Period(rates=Rates(input=Rate(DOLLAR), output=Rate(DOLLAR))),
    Period(rates=Rates(input=Rate(2 * DOLLAR), output=Rate(DOLLAR)), since="2026-03-01"),
    Period(rates=Rates(input=Rate(4 * DOLLAR), output=Rate(DOLLAR)), since="2027-01-01"),
)


@pytest.mark.parametrize(
    ("at", "nano"),
    [
        (dt.datetime(2026, 2, 28, 23, 59, tzinfo=dt.UTC), 1_000),
        (dt.datetime(2026, 3, 1, tzinfo=dt.UTC), 2_000),
        (dt.datetime(2026, 3, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), 1_000),
        (dt.datetime(2027, 1, 1, tzinfo=dt.UTC), 4_000),
        (None, 2_000),
    ],
)
def test_the_price_is_that_of_its_day(at: dt.datetime | None, nano: int) -> None:
    """History by date in UTC; without a time the day on which the row was checked, so no price of the future."""
    assert cost(model(*HISTORY), Usage(input_tokens=1, output_tokens=0), at=at) == nano


HOURS = (
    Period(rates=Rates(input=Rate(DOLLAR), output=Rate(DOLLAR))),
    Period(rates=Rates(input=Rate(3 * DOLLAR), output=Rate(DOLLAR)), daily=("22:30:00", "06:00:00")),
)


@pytest.mark.parametrize(("hour", "nano"), [(22, 1_000), (23, 3_000), (5, 3_000), (6, 1_000), (12, 1_000)])
def test_the_price_is_that_of_its_hour(hour: int, nano: int) -> None:
    """Daily hours may cross midnight; the end is not in them."""
    at = dt.datetime(2026, 6, 1, hour, tzinfo=dt.UTC)
    assert cost(model(*HOURS), Usage(input_tokens=1, output_tokens=0), at=at) == nano


def test_without_a_time_the_dearest_hour_is_charged() -> None:
    """A sum that may be either says so: the dearer one, as an estimate."""
    found = price(model(*HOURS), Usage(input_tokens=1, output_tokens=0))
    assert found is not None
    assert (found.nano_usd, found.is_estimate) == (3_000, True)


def test_batch_prices_are_stated_or_unknown() -> None:
    """A model without batch prices has no batch price; the standard one is not a guess at it."""
    half = Period(rates=Rates(input=Rate(DOLLAR // 2), output=Rate(DOLLAR)))
    usage = Usage(input_tokens=2, output_tokens=0)
    assert cost(model(*HISTORY, batch=(half,)), usage, is_batch=True) == 1_000
    assert cost(model(*HISTORY), usage, is_batch=True) is None


rates = st.builds(
    Rate,
    st.integers(0, 10**11),
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**11)), max_size=2).map(sorted).map(tuple),
)
tables = st.builds(
    Rates,
    input=rates,
    output=rates,
    **{
        name: st.none() | rates
        for name in ("cache_read", "cache_write", "cache_write_1h", "input_audio", "output_audio", "reasoning")
    },
    per_request=st.none() | st.integers(0, 10**9),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts whose parts fit into their wholes."""
    written, long = sorted(draw(st.tuples(*[st.integers(0, 10**6)] * 2)), reverse=True)
    read, audio, plain, reasoning, said, text = draw(st.tuples(*[st.integers(0, 10**6)] * 6))
    return Usage(
        input_tokens=written + read + audio + plain,
        output_tokens=reasoning + said + text,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=long,
        input_audio_tokens=audio,
        reasoning_tokens=reasoning,
        output_audio_tokens=said,
    )


@given(tables, usages())
def test_an_estimate_is_an_upper_bound(table: Rates, usage: Usage) -> None:
    """No usage of at most these tokens costs more than the estimate, whatever the rates and the parts."""
    found = model(Period(rates=table))
    exact, most = price(found, usage), estimate(found, usage.input_tokens or 0, usage.output_tokens or 0)
    assert exact is not None
    assert most is not None
    assert not exact.is_estimate
    assert exact.nano_usd <= most.nano_usd


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_sum_is_the_fraction_rounded(in_rate: int, out_rate: int, read: int, written: int) -> None:
    """Against exact fractions: never more than half a nano-dollar away."""
    found = cost(model(input=Rate(in_rate), output=Rate(out_rate)), Usage(input_tokens=read, output_tokens=written))
    assert found is not None
    exact = Fraction(in_rate * read + out_rate * written, 10**6)
    assert -Fraction(1, 2) < found - exact <= Fraction(1, 2)


def test_an_estimate_of_an_unknown_price_is_unknown() -> None:
    """Neither zero nor a half-known sum."""
    assert estimate(Model(provider="acme", id="m1"), 1, 1, at=NOON) is None
    assert estimate(model(input=Rate(1)), 1, 1) is None
    assert estimate(model(input=Rate(DOLLAR)), 1_000, 0) is not None

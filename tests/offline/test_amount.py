"""Amounts: every printed form of a value is read back as that value, and what only looks like an amount is left alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.offline.amount import find_amounts, format_amount, guess_decimal_mark, parse_amount

cents = st.integers(min_value=-(10**11), max_value=10**11)
styles = st.sampled_from(
    [(",", "."), (".", ","), (" ", ","), ("\u202f", ","), ("'", "."), ("’", "."), ("", "."), ("", ",")]
)


def write(value: Decimal, group: str, mark: str) -> str:
    """`value` as a country with these marks prints it."""
    whole, fraction = f"{abs(value):.2f}".split(".")
    groups: list[str] = []
    while whole:
        groups.insert(0, whole[-3:])
        whole = whole[:-3]
    return ("-" if value < 0 else "") + group.join(groups) + mark + fraction


@given(cents, styles)
def test_every_style_of_a_value_is_read_back(number: int, style: tuple[str, str]) -> None:
    """A value with two decimals is read exactly from each country's way of printing it."""
    value = Decimal(number) / 100
    assert parse_amount(write(value, *style)) == value


@given(cents, st.integers(min_value=0, max_value=4))
def test_formatting_is_undone_by_parsing(number: int, decimals: int) -> None:
    """`format_amount` writes what `parse_amount` reads, at the same precision."""
    value = Decimal(number).scaleb(-decimals)
    text = format_amount(value)
    assert "E" not in text
    parsed = parse_amount(text, decimal_mark=".")
    assert parsed == value
    assert parsed is not None
    assert parsed.as_tuple().exponent == value.as_tuple().exponent


@given(st.text(alphabet="0123456789.,-' RMUSD€$%()x\n", max_size=80))
def test_evidence_is_the_printed_form(text: str) -> None:
    """The span of every amount found anywhere parses, alone, to the same value."""
    mark = guess_decimal_mark(text)
    for amount in find_amounts(text):
        alone = find_amounts(text[amount.start : amount.end], decimal_mark=mark)
        assert [found.value for found in alone] == [amount.value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("RM 9.000", "9.000"),
        ("-RM 0.01", "-0.01"),
        ("$-0.45", "-0.45"),
        ("17808.00-", "-17808.00"),
        (".14", "0.14"),
        ("12,34,567.00", "1234567.00"),
        ("€1.234.567", "1234567"),
        ("0.125", "0.125"),
        ("1,234", "1234"),
        ("−3,50", "-3.50"),
    ],
)
def test_uncommon_forms(text: str, value: str) -> None:
    """Currency signs, trailing minus, Indian groups and a missing zero are understood."""
    parsed = parse_amount(text)
    assert parsed is not None
    assert str(parsed) == value


def test_a_lone_mark_before_three_digits_is_settled_by_the_document() -> None:
    """`9.000` is nine in a document with decimal points, and nine thousand in one with decimal commas."""
    assert [str(a.value) for a in find_amounts("2 x 9.000  18.00")][1:] == ["9.000", "18.00"]
    assert [str(a.value) for a in find_amounts("9.000  18,00")] == ["9000", "18.00"]


def test_text_glued_to_a_number_does_not_hide_it() -> None:
    """Text without layout puts labels and amounts side by side."""
    assert [str(a.value) for a in find_amounts("Netto473,00 Steuer56,87")] == ["473.00", "56.87"]


def test_dates_and_versions_are_no_amounts() -> None:
    """The pieces of a dotted date are not read as decimals."""
    assert [a for a in find_amounts("05.03.2018 2.1.1") if a.decimals == 2] == []


def test_percentages_are_marked() -> None:
    """A rate is found, and is no money."""
    assert [(str(a.value), a.is_percent) for a in find_amounts("19 % 5,5%")] == [("19", True), ("5.5", True)]


@pytest.mark.parametrize("text", ["", "no number", "1.00 and 2.00", "20 %"])
def test_parse_amount_wants_exactly_one(text: str) -> None:
    """None, not a guess, when there is no amount or more than one."""
    assert parse_amount(text) is None


def test_negative_zero_is_zero() -> None:
    """`-0,00` is written without its sign."""
    parsed = parse_amount("-0,00")
    assert parsed is not None
    assert format_amount(parsed) == "0.00"

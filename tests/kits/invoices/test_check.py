"""What can be known to be wrong with an invoice is found, and nothing that is right is called wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.kits.invoices import iban, vat
from backstay.kits.invoices.check import check_all

GOOD: dict[str, Any] = {
    "number": "40-2217",
    "issue_date": "2026-03-02",
    "due_date": "2026-04-01",
    "currency": "CHF",
    "net_total": "1360.00",
    "tax_total": "110.16",
    "grand_total": "1470.16",
    "lines": [
        {"name": "a", "quantity": "1", "unit_price": "1180.00", "total": "1180.00"},
        {"name": "b", "quantity": "2", "unit_price": "90.00", "total": "180.00"},
    ],
}
TODAY = dt.date(2026, 3, 20)

IBANS = (
    "DE89370400440532013000",
    "GB82WEST12345698765432",
    "FR1420041010050500013M02606",
    "CH9300762011623852957",
    "NO9386011117947",
)
VAT_IDS = (
    "ATU13585627", "BE0428759497", "DE136695976", "DK13585628", "EE100594102", "EL094259216", "FI20774740", "FR40303265045",
    "GB980780684", "HU12892312", "IT00743110157", "LU15027442", "NL004495445B01", "NO995525828", "PL8567346215", "PT501964843",
    "SE123456789701", "SI50223054", "SK2022749619", "CHE107787577IVA", "MT11679112",
)  # fmt: skip


def failed(**changes: Any) -> list[str]:
    return [check.name for check in check_all({**GOOD, **changes}, "", today=TODAY) if check.outcome == "failed"]


def test_a_good_invoice_passes_every_check() -> None:
    """Nothing failed, and what could be checked was."""
    checks = check_all(GOOD, f"IBAN {IBANS[0]}  USt-IdNr. {VAT_IDS[2]}", today=TODAY)
    assert {check.outcome for check in checks} == {"passed"}
    assert {check.name for check in checks} >= {
        "sum",
        "lines",
        "line_products",
        "tax_rate",
        "dates",
        "time",
        "iban",
        "vat_id",
    }


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"grand_total": "1470.61"}, "sum"),
        ({"net_total": "1630.00", "grand_total": "1740.16"}, "lines"),
        ({"tax_total": "1101.60", "grand_total": "2461.60"}, "tax_rate"),
        ({"due_date": "2026-02-01"}, "dates"),
        ({"issue_date": "2027-03-02", "due_date": None}, "time"),
        ({"currency": "Euro"}, "currency"),
        ({"lines": [{"name": "a", "quantity": "2", "unit_price": "5.00", "total": "1360.00"}]}, "line_products"),
    ],
)
def test_each_fault_is_found_by_its_check(changes: dict[str, Any], name: str) -> None:
    """One wrong figure, one failed check."""
    assert failed(**changes) == [name]


def test_a_missing_figure_speaks_neither_way() -> None:
    """Unknown is not failed."""
    assert failed(net_total=None, tax_total=None, due_date=None, lines=[]) == []
    assert failed(grand_total="not a number") == []


def test_an_age_is_a_fault_only_where_it_is_asked_for() -> None:
    """Old invoices pass unless the settings say how old is too old."""
    late = dt.date(2026, 9, 1)
    outcomes = {
        days: [one.outcome for one in check_all(GOOD, "", today=late, max_age_days=days) if one.name == "time"]
        for days in (None, 90)
    }
    assert outcomes == {None: ["passed"], 90: ["failed"]}


@given(st.sampled_from(IBANS), st.integers(2, 30), st.integers(1, 9))
def test_one_wrong_digit_of_an_account_number_is_always_found(number: str, place: int, add: int) -> None:
    """MOD 97-10 finds every single wrong digit."""
    place = place % len(number)
    assert iban.fault_of(number) is None
    if number[place].isdigit():
        changed = number[:place] + str((int(number[place]) + add) % 10) + number[place + 1 :]
        assert iban.fault_of(changed) is not None


def test_account_numbers_are_found_where_they_stand() -> None:
    """With spaces, at the end of a sentence, with a bank code behind it."""
    text = "Pay to DE89 3704 0044 0532 0130 00 COBADEFF or CH93 0076 2011 6238 5295 7."
    assert [number for number, *_ in iban.find_ibans(text)] == ["DE89370400440532013000", "CH9300762011623852957"]
    for number, start, end in iban.find_ibans(text):
        assert text[start:end].replace(" ", "") == number


@pytest.mark.parametrize("number", VAT_IDS)
def test_tax_numbers_of_each_country(number: str) -> None:
    """A right one passes; with its last digit changed, no country's check that there is lets it pass."""
    assert vat.fault_of(number) is None
    place = max(place for place, char in enumerate(number) if char.isdigit())
    if number.startswith(("NL", "SE")):  # their last digits number the branches
        place -= 3 if number.startswith("NL") else 2
    wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
    assert vat.fault_of(wrong) is not None


def test_a_tax_number_is_not_made_of_an_ordinary_word() -> None:
    """A country's letters before a short number, or a word, are no tax number."""
    assert vat.find_vat_ids("Total DE 12, NO 5, SE page 3, IT support") == []
    assert [one for one, *_ in vat.find_vat_ids("USt-IdNr.: DE 136 695 976")] == ["DE136695976"]


def test_what_only_begins_like_an_account_number_is_none() -> None:
    """A creditor identifier, a till's number, a tax number with the label of the next line; a short one behind its label is."""
    assert iban.find_ibans("Creditor DE98ZZZ09999999999, Ref MT161201806020100, DE136695976IBAN: below") == []
    assert [number for number, *_ in iban.find_ibans("IBAN: DE89 3704 0044 0532")] == ["DE89370400440532"]

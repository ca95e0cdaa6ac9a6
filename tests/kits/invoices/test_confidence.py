"""A record is as sure as its least sure booked fact, and a receipt's seller as sure as names that stand like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.extract.extraction import Field
from backstay.kits.invoices.confidence import BOOKED, FIRST, FIRST_WITH_FORM, LATER, measured, seller_confidence, whole
from backstay.kits.invoices.kind import kind_of


def fields(**sure: float) -> dict[str, Field]:
    return {name: Field(value="x", confidence=confidence) for name, confidence in sure.items()}


def seller(text: str, name: str) -> Field:
    start = text.index(name)
    return Field(
        value=name, confidence=0.85, evidence=(start, start + len(name)), grounded=True, signals={"rule": 0.85}
    )


def test_a_certain_fact_does_not_make_up_for_a_doubtful_one() -> None:
    """The mean of these would pass a gate of 0.9; the record does not."""
    found = fields(number=0.99, issue_date=0.99, currency=0.99, grand_total=0.7, seller=0.99, buyer=0.99)
    assert sum(field.confidence for field in found.values()) / len(found) > 0.9
    assert whole("invoice", found) == (0.7, "grand_total")


@given(st.dictionaries(st.sampled_from(BOOKED["receipt"]), st.floats(0, 1)), st.sampled_from(["invoice", "receipt"]))
def test_no_record_is_surer_than_any_booked_fact(sure: dict[str, float], kind: str) -> None:
    """And where one is missing it is not sure at all."""
    confidence, weakest = whole(kind, fields(**sure))  # type: ignore[arg-type]
    assert all(confidence <= sure.get(name, 0.0) for name in BOOKED[kind])  # type: ignore[index]
    assert confidence == sure.get(weakest, 0.0)


def test_an_empty_fact_is_a_missing_one() -> None:
    """Whatever its confidence says."""
    found = fields(seller=0.99, issue_date=0.99, grand_total=0.99) | {"seller": Field(value="", confidence=0.99)}
    assert whole("receipt", found) == (0.0, "seller")


@pytest.mark.parametrize(
    ("text", "name", "share"),
    [
        ("* * *\nOAKRIDGE BOOKS LTD\n4 Mill Lane", "OAKRIDGE BOOKS LTD", FIRST_WITH_FORM),
        ("OAKRIDGE BOOKS\n4 Mill Lane", "OAKRIDGE BOOKS", FIRST),
        ("OAKRIDGE RESTAURAMT LTD\n4 Mill Lane", "OAKRIDGE RESTAURAMT LTD", FIRST),
        ("OAKRIDGE BOOKS LTD 448213\n4 Mill Lane", "OAKRIDGE BOOKS LTD 448213", FIRST),
        ("THE READING ROOM\nOAKRIDGE BOOKS LTD", "OAKRIDGE BOOKS LTD", LATER),
    ],
)
def test_a_seller_is_as_sure_as_names_that_stand_like_it(text: str, name: str, share: float) -> None:
    """First with a legal form; without one, misread or with a number in it; behind other words."""
    assert seller_confidence(seller(text, name), text) == share


def test_only_what_a_rule_read_on_a_receipt_is_measured_and_only_once() -> None:
    """A model's seller and an invoice's keep their confidence; a second time changes nothing."""
    text = "OAKRIDGE BOOKS LTD\n4 Mill Lane"
    read = {"seller": seller(text, "OAKRIDGE BOOKS LTD")}
    once = measured("receipt", read, text)
    assert once["seller"].confidence == FIRST_WITH_FORM
    assert measured("receipt", once, text) == once
    assert measured("invoice", read, text) == read
    asked = {"seller": Field(value="OAKRIDGE BOOKS LTD", confidence=0.6, evidence=(0, 18))}
    assert measured("receipt", asked, text) == asked


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pos.  Menge  Text\n1  2  Regal\nRechnungskorrektur 118", "invoice"),
        ("Mietrechnung Nr. 7\nZahlung mit Mastercard", "invoice"),
        ("OAKRIDGE BOOKS LTD\nVAT No GB980780684\nTill 3\nTotal 12.40\nVisa 12.40", "receipt"),
        ("Invoice 2217\nPayment terms 30 days\nIBAN DE89370400440532013000", "invoice"),
    ],
)
def test_a_receipt_is_told_from_an_invoice(text: str, kind: str) -> None:
    """A column of positions is no till, a tax number is on both."""
    assert kind_of(text) == kind

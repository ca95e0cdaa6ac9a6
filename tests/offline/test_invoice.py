"""Invoices: our own in nine languages and both layouts read right, totals by arithmetic, traps avoided, evidence in place."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.document import read_document
from backstay.offline.amount import find_amounts
from backstay.offline.date import find_dates, find_order
from backstay.offline.invoice import FIELDS, check_totals, read_invoice

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "invoices"
TRUTH: dict[str, dict[str, Any]] = json.loads((EXAMPLES.parent / "truth" / "invoices.json").read_text(encoding="utf-8"))
PAGES = sorted(name for name in TRUTH if not name.endswith(".xml"))


@pytest.mark.parametrize("name", PAGES)
def test_example_is_read_right(name: str) -> None:
    """Every field of an example invoice has its true value, read from text, PDF, HTML and e-mail alike."""
    findings = read_invoice(read_document(EXAMPLES / name).text)
    truth = dict(TRUTH[name])
    assert len(findings.data["lines"]) == truth.pop("lines")
    assert {field: findings.data[field] for field in FIELDS} == truth
    assert findings.warnings == ()


def test_every_example_has_its_truth() -> None:
    """No example lies beside the truth file unread."""
    assert {path.name for path in EXAMPLES.iterdir()} == set(TRUTH)


def test_lines_are_read_in_full() -> None:
    """Name, quantity, unit price and total of each row, by path in the findings."""
    findings = read_invoice(read_document(EXAMPLES / "de-druckerei.txt").text)
    assert findings.data["lines"][1] == {
        "name": "Broschüren, 24 Seiten",
        "quantity": "400",
        "unit_price": "2.15",
        "total": "860.00",
    }
    assert findings.fields["lines[1].total"].value == "860.00"


def check_evidence(text: str) -> None:
    """Each value's span holds its printed form; each value without span, and each absent one, has its reason."""
    findings = read_invoice(text)
    day_first, _ = find_order(text)
    assert set(FIELDS) <= set(findings.fields)
    for name, finding in findings.fields.items():
        if finding.start is None or finding.end is None:
            assert finding.reason, name
            continue
        printed = text[finding.start : finding.end]
        if name.endswith("_date"):
            assert [date.value for date in find_dates(printed, day_first=day_first)] == [finding.value]
        elif name.endswith("total"):
            assert abs(Decimal(finding.value)) in [abs(amount.value) for amount in find_amounts(printed)]
        elif name == "number":
            assert printed == finding.value


@pytest.mark.parametrize("name", PAGES)
def test_evidence_of_examples(name: str) -> None:
    """Evidence spans of real layouts hold the printed forms."""
    check_evidence(read_document(EXAMPLES / name).text)


WORDS = """
    Invoice No. Date Due Total Subtotal VAT 20% 19 Netto Rechnung vom 12.03.2026 03/04/26 100.00 20.00 120.00 1.000,00
    A-17 : Bill to Acme GmbH Menge Preis Betrag 5 7 EUR €
"""
words = st.sampled_from([*WORDS.split(), "\n", "\n\n", "  "])


@given(st.lists(words, max_size=50).map(" ".join))
def test_evidence_of_any_text(text: str) -> None:
    """Whatever the text, reading it ends and every claim has its evidence."""
    check_evidence(text)


def read(text: str) -> dict[str, Any]:
    return read_invoice(text).data


@given(
    st.integers(min_value=1000, max_value=9_999_999), st.sampled_from(["5", "7", "8.1", "19", "20", "25"]), st.randoms()
)
def test_totals_are_found_in_any_order(cents: int, rate: str, random: Any) -> None:
    """However labels and amounts are scattered, as in column-wise text, net + tax = gross finds the three."""
    net = Decimal(cents) / 100
    tax = (net * Decimal(rate) / 100).quantize(Decimal("0.01"))
    amounts = [f"{net:.2f}", f"{tax:.2f}", f"{net + tax:.2f}"]
    random.shuffle(amounts)
    data = read(f"Invoice\n\nNet total\n\nVAT {rate}%\n\nGrand total\n\n" + "\n\n".join(amounts))
    assert (data["net_total"], data["tax_total"], data["grand_total"]) == (
        f"{net:.2f}",
        f"{tax:.2f}",
        f"{net + tax:.2f}",
    )


def test_charges_between_subtotal_and_total_belong_to_the_net() -> None:
    """With shipping the subtotal is not the taxed amount; the arithmetic derives it and says that it did."""
    findings = read_invoice("Invoice # 4411\nSubtotal  $100.00\nShipping  $10.00\nTax 8%  $8.80\nTotal  $118.80\n")
    assert findings.data["net_total"] == "110.00"
    assert findings.fields["net_total"].start is None
    assert findings.fields["net_total"].reason


def test_tax_rows_are_added_up() -> None:
    """Where the total tax is not printed it is the sum of the rows by rate."""
    data = read("Rechnung\nNetto  473,00\nUSt 7% auf 275,00  19,25\nUSt 19% auf 198,00  37,62\nGesamtbetrag  529,87")
    assert (data["net_total"], data["tax_total"], data["grand_total"]) == ("473.00", "56.87", "529.87")


def test_equal_halves_of_a_tax_are_added_up() -> None:
    """A tax in two equal parts is printed twice and counts twice."""
    data = read(
        "Tax Invoice\nTaxable Value  1,20,000.00\nCGST 9%  10,800.00\nSGST 9%  10,800.00\nGrand Total  ₹ 1,41,600.00"
    )
    assert (data["net_total"], data["tax_total"], data["grand_total"]) == ("120000.00", "21600.00", "141600.00")


def test_what_was_paid_already_is_not_the_total() -> None:
    """The grand total stands before prepayments; the balance is smaller and labelled as loudly."""
    data = read(
        "Rechnung\nSumme netto 500,00\nMwSt 19 % 95,00\nSumme brutto 595,00\nAnzahlung 200,00\nRestbetrag 395,00 EUR"
    )
    assert (data["net_total"], data["tax_total"], data["grand_total"]) == ("500.00", "95.00", "595.00")


def test_a_lone_total_is_not_split() -> None:
    """Without tax on the page net and tax are absent, with a reason."""
    findings = read_invoice("Invoice 0099\nTotal due: EUR 500.00\n")
    assert findings.data["grand_total"] == "500.00"
    assert findings.data["net_total"] is None
    assert findings.data["tax_total"] is None
    assert findings.fields["tax_total"].reason


def test_another_documents_number_and_date_are_left_alone() -> None:
    """Order, delivery and customer numbers stand first and are labelled alike."""
    data = read(
        "Order No: 55512\nCustomer No: 9912\nInvoice No: A-100\nOrder Date: 01.01.2026\nDelivery Date: 05.01.2026\n"
        "Invoice Date: 09.01.2026\nAmount due 12.00\n"
    )
    assert (data["number"], data["issue_date"]) == ("A-100", "2026-01-09")


def test_the_number_of_the_order_in_a_sentence_is_left_alone() -> None:
    """`according to order no. X of DATE` has the shape of the best evidence, for another document."""
    data = read("Rechnung gemäß Bestellung Nr. 2018-47 vom 01.03.2018\n\nHandelsrechnung Nr. 4711 vom 05.06.2018\n")
    assert (data["number"], data["issue_date"]) == ("4711", "2018-06-05")


def test_early_payment_discount_is_not_the_due_date() -> None:
    """The date of the discount is nearer and stands in the same sentence."""
    assert (
        read("Rechnung Nr. 1-22 vom 01.06.2026\nZahlbar netto bis 04.07.2026, 3% Skonto bis 15.06.2026")["due_date"]
        == "2026-07-04"
    )
    assert (
        read("Rechnung Nr. 1-22 vom 01.06.2026\n3% Skonto bis 15.06.2026, zahlbar netto bis 04.07.2026")["due_date"]
        == "2026-07-04"
    )


def test_text_without_any_layout() -> None:
    """One line without spaces between label and value, as some producers leave it."""
    text = (
        "RECHNUNG (380) Nr. 181301674 vom 25.04.2018Währung  : EURPositionssumme252,10 Rechnungssumme ohne USt.252,10 "
        "Steuerbetrag47,90 Bruttosumme300,00"
    )
    data = read(text)
    assert (data["number"], data["issue_date"], data["currency"]) == ("181301674", "2018-04-25", "EUR")
    assert (data["net_total"], data["tax_total"], data["grand_total"]) == ("252.10", "47.90", "300.00")


def test_credit_notes_keep_their_sign() -> None:
    """Negative amounts stay negative, and add up."""
    data = read("Credit Note CN-18\nNet -50.00\nVAT 20% -10.00\nTotal -60.00 GBP")
    assert (data["net_total"], data["tax_total"], data["grand_total"]) == ("-50.00", "-10.00", "-60.00")


def test_contradictions_are_warned_of() -> None:
    """Each sum that does not add up, and a due date before the issue, is one sentence."""
    data = {
        "net_total": "10.00",
        "tax_total": "2.00",
        "grand_total": "13.00",
        "lines": [{"total": "9.00"}],
        "issue_date": "2026-02-01",
        "due_date": "2026-01-01",
    }
    assert len(check_totals(data)) == 3
    assert check_totals({**data, "grand_total": "12.00", "lines": [{"total": "10.00"}], "due_date": "2026-03-01"}) == []


def test_empty_text_has_reasons_only() -> None:
    """Nothing is invented for a blank page."""
    findings = read_invoice("")
    assert findings.data == {**dict.fromkeys(FIELDS), "lines": []}
    assert all(finding.reason for finding in findings.fields.values())


def test_a_guess_is_not_sure() -> None:
    """An ambiguous date and an unlabelled one stay under 0.9, so that gates send them to someone."""
    assert read_invoice("Invoice No: 7\nInvoice Date: 03/04/2026\n").fields["issue_date"].confidence < 0.9
    assert read_invoice("Acme\n5 May 2026\nTotal 5.00").fields["issue_date"].confidence < 0.9

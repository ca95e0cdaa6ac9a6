"""Receipts: our own from many countries read right in every field, the usual traps avoided, evidence in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.offline.amount import parse_amount
from backstay.offline.date import find_compact_dates, find_dates, find_order
from backstay.offline.receipt import read_receipt

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "receipts"
TRUTH: dict[str, dict[str, Any]] = json.loads((EXAMPLES.parent / "truth" / "receipts.json").read_text(encoding="utf-8"))
FIELDS = {"company", "date", "address", "total", "currency"}


def read(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_example_is_read_right(name: str) -> None:
    """Every field of an example receipt has its true value."""
    assert read_receipt(read(name)).data == TRUTH[name]


def test_every_example_has_its_truth() -> None:
    """No example lies beside the truth file unread."""
    assert {path.name for path in EXAMPLES.glob("*.txt")} == set(TRUTH)


def check_evidence(text: str) -> None:
    """Each value's span holds its printed form; each absent value has its reason."""
    findings = read_receipt(text)
    assert set(findings.data) == set(findings.fields) == FIELDS
    for name, finding in findings.fields.items():
        assert findings.data[name] == finding.value
        assert 0.0 <= finding.confidence <= 1.0
        if finding.value is None:
            assert finding.reason
            assert finding.confidence == 0.0
        if finding.start is None or finding.end is None:
            assert finding.reason
            continue
        printed = text[finding.start : finding.end]
        assert printed
        if name == "total":
            assert parse_amount(printed) is not None
            assert str(abs(parse_amount(printed) or 0)) == finding.value.lstrip("-")
        if name == "date":
            dates = find_dates(printed, day_first=find_order(text)[0]) or find_compact_dates(printed)
            assert [date.value for date in dates] == [finding.value]
        if name in ("company", "address"):
            assert finding.value.split()[0] in printed
            assert finding.value.split()[-1] in printed


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_evidence_of_examples(name: str) -> None:
    """Evidence spans of real layouts hold the printed forms."""
    check_evidence(read(name))


WORDS = """
    TOTAL SUBTOTAL CASH CHANGE ROUNDING DATE 12/03/2026 9.00 10.00 1.00 RM $ NO. JALAN SDN BHD TEL GST SUMMARY : ( ) 50400 Inc
"""
words = st.sampled_from([*WORDS.split(), "\n", "\n"])


@given(st.lists(words, max_size=40).map(" ".join))
def test_evidence_of_any_text(text: str) -> None:
    """Whatever the text, reading it ends and every claim has its evidence."""
    check_evidence(text)


def total(body: str) -> str | None:
    value: str | None = read_receipt(f"CORNER SHOP LTD\n1 High Street\n{body}").data["total"]
    return value


def test_a_tax_summary_total_is_no_total() -> None:
    """The table at the foot repeats TOTAL for the amounts before tax."""
    assert total("TOTAL : 18.00\nGST SUMMARY AMOUNT TAX\nSR 6% 16.98 1.02\nTOTAL : 16.98 1.02") == "18.00"


def test_cash_less_change_decides_between_labels() -> None:
    """Of two labelled totals the one that was paid is the total."""
    assert total("TOTAL 8.20\nGST 0.46\nTOTAL 8.66\nCASH 10.00\nCHANGE 1.34") == "8.66"


def test_the_rounded_total_is_paid() -> None:
    """Where cash is rounded, the rounded total is the one to pay."""
    assert total("TOTAL 30.91\nROUNDING ADJUSTMENT 0.01\nTOTAL ROUNDED 30.90\nCASH 50.00\nCHANGE 19.10") == "30.90"
    assert total("TOTAL SALES 45.34\nROUNDING ADJUSTMENT .01\nROUNDING 45.35\nCREDIT 45.35") == "45.35"


@pytest.mark.parametrize(
    "trap",
    [
        "TOTAL QTY 7.00",
        "TOTAL DISCOUNT 8.00",
        "TOTAL GST 0.68",
        "TOTAL SAVINGS 99.00",
        "CHANGE 88.00",
        "TOTAL EXCL. GST 11.32",
        "SUBTOTAL 11.32",
    ],
)
def test_what_is_called_total_and_is_none(trap: str) -> None:
    """Totals of quantity, discount, tax and savings are left aside wherever they stand."""
    assert total(f"{trap}\nTOTAL 12.00") == "12.00"
    assert total(f"TOTAL 12.00\n{trap}") == "12.00"


def test_a_total_without_label_is_doubtful() -> None:
    """The largest amount is better than nothing, and says so."""
    findings = read_receipt("CORNER SHOP LTD\nTea 2.00\nCake 3.50\n5.50")
    assert findings.data["total"] == "5.50"
    assert findings.fields["total"].confidence < 0.5


def test_a_person_above_the_company_is_no_company() -> None:
    """A name over the line with the legal form is a customer or a clerk."""
    assert (
        read_receipt("MARY HOLLOWAY\nPINE STATIONERY SDN BHD\nNO 5, JALAN ABC").data["company"]
        == "PINE STATIONERY SDN BHD"
    )


def test_the_customer_is_no_company() -> None:
    """A legal form below the document's title belongs to the buyer."""
    text = "CEDAR HARDWARE TRADING\nNO 5, JALAN ABC, 50000 KUALA LUMPUR\nTAX INVOICE\nBILL TO: OAK BUILDERS SDN BHD\nTOTAL 5.00"
    assert read_receipt(text).data["company"] == "CEDAR HARDWARE TRADING"


def test_a_name_over_two_lines_is_joined() -> None:
    """A line that ends in `&`, and one that begins with the legal form, belong to their neighbours."""
    assert read_receipt("SOLE & HEEL REPAIRS &\nKEYS\n1 High Street").data["company"] == "SOLE & HEEL REPAIRS & KEYS"
    assert read_receipt("GOLDEN LEAF BOOKS\nSDN BHD\nNO 1, JALAN X").data["company"] == "GOLDEN LEAF BOOKS SDN BHD"


def test_empty_text_has_reasons_only() -> None:
    """Nothing is invented for a blank page."""
    findings = read_receipt("")
    assert set(findings.data.values()) == {None}
    assert all(finding.reason for finding in findings.fields.values())

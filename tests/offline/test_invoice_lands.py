"""Fifteen invoices of thirteen countries, written before they were first read: every fact that a person would book."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay.kits.invoices.kind import kind_of
from backstay.offline.invoice import read_invoice

FOLDER = Path(__file__).with_suffix("")
TRUTH = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TRUTH)
def test_an_invoice_is_read_as_its_land_writes_it(name: str) -> None:
    """Number, days, totals and currency; and it is no receipt, however narrow."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    found = read_invoice(text)
    assert {field: found.data[field] for field in TRUTH[name]} == TRUTH[name]
    assert kind_of(text) == "invoice"


def test_a_total_of_rate_rows_is_no_row_of_them() -> None:
    """Where only the rows of two rates and the total are printed, neither row is taken for the whole invoice."""
    text = (FOLDER / "de-mixed-tax.txt").read_text(encoding="utf-8")
    found = read_invoice(text).fields
    assert (found["net_total"].value, found["tax_total"].value) == ("36.81", "4.19")
    broken = read_invoice(text.replace("41,00", "42,00")).fields["grand_total"]
    assert broken.value != "41.00"

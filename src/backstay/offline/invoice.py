"""An invoice's text read by rules: number, dates, parties, currency, totals and lines, each with its place and confidence.

It reads text laid out in rows, as `backstay.document` makes it from a PDF, and column-wise text in which labels and values
stand apart. No model and no network; `scripts/accuracy` prints how often each field is right. Where an electronic invoice is
attached, read that instead: `backstay.offline.einvoice_xml`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backstay.offline.currency import find_currency
from backstay.offline.finding import Finding, Findings
from backstay.offline.invoice_field import find_due_date, find_issue_date, find_number
from backstay.offline.invoice_line import find_lines
from backstay.offline.invoice_total import find_totals
from backstay.offline.pairing import pair_labels, read_rows
from backstay.offline.party import find_parties

FIELDS = ("number", "issue_date", "due_date", "seller", "buyer", "currency", "net_total", "tax_total", "grand_total")


def read_invoice(text: str) -> Findings:
    """What an invoice says: the names in `FIELDS`, and `lines` with `name`, `quantity`, `unit_price` and `total`.

    Dates are ISO strings, amounts decimal strings at their printed precision, absent values None with a reason. A total that
    contradicts the others is reported in `warnings`.
    """
    rows = read_rows(text)
    pairs = pair_labels(rows)
    number = find_number(text, rows, pairs)
    seller, buyer = find_parties(rows)
    fields: dict[str, Finding] = {
        "number": number,
        "issue_date": find_issue_date(text, rows, pairs, number),
        "due_date": find_due_date(text, rows, pairs),
        "seller": seller,
        "buyer": buyer,
        "currency": find_currency(text),
        **find_totals(text, rows, pairs),
    }
    data: dict[str, Any] = {name: fields[name].value for name in FIELDS}
    data["lines"], line_fields = find_lines(rows, fields)
    return Findings(data=data, fields=fields | line_fields, warnings=tuple(check_totals(data)))


def check_totals(data: dict[str, Any]) -> list[str]:
    """What is inconsistent in an invoice's totals and dates, one sentence each; empty when nothing is."""
    found = []
    net, tax, gross = (
        None if data[name] is None else Decimal(data[name]) for name in ("net_total", "tax_total", "grand_total")
    )
    if net is not None and tax is not None and gross is not None and net + tax != gross:
        found.append(f"net_total {net} + tax_total {tax} is {net + tax}, not grand_total {gross}")
    totals = [Decimal(line["total"]) for line in data["lines"] if line["total"] is not None]
    if totals and net is not None and sum(totals) not in (net, gross):
        found.append(f"the lines add up to {sum(totals)}, not to net_total {net}")
    if data["due_date"] is not None and data["issue_date"] is not None and data["due_date"] < data["issue_date"]:
        found.append(f"due_date {data['due_date']} is before issue_date {data['issue_date']}")
    return found

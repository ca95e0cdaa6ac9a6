"""Confirm: what else read the same document, and whether it says the same.

A vendor's layout reads by its hints, and the offline rules read beside a model: each on its own, for nothing. Who agrees makes a
value surer, by half of the second reader's log-odds, because two readers of one page make some mistakes together. Who is sure of
another value makes it a coin's toss and is named as the reason. No model's value is changed; a gap is filled by a layout's hint.

Where an electronic invoice is the truth, the page is only compared with it: one that plainly says something else is a reason for
a person to look, for the two should never differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from backstay.extract.confidence import NEUTRAL, WEIGHTS, log_odds, sigmoid
from backstay.extract.evidence import Evidence
from backstay.extract.extraction import Field
from backstay.kits.invoices.confidence import EMPTY
from backstay.kits.invoices.hint import read_fields
from backstay.kits.invoices.kind import Kind
from backstay.kits.invoices.layout import AMOUNTS, Layout
from backstay.kits.invoices.record import Check
from backstay.offline.finding import Finding
from backstay.offline.invoice import read_invoice
from backstay.offline.receipt import read_receipt
from backstay.offline.text import fold

RECEIPT_NAMES: Final = {"company": "seller", "date": "issue_date", "total": "grand_total"}
"""A receipt's facts under the names that an invoice's have."""

WEIGHT: Final = 0.5
"""Of a second reader's log-odds."""

EDGE: Final = 1e-3
SURE: Final = 0.75
"""A second reader that is less sure than this speaks neither for nor against."""

DOUBTED: Final = 0.5
"""The most that is left of a value where another reader is sure of another one."""

COMPARED: Final = ("number", "issue_date", "due_date", "currency", *AMOUNTS, "seller")
ON_PAGE: Final = ("number", "issue_date", "currency", "grand_total")
PLAIN: Final = 0.9
"""How sure the rules must be of what a page says, to hold it against an electronic invoice."""


def with_hints(
    data: Mapping[str, Any], fields: Mapping[str, Field], layout: Layout, text: str
) -> tuple[dict[str, Any], dict[str, Field]]:
    """What was read, completed by the layout's own hints, and confirmed or doubted by them.

    A general rule's value gives way to the hint, which was made for this form; what a model read stays.
    """
    whole, known = dict(data), dict(fields)
    for name, finding in read_fields(layout, text).items():
        field = known.get(name)
        if field is None or field.value in EMPTY:
            known[name] = _hinted(finding, finding.confidence, finding.reason)
        elif "rule" not in field.signals or same(name, field.value, finding.value):
            known[name] = confirmed(name, field, finding, f"the layout {layout.name}")
            continue
        else:
            left = DOUBTED if field.confidence >= SURE else _moved(finding.confidence, min(1 - field.confidence, 0.5))
            known[name] = _hinted(finding, left, f"the rules read {field.value}, the layout {layout.name} this")
        whole[name] = finding.value
    return whole, known


def _hinted(finding: Finding, confidence: float, reason: str | None) -> Field:
    span = None if finding.start is None or finding.end is None else (finding.start, finding.end)
    return Field(
        value=finding.value,
        confidence=confidence,
        evidence=span,
        grounded=span is not None,
        reason=reason,
        signals={"layout": finding.confidence},
    )


def with_rules(kind: Kind, fields: Mapping[str, Field], text: str) -> dict[str, Field]:
    """What a model read, confirmed or doubted by the offline rules."""
    read = (read_invoice if kind == "invoice" else read_receipt)(text).fields
    known = dict(fields)
    for path, finding in read.items():
        name = RECEIPT_NAMES.get(path, path) if kind == "receipt" else path
        field = known.get(name)
        if name in COMPARED and field is not None and field.value not in EMPTY:
            known[name] = confirmed(name, field, finding, "the rules")
    return known


def confirmed(name: str, field: Field, finding: Finding, reader: str) -> Field:
    """`field` after a second reader's `finding`."""
    if finding.value in EMPTY or finding.confidence < SURE:
        return field
    is_same = same(name, field.value, finding.value)
    signal = finding.confidence if is_same else 1 - finding.confidence
    moved = _moved(field.confidence, signal)
    confidence = max(moved, field.confidence, finding.confidence) if is_same else min(moved, DOUBTED)
    key = "layout" if reader.startswith("the layout") else "rules"
    return msgspec.structs.replace(
        field,
        confidence=confidence,
        reason=field.reason if is_same else f"{reader} read {finding.value}",
        signals={**field.signals, key: signal},
    )


def after(field: Field, stated: float) -> Field:
    """`field` after a validation that states this confidence: all that is known of it already, and that."""
    moved = WEIGHTS["stated"] * (log_odds(stated) - log_odds(NEUTRAL["stated"]))
    return msgspec.structs.replace(
        field,
        confidence=sigmoid(log_odds(field.confidence, EDGE) + moved),
        signals={**field.signals, "stated": stated},
    )


def _moved(confidence: float, signal: float) -> float:
    """A confidence after a second reader, who agrees by as much as `signal` is above a half."""
    return sigmoid(log_odds(confidence, EDGE) + WEIGHT * log_odds(signal))


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two readings of a field mean the same: amounts by their value, words without case, accents and spaces."""
    if name in AMOUNTS:
        try:
            return Decimal(str(one)) == Decimal(str(other))
        except InvalidOperation:
            return False
    return "".join(fold(str(one)).split()) == "".join(fold(str(other)).split())


def compare_page(data: Mapping[str, Any], text: str) -> Check:
    """Whether the page says what the electronic invoice says, of the facts that it is booked by.

    It differs where the rules are sure of another value and the page has the electronic one nowhere.
    """
    if not text.strip():
        return Check(name="page", outcome="unknown", message="the page has no text")
    page, evidence = read_invoice(text).fields, Evidence(text)
    differing, seen = [], 0
    for name in ON_PAGE:
        value, finding = data.get(name), page[name]
        if value in EMPTY or finding.value in EMPTY:
            continue
        if same(name, value, finding.value) or evidence.search(value) is not None:
            seen += 1
        elif finding.confidence >= PLAIN:
            differing.append(f"{name} is {value} in the electronic invoice and {finding.value} on the page")
    if differing:
        return Check(name="page", outcome="failed", message="; ".join(differing), fields=ON_PAGE)
    return Check(name="page", outcome="passed" if seen else "unknown", fields=ON_PAGE)

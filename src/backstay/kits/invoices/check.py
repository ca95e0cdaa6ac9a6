"""Checks: what can be known to be wrong with an invoice without asking anybody.

Sums, tax rates, dates, account and tax numbers, the currency. A check that lacks a figure is "unknown", which speaks neither for
nor against; one that fails is a reason for a person to look, never a reason to change a value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from backstay.kits.invoices import iban, vat
from backstay.kits.invoices.record import Check, Outcome

CENT: Final = Decimal("0.01")
LINE_CENT: Final = Decimal("0.005")
"""What rounding may do to each line's sum."""

MOST_TAX: Final = Decimal("0.30")
"""Above every value added or sales tax in force; the highest is Hungary's 27 %."""

EARLIEST: Final = dt.date(2000, 1, 1)


def check_all(
    data: Mapping[str, Any], text: str, *, today: dt.date | None = None, max_age_days: int | None = None
) -> tuple[Check, ...]:
    """Every check of an invoice's `data` (the built-in schema) and of the account and tax numbers in its `text`.

    With `today` its date may not lie in the future, nor, with `max_age_days`, further back than that.
    """
    return (
        _sums(data),
        _lines(data),
        _line_products(data),
        _tax_rate(data),
        _dates(data),
        _time(data, today, max_age_days),
        _currency(data),
        *_numbers("iban", iban.find_ibans(text), iban.fault_of),
        *_numbers("vat_id", vat.find_vat_ids(text), vat.fault_of),
    )


def amount(value: Any) -> Decimal | None:
    """A decimal text as a number; None where it is none."""
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _check(name: str, outcome: Outcome, message: str = "", *fields: str) -> Check:
    return Check(name=name, outcome=outcome, message=message, fields=fields)


def _sums(data: Mapping[str, Any]) -> Check:
    names = ("net_total", "tax_total", "grand_total")
    net, tax, gross = (amount(data.get(name)) for name in names)
    if net is None or gross is None:
        return _check("sum", "unknown", "net or grand total is missing", *names)
    if tax is None:
        same = net == gross
        return _check("sum", "passed" if same else "unknown", "" if same else "the tax is missing", *names)
    if abs(net + tax - gross) <= CENT:
        return _check("sum", "passed", "", *names)
    return _check("sum", "failed", f"{net} + {tax} is {net + tax}, not {gross}", *names)


def _lines(data: Mapping[str, Any]) -> Check:
    totals = [amount(line.get("total")) for line in data.get("lines") or ()]
    known = [total for total in totals if total is not None]
    net, gross = amount(data.get("net_total")), amount(data.get("grand_total"))
    if not known or len(known) < len(totals) or (net is None and gross is None):
        return _check("lines", "unknown", "a line total or the total is missing", "lines")
    slack = CENT + LINE_CENT * len(known)
    total = sum(known, Decimal(0))
    if any(abs(total - wanted) <= slack for wanted in (net, gross) if wanted is not None):
        return _check("lines", "passed", "", "lines")
    return _check(
        "lines", "failed", f"the lines add up to {total}, not to {net if net is not None else gross}", "lines"
    )


def _line_products(data: Mapping[str, Any]) -> Check:
    wrong, seen = [], 0
    for number, line in enumerate(data.get("lines") or ()):
        quantity, price, total = (amount(line.get(name)) for name in ("quantity", "unit_price", "total"))
        if quantity is None or price is None or total is None:
            continue
        seen += 1
        if abs(quantity * price - total) > CENT + LINE_CENT * abs(quantity):
            wrong.append(f"lines[{number}]: {quantity} x {price} is {quantity * price}, not {total}")
    if wrong:  # a discount on a line is no fault, so several must agree that something is
        outcome: Outcome = "failed" if len(wrong) * 2 > seen else "unknown"
        return _check("line_products", outcome, "; ".join(wrong[:3]), "lines")
    return _check("line_products", "passed" if seen else "unknown", "", "lines")


def _tax_rate(data: Mapping[str, Any]) -> Check:
    net, tax = amount(data.get("net_total")), amount(data.get("tax_total"))
    if net is None or tax is None or net == 0:
        return _check("tax_rate", "unknown", "", "tax_total")
    rate = tax / net
    if 0 <= rate <= MOST_TAX:
        return _check("tax_rate", "passed", f"{rate:.1%}", "tax_total")
    return _check("tax_rate", "failed", f"the tax is {rate:.1%} of the net total", "tax_total", "net_total")


def _date(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _dates(data: Mapping[str, Any]) -> Check:
    issued, due = _date(data.get("issue_date")), _date(data.get("due_date"))
    if issued is None:
        return _check("dates", "unknown", "the date is missing", "issue_date")
    if due is not None and due < issued:
        return _check("dates", "failed", f"due on {due}, before {issued}", "due_date", "issue_date")
    return _check("dates", "passed", "", "issue_date")


def _time(data: Mapping[str, Any], today: dt.date | None, max_age_days: int | None) -> Check:
    issued = _date(data.get("issue_date"))
    if issued is None or today is None:
        return _check("time", "unknown", "", "issue_date")
    if issued > today + dt.timedelta(days=1) or issued < EARLIEST:
        return _check(
            "time", "failed", f"{issued} is {'in the future' if issued > today else 'too long ago'}", "issue_date"
        )
    if max_age_days is not None and (today - issued).days > max_age_days:
        return _check("time", "failed", f"{issued} is {(today - issued).days} days ago", "issue_date")
    return _check("time", "passed", "", "issue_date")


def _currency(data: Mapping[str, Any]) -> Check:
    code = data.get("currency")
    if not isinstance(code, str) or not code:
        return _check("currency", "unknown", "", "currency")
    good = len(code) == 3 and code.isascii() and code.isupper() and code.isalpha()
    return _check(
        "currency", "passed" if good else "failed", "" if good else f"{code!r} is no currency code", "currency"
    )


def _numbers(name: str, found: list[tuple[str, int, int]], fault_of: Any) -> Iterator[Check]:
    """One check for each number of a kind that stands in the text."""
    for number in dict.fromkeys(number for number, *_ in found):
        fault = fault_of(number)
        yield _check(name, "passed" if fault is None else "failed", number if fault is None else f"{number}: {fault}")

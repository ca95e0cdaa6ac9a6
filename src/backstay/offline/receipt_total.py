"""The total of a receipt: every labelled amount is a candidate, and what else the receipt says votes for it.

Signals, each of them printed on the paper: how strongly the label says "this is what you pay", the rounded total after a
rounding line, cash less change, the same value printed again as a payment. Traps are set aside first: totals of quantities,
of tax, of discounts, before tax, and the tax summary table at the foot, whose `TOTAL` row looks like the real one.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import msgspec

from backstay.offline.amount import Amount, find_amounts, format_amount
from backstay.offline.finding import Finding
from backstay.offline.text import Cell, squeeze

# Strength of what stands before the amount, strongest first; matched on the folded line without spaces and punctuation.
STRENGTHS = (
    (3, re.compile(r"sub-?total|zwischensumme|soustotal|subtotaal|jumlahkecil|sumanetto")),
    (
        10,
        re.compile(
            r"(total|ttl|amount|amt|nett?o?|bill|sales?|tl)(sales|amt|amount)?(after)?round(e?d|ing)(?!adj)|"
            r"rounde?d(nett?)?total|afterround"
        ),
    ),
    (
        9,
        re.compile(
            r"grandtotal|finaltotal|totalgeneral|totalttc|gesamtbetrag|gesamtsumme|rechnungsbetrag|zuzahlen|"
            r"netapayer|apayer"
        ),
    ),
    (
        9,
        re.compile(
            r"totalapagar|importetotal|totalfactura|totalecomplessivo|totaleeuro|dapagare|tebetalen|teveoldoen|"
            r"dozaplaty|valorapagar"
        ),
    ),
    (
        9,
        re.compile(
            r"(total|amount|amt|balance|bal|nett?)(amt|amount|rm)*(due|payable|topay)|totaldue|pleasepay|"
            r"jumlahperludibayar"
        ),
    ),
    (
        8,
        re.compile(
            r"nett?total|nett?amount|nett(?!o)|totalnett|jumlahbesar|suma(pln|eur)|totalincl|totalsalesincl|"
            r"totalwithgst|totaalincl"
        ),
    ),
    (
        8,
        re.compile(
            r"total(rm|amount|amt|sales|sale|bill|price|charges?|eur|usd|gbp|myr)?(incl|inclusive|including|"
            r"withgst|ttc|inc)"
        ),
    ),
    (
        7,
        re.compile(
            r"am(oun)?t(paid)?incl|totalamount|totalamt|totalsales?|totalprice|billtotal|totalbill|invoicetotal|"
            r"amountdue|saletotal|totalpaid|totalpayment"
        ),
    ),
    (7, re.compile(r"total|totaal|summe|gesamt|jumlah|suma|totale|betrag|razem|tl(rm)?|ttl")),
    (4, re.compile(r"amount|balance|due")),
)
# A label with one of these words is never the total to pay.
_TRAP = re.compile(
    r"change|baki|wechselgeld|rueckgeld|ruckgeld|rendu|cambio|wisselgeld|troco|reszta|rounding|roundingadj|rnd|"
    r"qty|quantity|items?(?!total)|qnty|pcs|points?|saving|saved|discount|disc\b|rebate|deposit|"
    r"totalgst|totaltax|gsttotal|taxtotal|gstpayable|gstamt|gstamount|totalvat|totaltva|totaliva|mwst|excl|"
    r"excluding|exgst|exclusive|"
    r"beforegst|beforetax|beforedisc|servicech|servcharge|svccharge|tip\b|gratuity|netto(?!tal)|totalht|basehors|"
    r"taxable|summary|unitprice|member|card(?:no|number)|authcode|approval|"
    r"cardbal|loyalty"
)
_PAYMENT = re.compile(
    r"^(cash|tunai|visa|master|mastercard|amex|debit|credit|card|bar|especes|cb|efectivo|contanti|contant|pin|"
    r"gotowka|karta|paid|tender|payment|"
    r"amountpaid|totalpaid|cashreceived|received|ecash|mastercard|gegeben|tendered|paidamount|gezahlt|mydebit|"
    r"bankcard|maestro|carte|kartenzahlung|kontaktlos)"
)
_CASH = re.compile(
    r"^(cash(?!ier|change|bill|sales?|back)|tunai|bar|especes|efectivo|contanti|tender|gegeben|received|"
    r"amountpaid|payment|gotowka|paid|totalpaid)"
)
_CHANGE = re.compile(r"change|baki|wechselgeld|ruckgeld|rueckgeld|rendu|cambio|wisselgeld|troco|reszta")
_ROUNDING = re.compile(r"round|rnd(?:g|ing)|arrondi|rundung|redondeo|arrotond|afronding")
_SUMMARY = re.compile(
    r"(gst|tax|vat|sst|mwst|tva|iva)\w{0,4}(summary|analysis|summ|rate|code)|taxcode|ummaryamount|taxsummary|"
    r"summarygst|analysisgoods"
)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled amount that may be the total."""

    amount: Amount
    strength: int
    line: int


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What the payment block of a receipt says: amounts handed over, change given, amounts printed as a payment."""

    cash: tuple[Decimal, ...] = ()
    change: tuple[Decimal, ...] = ()
    rounding: tuple[Decimal, ...] = ()
    first_line: int = 10**6
    summary_line: int = 10**6


def find_total(text: str, lines: list[Cell]) -> Finding:
    """The amount to pay, with the place where the strongest label prints it."""
    amounts = [_money(text, line) for line in lines]
    labels = [_label(line.text) for line in lines]
    payment = _read_payment(lines, labels, amounts)
    candidates = _candidates(labels, amounts, payment)
    if not candidates:
        return _largest(amounts, payment)
    counts = Counter(abs(amount.value) for row in amounts for amount in row)
    scored = [(_score(candidate, payment, counts, candidates), -candidate.line, candidate) for candidate in candidates]
    _, _, best = max(scored, key=lambda row: row[:2])
    best = _round(best, amounts, payment)
    return Finding(
        value=format_amount(best.amount.value),
        confidence=_confidence(best, payment, counts, candidates),
        start=best.amount.start,
        end=best.amount.end,
        rule=f"receipt.total.{best.strength}",
    )


def _label(line: str) -> str:
    """The letters of a line before its amounts, squeezed; digits are dropped, rates would break the words."""
    return re.sub(r"\d", "", squeeze(line).text)


def _money(text: str, line: Cell) -> list[Amount]:
    """The amounts of a line that look like money: two decimals, or whole with a currency sign."""
    found = find_amounts(line.text, decimal_mark=None)
    money = [a for a in found if not a.is_percent and (a.decimals == 2 or (a.has_currency and a.decimals in (0, 1)))]
    return [msgspec.structs.replace(a, start=a.start + line.start, end=a.end + line.start) for a in money]


def _read_payment(lines: list[Cell], labels: list[str], amounts: list[list[Amount]]) -> Payment:
    def values(pattern: re.Pattern[str]) -> tuple[Decimal, ...]:
        rows = [row for label, row in zip(labels, amounts, strict=True) if row and pattern.search(label)]
        return tuple(abs(row[-1].value) for row in rows)

    firsts = [
        i for i, label in enumerate(labels) if amounts[i] and _PAYMENT.search(label) and not label.startswith("cashier")
    ]
    summaries = [i for i, label in enumerate(labels) if _SUMMARY.search(label) and i > len(lines) // 3]
    return Payment(
        cash=values(_CASH),
        change=values(_CHANGE),
        rounding=values(_ROUNDING),
        first_line=min(firsts, default=10**6),
        summary_line=min(summaries, default=10**6),
    )


def _candidates(labels: list[str], amounts: list[list[Amount]], payment: Payment) -> list[Candidate]:
    found = []
    for i, label in enumerate(labels):
        strength = next((strength for strength, pattern in STRENGTHS if pattern.search(label)), 0)
        if strength == 0 or i > payment.summary_line or (_TRAP.search(label) and strength < 10):
            continue
        row = amounts[i] or (amounts[i + 1] if i + 1 < len(labels) and len(labels[i + 1]) <= 3 else [])
        if row and row[-1].value != 0:
            found.append(Candidate(amount=row[-1], strength=strength, line=i))
    return found


def _score(candidate: Candidate, payment: Payment, counts: Counter[Decimal], candidates: list[Candidate]) -> float:
    value = candidate.amount.value
    score = float(candidate.strength)
    score += 4 * _is_paid(value, payment)
    score += min(counts[value] - 1, 3) * 0.8
    score += 1.5 * _is_rounded(value, payment, candidates)
    score -= 5.0 * (candidate.line > payment.first_line)
    return score


def _is_paid(value: Decimal, payment: Payment) -> bool:
    """Whether cash less change gives the value; change alone of zero means cash equals the value."""
    return any(cash - change == value for cash in payment.cash for change in payment.change)


def _is_rounded(value: Decimal, payment: Payment, candidates: list[Candidate]) -> bool:
    """Whether another candidate and a printed rounding of less than one give the value."""
    others = {candidate.amount.value for candidate in candidates}
    return any(0 < r < 1 and (value + r in others or value - r in others) and _is_step(value) for r in payment.rounding)


def _round(best: Candidate, amounts: list[list[Amount]], payment: Payment) -> Candidate:
    """The candidate after the printed rounding, when the rounded amount stands below it, under whatever label."""
    if _is_step(best.amount.value):
        return best
    targets = {best.amount.value + sign * r for r in payment.rounding if 0 < r < 1 for sign in (1, -1)}
    for i in range(best.line + 1, min(best.line + 6, len(amounts))):
        for amount in amounts[i]:
            if amount.value in targets and _is_step(amount.value):
                return Candidate(amount=amount, strength=10, line=i)
    return best


def _is_step(value: Decimal) -> bool:
    """Whether a value is one that coins of five hundredths can pay."""
    return (value * 100) % 5 == 0


def _confidence(best: Candidate, payment: Payment, counts: Counter[Decimal], candidates: list[Candidate]) -> float:
    value = best.amount.value
    rivals = {c.amount.value for c in candidates if c.strength >= 7 and c.amount.value != value}
    if _is_paid(value, payment) and best.strength >= 7:
        return 0.98
    if not rivals and counts[value] > 1 and best.strength >= 7:
        return 0.95
    if best.strength >= 8 and counts[value] > 1:
        return 0.9
    return 0.75 if best.strength >= 7 else 0.5


def _largest(amounts: list[list[Amount]], payment: Payment) -> Finding:
    """The largest amount before any payment, when no label speaks; the paid one when cash and change agree on it."""
    before = [amount for row in amounts[: payment.first_line + 1] for amount in row if amount.value > 0]
    if not before:
        return Finding(reason="no amount with a total's label, and no amount at all before the payment")
    paid = [amount for amount in before if _is_paid(amount.value, payment)]
    best = paid[-1] if paid else max(before, key=lambda amount: amount.value)
    return Finding(
        value=format_amount(best.value),
        confidence=0.8 if paid else 0.4,
        start=best.start,
        end=best.end,
        rule="receipt.total.paid" if paid else "receipt.total.largest",
    )

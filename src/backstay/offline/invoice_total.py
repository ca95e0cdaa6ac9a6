"""The totals of an invoice: net, tax and gross, chosen together so that net plus tax is gross.

Labels alone mislead (subtotals, per-rate rows, amounts already paid), and in column-wise text they stand far from their
values, so the best of the triples of `invoice_triple.py` is taken. Without one that is good enough the labels decide, with less
confidence, and what is missing is derived only where a printed rate confirms it.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from backstay.offline.amount import Amount, format_amount
from backstay.offline.finding import Finding
from backstay.offline.invoice_triple import CENT, HIGHEST_RATE, Evidence, Triple, find_triples, gather_evidence
from backstay.offline.pairing import Pair, Row

# A triple below has less for it than two good labels, or one and a tax rate.
_LEAST_SCORE = 2.5


def find_totals(text: str, rows: list[Row], pairs: list[Pair]) -> dict[str, Finding]:
    """Findings for `net_total`, `tax_total` and `grand_total`."""
    evidence = gather_evidence(text, rows, pairs)
    triples = sorted(find_triples(evidence), key=lambda triple: triple.score, reverse=True)
    best = triples[0] if triples and triples[0].score >= _LEAST_SCORE else None
    if best is not None:
        return _from_triple(best, evidence, pairs)
    return _from_labels(evidence, pairs)


def _from_triple(best: Triple, evidence: Evidence, pairs: list[Pair]) -> dict[str, Finding]:
    is_rated = best.has_rate or best.is_mixed
    is_sure = (
        best.labels >= 2 or (best.labels == 1 and (is_rated or best.is_adjacent)) or (is_rated and best.is_adjacent)
    )
    confidence = 0.98 if is_sure and (is_rated or best.labels == 3) else 0.93 if is_sure else 0.7
    return {
        "net_total": _place(best.net, evidence, pairs, ("net", "line_total"), confidence),
        "tax_total": _place(best.tax, evidence, pairs, ("tax",), confidence),
        "grand_total": _place(best.gross, evidence, pairs, ("gross", "payable"), confidence),
    }


def _place(value: Decimal, evidence: Evidence, pairs: list[Pair], kinds: tuple[str, ...], confidence: float) -> Finding:
    """The finding for a value of the triple: its labelled place, or the last one that prints it."""
    labelled = [
        (p.score, p.value)
        for p in pairs
        if p.kind in kinds and isinstance(p.value, Amount) and abs(p.value.value) == abs(value)
    ]
    printed = [amount for amount in evidence.amounts if abs(amount.value) == abs(value)]
    if not printed:
        return Finding(
            value=format_amount(value),
            confidence=confidence,
            rule="invoice.total.derived",
            reason="derived from the totals that are printed",
        )
    amount = max(labelled, key=lambda row: row[0])[1] if labelled else printed[-1]
    return Finding(
        value=format_amount(value),
        confidence=confidence,
        start=amount.start,
        end=amount.end,
        rule="invoice.total.arithmetic",
    )


def _from_labels(evidence: Evidence, pairs: list[Pair]) -> dict[str, Finding]:
    """Totals by their labels alone: the gross total first, the others only where they fit under it."""
    gross = _best(evidence.gross) or _best(evidence.payable)
    tax, net = _best(evidence.tax), _best(evidence.net)
    if gross is None:
        return {
            name: Finding(reason="no amount with a total's label") for name in ("net_total", "tax_total", "grand_total")
        }
    found = {"grand_total": _place(gross, evidence, pairs, ("gross", "payable"), 0.75)}
    found["net_total"] = _dependent(net, gross, evidence, pairs, ("net", "line_total"), Decimal(1))
    found["tax_total"] = _dependent(tax, gross, evidence, pairs, ("tax",), HIGHEST_RATE)
    return _complete(found, evidence)


def _best(scores: dict[Decimal, float]) -> Decimal | None:
    usable = [(score, abs(value), value) for value, score in scores.items() if score >= 0.45]
    return max(usable)[2] if usable else None


def _dependent(
    value: Decimal | None, gross: Decimal, evidence: Evidence, pairs: list[Pair], kinds: tuple[str, ...], limit: Decimal
) -> Finding:
    if value is None or abs(value) > abs(gross) * limit:
        return Finding(reason="no amount with its label fits under the grand total")
    return _place(value, evidence, pairs, kinds, 0.6)


def _complete(found: dict[str, Finding], evidence: Evidence) -> dict[str, Finding]:
    """Fill net from gross and a tax that a printed rate confirms: `in this price included: tax`."""
    tax, gross = found["tax_total"].value, Decimal(found["grand_total"].value)
    if tax is None:
        return found
    net = gross - Decimal(tax)
    if any(abs(net * rate / 100 - Decimal(tax)) <= 2 * CENT for rate in evidence.rates):
        found = {name: msgspec.structs.replace(finding, confidence=0.9) for name, finding in found.items()}
        found["net_total"] = Finding(
            value=format_amount(net),
            confidence=0.9,
            rule="invoice.total.derived",
            reason="derived: grand total less included tax",
        )
    return found

"""Candidates for an invoice's totals: every triple of its amounts with net + tax = gross, weighed.

What weighs: what the labels say of each of the three, whether a printed tax rate turns net (or a base under it) into tax, whether
the three are printed one after the other, how large they are, and whether the triple is the sum of others, as the last row of
a tax table is. The arithmetic is that of EN 16931 (BR-CO-15: total with VAT is total without VAT plus total VAT).
"""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations

import msgspec

from backstay.offline.amount import Amount, find_amounts
from backstay.offline.pairing import Pair, Row

# Statutory VAT and sales tax rates are at most 27 %; a ratio above is a coincidence of amounts.
HIGHEST_RATE = Decimal("0.28")
# VAT, GST and insurance tax rates in force in some country since 2005.
_RATES = """
    2.1 2.5 2.6 3 3.7 3.8 4 4.8 5 5.5 6 7 7.5 7.7 8 8.1 9 9.5 10 12 12.5 13 13.5 14 15 16 17 18 19 20 21 22 23 24 25 25.5 27
"""
_STATUTORY_RATES = frozenset(map(Decimal, _RATES.split()))
_MAX_VALUES = 160
_MAX_TAX_ROWS = 8
CENT = Decimal("0.01")


class Triple(msgspec.Struct, frozen=True, kw_only=True):
    """Three amounts with net + tax = gross, and how much of the document speaks for them."""

    net: Decimal
    tax: Decimal
    gross: Decimal
    score: float = 0.0
    labels: int = 0
    has_rate: bool = False
    is_mixed: bool = False
    is_adjacent: bool = False


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says about its amounts: order of appearance, label scores by value, printed rates."""

    amounts: tuple[Amount, ...]
    net: dict[Decimal, float]
    tax: dict[Decimal, float]
    gross: dict[Decimal, float]
    payable: dict[Decimal, float]
    rates: frozenset[Decimal]
    proven: frozenset[Decimal]
    bases: frozenset[Decimal]
    largest: Decimal


def gather_evidence(text: str, rows: list[Row], pairs: list[Pair]) -> Evidence:
    """What the document says about its amounts."""
    amounts = tuple(amount for row in rows for amount in row.amounts)
    rates = frozenset(a.value for a in find_amounts(text) if a.is_percent and 0 < a.value <= 28) | _bare_rates(rows)
    return Evidence(
        amounts=amounts,
        net=_scores(pairs, "net", "line_total"),
        tax=_scores(pairs, "tax"),
        gross=_scores(pairs, "gross"),
        payable=_scores(pairs, "payable"),
        rates=rates,
        proven=_proven([amount.value for amount in amounts], rates),
        bases=frozenset(amount.value for amount in amounts[-_MAX_VALUES:] if amount.value != 0),
        largest=max((abs(amount.value) for amount in amounts), default=Decimal(0)),
    )


def _bare_rates(rows: list[Row]) -> frozenset[Decimal]:
    """Rates printed without a per cent sign, as tax tables do: a statutory rate alone in its cell."""
    cells = (cell.text.replace(",", ".") for row in rows for cell in row.cells)
    return frozenset(Decimal(text) for text in cells if re.fullmatch(r"\d{1,2}(?:\.\d{1,2})?", text)) & _STATUTORY_RATES


def _proven(values: list[Decimal], rates: frozenset[Decimal]) -> frozenset[Decimal]:
    """The rates by which one printed amount is the tax of another."""
    usable = [value for value in dict.fromkeys(values) if value != 0][-_MAX_VALUES:]
    printed = set(usable)
    return frozenset(
        rate for rate in rates if any((base * rate / 100).quantize(CENT, ROUND_HALF_UP) in printed for base in usable)
    )


def _scores(pairs: list[Pair], *kinds: str) -> dict[Decimal, float]:
    """The best label score of each value; a line total is net only where nothing else is."""
    best: dict[Decimal, float] = defaultdict(float)
    for pair in pairs:
        if pair.kind in kinds and isinstance(pair.value, Amount):
            weight = 0.6 if pair.kind == "line_total" else 1.0
            best[pair.value.value] = max(best[pair.value.value], pair.score * weight)
    return dict(best)


def find_triples(evidence: Evidence) -> list[Triple]:
    """Every triple whose tax is printed, or is the sum of printed taxes, with its weight."""
    values = list(dict.fromkeys(amount.value for amount in evidence.amounts))
    labelled = [v for v in values if v in evidence.net or v in evidence.gross or v in evidence.payable]
    values = list(dict.fromkeys(values[-_MAX_VALUES:] + labelled[-_MAX_VALUES:]))
    sums = _tax_sums([amount.value for amount in evidence.amounts], evidence.rates)
    printed = set(values) | sums
    found = []
    for net in values:
        for gross in values:
            tax = gross - net
            if (net == 0 or gross == 0) or (net > 0) != (gross > 0) or abs(tax) > abs(net) * HIGHEST_RATE:
                continue
            if (tax == 0 or (tax > 0) == (net > 0)) and (tax in printed or (tax < 0 and -tax in printed)):
                found.append(_weigh(Triple(net=net, tax=tax, gross=gross), evidence))
    found.extend(_included(evidence, values, printed))
    wholes, parts = _from_rows(evidence)
    rest = (triple for triple in found if (triple.net, triple.tax) not in parts)
    return [*(_add_parts(triple, found) for triple in rest), *wholes]


def _included(evidence: Evidence, values: list[Decimal], printed: set[Decimal]) -> list[Triple]:
    """Gross totals whose included tax is printed and whose net is not: `220.00, of which 19 % VAT 35.13`."""
    found = []
    for gross in values:
        for rate in evidence.rates:
            tax = (gross * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)
            is_large = abs(tax) >= 1 and 2 * abs(gross) >= evidence.largest
            if is_large and tax in printed and gross - tax not in printed:
                found.append(_weigh(Triple(net=gross - tax, tax=tax, gross=gross), evidence))
    return found


def _from_rows(evidence: Evidence) -> tuple[list[Triple], set[tuple[Decimal, Decimal]]]:
    """Gross totals that are the sum of two or three rate rows, where no total of the nets is printed, and the rows: a row is then
    no total, whatever else is printed that it adds up to."""
    values = [v for v in dict.fromkeys(amount.value for amount in evidence.amounts) if v != 0][-_MAX_VALUES:]
    rows = [
        (rate, net, tax)
        for rate in sorted(evidence.rates)
        for net in values
        for tax in values
        if _is_rate(net, tax, rate)
    ][-_MAX_TAX_ROWS:]
    printed, found = set(values), []
    parts: set[tuple[Decimal, Decimal]] = set()
    for size in (2, 3):
        for several in combinations(rows, size):
            net, tax = (sum((row[place] for row in several), Decimal(0)) for place in (1, 2))
            if len({row[0] for row in several}) == size and net + tax in printed and net not in printed:
                whole = _weigh(Triple(net=net, tax=tax, gross=net + tax), evidence)
                found.append(msgspec.structs.replace(whole, score=whole.score + 3.0, has_rate=True))
                parts.update(row[1:] for row in several)
    return found, parts


def _tax_sums(values: list[Decimal], rates: frozenset[Decimal]) -> set[Decimal]:
    """Sums of two or three printed taxes of different rates: the total that a document with tax rows may leave out."""
    distinct = [v for v in dict.fromkeys(values) if v != 0][-_MAX_VALUES:]
    proven = [tax for tax in distinct if any(_is_rate(base, tax, rate) for base in distinct for rate in rates)]
    # A tax in two equal halves (federal and state) is printed twice.
    taxes = [tax for tax in proven[-_MAX_TAX_ROWS:] for _ in range(min(values.count(tax), 2))]
    return {sum(rows, Decimal(0)) for size in (2, 3) for rows in combinations(taxes, size)}


def _add_parts(triple: Triple, found: list[Triple]) -> Triple:
    """More weight for a triple that is the sum of two others, one for each rate: the last row of a tax table."""
    rest = {(other.net, other.tax) for other in found if other.has_rate}
    is_sum = any((triple.net - net, triple.tax - tax) in rest for net, tax in rest if net != triple.net)
    return msgspec.structs.replace(triple, score=triple.score + 3.0, has_rate=True) if is_sum else triple


def _weigh(triple: Triple, evidence: Evidence) -> Triple:
    net, tax, gross = triple.net, triple.tax, triple.gross
    said = (
        2.0 * evidence.net.get(net, 0.0),
        1.5 * max(evidence.tax.get(tax, 0.0), evidence.tax.get(-tax, 0.0)),
        2.5 * max(evidence.gross.get(gross, 0.0), 0.7 * evidence.payable.get(gross, 0.0)),
    )
    has_rate = tax != 0 and any(_is_rate(net, tax, rate) for rate in evidence.rates)
    is_mixed = tax != 0 and len(evidence.proven) > 1 and min(evidence.proven) < 100 * tax / net < max(evidence.proven)
    is_adjacent = _adjacent(triple, evidence.amounts)
    is_taxed = tax != 0 and any(_is_rate(base, tax, rate) for base in evidence.bases for rate in evidence.rates)
    credit = 2.0 if has_rate else 1.5 if is_mixed or is_taxed else -1.0 if evidence.rates and tax != 0 else 0.0
    score = sum(said) + credit + 1.5 * is_adjacent + 1.5 * float(abs(gross) / evidence.largest)
    is_flipped = tax < 0 and all(amount.value != tax for amount in evidence.amounts)
    score -= 1.0 * is_flipped + (0.5 + 2.0 * _is_lone(net, evidence)) * (tax == 0)
    return msgspec.structs.replace(
        triple,
        score=score,
        labels=sum(part > 0.5 for part in said),
        has_rate=has_rate,
        is_mixed=is_mixed,
        is_adjacent=is_adjacent,
    )


def _is_lone(value: Decimal, evidence: Evidence) -> bool:
    """Whether a value cannot be both net and gross: it is printed once, or no label speaks of net or tax at all."""
    count = sum(amount.value == value for amount in evidence.amounts)
    return count < 2 or not (evidence.net.get(value) or evidence.tax.get(Decimal(0)))


def _is_rate(net: Decimal, tax: Decimal, rate: Decimal) -> bool:
    return abs(net * rate / 100 - tax) <= (CENT if abs(net) >= 10 else CENT / 2)


def _adjacent(triple: Triple, amounts: tuple[Amount, ...]) -> bool:
    """Whether net, tax and gross are printed in this order with at most one amount between two of them."""
    values = [amount.value for amount in amounts]
    for i, value in enumerate(values):
        if value != triple.net:
            continue
        for j in range(i + 1, min(i + 3, len(values))):
            if values[j] in (triple.tax, -triple.tax) and triple.gross in values[j + 1 : j + 3]:
                return True
    return False

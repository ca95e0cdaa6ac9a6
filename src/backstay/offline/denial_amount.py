"""Amounts of a denial: what was billed, allowed, paid and is left to the patient.

An amount is taken from its label, from the column of its heading (the total row where there is one, the only row otherwise)
or, when a text export has lost the columns, by the order of the headings. Several lines without a total give no amount.
"""

from __future__ import annotations

import re

import msgspec

from backstay.offline.amount import find_amounts, format_amount
from backstay.offline.denial_layout import Hit, Letter, Reading, absent, labels
from backstay.offline.finding import Finding

_MONEY = re.compile(
    r"(?:of |is |was |: ?)?(?P<value>\(?-?\$\s?\d[\d,]*(?:\.\d{2})?|\d[\d,]*\.\d{2})(?!\d|,\d|\.\d|[ ]?%)"
)
_OWNER = r"(?:patient|member|your|subscriber)(?:'s)?"
_NAMES: dict[str, tuple[str, ...]] = {
    "billed": (
        r"(?:total )?(?:amounts? |charges? |provider |total )?billed(?: amount| charges?)?",
        r"(?:total |provider |submitted |billed )?charges?(?: billed| submitted)?",
        r"(?:(?:amount|total) )?charged",
        r"(?:total )?claim (?:amount|total|charges?)",
        r"submitted (?:amount|charges)",
        r"amount of (?:the |this |your )?(?:claim|charges?|bill)",
        r"(?:total|tot) (?:chg|chrg|chgs)s?",
        r"submitted(?=\s*\$)",
        r"your provider (?:billed|charged)(?: us)?",
    ),
    "allowed": (
        r"(?:plan |amount |total )?(?:allowed|allowance|allowable|eligible|approved|negotiated)(?: amount| charges?| rate)?",
        r"medicare approved amount",
        r"amount (?:allowed|approved)",
    ),
    "paid": (
        r"(?:plan |we |amount |total |medicare |insurance |benefits? )?paid(?: amount| by (?:the |your )?plan| to provider)?",
        r"(?:plan|benefit|insurance) payment",
        r"(?:your |the |what your )?plan paid",
        r"amount (?:we|your plan|the plan|plan) paid",
        r"payment amount",
        r"what we paid",
    ),
    "patient_responsibility": (
        rf"(?:total )?{_OWNER} (?:total )?(?:responsibility|liability|resp\.?|balance|share|cost|costs)(?: amount)?",
        r"(?:amount )?(?:you|patient|member) (?:may )?(?:owe|owes|be billed)",
        r"what you (?:may )?owe",
        r"maximum you may be billed",
        r"you (?:may be|are) responsible for(?: paying)?",
        r"balance due",
    ),
    "deductible_applied": (r"(?:applied to (?:your )?)?deductible(?: amount| applied)?",),
    "coinsurance_applied": (r"co-?insurance(?: amount| applied)?",),
    "copay_applied": (r"co-?pay(?:ment)?(?: amount| applied)?",),
}
_LABELS = {name: labels(*names) for name, names in _NAMES.items()}
_BILLED_PROSE = re.compile(
    r"\b(?:(?=billed|charged)|(?:billed|charges?|claim|bill|submitted)\b[^.\n$]{0,60}?\b)"
    r"(?:in the amount of|totall?ing|for|of|at|was|is|billed|charged)\s+"
    r"(?P<value>\$\s?\d[\d,]*(?:\.\d{2})?)",
    re.I,
)
_TOTAL_ROW = re.compile(r"(?i)\s*(?:grand |claim )?totals?\b")
_AMOUNT = re.compile(r"(?<![\w.])-?\$\s?\d[\d,]*(?:\.\d{2})?|(?<![\w.$,])\d[\d,]*\.\d{2}(?![\d%])")


class _Found(msgspec.Struct, frozen=True):
    start: int
    end: int
    rule: str
    confidence: float
    is_total: bool = False


def read_amounts(letter: Letter) -> Reading:
    """Billed, allowed, paid, patient responsibility and the shares of the patient, as decimal strings."""
    by_order = _by_heading_order(letter)
    fields = {f"amounts.{name}": _amount(letter, name, by_order.get(name, [])) for name in _LABELS}
    return Reading(fields)


def _amount(letter: Letter, name: str, by_order: list[_Found]) -> Finding:
    hits = letter.hits(_LABELS[name], letter.matching(_MONEY))
    found = [_from_hit(letter, hit) for hit in hits if _is_own(letter, name, hit)] or by_order
    if not found and name == "billed" and (match := _BILLED_PROSE.search(letter.text)):
        found = [_Found(*match.span("value"), "prose", 0.85)]
    if not found:
        return absent(f"no {name.replace('_', ' ')} amount is labelled")
    totals = [one for one in found if one.is_total] or found
    values = {_value(letter, one) for one in totals}
    if len(values) > 1 and len({one.rule for one in totals}) == 1 and "same" not in totals[0].rule:
        return absent("several lines are printed and no total")
    chosen = totals[0]
    confidence = chosen.confidence if len(values) == 1 else 0.6
    return Finding(
        value=_value(letter, chosen), confidence=confidence, start=chosen.start, end=chosen.end, rule=chosen.rule
    )


def _from_hit(letter: Letter, hit: Hit) -> _Found:
    row = letter.rows[letter.row_at(hit.start)]
    is_total = bool(_TOTAL_ROW.match(row.text)) or bool(
        re.match(r"(?i)total", letter.text[hit.label_start : hit.label_end])
    )
    return _Found(hit.start, hit.end, f"label/{hit.place}", 0.94, is_total)


def _is_own(letter: Letter, name: str, hit: Hit) -> bool:
    """Whether the label is not the tail of another one: "not paid", "annual deductible", "amount not covered"."""
    before = letter.text[max(0, hit.label_start - 14) : hit.label_start].lower()
    if re.search(r"\b(?:not|never|non-?|remaining|annual|yearly|individual|family|out-of-pocket|already|in) $", before):
        return False
    return not (name == "billed" and re.search(r"(?:may be|be|non-?covered|not|disallowed) $", before))


def _value(letter: Letter, found: _Found) -> str:
    return format_amount(abs(find_amounts(letter.text[found.start : found.end], decimal_mark=".")[0].value))


def _by_heading_order(letter: Letter) -> dict[str, list[_Found]]:
    """Amounts by the rank of their heading, for tables whose columns became single blanks."""
    found: dict[str, list[_Found]] = {}
    for number, row in enumerate(letter.rows):
        names = _headings(letter, row.start, row.end)
        if len(names) < 2 or _AMOUNT.search(row.text):
            continue
        for below in letter.rows[number + 1 : number + 25]:
            amounts = list(_AMOUNT.finditer(letter.text, below.start, below.end))
            if len(amounts) != len(names):
                continue
            is_total = bool(_TOTAL_ROW.match(below.text))
            for name, match in zip(names, amounts, strict=True):
                found.setdefault(name, []).append(_Found(*match.span(), "heading order", 0.85, is_total))
    return found


def _headings(letter: Letter, start: int, end: int) -> list[str]:
    spans: list[tuple[int, int, str]] = []
    for name, label in _LABELS.items():
        for match in label.finditer(letter.text, start, end):
            if not any(match.start() < stop and begin < match.end() for begin, stop, _ in spans):
                spans.append((*match.span(), name))
    return [name for _, _, name in sorted(spans)]

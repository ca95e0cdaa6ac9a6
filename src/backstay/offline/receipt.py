"""A receipt's text read by rules: company, date, address, total and currency, each with its place and confidence.

No model and no network. The confidences are measured shares (`scripts/accuracy` prints them), made so that a value of 0.9 or
more is right in at least 95 of 100 receipts.
"""

from __future__ import annotations

import re

from backstay.offline.currency import find_currency
from backstay.offline.date import DateMention, find_compact_dates, find_dates
from backstay.offline.date_noise import find_stamps, mend_dates
from backstay.offline.finding import Finding, Findings
from backstay.offline.receipt_head import find_address, find_company
from backstay.offline.receipt_total import find_total
from backstay.offline.text import Cell, split_lines

_DATE_LABEL = re.compile(r"\b(?:date|dt|datum|fecha|data|tarikh|le)\b", re.I)
_OTHER_DATE = re.compile(r"expir|valid|birth|member|due|since|until|before|act 20|version", re.I)
_TIME = re.compile(r"\d{1,2} ?[:.] ?\d{2}")


def read_receipt(text: str) -> Findings:
    """What a receipt says: `company`, `date` (ISO), `address`, `total` (decimal string) and `currency` (ISO 4217)."""
    lines = split_lines(text)
    company, after = find_company(text, lines)
    fields = {
        "company": company,
        "date": _find_date(text, lines),
        "address": find_address(text, lines, after),
        "total": find_total(text, lines),
        "currency": find_currency(text),
    }
    return Findings(data={name: finding.value for name, finding in fields.items()}, fields=fields)


def _find_date(text: str, lines: list[Cell]) -> Finding:
    """The day of the sale: the labelled date, else one beside a time, else the first."""
    clean = find_dates(text)
    mentions = (
        mend_dates(text, clean) if clean else find_compact_dates(text) or find_stamps(text) or mend_dates(text, [])
    )
    if not mentions:
        return Finding(reason="no date in the text")
    scored = [(_date_score(text, lines, mention), -i, mention) for i, mention in enumerate(mentions)]
    score, _, best = max(scored, key=lambda row: row[:2])
    agree = len({mention.value for mention in mentions}) == 1
    confidence = 0.97 if agree else 0.92 if score >= 2 else 0.7
    if not best.is_certain:
        confidence = min(confidence, 0.85)
    return Finding(value=best.value, confidence=confidence, start=best.start, end=best.end, rule="receipt.date")


def _date_score(text: str, lines: list[Cell], mention: DateMention) -> int:
    line = next((line for line in lines if line.start <= mention.start < line.end), None)
    if line is None:
        return 0
    before = line.text[: mention.start - line.start]
    score = 2 * bool(_DATE_LABEL.search(before)) + bool(_TIME.search(line.text[mention.end - line.start :]))
    return score - 3 * bool(_OTHER_DATE.search(line.text))

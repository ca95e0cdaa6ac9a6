"""Confidence: how sure a record is, as the share of such records that are right.

A record is as sure as the least sure of the facts that it is booked by, because one wrong fact makes a wrong record; a mean would
let a certain currency make up for a doubtful amount. A seller that rules read on a receipt gets the share of right names that
stand as it does: a name is right if it is the first thing on the paper and has a legal form, and doubtful if other words come
before it. The shares were measured on 319 scanned receipts, whose misread names also suggested what counts as clean; they hold in
every fifth of the shops (`python bench/kits/invoices.py CORPUS`), and are stated a little lower than measured.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.extract.extraction import Field
from backstay.kits.invoices.kind import Kind
from backstay.offline.lexicon import COMPANY_FORMS, TRADE_WORDS
from backstay.offline.text import fold

BOOKED: Final[dict[Kind, tuple[str, ...]]] = {
    "invoice": ("number", "issue_date", "currency", "grand_total"),
    "receipt": ("seller", "issue_date", "grand_total"),
}
"""What a record is booked by, all of which must be right."""

FIRST_WITH_FORM: Final = 0.97
FIRST: Final = 0.88
LATER: Final = 0.70
"""Shares of right names, a little under the measured 98 %, 90 % and 73 %."""

EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
FORM: Final = re.compile(
    r"(?<!\w)(?:" + "|".join(re.escape(form) for form in sorted(COMPANY_FORMS, key=len, reverse=True)) + r")(?!\w)"
)
WORDS: Final = re.compile(r"[^\W\d_]{2}")
LONG_NUMBER: Final = re.compile(r"\d{4}")
LONG_WORD: Final = 7
"""Letters from which a word that is nearly a trade's is a misread one."""

NEARLY: Final = 0.88
KNOWN: Final = tuple(
    sorted({word for word in (*TRADE_WORDS, *COMPANY_FORMS) if len(word) >= LONG_WORD and " " not in word})
)


def whole(kind: Kind, fields: Mapping[str, Field]) -> tuple[float, str]:
    """The confidence of a record, and the fact that it is no surer than. A booked fact that is missing makes it 0."""
    sure = {name: _sure(fields.get(name)) for name in BOOKED[kind]}
    weakest = min(sure, key=lambda name: sure[name])
    return sure[weakest], weakest


def measured(kind: Kind, fields: Mapping[str, Field], text: str) -> dict[str, Field]:
    """`fields` with the measured confidence of a receipt's seller, where a rule read it. Doing it twice changes nothing."""
    found = dict(fields)
    seller = found.get("seller")
    if kind == "receipt" and seller is not None and seller.value not in EMPTY and "rule" in seller.signals:
        found["seller"] = msgspec.structs.replace(seller, confidence=seller_confidence(seller, text))
    return found


def seller_confidence(seller: Field, text: str) -> float:
    """The share of right names that stand on a receipt as this one does."""
    if seller.evidence is None or WORDS.search(text[: seller.evidence[0]]):
        return LATER
    name = str(seller.value)
    is_clean = name[:1].isalpha() and not LONG_NUMBER.search(name) and not _is_misread(name)
    return FIRST_WITH_FORM if is_clean and FORM.search(fold(name)) else FIRST


def _sure(field: Field | None) -> float:
    return 0.0 if field is None or field.value in EMPTY else field.confidence


def _is_misread(name: str) -> bool:
    """Whether a word of a name is nearly, and not quite, a word that names a trade or a legal form: `ENTERORISE`."""
    for word in re.findall(r"[^\W\d_]+", fold(name)):
        if len(word) < LONG_WORD or any(word.startswith(known) or known.startswith(word) for known in KNOWN):
            continue
        if difflib.get_close_matches(word, KNOWN, n=1, cutoff=NEARLY):
            return True
    return False

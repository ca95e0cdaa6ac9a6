"""How often the offline invoice rules are right on PDF text whose truth is the XML inside the same PDF (ZUGFeRD, Factur-X).

A field is scored where its printed form occurs in the text: some of the XML's values are not on the page. A credit note's amounts
are compared without sign, because its type code carries the sign in the XML and the page prints a minus. A party is right when
it is a line of the truth, whose first lines are numbers now and then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from backstay.offline.amount import find_amounts
from backstay.offline.date import find_dates
from backstay.offline.finding import Finding, Findings
from backstay.offline.invoice import read_invoice

Row = tuple[str, int, int, float]
Outcome = tuple[str, str, Finding, bool]
Read = Callable[[str], Findings]
Check = tuple[str, str, Callable[[Any], bool]]
SCHEMA = "invoice"
# Our field: the truth's field, and the bar.
FIELDS = {
    "number": ("invoice_number", 0.90),
    "issue_date": ("issue_date", 0.90),
    "due_date": ("due_date", 0.85),
    "net_total": ("tax_basis", 0.92),
    "tax_total": ("tax_total", 0.92),
    "grand_total": ("grand_total", 0.92),
    "currency": ("currency", 0.99),
    "seller": ("seller", 0.60),
    "buyer": ("buyer", 0.60),
}
TRUSTED = 0.9
CREDIT_NOTE = "381"


def cases(corpus: Path, split: str = "dev") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each invoice's input with its truth."""
    folder = corpus / "data" / "zugferd" / split
    truths = {truth["id"]: truth for truth in _lines(folder / "truth.jsonl")}
    return [(given, truths[given["id"]]) for given in _lines(folder / "inputs.jsonl")]


def checks(given: dict[str, Any], truth: dict[str, Any]) -> list[Check]:
    """The scored fields of one invoice: name, path in the extraction, and the judge of a value."""
    return [
        (name, name, partial(is_right, name, truth=truth))
        for name, (key, _) in FIELDS.items()
        if truth.get(key) is not None and is_printed(name, str(truth[key]), given["text"])
    ]


def outcomes(corpus: Path, split: str = "dev", *, read: Read = read_invoice) -> list[Outcome]:
    """For every scored field of every invoice: its id, the field, the finding, and whether it is right."""
    found: list[Outcome] = []
    for given, truth in cases(corpus, split):
        fields = read(given["text"]).fields
        found.extend(
            (given["id"], name, fields[path], right(fields[path].value)) for name, path, right in checks(given, truth)
        )
    return found


def table(corpus: Path, *, read: Read = read_invoice) -> list[Row]:
    """Rows of field, right, total and bar; the last rows count only the findings of confidence 0.9 and more."""
    found = outcomes(corpus, read=read)
    rows = [tally(found, name, bar) for name, (_, bar) in FIELDS.items()]
    sure = [outcome for outcome in found if outcome[2].confidence >= TRUSTED]
    return rows + [tally(sure, name, 0.97, suffix=" >= 0.9") for name in FIELDS if any(row[1] == name for row in sure)]


def tally(found: list[Outcome], name: str, bar: float, *, suffix: str = "") -> Row:
    """One row of the table."""
    hits = [right for _, field, _, right in found if field == name]
    return name + suffix, sum(hits), len(hits), bar


def is_printed(name: str, value: str, text: str) -> bool:
    """Whether the truth's value occurs on the page in some printed form."""
    if name.endswith("_total"):
        return any(abs(amount.value) == abs(Decimal(value)) for amount in find_amounts(text))
    if name.endswith("_date"):
        return any(date.value == value for date in find_dates(text))
    return normalize(value) in normalize(text)


def is_right(name: str, value: Any, truth: dict[str, Any]) -> bool:
    """Whether a finding's value is what the truth says."""
    expected = str(truth[FIELDS[name][0]])
    if value is None:
        return False
    if name.endswith("_total"):
        given, wanted = Decimal(value), Decimal(expected)
        return given == wanted or (truth.get("type_code") == CREDIT_NOTE and abs(given) == abs(wanted))
    if name in ("seller", "buyer"):
        return any(_is_same_party(normalize(value), normalize(line)) for line in expected.splitlines())
    return bool(value == expected)


def _is_same_party(given: str, expected: str) -> bool:
    """Equal, or one begins with the other, as the page may leave out a legal form."""
    return min(len(given), len(expected)) > 3 and (
        given == expected or given.startswith(expected) or expected.startswith(given)
    )


def normalize(text: str) -> str:
    """Upper case letters and digits only."""
    return re.sub(r"[\W_]+", "", text.upper())


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

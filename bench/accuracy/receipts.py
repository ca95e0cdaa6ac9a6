"""How often the offline receipt rules are right on scanned receipts (ICDAR 2019 SROIE), field by field.

Company and address count when equal after upper case and with runs of spaces and punctuation as one space; date and total count
by value. A field is scored where the truth has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from backstay.offline.amount import parse_amount
from backstay.offline.date import parse_date
from backstay.offline.finding import Finding, Findings
from backstay.offline.receipt import read_receipt

Row = tuple[str, int, int, float]
Outcome = tuple[str, str, Finding, bool]
Read = Callable[[str], Findings]
Check = tuple[str, str, Callable[[Any], bool]]
SCHEMA = "receipt"
FIELDS = ("total", "date", "company", "address")
BARS = {"total": 0.85, "date": 0.98, "company": 0.76, "address": 0.60}
TRUSTED = 0.9


def cases(corpus: Path, split: str = "dev") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each receipt's input with its truth."""
    folder = corpus / "data" / "sroie" / split
    truths = {truth["id"]: truth for truth in _lines(folder / "truth.jsonl")}
    return [(given, truths[given["id"]]) for given in _lines(folder / "inputs.jsonl")]


def checks(given: dict[str, Any], truth: dict[str, Any]) -> list[Check]:
    """The scored fields of one receipt: name, path in the extraction, and the judge of a value."""
    return [(name, name, partial(is_right, name, truth=truth[name])) for name in FIELDS if truth.get(name)]


def outcomes(corpus: Path, split: str = "dev", *, read: Read = read_receipt) -> list[Outcome]:
    """For every scored field of every receipt: its id, the field, the finding, and whether it is right."""
    found: list[Outcome] = []
    for given, truth in cases(corpus, split):
        fields = read(given["text"]).fields
        found.extend(
            (given["id"], name, fields[path], right(fields[path].value)) for name, path, right in checks(given, truth)
        )
    return found


def table(corpus: Path, *, read: Read = read_receipt) -> list[Row]:
    """Rows of field, right, total and bar; the last rows count only the findings of confidence 0.9 and more."""
    found = outcomes(corpus, read=read)
    rows = [tally(found, name, BARS[name]) for name in FIELDS]
    sure = [outcome for outcome in found if outcome[2].confidence >= TRUSTED]
    return rows + [tally(sure, name, 0.95, suffix=" >= 0.9") for name in FIELDS if any(row[1] == name for row in sure)]


def tally(found: list[Outcome], name: str, bar: float, *, suffix: str = "") -> Row:
    """One row of the table."""
    hits = [right for _, field, _, right in found if field == name]
    return name + suffix, sum(hits), len(hits), bar


def is_right(name: str, value: Any, truth: str) -> bool:
    """Whether a finding's value is what the truth says."""
    if value is None:
        return False
    if name == "total":
        expected = parse_amount(truth)
        return expected is not None and Decimal(value) == expected
    if name == "date":
        return bool(value == parse_date(truth))
    return normalize(value) == normalize(truth)


def normalize(text: str) -> str:
    """Upper case, with runs of anything but letters and digits as one space."""
    return re.sub(r"[\W_]+", " ", text.upper()).strip()


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

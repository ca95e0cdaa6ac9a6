"""How well the grounding check finds unsupported claims: precision and recall of its flags, set by set.

A claim is flagged when one of its items is not in its source. People judged the claims as wholes, and most of what is wrong
with a claim has no form that a rule can check, so recall is bounded by what numbers and names can show. Bars stand only where
the check promises something; the other rows are printed so that nobody has to guess what it misses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backstay.extract.grounding import Report, check

Row = tuple[str, int, int, float]
NUMBERS = frozenset({"amount", "percent", "date", "code", "id", "contact"})
BARS = {"wice all precision": 0.85, "wice all recall": 0.75}


def claims(corpus: Path, split: str = "dev") -> Iterator[tuple[str, str, str, bool]]:
    """Each claim as (set, source, claim, is it supported)."""
    folder = corpus / "data" / "grounding" / split
    truths = {truth["id"]: truth["claim_supported"] for truth in _lines(folder / "truth.jsonl")}
    for given in _lines(folder / "inputs.jsonl"):
        for claim, is_supported in zip(given["claims"], truths[given["id"]], strict=True):
            yield given["set"], given["source"], claim, bool(is_supported)


def table(corpus: Path, split: str = "dev") -> list[Row]:
    """Precision and recall of "some item is ungrounded" for numbers alone and for all kinds, per set."""
    counts: dict[tuple[str, str], list[int]] = {}
    for name, source, claim, is_supported in claims(corpus, split):
        report = check(claim, source)
        for kinds, is_flagged in (("numbers", _has_wrong_number(report)), ("all", not report.is_grounded)):
            found = counts.setdefault((name, kinds), [0, 0, 0])
            found[0] += is_flagged and not is_supported
            found[1] += is_flagged
            found[2] += not is_supported
    return [row for (name, kinds), found in sorted(counts.items()) for row in _rows(f"{name} {kinds}", *found)]


def _has_wrong_number(report: Report) -> bool:
    return any(item.kind in NUMBERS for item in report.ungrounded)


def _rows(name: str, right: int, flagged: int, wrong: int) -> list[Row]:
    precision, recall = f"{name} precision", f"{name} recall"
    return [
        (precision, right, flagged, BARS.get(precision, 0.0)),
        (recall, right, wrong, BARS.get(recall, 0.0)),
    ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)

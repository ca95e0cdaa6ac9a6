"""How good the invoices kit is without a model: its facts, what share of records it accepts, and how many of these are right.

    python bench/kits/invoices.py CORPUS [SPLIT]

A record is right when everything that it is booked by is right and the corpus knows it: a receipt's seller, date and total; an
invoice's number, date, currency and totals. Specimen invoices carry made-up account and tax numbers, which the checks refuse; so
the decision is told twice, as it is, and without the checks of these numbers. Takes about three seconds of CPU.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from backstay.client import Client
from backstay.config import load
from backstay.document.document import Document
from backstay.kits.invoices.confidence import BOOKED, FIRST, FIRST_WITH_FORM, LATER, measured, whole
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.workflow import RECEIPT_NAMES, process

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy import einvoices, receipts

Row = tuple[str, int, int, float]
BARS = {
    "receipts": {"total": 0.84, "date": 0.98, "company": 0.78},
    "einvoices": {
        "number": 0.90, "issue_date": 0.90, "net_total": 0.92, "tax_total": 0.92, "grand_total": 0.92, "currency": 0.99,
    },
}  # fmt: skip
SURE = 0.9
SURE_BAR = 0.97
NUMBERS = ("iban", "vat_id")


class Outcome(NamedTuple):
    """A document's record, and for each scored fact whether it is right; the record's confidence, and its text."""

    record: Record
    right: dict[str, bool]
    confidence: float
    text: str

    @property
    def is_right(self) -> bool:
        """Whether every booked fact that the corpus knows is right."""
        return all(self.right.values())

    @property
    def is_accepted(self) -> bool:
        """Whether it would be accepted if its account and tax numbers were in order."""
        kept = [why for why in self.record.reasons if why.partition(":")[0] not in NUMBERS]
        return self.record.decision == "accepted" or (self.record.decision == "review" and not kept)


def outcomes(corpus: Path, split: str = "dev") -> dict[str, list[Outcome]]:
    """The outcomes of both collections by the offline rules."""
    return {
        "receipts": asyncio.run(_read(receipts, corpus, split)),
        "einvoices": asyncio.run(_read(einvoices, corpus, split)),
    }


async def _read(section: ModuleType, corpus: Path, split: str) -> list[Outcome]:
    empty = Path(tempfile.gettempdir())
    arguments = {"model": "offline:rules", "ledger.mode": "off"}
    loaded = load(environ={}, arguments=arguments, cwd=empty, user_folder=empty)
    scored = BARS[section.__name__.rpartition(".")[2]]
    found = []
    async with Client(loaded=loaded) as client:
        for given, truth in section.cases(corpus, split):
            document = Document(source=given["id"], text=given["text"], media_type="text/plain")
            record = await process(client, document)
            right = {
                name: check(record.data.get(RECEIPT_NAMES.get(path, path)))
                for name, path, check in section.checks(given, truth)
                if name in scored
            }
            fields = measured(record.kind, record.fields, document.text)
            found.append(Outcome(record, right, whole(record.kind, fields)[0], document.text))
    return found


def table(found: dict[str, list[Outcome]]) -> list[Row]:
    """What was right, out of how many, and the bar: facts, then records of confidence 0.9 and more, then accepted records."""
    rows: list[Row] = []
    for section, several in found.items():
        for name, bar in BARS[section].items():
            rows.append(tally(f"{section} {name}", (one.right[name] for one in several if name in one.right), bar))
        sure = (one.is_right for one in several if one.confidence >= SURE)
        rows.append(tally(f"{section} records >= 0.9", sure, SURE_BAR))
        rows.append(tally(f"{section} accepted", (one.is_right for one in several if one.is_accepted), SURE_BAR))
    return rows


def tally(name: str, several: Iterable[bool], bar: float) -> Row:
    """One row."""
    hits = list(several)
    return name, sum(hits), len(hits), bar


def sellers(found: list[Outcome], folds: int = 5) -> list[tuple[float, list[tuple[int, int]]]]:
    """For each confidence of a receipt's seller, right names and names in each of `folds` parts; a shop is in one part only."""
    names = sorted({str(one.record.data.get("seller")) for one in found})
    parts = {name: place % folds for place, name in enumerate(names)}
    rows = []
    for share in (FIRST_WITH_FORM, FIRST, LATER):
        counts = [[0, 0] for _ in range(folds)]
        for one in found:
            fields = measured(one.record.kind, one.record.fields, one.text)
            if "company" in one.right and "seller" in fields and fields["seller"].confidence == share:
                count = counts[parts[str(one.record.data.get("seller"))]]
                count[0] += one.right["company"]
                count[1] += 1
        rows.append((share, [(right, every) for right, every in counts]))
    return rows


def main(corpus: Path, split: str) -> int:
    """Print everything; 1 where a bar is missed."""
    found = outcomes(corpus, split)
    rows = table(found)
    for name, right, count, bar in rows:
        print(f"{name:<28} {right:>4} of {count:<4} {right / max(count, 1):6.1%}  bar {bar:.0%}")
    for section, several in found.items():
        decided = Counter(one.record.decision for one in several)
        share = sum(one.is_accepted for one in several) / max(len(several), 1)
        print(f"{section}: {dict(sorted(decided.items()))}; accepted but for account and tax numbers: {share:.0%}")
    for share, folds in sellers(found["receipts"]):
        print(f"seller at {share:.2f}: " + ", ".join(f"{right} of {count}" for right, count in folds))
    print("booked by: " + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in BOOKED.items()))
    return int(any(right < bar * count for _, right, count, bar in rows))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "dev"))

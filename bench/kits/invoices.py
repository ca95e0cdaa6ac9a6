"""How good the invoices kit is without a model: its facts, what share of records it accepts, and how many of these are right.

    python bench/kits/invoices.py CORPUS [SPLIT [FOLDER]]

A record is right when everything that it is booked by is right and the corpus knows it: a receipt's seller, date and total; an
invoice's number, date, currency and totals. Specimen invoices carry made-up account and tax numbers, which the checks refuse; so
the decision is told twice, as it is, and without the checks of these numbers. Takes about three seconds of CPU. With FOLDER the
facts are drawn beside their bars too, as FOLDER/facts.svg.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from backstay.chart.data import Bars
from backstay.chart.svg import to_svg
from backstay.client import Client
from backstay.config import load
from backstay.document.document import Document
from backstay.kits.invoices.confidence import BOOKED, FIRST, FIRST_WITH_FORM, LATER, measured, whole
from backstay.kits.invoices.confirm import RECEIPT_NAMES
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.workflow import process

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy import einvoices, receipts

Row = tuple[str, int, int, float]
BARS = {
    "receipts": {"total": 0.84, "date": 0.98, "company": 0.78},
    "einvoices": {
        "number": 0.90, "issue_date": 0.90, "net_total": 0.92, "tax_total": 0.92, "grand_total": 0.92, "currency": 0.99,
    },
}  # fmt: skip
LABELS = {
    "receipts total": "r. total", "receipts date": "r. date", "receipts company": "r. seller", "einvoices number": "number",
    "einvoices issue_date": "date", "einvoices net_total": "net", "einvoices tax_total": "tax",
    "einvoices grand_total": "total", "einvoices currency": "currency",
}  # fmt: skip
SURE = 0.9
SURE_BAR = 0.97
PROMISED = 0.95
NUMBERS = ("iban", "vat_id")


class Outcome(NamedTuple):
    """A document's record, and for each scored fact whether it is right; the record's confidence, its text, and who sold."""

    record: Record
    right: dict[str, bool]
    confidence: float
    text: str
    family: str

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
            found.append(Outcome(record, right, whole(record.kind, fields)[0], document.text, _family(truth)))
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


def _family(truth: dict[str, Any]) -> str:
    """Who sold, by its letters: documents of one seller look alike, so none of them may tell how sure another is."""
    return "".join(filter(str.isalnum, str(truth.get("company") or truth.get("seller") or "").upper()))


def left_out(found: list[Outcome]) -> tuple[int, int, int]:
    """Records accepted and right, accepted, and families, where nothing that is known of a seller judges it.

    A stated confidence is only the name of a way to read. A way is trusted with a seller's document if among the documents of all
    other sellers it was right in 95 of 100 ((right + 1) / (all + 2)), which is what 0.9 promises; a record needs all its ways.
    """
    facts = [(one, _ways(one)) for one in found]
    total: Counter[tuple[str, str, float]] = Counter()
    right: Counter[tuple[str, str, float]] = Counter()
    own: dict[tuple[str, tuple[str, str, float]], list[int]] = {}
    for one, ways in facts:
        for name, way in ways.items():
            if name in one.right:
                total[way] += 1
                right[way] += one.right[name]
                mine = own.setdefault((one.family, way), [0, 0])
                mine[0] += one.right[name]
                mine[1] += 1
    accepted = hits = 0
    for one, ways in facts:
        shares = []
        for way in ways.values():
            good, every = own.get((one.family, way), (0, 0))
            shares.append((right[way] - good + 1) / (total[way] - every + 2))
        if len(ways) == len(BOOKED[one.record.kind]) and min(shares) >= PROMISED:
            accepted += 1
            hits += one.is_right
    return hits, accepted, len({one.family for one in found})


def _ways(one: Outcome) -> dict[str, tuple[str, str, float]]:
    """For each booked fact, by the corpus' name of it, the way in which it was read."""
    names = {ours: theirs for theirs, ours in RECEIPT_NAMES.items()} if one.record.kind == "receipt" else {}
    fields = measured(one.record.kind, one.record.fields, one.text)
    return {
        names.get(name, name): (one.record.kind, name, round(fields[name].confidence, 2))
        for name in BOOKED[one.record.kind]
        if name in fields and fields[name].value
    }


def draw(rows: list[Row], folder: Path) -> None:
    """Shares in per cent and their bars, as a chart."""
    facts = [row for row in rows if row[0] in LABELS]
    chart = Bars(
        title="Facts that are right, of 100",
        labels=tuple(LABELS[name] for name, *_ in facts),
        series=(
            ("right", tuple(100 * right / max(count, 1) for _, right, count, _ in facts)),
            ("bar", tuple(100 * bar for *_, bar in facts)),
        ),
        y_label="per cent; r.: of receipts, the others of invoices",
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.svg").write_text(to_svg(chart), encoding="utf-8")


def main(corpus: Path, split: str, folder: Path | None = None) -> int:
    """Print everything; 1 where a bar is missed."""
    found = outcomes(corpus, split)
    rows = table(found)
    if folder is not None:
        draw(rows, folder)
    for name, right, count, bar in rows:
        print(f"{name:<28} {right:>4} of {count:<4} {right / max(count, 1):6.1%}  bar {bar:.0%}")
    for section, several in found.items():
        decided = Counter(one.record.decision for one in several)
        share = sum(one.is_accepted for one in several) / max(len(several), 1)
        print(f"{section}: {dict(sorted(decided.items()))}; accepted but for account and tax numbers: {share:.0%}")
    for section, several in found.items():
        hits, accepted, families = left_out(several)
        rows.append((f"{section} accepted, each seller left out", hits, accepted, SURE_BAR))
        print(f"{section} trusted by the other sellers' documents: {hits} of {accepted} right, {families} sellers")
    for share, folds in sellers(found["receipts"]):
        print(f"seller at {share:.2f}: " + ", ".join(f"{right} of {count}" for right, count in folds))
    print("booked by: " + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in BOOKED.items()))
    return int(any(right < bar * count for _, right, count, bar in rows))


if __name__ == "__main__":
    given = [*sys.argv[1:], "dev"]
    sys.exit(main(Path(given[0]), given[1], Path(sys.argv[3]) if len(sys.argv) > 3 else None))

"""How good the operations kit is without a model: a web tier's utility, root causes, anomalies.

    python bench/kits/operations.py CORPUS [SPLIT]

`dev` is the first half of the request trace and of the incidents and series. Takes about sixteen seconds of CPU.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from backstay.kits.operations.compare import Course, Outcome, compare
from backstay.kits.operations.evaluate import anomalies, causes, total, within
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.trace import read_deltas

Row = tuple[str, int, int, float]
BARS = {"root cause in the top 3": 0.70}
BOOT_DELAYS = (0.0, 60.0, 120.0, 180.0, 240.0)
"""SWIM's published runs."""


def deltas(corpus: Path, split: str = "dev") -> list[float]:
    """The arrivals of a split, in the order of its files."""
    folder = corpus / "data" / "swim" / split
    return [delta for path in sorted(folder.glob("*.delta")) for delta in read_deltas(path)]


def outcomes(corpus: Path, split: str = "dev", *, boot_delay: float = 60.0) -> list[Outcome]:
    """All policies and all configurations that stand still, the best first."""
    course = Course(deltas=deltas(corpus, split), tier=Tier(boot_delay=boot_delay))
    return asyncio.run(compare(course))


def margin(found: list[Outcome]) -> float:
    """The utility of the predictive policy over that of the best configuration that stands still."""
    best = max(one.utility for one in found if one.is_static)
    return next(one.utility for one in found if one.name == "predictive") / best


def table(corpus: Path, split: str = "dev") -> list[Row]:
    """What was right, out of how many, and the bar."""
    found = causes(corpus / "data" / "petshop_rca", split)
    whole = total(anomalies(corpus / "data" / "nab_metrics", split))
    rows = [
        ("root cause in the top 1", within(found, 1), len(found)),
        ("root cause in the top 3", within(found, 3), len(found)),
        ("anomaly windows", whole.found, whole.windows),
    ]
    return [(name, right, count, BARS.get(name, 0.0)) for name, right, count in rows]


def main(corpus: Path, split: str) -> None:
    """Print everything."""
    for name, right, count, bar in table(corpus, split):
        print(f"{name:<26} {right:>4} of {count:<4} {right / max(count, 1):6.1%}" + (f"  bar {bar:.0%}" if bar else ""))
    whole = total(anomalies(corpus / "data" / "nab_metrics", split))
    print(f"{'NAB-like score':<26} {whole.normalised or 0:.1f} of 100, {whole.false_alarms} false alarms")
    for delay in BOOT_DELAYS:
        found = outcomes(corpus, split, boot_delay=delay)
        still = max((one for one in found if one.is_static), key=lambda one: one.utility)
        said = "  ".join(f"{one.name} {one.utility:,.0f} ({one.late} late)" for one in found if one.rounds)
        print(
            f"boot delay {delay:>3.0f} s: {said}  best {still.name}: {still.utility:,.0f}  margin {margin(found):.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "dev")

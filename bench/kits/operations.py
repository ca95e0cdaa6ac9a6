"""How good the operations kit is without a model: a web tier's utility, root causes, anomalies.

    python bench/kits/operations.py CORPUS [SPLIT] [--held-out]

`dev` is the first half of the request trace and of the incidents and series. Takes about sixteen seconds of CPU. `--held-out`
settles the rules of the root causes and the settings of the detector anew for each scenario and each series, on all others, and
scores them on the one that was left out; another half a minute.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from backstay.kits.operations.anomaly import Detection
from backstay.kits.operations.compare import Course, Outcome, compare
from backstay.kits.operations.evaluate import Found, anomalies, causes, total, within
from backstay.kits.operations.nab import Score
from backstay.kits.operations.root_cause import Ranking
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.trace import read_deltas

Row = tuple[str, int, int, float]
BARS = {"root cause in the top 3": 0.70, "root cause in the top 3, held out": 0.70}
BOOT_DELAYS = (0.0, 60.0, 120.0, 180.0, 240.0)
"""SWIM's published runs."""

THRESHOLDS, HABITS, SHARES = (0.3, 0.45, 0.6, 0.8), (1, 2, 3), (0.01, 0.005)
"""The settings of the detector that a series may get from the others."""


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


def rankings() -> Iterator[Ranking]:
    """Every combination of the rules, those with fewest rules first."""
    made = [
        Ranking(noise=noise, is_new_only=new, is_view_last=last)
        for noise, new, last in itertools.product((0.0, 2.0), (False, True), (False, True))
    ]
    return iter(sorted(made, key=lambda one: (one.noise > 0) + one.is_new_only + one.is_view_last))


def held_out_causes(corpus: Path, split: str = "dev") -> list[Found]:
    """Each scenario ranked by the rules that are best on the others: most at the top, then in the top 3, then fewest rules."""
    tried = [causes(corpus / "data" / "petshop_rca", split, rules) for rules in rankings()]
    scenarios = sorted({scenario_of(one) for one in tried[0]})
    left: list[Found] = []
    for scenario in scenarios:
        rest = [[one for one in found if scenario_of(one) != scenario] for found in tried]
        best = max(range(len(tried)), key=lambda at: (within(rest[at], 1), within(rest[at], 3), -at))
        left += [one for one in tried[best] if scenario_of(one) == scenario]
    return left


def scenario_of(found: Found) -> str:
    """The traffic under which an incident was recorded."""
    return found.name.partition("-")[0]


def held_out_anomalies(corpus: Path, split: str = "dev") -> Score:
    """Each series searched by the settings that score best on all others."""
    tried = []
    for threshold, habit, usual in itertools.product(THRESHOLDS, HABITS, SHARES):
        settings = Detection(threshold=threshold, habit=habit, usual=usual)
        tried.append({one.name: one.score for one in anomalies(corpus / "data" / "nab_metrics", split, settings)})
    left = Score()
    for name in tried[0]:
        best = max(tried, key=lambda found: sum(one.points for other, one in found.items() if other != name))
        left += best[name]
    return left


def main(corpus: Path, split: str, *, is_held_out: bool) -> None:
    """Print everything."""
    rows = table(corpus, split)
    if is_held_out:
        left, score = held_out_causes(corpus, split), held_out_anomalies(corpus, split)
        counts = [("top 1", within(left, 1), len(left)), ("top 3", within(left, 3), len(left))]
        rows += [(f"root cause in the {name}, held out", right, count, 0.0) for name, right, count in counts]
        rows.append(("anomaly windows, held out", score.found, score.windows, 0.0))
    for name, right, count, _ in rows:
        bar = BARS.get(name, 0.0)
        print(f"{name:<34} {right:>4} of {count:<4} {right / max(count, 1):6.1%}" + (f"  bar {bar:.0%}" if bar else ""))
    whole = total(anomalies(corpus / "data" / "nab_metrics", split))
    print(f"{'NAB-like score':<34} {whole.normalised or 0:.1f} of 100, {whole.false_alarms} false alarms")
    if is_held_out:
        print(f"{'NAB-like score, held out':<34} {score.normalised or 0:.1f} of 100, {score.false_alarms} false alarms")
    for delay in BOOT_DELAYS:
        found = outcomes(corpus, split, boot_delay=delay)
        still = max((one for one in found if one.is_static), key=lambda one: one.utility)
        said = "  ".join(f"{one.name} {one.utility:,.0f} ({one.late} late)" for one in found if one.rounds)
        print(
            f"boot delay {delay:>3.0f} s: {said}  best {still.name}: {still.utility:,.0f}  margin {margin(found):.2f}"
        )


if __name__ == "__main__":
    words = [one for one in sys.argv[1:] if one != "--held-out"]
    main(Path(words[0]), words[1] if len(words) > 1 else "dev", is_held_out="--held-out" in sys.argv)

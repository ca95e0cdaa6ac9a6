"""How well `auto` mends over-confidence: real forecasts, sharpened, each half of the events judged by a map fitted on the other.

p becomes p^3 / (p^3 + (1-p)^3), which says 0.96 where 0.75 was meant. A row shows one minus the ECE over both judged halves,
beside the bar of 0.96 (an ECE of 0.04); `sharpened` shows what there was to mend, `original` the forecasts as they were made.
"""

from __future__ import annotations

import csv
from pathlib import Path

from backstay.extract.calibrate import ece, fit

Row = tuple[str, int, int, float]
SCALE = 10_000
"""A share is printed as so many of so many."""
BARS = {"nba_games": 0.96, "nfl_games": 0.96, "nhl_games": 0.96}
SHARPNESS = 3


def sharpen(p: float, k: int = SHARPNESS) -> float:
    """`p` made over-confident on both sides of one half."""
    return p**k / (p**k + (1 - p) ** k)


def forecasts(corpus: Path, name: str, split: str = "dev") -> list[tuple[str, float, int]]:
    """The forecasts of a set, in the order of the file: the event, the probability, the outcome."""
    folder = corpus / "data" / "forecasts_538" / split
    with (folder / f"{name}.truth.csv").open(encoding="utf-8") as file:
        truths = {row["id"]: int(row["outcome"]) for row in csv.DictReader(file)}
    with (folder / f"{name}.inputs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [(row["id"].rpartition("-")[0], float(row["probability"]), truths[row["id"]]) for row in rows]


def halves(rows: list[tuple[str, float, int]]) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
    """Every other event; what belongs to one event stays on one side."""
    events = {event: number % 2 for number, event in enumerate(dict.fromkeys(event for event, _, _ in rows))}
    one = [(p, y) for event, p, y in rows if events[event] == 0]
    other = [(p, y) for event, p, y in rows if events[event] == 1]
    return one, other


def errors(corpus: Path, name: str, split: str = "dev") -> dict[str, float]:
    """ECE of the original, the sharpened and the mended forecasts of a set."""
    one, other = halves(forecasts(corpus, name, split))
    mended = [*_mend(other, by=one), *_mend(one, by=other)]
    both = [*other, *one]
    right = [y for _, y in both]
    return {
        "original": ece([p for p, _ in both], right),
        "sharpened": ece([sharpen(p) for p, _ in both], right),
        "mended": ece(mended, right),
    }


def _mend(rows: list[tuple[float, int]], *, by: list[tuple[float, int]]) -> list[float]:
    calibrator = fit([sharpen(p) for p, _ in by], [y for _, y in by], method="auto")
    return [calibrator(sharpen(p)) for p, _ in rows]


def table(corpus: Path, split: str = "dev") -> list[Row]:
    """One minus ECE for each set, as made, sharpened and mended."""
    names = sorted(path.name.removesuffix(".inputs.csv") for path in _folder(corpus, split).glob("*.inputs.csv"))
    rows: list[Row] = []
    for name in names:
        for kind, error in errors(corpus, name, split).items():
            bar = BARS.get(name, 0.0) if kind == "mended" else 0.0
            rows.append((f"{name} {kind}", round((1 - error) * SCALE), SCALE, bar))
    return rows


def _folder(corpus: Path, split: str) -> Path:
    return corpus / "data" / "forecasts_538" / split

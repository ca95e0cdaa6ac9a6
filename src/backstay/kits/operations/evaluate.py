"""Evaluation on labelled data: root causes of a folder of incidents, anomalies of a folder of series.

The folders have the layouts of the PetShop and NAB collections: inputs and truth side by side, a folder for each split.
"""

from __future__ import annotations

import csv
import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.operations.anomaly import Detection, detect
from backstay.kits.operations.incident_file import read_incident
from backstay.kits.operations.metric import number_of
from backstay.kits.operations.nab import Score, judge
from backstay.kits.operations.root_cause import Ranking, rank

SYMPTOM = ".symptom.json"


class Cause(msgspec.Struct, frozen=True):
    """The true cause of an incident."""

    node: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One incident: the true cause, its place among the suspects (from 1; None where it is not among them), and the first."""

    name: str
    truth: str
    place: int | None
    first: str


def causes(folder: Path, split: str = "dev", settings: Ranking | None = None) -> list[Found]:
    """The incidents of `folder`/`split`, ranked. A scenario's graph and usual values lie beside the splits."""
    inputs = folder / split / "inputs"
    if not inputs.is_dir():
        raise ConfigurationError(f"{inputs}: is no folder of incidents")
    found = []
    for symptom in sorted(inputs.glob(f"*{SYMPTOM}")):
        name = symptom.name.removesuffix(SYMPTOM)
        scenario = folder / name.partition("-")[0]
        incident = read_incident(
            inputs / f"{name}.metrics.csv", symptom, scenario / "graph.csv", scenario / "normal_stats.csv"
        )
        truth = msgspec.json.decode((folder / split / "truth" / f"{name}.json").read_bytes(), type=Cause).node
        nodes = [suspect.node for suspect in rank(incident, settings)]
        place = nodes.index(truth) + 1 if truth in nodes else None
        found.append(Found(name=name, truth=truth, place=place, first=nodes[0] if nodes else "none"))
    return found


def within(found: list[Found], most: int) -> int:
    """How many true causes are among the first `most` suspects."""
    return sum(one.place is not None and one.place <= most for one in found)


class Labels(msgspec.Struct, frozen=True):
    """The labelled windows of a series, as pairs of time stamps."""

    windows: list[tuple[str, str]] = []


class SeriesScore(msgspec.Struct, frozen=True, kw_only=True):
    """One series and what was found in it."""

    name: str
    length: int
    score: Score


def anomalies(folder: Path, split: str = "dev", settings: Detection | None = None) -> list[SeriesScore]:
    """Every series of `folder`/`split` that has labels, searched as a stream."""
    path = folder / split / "truth.json"
    try:
        labels = msgspec.json.decode(path.read_bytes(), type=dict[str, Labels])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{path}: holds no labels ({error})") from error
    return [_searched(folder / split / name, one, settings) for name, one in sorted(labels.items())]


def _searched(path: Path, labels: Labels, settings: Detection | None) -> SeriesScore:
    rows = list(_rows(path))
    times = [time for time, _ in rows]
    windows = [
        (bisect_left(times, dt.datetime.fromisoformat(start)), bisect_right(times, dt.datetime.fromisoformat(end)) - 1)
        for start, end in labels.windows
    ]
    alarms = [one.index for one in detect((value for _, value in rows), settings)]
    return SeriesScore(name=path.stem, length=len(rows), score=judge(len(rows), alarms, windows))


def _rows(path: Path) -> Iterator[tuple[dt.datetime, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            value = number_of(row["value"])
            if value is not None:
                yield dt.datetime.fromisoformat(row["timestamp"]), value


def total(scores: list[SeriesScore]) -> Score:
    """The sum over all series."""
    return sum((one.score for one in scores), Score())

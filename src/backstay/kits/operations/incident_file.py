"""Incidents from files: a call graph, metrics in bins around an alarm, what is usual, and the alarm itself.

The form is that of the PetShop data set (Hardt et al., "The PetShop Dataset", CLeaR 2024): `graph.csv` is a matrix of callers
(rows) and callees (columns); metrics have three header rows (node, metric, statistic) and a time stamp in the first column;
`symptom.json` has `node` and `metric`; `normal_stats.csv` has a line for each node, metric and statistic with `50%` and
`std`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.operations.metric import number_of
from backstay.kits.operations.root_cause import Incident, Signal, Usual

STATISTIC: Final = {"latency": "Average", "availability": "Average", "requests": "Sum"}
"""The statistic of each metric that is booked."""


class Symptom(msgspec.Struct, frozen=True):
    """The alarm."""

    node: str
    metric: Signal


def read_incident(metrics: Path, symptom: Path, graph: Path, normal: Path | None = None) -> Incident:
    """An incident from its files. Raises ConfigurationError that names the file that is no such thing."""
    try:
        alarm = msgspec.json.decode(symptom.read_bytes(), type=Symptom)
        return Incident(
            calls=read_graph(graph),
            series=read_series(metrics),
            usual=read_usual(normal) if normal is not None and normal.exists() else {},
            node=alarm.node,
            signal=alarm.metric,
        )
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{symptom}: is no symptom ({error})") from error
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: cannot be read ({error.strerror})") from error


def read_graph(path: Path) -> dict[str, list[str]]:
    """Node to the nodes that it calls, from a matrix."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows:
        raise ConfigurationError(f"{path}: is empty")
    names = rows[0][1:]
    return {
        row[0]: [name for name, cell in zip(names, row[1:], strict=False) if (number_of(cell) or 0.0) > 0]
        for row in rows[1:]
        if row
    }


def read_series(path: Path) -> dict[tuple[str, str], list[float | None]]:
    """(node, metric) to its values, of the statistic that is booked."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if len(rows) < 4:
        raise ConfigurationError(f"{path}: has no three header rows and values below them")
    body = [row for row in rows[3:] if row and number_of(row[0]) is not None]
    found = {}
    for column, (node, metric, statistic) in enumerate(zip(*rows[:3], strict=False)):
        if column and STATISTIC.get(metric) == statistic:
            found[node, metric] = [number_of(row[column]) if column < len(row) else None for row in body]
    return found


def read_usual(path: Path) -> dict[tuple[str, str], Usual]:
    """(node, metric) to its middle and spread in ordinary times."""
    with path.open(encoding="utf-8", newline="") as file:
        found = {}
        for row in csv.DictReader(file):
            middle = number_of(row.get("50%") or "")
            if middle is not None and STATISTIC.get(row["metric"]) == row["statistic"]:
                spread = number_of(row.get("std") or "") or 0.0
                found[row["microservice"], row["metric"]] = Usual(middle=middle, spread=spread)
        return found

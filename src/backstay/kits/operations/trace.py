"""Arrivals of a trace: the seconds between requests, one number a line, as SWIM reads them; or made by a law."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from backstay.errors import ConfigurationError


def read_deltas(path: str | Path) -> Iterator[float]:
    """The inter-arrival times of a file, in seconds. Raises ConfigurationError that names the line of what is none."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _delta(line, f"{path}:{number}")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error


def _delta(line: str, place: str) -> float:
    try:
        value = float(line)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ConfigurationError(f"{place}: {line.strip()[:40]!r} is no time between two requests")
    return value


def chain(paths: Iterable[str | Path]) -> Iterator[float]:
    """Several files as one trace, in their order."""
    for path in paths:
        yield from read_deltas(path)


def waves(*, minutes: float, low: float, high: float, seed: int = 1, cycle: float = 40.0) -> Iterator[float]:
    """A made-up trace: Poisson arrivals whose rate swings between `low` and `high` requests a second, once in `cycle` minutes."""
    draw = Random(seed)
    at = 0.0
    while at < minutes * 60:
        swing = (1 - math.cos(2 * math.pi * at / (cycle * 60))) / 2
        delta = draw.expovariate(low + (high - low) * swing)
        at += delta
        yield delta

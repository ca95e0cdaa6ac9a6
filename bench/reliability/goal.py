"""Goal: a promise of reliability that is measured, and how it came out.

A goal is a module `rNN.py` of this folder, or `traces.py`: its docstring says the promise, `CLAIM` the promise in one line with
its figures, `measure(scale)` measures it (1.0 is its full size) and `broken(scale)` measures a variant that is broken on purpose,
whose verdict must not be ok. `GATE`, where it is there, is the scale of the quick run.
"""

from __future__ import annotations

import os
from typing import NamedTuple, Protocol

GATE = 0.02
"""The usual scale of the quick run."""


class Verdict(NamedTuple):
    """`ok`: the goal's promise held. `figures`: what was counted, in the order in which it is shown."""

    ok: bool
    figures: dict[str, int | float | str]


class Goal(Protocol):
    """What a module of a goal has."""

    CLAIM: str

    def measure(self, scale: float) -> Verdict: ...
    def broken(self, scale: float) -> Verdict: ...


def seed() -> int:
    """The seed of this run (`--seed`), 0 where none was given."""
    return int(os.environ.get("BACKSTAY_SEED", "0"))


def sized(count: int, scale: float, *, least: int = 1) -> int:
    """`count` at `scale`, and no fewer than `least`."""
    return max(round(count * scale), least)

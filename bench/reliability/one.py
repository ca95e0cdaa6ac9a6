"""One: measure a single goal in a process of its own and print its result as a line of JSON.

A process each, so that no goal inherits another one's memory, threads or garbage, and its CPU time is its own, that of the
processes it started included.
"""

from __future__ import annotations

import importlib
import resource
import sys
import time
from typing import Any, cast

import msgspec
from bench.reliability.goal import GATE, Goal


class Result(msgspec.Struct, kw_only=True):
    """What one goal came to. `is_caught`: the broken variant was seen. Times in seconds, both variants together."""

    goal: str
    claim: str
    ok: bool
    is_caught: bool
    figures: dict[str, int | float | str]
    broken: dict[str, int | float | str]
    seconds: float
    cpu: float


def load(name: str) -> Goal:
    """The module of a goal, by the name of its file."""
    return cast(Goal, importlib.import_module(f"bench.reliability.{name}"))


def title(name: str) -> str:
    """What a goal is called: R1 for the module r01, TRACES for the module traces."""
    return f"R{name[1:].lstrip('0')}" if name[1:2].isdigit() else name.upper()


def gate_of(goal: Goal) -> float:
    """The scale of its quick run."""
    gate: Any = getattr(goal, "GATE", GATE)
    return float(gate)


def cpu_seconds() -> float:
    """CPU time of this process and of those it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def result(name: str, scale: float | None) -> Result:
    """Measure the goal `name` at `scale` (None: the quick run), its broken variant at the quick run's at most."""
    goal = load(name)
    gate = gate_of(goal)
    began = time.monotonic()
    verdict = goal.measure(gate if scale is None else scale)
    broken = goal.broken(gate if scale is None else min(scale, gate))
    return Result(
        goal=title(name),
        claim=goal.CLAIM,
        ok=verdict.ok,
        is_caught=not broken.ok,
        figures=verdict.figures,
        broken=broken.figures,
        seconds=time.monotonic() - began,
        cpu=cpu_seconds(),
    )


if __name__ == "__main__":
    done = result(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else None)
    sys.stdout.write("\n" + msgspec.json.encode(done).decode() + "\n")

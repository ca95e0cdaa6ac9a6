"""Measure the reliability goals and print what came out, one block for each.

    python -m bench.reliability                 every goal at its full size
    python -m bench.reliability --gate          every goal at the size that continuous integration runs
    python -m bench.reliability R1 R3 --scale 0.1 --seed 7

Two goals run at once (`--jobs`), the longest first; one that measures waiting by the clock has the machine to itself. The exit
code is 1 when a promise does not hold, or when the variant that is broken on purpose was not caught.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec
from bench.reliability.one import Result, title
from bench.reliability.traces import is_measurable as has_traces

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 900
"""Seconds after which a goal is given up."""

ALONE = ("r21",)
"""Goals that measure by the clock how long somebody waits."""

LONG = ("r01", "r14b", "r05", "r29", "traces", "r10", "r15", "r25", "r02", "r17", "r24")
"""Those that take longest, which begin first, so that the last one to end ends early."""


def names() -> list[str]:
    """The modules of all goals that can be measured here, in the order of their numbers."""
    found = sorted(path.stem for path in HERE.glob("r*.py") if re.fullmatch(r"r\d+[a-z]?", path.stem))
    return [*found, "traces"] if has_traces() else found


def rounds(wanted: Sequence[str], jobs: int) -> Iterator[tuple[list[str], int]]:
    """What is measured together, and how much of it at once."""
    yield [name for name in wanted if name in ALONE], 1
    rest = [name for name in wanted if name not in ALONE]
    yield sorted(rest, key=lambda name: LONG.index(name) if name in LONG else len(LONG)), jobs


def measured(name: str, scale: float | None, seed: int) -> Result:
    """The result of one goal, from a process of its own; a goal that crashes has failed."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "bench.reliability.one", name, *([] if scale is None else [str(scale)])]
    environment = {**os.environ, "BACKSTAY_SEED": str(seed)}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout.strip().rpartition("\n")[2], type=Result)
        why = done.stderr.strip()[-2000:]
    except subprocess.TimeoutExpired:
        why = f"no result in {PATIENCE} s"
    print(f"{name}: {why}", file=sys.stderr)
    figures: dict[str, int | float | str] = {"error": why.rpartition("\n")[2]}
    return Result(goal=title(name), claim="", ok=False, is_caught=False, figures=figures, broken={}, seconds=0, cpu=0)


def shown(figures: dict[str, int | float | str]) -> str:
    """The figures in one line; counts with their thousands told apart."""
    return "  ".join(
        f"{name} {value:,}"
        if isinstance(value, int)
        else f"{name} {value:,.4g}"
        if isinstance(value, float)
        else f"{name} {value}"
        for name, value in figures.items()
    )


def block(result: Result) -> Iterator[str]:
    """The lines that show one result."""
    verdict = "holds" if result.ok else "FAILS"
    caught = "broken variant caught" if result.is_caught else "BROKEN VARIANT NOT CAUGHT"
    yield f"{result.goal:<4} {verdict}   {caught}   {result.seconds:.1f} s, {result.cpu:.1f} s of CPU"
    yield from textwrap.wrap(result.claim, 110, initial_indent="     ", subsequent_indent="     ")
    for label, figures in (("", result.figures), ("broken: ", result.broken)):
        yield from textwrap.wrap(label + shown(figures), 110, initial_indent="     ", subsequent_indent="       ")


def main() -> int:
    """Measure what was asked for; 0 when all of it holds and every broken variant was caught."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__.splitlines()[0])
    parser.add_argument("goals", nargs="*", metavar="GOAL", help="R1 R3 ...; all of them without a name")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--gate", action="store_true", help="each goal at its small size")
    size.add_argument("--scale", type=float, default=1.0, help="the share of the full size (default 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="goals at once (default 2)")
    given = parser.parse_args()
    if given.jobs < 1 or not given.scale > 0:
        parser.error("--jobs is 1 or more, --scale above 0")
    known = names()
    titles = {title(name): name for name in known}
    unknown = [goal for goal in given.goals if goal.upper() not in map(str.upper, titles)]
    if unknown:
        parser.error(f"unknown goal {', '.join(unknown)}: choose from {', '.join(titles)}")
    chosen = {goal.upper() for goal in given.goals}
    wanted = [name for shown, name in titles.items() if shown.upper() in chosen or not chosen]
    scale = None if given.gate else given.scale
    results: list[Result] = []
    began = time.monotonic()
    for together, jobs in rounds(wanted, given.jobs):
        with ThreadPoolExecutor(jobs) as pool:
            for done in as_completed([pool.submit(measured, name, scale, given.seed) for name in together]):
                results.append(done.result())
                print("\n".join(block(results[-1])), flush=True)
    bad = [result.goal for result in results if not (result.ok and result.is_caught)]
    seconds, cpu = time.monotonic() - began, sum(result.cpu for result in results)
    print(f"\n{len(results)} goals in {seconds:.0f} s, {cpu:.0f} s of CPU; {', '.join(bad) or 'none'} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

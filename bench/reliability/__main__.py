"""Measure the reliability goals and print what came out, one block for each.

    python -m bench.reliability                 every goal at its full size
    python -m bench.reliability --gate          every goal at the size that continuous integration runs
    python -m bench.reliability R1 R3 --scale 0.1 --seed 7

The exit code is 1 when a promise does not hold, or when the variant that is broken on purpose was not caught.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from bench.reliability.one import Result, title

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 900
"""Seconds after which a goal is given up."""


def names() -> list[str]:
    """The modules of all goals, in the order of their numbers."""
    found = [path.stem for path in HERE.glob("r*.py") if re.fullmatch(r"r\d+[a-z]?", path.stem)]
    return sorted(found)


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
    known = names()
    titles = {title(name): name for name in known}
    unknown = [goal for goal in given.goals if goal.upper() not in map(str.upper, titles)]
    if unknown:
        parser.error(f"unknown goal {', '.join(unknown)}: choose from {', '.join(titles)}")
    chosen = {goal.upper() for goal in given.goals}
    wanted = [name for shown, name in titles.items() if shown.upper() in chosen or not chosen]
    scale = None if given.gate else given.scale
    results: list[Result] = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for result in pool.map(lambda name: measured(name, scale, given.seed), wanted):
            print("\n".join(block(result)), flush=True)
            results.append(result)
    bad = [result.goal for result in results if not (result.ok and result.is_caught)]
    seconds, cpu = (sum(getattr(result, name) for result in results) for name in ("seconds", "cpu"))
    print(
        f"\n{len(results)} goals, {seconds:.0f} s one after another, {cpu:.0f} s of CPU; {', '.join(bad) or 'none'} failed"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

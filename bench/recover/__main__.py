"""Speed of `backstay.recover.parse` beside its peers, and its growth on hostile input.

    python -m bench.recover            # MB/s on documents of 120 to 200 KB and one of 1 MB, then seconds on 1 MB of hostile text
    python -m bench.recover --quick    # the documents only

Peers run in the same process and the same order; one that is not installed is named and skipped. Each figure is the best of
several runs; a peer that needs more than a second for a document runs once.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.recover.peer import has_node, load_peers, time_node
from bench.recover.sample import DOCUMENT, documents, hostile

from backstay.recover import parse

BUDGET = 1.0
MAX_BAML = 250_000
"""BAML needs seconds for 100 KB and its time grows with the square of the length."""
LIMIT = 2.0
MAX_GROWTH = 8.0
"""Four times the text may take this many times as long before it counts as more than linear (with noise)."""


def best_of(function: Callable[[Any], Any], argument: Any, runs: int = 7) -> tuple[float, Any]:
    """The shortest processor time of several runs in seconds, which a busy machine moves least, and the last result."""
    shortest, result, spent = float("inf"), None, 0.0
    for _ in range(runs):
        began = time.process_time()
        result = function(argument)
        took = time.process_time() - began
        shortest, spent = min(shortest, took), spent + took
        if spent > BUDGET:
            break
    return shortest, result


def attempt(measure: Callable[[str], tuple[float, Any]], text: str, expected: Any) -> tuple[float, str]:
    """MB/s, and a mark: nothing if the value is right, `!` if it is wrong, `x` if it raised."""
    try:
        took, value = measure(text)
    except (Exception, RecursionError):  # noqa: BLE001  a peer may raise anything; the table says that it did
        return 0.0, "x"
    return len(text) / took / 1e6, "" if value == expected else "!"


def compare() -> None:
    """One line per document: MB/s of each parser and our factor over json_repair."""
    measures = {name: partial(best_of, call) for name, call in load_peers().items()}
    if has_node():
        measures["jsonrepair"] = time_node
    print(
        f"{'MB/s (! wrong value, x raised)':34}{'backstay':>10}"
        + "".join(f"{name:>17}" for name in measures)
        + "  factor"
    )
    for name, (text, expected) in documents().items():
        ours, mark = attempt(partial(best_of, lambda one: parse(one).value), text, expected)
        line, base = f"{name:34}{ours:9.1f}{mark or ' '}", 0.0
        for peer, measure in measures.items():
            if peer == "baml-py" and len(text) > MAX_BAML:
                line += f"{'-':>17}"
                continue
            speed, sign = attempt(measure, text, expected)
            base = speed if peer == "json_repair" else base
            line += f"{speed:16.2f}{sign or ' '}" if sign != "x" else f"{'raised':>17}"
        print(line + (f"{ours / base:7.1f}x" if base else ""), flush=True)


def grow() -> bool:
    """Hostile text at a quarter and at full size; True if none grows faster than the text."""
    print(f"\n{'hostile, 1 MB':34}{'1/4':>10}{'full':>10}   outcome")
    is_fine = True
    for name, make in hostile().items():
        took = []
        for size in (250_000, 1_000_000):
            began = time.perf_counter()
            found = parse(make(size))
            took.append(time.perf_counter() - began)
        is_linear = took[1] < max(took[0], 0.02) * MAX_GROWTH
        is_fine &= is_linear
        remark = "" if is_linear else "  NOT LINEAR"
        remark += "" if took[1] < LIMIT else f"  over {LIMIT:.0f} s"
        print(f"{name:34}{took[0]:10.3f}{took[1]:10.3f}   {found.status}{remark}")
    return is_fine


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.recover", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave the hostile input out")
    options = parser.parse_args()
    print(f"document: {len(DOCUMENT['rows'])} rows")
    compare()
    if not options.quick and not grow():
        sys.exit(1)


if __name__ == "__main__":
    main()

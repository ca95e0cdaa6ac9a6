#!/usr/bin/env python3
"""What the catalogue costs: import, the first model of a provider, every later one, a price.

    python bench/catalog.py

Each first look-up is made in a process of its own, the median of five. Bounded: a few seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, SOURCE)

MODELS = (
    ("offline", "rules"),
    ("anthropic", "claude-sonnet-4-5"),
    ("openai", "gpt-4o-mini"),
    ("openrouter", "openai/gpt-4o"),
)
FIRST = """
import resource, sys, time
sys.path.insert(0, {source!r})
import backstay.catalog
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
catalog = backstay.catalog.Catalog.load()
loaded = time.perf_counter()
catalog.find({provider!r}, {model!r})
found = time.perf_counter()
print((loaded - began) * 1e6, (found - loaded) * 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def first(provider: str, model: str) -> list[float]:
    """Microseconds of `Catalog.load()` and of the first `find` in a new process, and the kilobytes that it took."""
    code = FIRST.format(source=SOURCE, provider=provider, model=model)
    runs = [
        [float(figure) for figure in subprocess.check_output([sys.executable, "-c", code], text=True).split()]
        for _ in range(5)
    ]
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def main() -> None:
    from backstay.catalog import Catalog, price
    from backstay.types import Usage

    catalog = Catalog.load()
    usage = Usage(input_tokens=12_000, output_tokens=800, cache_read_tokens=10_000)
    print(f"{'':32} {'load us':>8} {'first ms':>9} {'kB':>6} {'again us':>9} {'price us':>9}")
    for provider, model in MODELS:
        load, find, memory = first(provider, model)
        found = catalog.find(provider, model)
        assert found is not None
        again = per_call(lambda provider=provider, model=model: catalog.find(provider, model))
        sum_ = per_call(lambda found=found: price(found, usage))
        print(f"{provider + ':' + model:32} {load:8.1f} {find / 1000:9.2f} {memory:6.0f} {again:9.2f} {sum_:9.2f}")


def per_call(work: object, count: int = 20_000) -> float:
    began = time.perf_counter()
    for _ in range(count):
        work()  # type: ignore[operator]
    return (time.perf_counter() - began) / count * 1e6


if __name__ == "__main__":
    main()

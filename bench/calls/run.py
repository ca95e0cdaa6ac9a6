#!/usr/bin/env python3
"""What a call costs the caller's machine: import, memory, CPU per call and per streamed event, side by side in one run.

    python bench/calls/run.py            every peer that is installed here (pip install -r bench/requirements.txt for all)
    python bench/calls/run.py backstay   some of them

Each peer runs in a process of its own against one server process on loopback. CPU is user and system time of the whole client
process, threads included, over a few hundred calls after a warm-up; the ratio to backstay is what to read, since machines differ.
Bounded: under two minutes for all peers.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

QUIET = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src"), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
WARM_UP, CALLS, STREAMS = 30, 600, 60


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def repeat(call: object, count: int, width: int) -> float:
    """CPU seconds of `count` calls, `width` at a time."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await call()  # type: ignore[operator]

    started = cpu()
    await asyncio.gather(*(worker() for _ in range(width)))
    return cpu() - started


async def measure(name: str, port: int) -> dict[str, float | None]:
    from peers import PEERS

    ask, stream = PEERS[name][1](port)
    await repeat(ask, WARM_UP, 4)
    figures: dict[str, float | None] = {
        "one": await repeat(ask, CALLS, 1) / CALLS * 1e6,
        "many": await repeat(ask, CALLS, 64) / CALLS * 1e6,
        "event": None,
    }
    if stream is not None:
        events = await stream()
        figures["event"] = await repeat(stream, STREAMS, 8) / STREAMS / events * 1e6
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def import_time(module: str) -> float:
    """The median of five imports in fresh processes, less the time of an empty one, in milliseconds."""

    def once(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=QUIET)
        return time.perf_counter() - started

    empty = sorted(once("pass") for _ in range(5))[2]
    return (sorted(once(f"import {module}") for _ in range(5))[2] - empty) * 1000


def run_peer(name: str, port: int) -> dict[str, float | None] | str:
    done = subprocess.run(
        [sys.executable, __file__, "--peer", name, str(port)], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    figures: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    from peers import PEERS

    if sys.argv[1:2] == ["--peer"]:
        print(json.dumps(asyncio.run(measure(sys.argv[2], int(sys.argv[3])))))
        return
    names = sys.argv[1:] or list(PEERS)
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    try:
        table = {name: run_peer(name, port) for name in names}
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(10)
    show(table)


def show(table: dict[str, dict[str, float | None] | str]) -> None:
    from peers import PEERS

    heads = ("import ms", "memory MB", "us/call, 1", "us/call, 64", "us/event", "x backstay")
    print(f"{'client':18}" + "".join(f"{head:>13}" for head in heads))
    ours = table.get("backstay")
    base = ours["many"] if isinstance(ours, dict) else None
    for name, figures in table.items():
        if isinstance(figures, str):
            print(f"{name:18} not measured: {figures[:90]}")
            continue
        one, many, event, memory = (figures[key] for key in ("one", "many", "event", "memory"))
        ratio = f"{many / base:.1f}" if base and many else "-"
        shown = "-" if event is None else f"{event:.1f}"
        print(
            f"{name:18} {import_time(PEERS[name][0]):9.0f} {memory:9.0f} {one:11.0f} {many:12.0f} {shown:>9} {ratio:>10}"
        )


if __name__ == "__main__":
    main()

"""R29: after a hundred thousand calls nothing is left: no task, no thread, no file, no object, no memory.

Storms with faults go one after another through the same layers, in the same event loop, as calls do in a program that runs
for months. What is counted after the first of them must not have grown at the end.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from bench.reliability.full import Full
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.storm import Storm, meter

from backstay.ledger.memory import MemoryLedger
from backstay.service import Call, Layer, Reply, Service
from backstay.sim import FaultPlan, SimProvider, run, sim_world

CLAIM = "100,000 calls, a tenth with faults, after a warm-up: memory +5 MiB at most; tasks, threads, files back."
GATE = 0.025
CALLS, BATCH, WARM = 100_000, 2_500, 4
PLAN = FaultPlan(
    {"status_503": 0.02, "status_429_seconds": 0.01, "reset_before_headers": 0.02, "reset_mid_stream": 0.02, "refused": 0.02,
     "hang_mid_stream": 0.005, "truncated": 0.005}
)  # fmt: skip
MEBIBYTE = 1 << 20
SHORT_MEMORY = 2_000
"""Objects by which two instants differ without a leak: the last 64 requests are remembered by two layers, some ten objects each,
and one of them begins anew with every minute. A leak in one call of a hundred is more, at full size."""


class _Counts:
    """What there is now: bytes of memory, objects, tasks, threads, files."""

    def __init__(self) -> None:
        gc.collect()
        self.memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.objects = len(gc.get_objects())
        self.tasks = len(asyncio.all_tasks())
        self.threads = threading.active_count()
        self.files = len(os.listdir("/proc/self/fd"))

    def since(self, before: _Counts) -> dict[str, int | float | str]:
        """The growth since `before`."""
        return {
            "memory +MiB": round((self.memory - before.memory) / MEBIBYTE, 2),
            "objects +": self.objects - before.objects,
            "tasks +": self.tasks - before.tasks,
            "threads +": self.threads - before.threads,
            "files +": self.files - before.files,
        }


async def _batches(calls: int, extra: Sequence[Layer]) -> dict[str, int | float | str]:
    world = sim_world(seed())
    provider = SimProvider(world=world, plan=PLAN)
    kept = meter(world, provider.traits.prices, ledger=MemoryLedger(max_rows=500))
    layers = (*extra, *Full(world, kept).layers)
    warm, done, failed = None, 0, 0
    for number in range(WARM - (-calls // BATCH)):
        storm = Storm(seed() + number, calls=BATCH, at_once=120, alike=0.1, first=number * BATCH)
        storm.rest = 2.0
        await storm.blow(storm.around(provider, layers, world))
        failed += sum(ended.stage == "failed" for ended in storm.ended)
        done += BATCH
        del storm
        provider.forget()
        if number == WARM - 1:
            warm, done, failed = _Counts(), 0, 0
    assert warm is not None
    return {"calls": done, "failed": failed, **_Counts().since(warm)}


def _verdict(calls: int, extra: Sequence[Layer] = ()) -> Verdict:
    figures = run(_batches(calls, extra), seed=seed())
    grown = any(int(figures[name]) > 0 for name in ("tasks +", "threads +", "files +"))
    return Verdict(
        not grown and float(figures["memory +MiB"]) <= 5 and int(figures["objects +"]) <= SHORT_MEMORY, figures
    )


def measure(scale: float) -> Verdict:
    """Four storms to warm up, then so many calls."""
    return _verdict(sized(CALLS, scale, least=BATCH))


class _Hoarding:
    """Broken: it remembers each call by its id, and forgets none."""

    def __init__(self) -> None:
        self._seen: dict[str, Call] = {}

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        self._seen[call.request.id] = call
        return await inner(call)


def broken(scale: float) -> Verdict:
    """A layer that keeps every call."""
    return _verdict(sized(CALLS, scale, least=BATCH), (_Hoarding(),))

"""R7: the queue's bounds and time-outs hold, and no waiter leaves a ghost.

Callers of all classes and tenants come at random to a queue that is too small for them, and many are cancelled at random. Each
keeps for itself whether it waits, runs or is gone; that is the model. At every arrival the queue's counts are compared with it.
Virtual time; only the refusals are timed on the real clock.

The broken variant does not take a cancelled waiter out of its line.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from bench.reliability.goal import Verdict, seed, sized

from backstay.errors import QueueFull
from backstay.layers.queue import Queue, QueueTimedOut
from backstay.layers.queue_policy import PRIORITIES, QueuePolicy
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, Request, Response

CLAIM = "100 000 random cancellations and time-outs: no ghost, no line over its bound, every time-out on its tick"
TARGET = 100_000
POLICY = QueuePolicy(running=8)
TICK = 1e-6


class Crowd:
    """The callers, what each of them knows of itself, and what was found wrong."""

    def __init__(self, queue: Queue, rng: random.Random) -> None:
        self.queue = queue
        self.rng = rng
        self.service: Service = stack(self.work, queue)
        self.waiting: set[int] = set()
        self.running: set[int] = set()
        self.figures = dict.fromkeys(
            ("calls", "cancelled", "timed_out", "refused", "ghosts", "over_bound", "off_tick"), 0
        )
        self.refusals: list[float] = []

    async def work(self, call: Call) -> Reply:
        number = int(call.request.id)
        self.waiting.discard(number)
        self.running.add(number)
        try:
            await asyncio.sleep(self.rng.choice((0.01, 0.1, 0.1, 12.0)))
        finally:
            self.running.discard(number)
        return Reply(response=Response())

    async def caller(self, number: int) -> None:
        priority = self.rng.choice(PRIORITIES)
        about = Metadata(priority=priority, tenant=self.rng.choice(("north", "south", None)))
        call = Call(request=Request(model="sim:m", id=str(number), metadata=about))
        began, began_real = asyncio.get_running_loop().time(), time.perf_counter()
        self.waiting.add(number)
        try:
            await self.service(call)
        except QueueTimedOut:
            waited = asyncio.get_running_loop().time() - began
            limit = {"high": 3.0, "medium": 10.0, "low": 5.0}[priority]
            self.figures["timed_out"] += 1
            self.figures["off_tick"] += abs(waited - limit) > TICK
        except QueueFull:
            self.figures["refused"] += 1
            if asyncio.get_running_loop().time() == began:
                self.refusals.append(time.perf_counter() - began_real)
        except asyncio.CancelledError:
            self.figures["cancelled"] += 1
        finally:
            self.waiting.discard(number)

    def compare(self) -> None:
        queue = self.queue
        self.figures["ghosts"] += (queue.waiting, queue.running) != (len(self.waiting), len(self.running))
        is_over = queue.running > POLICY.running or queue.waiting > POLICY.size
        if self.figures["calls"] % 20 == 0:  # the statistics sort a thousand waits a class
            stats = queue.stats()
            sizes = (stats.high.waiting, stats.medium.waiting, stats.low.waiting)
            bounds = (POLICY.high_size, POLICY.medium_size, POLICY.low_size)
            is_over = is_over or any(size > bound for size, bound in zip(sizes, bounds, strict=True))
        self.figures["over_bound"] += is_over


async def crowd(kind: type[Queue], target: int) -> Crowd:
    rng = random.Random(7 + seed())
    crowd = Crowd(kind(POLICY, clock=sim_world().clock), rng)
    tasks: list[asyncio.Task[None]] = []
    while crowd.figures["cancelled"] + crowd.figures["timed_out"] < target and crowd.figures["calls"] < target * 20:
        crowd.figures["calls"] += 1
        tasks.append(asyncio.ensure_future(crowd.caller(crowd.figures["calls"])))
        await asyncio.sleep(rng.expovariate(9))
        rng.choice(tasks[-12:]).cancel()
        for _ in range(4):
            await asyncio.sleep(0)
        crowd.compare()
        del tasks[:-200]
    await asyncio.sleep(60)
    crowd.compare()
    crowd.figures["tasks_left"] = len(asyncio.all_tasks()) - 1
    return crowd


def measure(scale: float, kind: type[Queue] = Queue) -> Verdict:
    """The claim at `scale`."""
    target = sized(TARGET, scale, least=200)
    found = run(crowd(kind, target))
    figures: dict[str, int | float | str] = dict(found.figures)
    slow = sorted(found.refusals)[int(len(found.refusals) * 0.99)] if found.refusals else 0.0
    figures["refusal_p99_us"] = round(slow * 1e6, 1)
    wrong = sum(found.figures[name] for name in ("ghosts", "over_bound", "off_tick", "tasks_left"))
    events = found.figures["cancelled"] + found.figures["timed_out"]
    return Verdict(not wrong and events >= target and bool(found.refusals) and slow <= 1e-3, figures)


class Ghostly(Queue):
    """A cancelled waiter stays in its line."""

    def _abandon(self, place: Any) -> None:
        return


def broken(scale: float) -> Verdict:
    """The broken variant."""
    return measure(min(scale, 0.02), Ghostly)

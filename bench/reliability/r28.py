"""R28: under ten times its capacity the queue keeps the goodput, and refuses the rest at once, saying when to come back.

Twenty calls run at a time, one second each; for a minute two hundred callers a second come, of all classes, and each has no use
for an answer after its deadline. Goodput counts the answers that came in time. Virtual time; the refusals are timed on the real
clock as well.

The broken variant is a line without bounds, time-outs and prediction: everybody waits, and after the first seconds everybody
is served too late.
"""

from __future__ import annotations

import asyncio
import random
import time

from bench.reliability.goal import Verdict, seed

from backstay.errors import DeadlineExceeded, QueueFull
from backstay.layers.queue import Queue, QueueTimedOut
from backstay.layers.queue_policy import PRIORITIES, QueuePolicy
from backstay.service import Call, Layer, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, Request, Response

CLAIM = "60 s at 10 times the capacity: goodput at least 90 % of the peak, refusals at once and with retry_after"
RUNNING, SECONDS, RUN, PATIENCE, OVERLOAD = 20, 60.0, 1.0, 6.0, 10


class Crowd:
    """What came of the callers."""

    def __init__(self, service: Service, rng: random.Random) -> None:
        self.service = service
        self.rng = rng
        self.in_time = dict.fromkeys(PRIORITIES, 0)
        self.figures = dict.fromkeys(("calls", "too_late", "refused", "timed_out", "untold", "not_at_once"), 0)
        self.refusals: list[float] = []
        self.most_waiting = 0

    async def caller(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        priority = self.rng.choice(PRIORITIES)
        about = Metadata(priority=priority)
        began, began_real = loop.time(), time.perf_counter()
        call = Call(request=Request(model="sim:m", id=str(number), metadata=about), deadline=began + PATIENCE)
        self.figures["calls"] += 1
        try:
            await self.service(call)
        except (QueueTimedOut, DeadlineExceeded):
            self.figures["timed_out"] += 1
        except QueueFull as error:
            self.figures["refused"] += 1
            self.figures["untold"] += not error.retry_after
            if loop.time() == began:
                self.refusals.append(time.perf_counter() - began_real)
            elif "better right" not in error.message:
                self.figures["not_at_once"] += 1
        else:
            if loop.time() <= began + PATIENCE:
                self.in_time[priority] += loop.time() <= SECONDS
            else:
                self.figures["too_late"] += 1


async def work(call: Call) -> Reply:
    await asyncio.sleep(RUN)
    return Reply(response=Response())


async def flood(layer: Layer, seconds: float) -> Crowd:
    rng = random.Random(28 + seed())
    crowd = Crowd(stack(work, layer), rng)
    tasks = []
    loop = asyncio.get_running_loop()
    while loop.time() < seconds:
        tasks.append(asyncio.ensure_future(crowd.caller(len(tasks))))
        await asyncio.sleep(rng.expovariate(OVERLOAD * RUNNING / RUN))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return crowd


def verdict(layer: Layer, scale: float) -> Verdict:
    seconds = max(12.0, SECONDS * min(scale, 1.0))
    found = run(flood(layer, seconds))
    good = sum(found.in_time.values())
    share = good / (RUNNING / RUN * (seconds - RUN))
    slow = sorted(found.refusals)[int(len(found.refusals) * 0.99)] if found.refusals else 0.0
    figures: dict[str, int | float | str] = {
        **found.figures,
        **{f"in_time_{name}": count for name, count in found.in_time.items()},
        "goodput_percent": round(share * 100, 1),
        "refusal_p99_us": round(slow * 1e6, 1),
    }
    wrong = found.figures["untold"] + found.figures["not_at_once"] + found.figures["too_late"]
    is_low_served = found.in_time["low"] >= 0.05 * good
    return Verdict(share >= 0.9 and not wrong and is_low_served and bool(found.refusals) and slow < 0.01, figures)


def measure(scale: float) -> Verdict:
    """The claim at `scale`: a part of the minute."""
    return verdict(Queue(QueuePolicy(running=RUNNING), clock=sim_world().clock), scale)


class Unbounded:
    """A line for everybody, first in, first out."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(RUNNING)

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        async with self.permits:
            return await inner(call)


def broken(scale: float) -> Verdict:
    """The broken variant."""
    return verdict(Unbounded(), scale)

#!/usr/bin/env python3
"""What the queue, the join and the hedge cost: CPU microseconds per call, in memory, over a service that answers at once.

    python bench/layers/queue.py [calls]

Every figure is the best of five rounds, less the same call without the layer. `key` is what naming the question costs, which a
cache around the join pays once for both. The target is 10 microseconds for queue and join together. Bounded: some seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from backstay.event import Finished, TextDelta
from backstay.layers.hedge import Hedge, HedgePolicy
from backstay.layers.join import Join, key_of
from backstay.layers.queue import Queue
from backstay.ports import World
from backstay.service import Call, Layer, Reply, Service, stack
from backstay.types import Request, Response, Text, user

ANSWER = Response(parts=(Text(text="yes"),), finish_reason="stop")
EVENTS = (*(TextDelta("word ") for _ in range(50)), Finished("stop"))
CALLS = [
    Call(request=Request(model="acme:m", messages=(user(f"Question {number} of many?"),), id=f"c{number}"))
    for number in range(1000)
]


async def whole(call: Call) -> Reply:
    return Reply(response=ANSWER)


async def streamed(call: Call) -> Reply:
    async def batches():  # type: ignore[no-untyped-def]
        for event in EVENTS:
            yield (event,)

    return Reply(batches())


async def cost(service: Service, count: int) -> float:
    """CPU microseconds per call."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for number in range(count):
            await (await service(CALLS[number % 1000])).response()
        best = min(best, (time.process_time() - started) / count * 1e6)
    return best


def by_id(call: Call) -> str:
    return call.request.id


async def measure(count: int) -> dict[str, float]:
    clock = World.real().clock
    queue, join, hedge = Queue(clock=clock), Join(by_id), Hedge(HedgePolicy(), clock=clock)
    plain, plain_stream = await cost(whole, count), await cost(streamed, count // 20)
    rows: dict[str, tuple[Layer, ...]] = {
        "queue": (queue,), "join": (join,), "join and queue": (join, queue), "hedge": (hedge,),
    }  # fmt: skip
    figures = {name: await cost(stack(whole, *layers), count) - plain for name, layers in rows.items()}
    stream = await cost(stack(streamed, join, queue), count // 20) - plain_stream
    figures["join and queue, a stream, each of 51 events"] = stream / len(EVENTS)
    figures["key"] = timed(lambda: [key_of(call) for call in CALLS]) / len(CALLS)
    return figures


def timed(work: Callable[[], object]) -> float:
    rounds = []
    for _ in range(5):
        started = time.process_time()
        work()
        rounds.append((time.process_time() - started) * 1e6)
    return min(rounds)


if __name__ == "__main__":
    for name, figure in asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)).items():
        print(f"{name:<50}{figure:8.2f} µs")

#!/usr/bin/env python3
"""What the layers add to a call: CPU per call of the whole stack in memory, layer by layer, over a provider that answers at once.

    python bench/layers/stack.py [CALLS]

One client, one request after the other, each with another text; the ledger, the limits and the cache are in memory. A row is
the stack with this layer and all below it; `adds` is the difference to the row before. `alone` is what the layer adds to the
bare provider with none of the others there: the steadier figure, and a smaller one, because whoever works alone has the
processor's caches to itself. Minimum of many short rounds, since noise only adds; the rows take turns in each round, so that what
else the machine does meets all of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time

import msgspec

from backstay.assembly import Assembly
from backstay.config import load
from backstay.ledger.memory import MemoryLedger
from backstay.ports import World
from backstay.service import Call, Layer, Reply, Service, stack
from backstay.types import Request, Response, Text, Usage, user
from backstay.usage import Meter

TARGET = "openai:gpt-5-mini"
ANSWER = Response(
    parts=(Text(text="Because air scatters short waves more."),),
    finish_reason="stop",
    usage=Usage(input_tokens=20, output_tokens=10),
    model="gpt-5-mini",
)
ROUNDS = 25


async def provider(call: Call, /) -> Reply:
    return Reply(response=ANSWER)


def layers(world: World) -> tuple[Assembly, list[Layer]]:
    folder = tempfile.mkdtemp()
    loaded = load(
        environ={"OPENAI_API_KEY": "made-up"},
        arguments={
            "model": TARGET,
            "limits.requests_per_minute": 10**9,
            "limits.tokens_per_minute": 10**12,
            "limits.requests_per_day": 10**9,
            "limits.tokens_per_day": 10**12,
            "budget.usd_per_day": 1e6,
        },
        cwd=folder,
        user_folder=folder,
    )
    meter = Meter.open(loaded, MemoryLedger(max_rows=1_000), world)
    assembly = Assembly(loaded, meter=meter, world=world)
    return assembly, [*assembly.call_layers(), *assembly.target_layers(TARGET)]


async def cost(service: Service, calls: int, run: int) -> float:
    """CPU microseconds a call."""
    base = Request(model=TARGET)
    requests = [
        msgspec.structs.replace(base, messages=(user(f"Why is the sky blue? {run} {number}"),), id=f"{run}-{number}")
        for number in range(calls)
    ]
    now = asyncio.get_running_loop().time()
    started = time.process_time()
    for request in requests:
        await (await service(Call(request=request, deadline=now + 600))).response()
    return (time.process_time() - started) / calls * 1e6


async def main(calls: int) -> None:
    world = World.real()
    assembly, ordered = layers(world)
    names = ["bare provider", *(type(layer).__name__ for layer in reversed(ordered))]
    services = [stack(provider, *ordered[len(ordered) - depth :]) for depth in range(len(ordered) + 1)]
    services += [stack(provider, layer) for layer in reversed(ordered)]
    best = [float("inf")] * len(services)
    for number in range(ROUNDS):
        for depth, one in enumerate(services):
            best[depth] = min(best[depth], await cost(one, calls, 100 * depth + number))
    bare, together, alone = best[0], best[: len(names)], best[len(names) :]
    print(f"{'with':16} {'us a call':>10} {'adds':>7} {'alone':>7}")
    for name, now, before, single in zip(names, together, [bare, *together], [bare, *alone], strict=False):
        print(f"{name:16} {now:10.1f} {now - before:7.1f} {single - bare:7.1f}")
    print(f"{'all layers add':16} {together[-1] - bare:10.1f}")
    await assembly.aclose()


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))

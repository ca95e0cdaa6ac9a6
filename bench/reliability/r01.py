"""R1: every call ends exactly once, whatever goes wrong.

A storm of calls over virtual time, one swarm of faults for each seed: connections refused, names not found, certificates,
resets and hangs at every stage, slow and truncated answers, errors in and after the first content, every status, 429s in every
form, wrong and missing usage, wall clocks that jump. Callers read, leave, forget and are cancelled. A part of the calls goes
through the real codecs and the real HTTP client, with the bytes damaged.

Held: one end for each call, the end that its caller saw, none after its deadline; nothing left in the background, no attempt
open in the ledger or at the provider, no connection; no deadlock and no livelock (both are errors of the loop).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from bench.reliability.full import Full
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.storm import Storm, meter

from backstay.codecs.registry import codec, dialects
from backstay.layers.bookkeeping import Bookkeeping
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.ports import World
from backstay.provider import Provider
from backstay.service import Call, Layer, Reply, Service
from backstay.sim import FaultPlan, SimProvider, run, sim_world
from backstay.sim.fault import SERVICE_KINDS, WIRE_KINDS
from backstay.sim.transport import SimTransport
from backstay.target import Target
from backstay.transport.base import Timeouts
from backstay.usage import Meter

CLAIM = (
    "1,000,000 calls, 100 seeds, 46 kinds of fault: one end each, none late, nothing left, no deadlock, no livelock."
)
GATE = 0.02
CALLS, SEEDS = 1_000_000, 100
WIRE_SHARE = 0.03
TIMEOUTS = Timeouts(first_event=20.0, between_events=15.0)

Figures = dict[str, int | float | str]
Layers = Callable[[World, Meter], Sequence[Layer]]


def layers(world: World, kept: Meter) -> Sequence[Layer]:
    """The layers of one target, as the client puts them."""
    return (
        Retry(RetryPolicy(), world=world, budget=RetryBudget(capacity=1e9), target="sim:model"),
        Bookkeeping(kept, world=world, target="sim:model"),
        Timeout(TIMEOUTS),
    )


def one_seed(number: int, calls: int, make: Layers = layers, plan: FaultPlan | None = None) -> Figures:
    """The faults that must be 0 after the storm of seed `number`, and what happened in it."""
    world = sim_world(number)
    provider = SimProvider(world=world, plan=plan or FaultPlan.of(number))
    kept = meter(world, provider.traits.prices)
    storm = Storm(number, calls=calls)
    if make is layers and number % 5 == 4:  # every fifth seed through all layers that have a state
        whole = Full(world, kept)
        run(storm.blow(storm.around(provider, whole.layers, world), held=whole.held), seed=number)
    else:
        run(storm.blow(storm.around(provider, make(world, kept), world)), seed=number)
    return {
        **storm.faults(),
        "open rows": sum(row.state == "reserved" for row in kept.ledger.rows()),
        "open at the provider": provider.in_flight,
        "attempts": len(provider.log),
        "complete": sum(ended.stage == "complete" for ended in storm.ended),
    }


def one_wire_seed(number: int, calls: int) -> Figures:
    """The same through a dialect's codec and the HTTP client, over damaged bytes."""
    world = sim_world(number)
    dialect = codec(dialects()[number % len(dialects())])
    transport = SimTransport(dialect, world=world, plan=FaultPlan.of(number, kinds=WIRE_KINDS, most=0.8))
    target = Target(provider="sim", model="model", codec=dialect, base_url="http://sim.test/v1")
    kept = meter(world, transport.traits.prices)
    storm = Storm(number, calls=calls, at_once=50)
    provider = Provider(target, transport, timeouts=TIMEOUTS, clock=world.clock)
    open_connections = 0

    async def main() -> None:
        nonlocal open_connections
        await storm.blow(storm.around(provider, layers(world, kept), world))
        open_connections = transport.open_connections

    run(main(), seed=number)
    return {
        **storm.faults(),
        "open rows": sum(row.state == "reserved" for row in kept.ledger.rows()),
        "open connections": open_connections,
        "attempts": len(transport.log),
        "complete": sum(ended.stage == "complete" for ended in storm.ended),
    }


def total(parts: Sequence[Figures], calls: int) -> Verdict:
    """The sums; ok when all but the counts of what happened are 0."""
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update({name: int(count) for name, count in part.items()})
    happened = {name: sums.pop(name) for name in ("attempts", "complete")}
    return Verdict(not any(sums.values()), {"calls": calls, "seeds": len(parts), **happened, **sums})


def measure(scale: float) -> Verdict:
    """All seeds, the wire's share of the calls through real bytes."""
    seeds = sized(SEEDS, scale, least=6)
    each = sized(CALLS, scale) // seeds
    wire = round(each * WIRE_SHARE)
    first = seed() * 1_000_000
    parts = [one_seed(first + number, each - wire) for number in range(seeds)]
    parts += [one_wire_seed(first + number, wire) for number in range(seeds)]
    verdict = total(parts, each * seeds)
    kinds = len({*SERVICE_KINDS, *WIRE_KINDS})
    return Verdict(verdict.ok, {**verdict.figures, "kinds of fault": kinds})


class _Shielding:
    """Broken: it goes on with a call whose caller was cancelled, and keeps the answer for nobody."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Reply]] = []

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        task = asyncio.get_running_loop().create_task(_awaited(inner, call))
        self._tasks.append(task)
        task.add_done_callback(lambda done: done.exception())
        return await asyncio.shield(task)


async def _awaited(inner: Service, call: Call) -> Reply:
    return await inner(call)


def broken(scale: float) -> Verdict:
    """Two broken stacks, each of which must be caught: one goes on after a cancellation, one has no time-out."""

    def shielded(world: World, kept: Meter) -> Sequence[Layer]:
        return (_Shielding(), *layers(world, kept))

    def untimed(world: World, kept: Meter) -> Sequence[Layer]:
        return layers(world, kept)[:-1]

    calls = sized(20_000, scale, least=400)
    first = total([one_seed(1, calls, shielded)], calls)
    second = total([one_seed(2, calls, untimed, FaultPlan({"slow_drip": 0.3}))], calls)
    figures: Figures = {f"shielded: {name}": count for name, count in first.figures.items() if name == "open rows"}
    figures |= {f"untimed: {name}": count for name, count in second.figures.items() if name == "late"}
    return Verdict(first.ok or second.ok, figures)

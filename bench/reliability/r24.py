"""R24: one seed is one run: everything that happens, in its order and at its instant, is the same each time.

A storm through all layers that have a state; its trace is what the provider saw, what callers saw and what the ledger says. Each
seed runs twice in one process and once more in a process with another hash seed, because sets and dictionaries of strings are
where order leaks in. When the garbage collector runs is no part of a seed, so it is switched off.
"""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from bench.reliability.full import Full
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.storm import Storm, meter

from backstay.ledger.row import Row
from backstay.ports import World
from backstay.service import Call, Layer, Reply, Service
from backstay.sim import FaultPlan, SimProvider, run, sim_world

CLAIM = "100 seeds, each run twice under two hash seeds: the hash of all that happened is equal in 4 of 4 runs."
GATE = 0.05
SEEDS, CALLS = 100, 150
ROOT = Path(__file__).parents[2]


class _SetOrder:
    """Broken: it waits a little for each of some names, in the order in which a set of strings has them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        names = {f"name-{number}" for number in range(50)}
        await self._world.sleep(1e-5 * sum(int(name[5:]) * place for place, name in enumerate(names)))
        return await inner(call)


def trace(number: int, *, is_broken: bool = False) -> str:
    """The hash of all that happened in the storm of seed `number`."""
    world = sim_world(number)
    provider = SimProvider(world=world, plan=FaultPlan.of(number))
    kept = meter(world, provider.traits.prices)
    extra: Sequence[Layer] = (_SetOrder(world),) if is_broken else ()
    storm = Storm(number, calls=CALLS, at_once=30, alike=0.2)
    run(storm.blow(storm.around(provider, (*extra, *Full(world, kept).layers), world)), seed=number)
    seen = [(one.plan.call.request.id, one.plan.deed, one.stage, one.at, one.error) for one in storm.ended]
    rows: list[Row] = list(kept.ledger.rows())
    return hashlib.sha256(msgspec.json.encode([provider.log.digest(), seen, rows])).hexdigest()


def traces(first: int, count: int, is_broken: bool) -> list[str]:
    """The hashes of `count` seeds, each from two runs in this process."""
    gc.disable()
    return [trace(number, is_broken=is_broken) for number in range(first, first + count) for _ in range(2)]


def _elsewhere(first: int, count: int, is_broken: bool, hash_seed: int) -> list[str]:
    """The same in a process of its own under `hash_seed`."""
    program = f"from bench.reliability.r24 import traces; print(*traces({first}, {count}, {is_broken}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def _verdict(count: int, is_broken: bool) -> Verdict:
    first = seed() * SEEDS
    one, two = (_elsewhere(first, count, is_broken, hash_seed) for hash_seed in (1, 2))
    fours = [{*one[place : place + 2], *two[place : place + 2]} for place in range(0, 2 * count, 2)]
    unequal = sum(len(four) > 1 for four in fours)
    seeds = len({one[place] for place in range(0, 2 * count, 2)})
    return Verdict(
        unequal == 0 and seeds == count,
        {"seeds": count, "runs": 4 * count, "unequal": unequal, "different seeds": seeds},
    )


def measure(scale: float) -> Verdict:
    """All seeds under two hash seeds."""
    return _verdict(sized(SEEDS, scale, least=4), False)


def broken(scale: float) -> Verdict:
    """A layer whose time depends on the order of a set."""
    return _verdict(sized(SEEDS, scale, least=2) // 2 or 1, True)

"""R8: a circuit breaker that nothing stampedes, sticks or fools.

At the moment in which an open circuit lets probes through, 1,000 callers wait for it. No more than the probes pass; a probe that
is lost (its caller crashed, or never read its answer) holds its place for its lease and no longer; results of an earlier
generation and cancellations change no state; and the state machine agrees with a model written the long way round, over a million
random steps.

The broken variant is what the Python breakers in use do: half open lets everybody through, a cancellation is a failure, and a
result counts whenever it comes.
"""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple

from bench.reliability.circuit_model import walk
from bench.reliability.goal import Verdict, seed, sized

from backstay.errors import CircuitOpen, ServerFault
from backstay.layers.breaker import Breaker, CircuitChange
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.circuit import Circuit, Permit, Result
from backstay.offline.scripted import Scripted
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Request

CLAIM = (
    "1,000 callers at half-open: at most 3 probes pass, lost probes come back within their lease, stale results and "
    "cancellations change nothing; 1,000,000 steps equal to the model"
)
CALLERS = 1000
STEPS = 1_000_000
WALK = 2000
CALL = Call(request=Request(model="sim:x", id="r8"))


class Naive(Circuit):
    """Broken as most are: no bound on probes, no generation, a cancellation is a failure."""

    def in_flight(self, now: float) -> int:
        return 0

    def record(self, permit: Permit, result: Result, now: float) -> None:
        super().record(Permit(self.generation, permit.probe or next(iter(self._probes), 0)), result, now)

    def release(self, permit: Permit) -> None:
        super().record(permit, "failure", self.open_until)


class Herd(NamedTuple):
    """What one round of callers saw. `wrong_changes` counts changes of state that stale results or cancellations made."""

    admitted: int
    recovered_after: float
    wrong_changes: int


class Target:
    """A service that is down, then hangs, then is well; it counts who is inside at once."""

    def __init__(self) -> None:
        self.mode = "down"
        self.arrived = 0

    async def __call__(self, call: Call, /) -> Reply:
        self.arrived += 1
        if self.mode == "hang":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0.5)
        if self.mode == "down":
            raise ServerFault("down", status=503)
        return await Scripted("well")(call)


async def opened(service: Service, target: Target, policy: BreakerPolicy) -> None:
    """Open the circuit and wait until its time is over."""
    target.mode = "down"
    await asyncio.gather(*(service(CALL) for _ in range(policy.consecutive_failures or 0)), return_exceptions=True)
    await asyncio.sleep(policy.max_open_time * (1 + policy.jitter))
    target.arrived = 0


async def probed(service: Service) -> bool:
    try:
        await (await service(CALL)).response()
    except CircuitOpen:
        return False
    return True


async def round_of(number: int, naive: bool) -> Herd:
    policy, target, changes = BreakerPolicy(), Target(), list[CircuitChange]()
    world = sim_world(number)
    breaker = Breaker(policy, world=world, target="sim:x", listener=changes.append)
    if naive:
        breaker._circuit = Naive(policy, draw=world.rng.random, tell=breaker._changed)
    service = stack(target, breaker)
    loop = asyncio.get_running_loop()

    early = [asyncio.ensure_future(slow_success(breaker, number)) for _ in range(20)]
    await asyncio.sleep(0)
    await opened(service, target, policy)

    target.mode = "hang"  # every probe is lost
    lost = [asyncio.ensure_future(service(CALL)) for _ in range(CALLERS)]
    await asyncio.sleep(1)
    admitted = target.arrived
    count = len(changes)
    await asyncio.gather(*early)  # answers to questions of the closed era, in the middle of the half-open one
    for task in random.Random(number).sample(lost, CALLERS // 2):
        task.cancel()
    await asyncio.sleep(0)
    wrong = len(changes) - count

    since, target.mode = loop.time(), "well"
    for _ in range(1000):
        if await probed(service):
            break
        await asyncio.sleep(1)
    recovered = loop.time() - since
    for task in lost:
        task.cancel()
    await asyncio.gather(*lost, return_exceptions=True)
    return Herd(admitted, recovered, wrong)


async def slow_success(breaker: Breaker, number: int) -> None:
    """A call that began before the circuit opened and ends in the middle of its half-open time."""

    async def slow(call: Call) -> Reply:
        await asyncio.sleep(breaker._policy.max_open_time * 1.1 + 3)
        return await Scripted("late")(call)

    await (await stack(slow, breaker)(CALL)).response()


def judged(scale: float, naive: bool) -> Verdict:
    policy = BreakerPolicy()
    herds = [run(round_of(seed() + number, naive), seed=number) for number in range(sized(20, scale))]
    kind = Naive if naive else Circuit
    walks = sized(STEPS // WALK, scale)
    wrong = [words for number in range(walks) if (words := walk(seed() + number, WALK, kind=kind))]
    admitted = max(herd.admitted for herd in herds)
    recovered = max(herd.recovered_after for herd in herds)
    changes = sum(herd.wrong_changes for herd in herds)
    ok = admitted <= policy.probes and recovered <= policy.probe_lease and not changes and not wrong
    return Verdict(
        ok,
        {
            "rounds": len(herds),
            "callers": CALLERS,
            "most admitted": admitted,
            "slowest recovery s": round(recovered, 1),
            "changes by stale results or cancels": changes,
            "model steps": walks * WALK,
            "walks that differ": len(wrong),
        },
    )


def measure(scale: float) -> Verdict:
    """The breaker."""
    return judged(scale, naive=False)


def broken(scale: float) -> Verdict:
    """The naive one."""
    return judged(scale, naive=True)

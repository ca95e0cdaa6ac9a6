"""R2: a provider that says when to come back is not asked before, and nobody sleeps for what cannot be in time.

A provider that refuses half of all attempts with a 429, its wait told in every form that providers use, over wall clocks in mid
second. Its own log knows what instant it named to whom. The second part gives callers less time than the provider asks for:
they must be told at once, without a sleep.
"""

from __future__ import annotations

import asyncio

import msgspec
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.storm import Storm

from backstay.layers.retry import Decision, Retry, RetryPolicy
from backstay.ports import World
from backstay.service import Layer, Service, stack
from backstay.sim import FaultPlan, SimProvider, Traits, constant, run, sim_world
from backstay.sim.hint import FORMS

CLAIM = "Of 100,000 calls told to come back later, in 6 forms, none is early; a wait beyond the deadline is not slept at all."
CALLS = 120_000
PLAN = FaultPlan({f"status_429_{form}": 0.5 / len(FORMS) for form in FORMS})
ALWAYS = FaultPlan({f"status_429_{form}": 1 / len(FORMS) for form in FORMS})


class _Nap:
    """A sleep that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    async def __call__(self, delay: float, /) -> None:
        self.count += 1
        self.seconds += delay
        await asyncio.sleep(delay)


def _retry(policy: RetryPolicy, world: World, nap: _Nap) -> Layer:
    return Retry(policy, world=msgspec.structs.replace(world, sleep=nap), target="sim:model")


def _obeying(policy: RetryPolicy, calls: int) -> dict[str, int | float | str]:
    """How often attempts came before the instant that they had been told."""
    world, nap = sim_world(seed()), _Nap()
    world.clock.step(0.37)  # type: ignore[attr-defined]
    provider = SimProvider(Traits(output_tokens=constant(5)), world=world, plan=PLAN)
    storm = Storm(seed(), calls=calls, streams=0.1, deadlines=(200, 300))
    service: Service = stack(provider, _retry(policy, world, nap))
    run(storm.blow(service))
    told = sum(entry.fault.startswith("status_429_") for entry in provider.log)
    return {"told to wait": told, "retried": nap.count, "early": provider.log.early()}


def _hopeless(calls: int) -> dict[str, int | float | str]:
    """What is slept when every answer asks for more time than the caller has."""
    world, nap = sim_world(seed()), _Nap()
    provider = SimProvider(world=world, plan=ALWAYS)
    storm = Storm(seed(), calls=calls, streams=0.1, deadlines=(0.5, 1.0))
    run(storm.blow(stack(provider, _retry(RetryPolicy(first_delay=0.01), world, nap))))
    return {"hopeless": calls, "slept for nothing": nap.seconds, "asked again": len(provider.log) - calls}


def measure(scale: float) -> Verdict:
    """Both parts, the first until so many were told to wait."""
    calls = sized(CALLS, scale)
    obeying, hopeless = _obeying(RetryPolicy(max_attempts=4), calls), _hopeless(calls // 10)
    figures = {**obeying, **hopeless}
    ok = not (figures["early"] or figures["slept for nothing"] or figures["asked again"])
    return Verdict(ok and int(figures["told to wait"]) > calls // 2, figures)


class _Clipping(RetryPolicy, frozen=True, kw_only=True):
    """Broken: the provider's wait is cut to a maximum of its own, as many libraries do."""

    def decide(
        self, error: BaseException, *, attempt: int, elapsed: float, time_left: float | None, draw: float
    ) -> Decision:
        decision = super().decide(error, attempt=attempt, elapsed=elapsed, time_left=time_left, draw=draw)
        return msgspec.structs.replace(decision, delay=min(decision.delay, 4.0))


def broken(scale: float) -> Verdict:
    """A policy that clips what the provider asks for."""
    figures = _obeying(_Clipping(max_attempts=4), sized(CALLS, scale))
    return Verdict(not figures["early"], figures)

"""R9: failover that asks each target once, keeps the deadline, never says a thing twice, and never passes rules off as a model.

Two scenes in virtual time, with the layers that a program runs (failover with health, and for each target retry, breaker and
time-outs) over simulated providers with every kind of fault.

1. All three targets are down, each in its way. Every call must be answered from the offline rules, flagged as degraded, at no
   cost, and nothing of it may be stored by a cache.
2. All three have faults at random, and half of the calls are streams. No target is asked twice for one call, none after the
   consumer had its first content, and every call is over at its deadline.

The broken variant mends a broken stream with another target's answer and forgets the flag, as careless gateways do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import msgspec
from bench.reliability.goal import Verdict, seed, sized

from backstay.errors import AllTargetsFailed, BadRequest, StreamInterrupted
from backstay.event import CONTENT_EVENTS, Event
from backstay.layers.breaker import Breakers
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.failover import Failover
from backstay.layers.failover_rule import Link
from backstay.layers.health import Health, HealthPolicy
from backstay.layers.retry import Retry, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.offline.provider import Offline
from backstay.ports import World
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.sim.fault import NO_FAULTS, FaultPlan
from backstay.sim.provider import SimProvider
from backstay.sim.traits import Outage, Traits
from backstay.transport.base import Timeouts
from backstay.types import Provenance, Request, Response, user

CLAIM = (
    "all targets down: 100 % of answers flagged degraded, 0 cached, 0 billed; under faults of every kind: no target asked twice, "
    "0 failovers after the first content, every call over at its deadline"
)
CALLS = 20_000
ROUND = 200
TIME = 30.0
TICK = 1e-3
NAMES = ("a:x", "b:y", "c:z")
DOWN = (503, 529, None)
COUNTS = (
    "calls", "answers", "degraded", "cached", "billed_nano_usd", "asked_twice", "after_content", "late", "failovers",
    "unflagged",
)  # fmt: skip


class Scene:
    """A chain of three simulated targets and the rules, with everything counted."""

    def __init__(self, number: int, *, is_down: bool, is_careless: bool) -> None:
        self.world = sim_world(number)
        self.counts = Counter[str]()
        self._asked = Counter[tuple[str, str]]()
        self._has_content: set[str] = set()
        breakers = Breakers(BreakerPolicy(), world=self.world)
        self._stacks: dict[str, Service] = {"offline:rules": Offline()}
        for place, name in enumerate(NAMES):
            outages = (Outage(start=0.0, end=1e9, status=DOWN[place]),) if is_down else ()
            plan = NO_FAULTS if is_down else FaultPlan.of(number * 10 + place)
            provider = SimProvider(Traits(name=name, outages=outages), world=self.world, plan=plan)
            self._stacks[name] = stack(provider, *self._layers(name, self.world, breakers))
        links = [Link.of(name) for name in (*NAMES, "offline:rules")]
        health = Health(HealthPolicy(), clock=self.world.clock)
        chain = Failover(links, world=self.world, health=health)
        self._service = stack(self._dispatch, *((careless,) if is_careless else ()), chain)

    @staticmethod
    def _layers(name: str, world: World, breakers: Breakers) -> tuple[Retry, object, Timeout]:
        policy = RetryPolicy(max_attempts=2, first_delay=0.2)
        timeouts = Timeouts(connect=5.0, first_event=5.0, between_events=5.0, total=None)
        return Retry(policy, world=world, target=name), breakers.of(name), Timeout(timeouts)

    async def _dispatch(self, call: Call) -> Reply:
        """Each target's stack; counts whom a call asks, and whether its reader had something already."""
        key = (call.request.id, call.request.model)
        self._asked[key] += 1
        self.counts["asked_twice"] += self._asked[key] == 2
        self.counts["failovers"] += call.request.model != NAMES[0]
        self.counts["after_content"] += call.request.id in self._has_content
        return await self._stacks[call.request.model](call)

    async def ask(self, id: str, stream: bool) -> None:
        """One call from its beginning to its end."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TIME
        request = Request(model=NAMES[0], messages=(user("How are you?"),), id=id)
        self.counts["calls"] += 1
        try:
            reply = await self._service(Call(request=request, stream=stream, deadline=deadline))
            if stream:
                async for event in reply:
                    if isinstance(event, CONTENT_EVENTS):
                        self._has_content.add(id)
            self._count(await reply.response())
        except StreamInterrupted:
            self.counts["interrupted"] += 1
        except BadRequest:
            self.counts["question at fault"] += 1
        except AllTargetsFailed as error:
            self.counts["question at fault" if isinstance(error.errors[-1], BadRequest) else "unanswered"] += 1
        self.counts["late"] += loop.time() > deadline + TICK

    def _count(self, response: Response) -> None:
        about = response.provenance
        self.counts["answers"] += 1
        self.counts["degraded"] += about.degraded
        self.counts["unflagged"] += response.raw_finish_reason == "rule" and not about.degraded
        if response.raw_finish_reason == "rule":
            self.counts["cached"] += not about.degraded  # what a cache may store: a whole answer that is not flagged
            self.counts["billed_nano_usd"] += response.cost.nano_usd if response.cost is not None else 1

    async def play(self, calls: int) -> None:
        """`calls` calls, four a second, every other one as a stream."""

        async def one(number: int) -> None:
            await self.world.sleep(number / 4)
            await self.ask(f"r9-{number}", number % 2 == 1)

        await asyncio.gather(*(one(number) for number in range(calls)))


async def careless(call: Call, inner: Service) -> Reply:
    """Broken on purpose: a stream that broke goes on with another target's words, and nothing says who spoke."""
    reply = await inner(call)

    async def mended(batches: AsyncIterator[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
        try:
            async for batch in batches:
                yield batch
        except StreamInterrupted:
            other = msgspec.structs.replace(call.request, model=NAMES[-1])
            async for event in await inner(msgspec.structs.replace(call, request=other, attempt=call.attempt + 50)):
                yield (event,)

    reply.wrap(mended)
    reply.amend(lambda response: msgspec.structs.replace(response, provenance=Provenance()))
    return reply


def played(scale: float, *, is_down: bool, is_careless: bool) -> Counter[str]:
    total = Counter[str]()
    for number in range(sized(CALLS // ROUND, scale)):
        scene = Scene(seed() + number, is_down=is_down, is_careless=is_careless)
        run(scene.play(ROUND), seed=number)
        total += scene.counts
    return total


def judged(scale: float, is_careless: bool) -> Verdict:
    down = played(scale, is_down=True, is_careless=is_careless)
    faulty = played(scale, is_down=False, is_careless=is_careless)
    ok = down["degraded"] == down["calls"] == down["answers"]
    ok = ok and not any(down[name] or faulty[name] for name in ("cached", "billed_nano_usd", "unflagged"))
    ok = ok and not any(down[name] or faulty[name] for name in ("asked_twice", "after_content", "late", "unanswered"))
    ok = ok and faulty["answers"] > faulty["degraded"] and faulty["failovers"] > 0
    return Verdict(
        ok,
        {
            **{f"down: {name}": down[name] for name in COUNTS},
            **{f"faulty: {name}": faulty[name] for name in (*COUNTS, "interrupted", "question at fault", "unanswered")},
        },
    )


def measure(scale: float) -> Verdict:
    """The chain."""
    return judged(scale, is_careless=False)


def broken(scale: float) -> Verdict:
    """The careless one."""
    return judged(scale, is_careless=True)

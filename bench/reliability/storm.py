"""Storm: many calls at once through a stack of layers to a simulated provider, and what became of each of them.

Callers behave as callers do: most read their answer, some leave a stream in its middle, some are cancelled, some forget the
reply. What each of them saw is held against what the outermost telemetry said, and both against the deadline.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from backstay.catalog.catalog import Catalog
from backstay.catalog.model import Model, Period, Rate, Rates
from backstay.errors import LLMError
from backstay.layers.telemetry import Signal, Telemetry
from backstay.ledger.memory import MemoryLedger
from backstay.ports import World
from backstay.service import Call, Layer, Service, stack
from backstay.sim import Prices
from backstay.types import Metadata, Request, user
from backstay.usage import Meter

logging.getLogger("backstay").setLevel(logging.CRITICAL)  # a storm is one long warning

TICK = 0.001 + 1e-6
"""Seconds that an end may be behind its deadline: admission gives a place that comes free in the last moment a millisecond."""

Held: TypeAlias = Callable[[], Awaitable[dict[str, int]]]
Deed: TypeAlias = Literal["read", "leave", "cancel", "forget"]
DEEDS: tuple[Deed, ...] = ("read",) * 80 + ("leave",) * 8 + ("cancel",) * 8 + ("forget",) * 4

TEXTS = tuple("word " * (3 + 7 * size) for size in range(8))


class Plan(NamedTuple):
    """One caller: what it asks, when it loses patience, and what it does."""

    call: Call
    deed: Deed
    patience: float


class Ended(NamedTuple):
    """How a caller's call ended for it, and when."""

    plan: Plan
    stage: str
    at: float
    error: str = ""


def meter(world: World, prices: Prices, *, ledger: MemoryLedger | None = None) -> Meter:
    """A meter whose catalogue knows "sim:model", at the simulated provider's prices, and whose ledger is in memory."""
    rates = Rates(input=Rate(prices.input * 10**6), output=Rate(prices.output * 10**6))
    catalog = Catalog([Model(provider="sim", id="model", periods=(Period(rates=rates),), max_output_tokens=4096)])
    return Meter(catalog=catalog, ledger=ledger or MemoryLedger(), world=world)


class Storm:
    """`calls` calls, `at_once` of them at a time, each with a deadline of its own from within `deadlines` (seconds).

    `streams` is the share that asks for a stream, `alike` the share that asks what many others ask; ids count from `first`.
    After a failure a caller rests for `rest` seconds: without, an open circuit eats a whole storm in an instant.
    """

    def __init__(
        self,
        seed: int,
        *,
        calls: int,
        at_once: int = 200,
        streams: float = 0.25,
        deadlines: tuple[float, float] = (2, 90),
        alike: float = 0.0,
        first: int = 0,
    ) -> None:
        self._draw = random.Random(f"storm {seed}")
        self._calls = calls
        self._at_once = at_once
        self._streams = streams
        self._deadlines = deadlines
        self._alike = alike
        self._first = first
        self.rest = 0.0
        self.begun: Counter[str] = Counter()
        self.told: dict[str, list[str]] = {}
        self.ended: list[Ended] = []
        self.tasks_left = 0
        self.held: dict[str, int] = {}

    def around(self, service: Service, layers: Sequence[Layer], world: World) -> Service:
        """`service` in `layers`, with the telemetry outermost that this storm listens to."""
        return stack(service, Telemetry(self._listen, level="call", clock=world.clock), *layers)

    def _listen(self, signal: Signal) -> None:
        id = signal.call.request.id
        if signal.stage == "started":
            self.begun[id] += 1
        elif signal.stage != "first_event":
            self.told.setdefault(id, []).append(signal.stage)

    async def blow(self, service: Service, *, settle: float = 600.0, held: Held | None = None) -> None:
        """Make all calls, then give what is left in the background `settle` seconds to end by itself; `held` is asked then."""
        numbers = iter(range(self._first, self._first + self._calls))

        async def worker() -> None:
            for number in numbers:
                await self._one(self._plan(number), service)
                if self.rest and self.ended and self.ended[-1].stage == "failed":
                    await asyncio.sleep(self.rest)

        await asyncio.gather(*(worker() for _ in range(self._at_once)))
        gc.collect()  # a forgotten reply is closed when it is collected
        await asyncio.sleep(settle)
        self.tasks_left = len(asyncio.all_tasks()) - 1
        self.held = {} if held is None else await held()

    def _plan(self, number: int) -> Plan:
        draw = self._draw.random
        first, last = self._deadlines
        now = asyncio.get_running_loop().time()
        asked = int(draw() * 20) if draw() < self._alike else 20 + number
        request = Request(
            id=f"c{number}",
            model="model",
            messages=(user(f"{asked} {TEXTS[asked % len(TEXTS)]}"),),
            max_output_tokens=300,
            metadata=Metadata(tenant=f"t{number % 3}", priority=("high", "medium", "low")[number % 3]),
        )
        call = Call(request=request, stream=draw() < self._streams, deadline=now + first + (last - first) * draw())
        return Plan(call, DEEDS[int(draw() * len(DEEDS))], 4 * draw())

    async def _one(self, plan: Plan, service: Service) -> None:
        if plan.deed != "cancel":
            await self._seen(plan, service)
            return
        task = asyncio.ensure_future(self._seen(plan, service))
        timer = asyncio.get_running_loop().call_later(plan.patience, task.cancel)
        await asyncio.wait((task,))
        timer.cancel()

    async def _seen(self, plan: Plan, service: Service) -> None:
        stage, error = "complete", ""
        try:
            stage = await DOES[plan.deed](service, plan.call)
        except asyncio.CancelledError:
            stage = "dropped"
        except LLMError as caught:
            stage, error = "failed", type(caught).__name__
        self.ended.append(Ended(plan, stage, asyncio.get_running_loop().time(), error))

    def faults(self) -> dict[str, int | float | str]:
        """What must all be 0: calls without an end, with two, with another end than their caller saw, after their deadline,
        and tasks that are left."""
        seen = {ended.plan.call.request.id: ended for ended in self.ended}
        lost = sum(len(self.told.get(id, ())) == 0 for id in self.begun) + self._calls - len(self.begun)
        return {
            "lost": lost,
            "double": sum(len(ends) > 1 for ends in self.told.values())
            + sum(count > 1 for count in self.begun.values()),
            "misreported": sum(ends[0] != seen[id].stage for id, ends in self.told.items()),
            "late": sum(ended.at > (ended.plan.call.deadline or 0) + TICK for ended in self.ended),
            "tasks left": self.tasks_left,
            **self.held,
        }


Does: TypeAlias = Callable[[Service, Call], Awaitable[str]]


async def _read(service: Service, call: Call) -> str:
    await (await service(call)).response()
    return "complete"


async def _leave(service: Service, call: Call) -> str:
    async with await service(call) as reply:
        async for _ in reply:
            break
    return "dropped"


async def _forget(service: Service, call: Call) -> str:
    """The reply is left without a word, and is closed when it is collected."""
    reply = await service(call)
    async for _ in reply:
        break
    return "dropped"


DOES: dict[Deed, Does] = {"read": _read, "cancel": _read, "leave": _leave, "forget": _forget}

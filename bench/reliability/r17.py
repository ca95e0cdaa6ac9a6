"""R17: a cancellation at any point leaves nothing behind.

Each scene is one thing that a program awaits, in the situation in which it holds the most: a place in a line, a permit that is
just being granted, a retry asleep, a hedge on its way, a flight that others joined, a stream in its middle. It is cancelled at
every suspension, while it waits and in the moment in which it is woken, and at every pair of suspensions up to forty. Afterwards
no task, permit, reservation, open row, open connection or attempt at the provider is left, and the next call goes through.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from bench.reliability.full import LIMITS, Full
from bench.reliability.goal import Verdict
from bench.reliability.storm import meter

from backstay import Client
from backstay.codecs.registry import codec
from backstay.config import load
from backstay.errors import LLMError
from backstay.layers.admission_policy import LimitPolicy
from backstay.layers.queue_policy import QueuePolicy
from backstay.layers.retry import Retry, RetryPolicy
from backstay.ledger.memory import MemoryLedger
from backstay.service import Call, Reply, Service, stack
from backstay.sim import FaultPlan, Outage, SimProvider, Traits, constant, sim_world
from backstay.sim.sweep import Leak, Make, Sweep, cancel_points
from backstay.sim.transport import SimTransport
from backstay.types import Metadata, Request, user

CLAIM = "Cancelled at every suspension of every public coroutine, and at every pair: 0 tasks, permits, rows or connections left."
GATE = 1.0
STEADY = Traits(first_token=constant(1.0), per_token=constant(0.01), output_tokens=constant(40))
ONE = QueuePolicy(running=1, high_timeout=60, medium_timeout=60, low_timeout=60)
ONE_PERMIT = LimitPolicy(
    requests_per_minute=None, tokens_per_minute=None, requests_per_day=None, tokens_per_day=None, concurrency=1
)
Use = Callable[[Service, Call], Coroutine[Any, Any, object]]
Scene = tuple[Coroutine[Any, Any, object], Callable[[], object]]


def a_call(text: str, *, stream: bool = False, deadline: float | None = 100.0) -> Call:
    """A question; calls with one `text` are one question to who joins them."""
    request = Request(id=text, model="model", messages=(user(text),), metadata=Metadata(priority="high"))
    return Call(request=request, stream=stream, deadline=deadline)


async def read(service: Service, call: Call) -> object:
    """Await the whole answer."""
    return await (await service(call)).response()


async def iterate(service: Service, call: Call) -> object:
    """Take each event, in a context that closes the reply."""
    async with await service(call) as reply:
        return [event async for event in reply]


async def leave(service: Service, call: Call) -> object:
    """Leave after the first event."""
    async with await service(call) as reply:
        return await anext(aiter(reply))


def layered(
    use: Use,
    *,
    stream: bool = False,
    queue: QueuePolicy = ONE,
    limits: LimitPolicy = LIMITS,
    outages: tuple[Outage, ...] = (),
    before: str | None = None,
    is_flat: bool = False,
) -> Make:
    """A call through all layers; `before` is the question of another call that came first and is being answered."""

    def make() -> Scene:
        world = sim_world(1)
        provider = SimProvider(msgspec.structs.replace(STEADY, outages=outages), world=world)
        kept = meter(world, provider.traits.prices)
        full = Full(world, kept, queue=queue, limits=limits, hedge_share=1.0, is_flat=is_flat)
        service = stack(provider, *full.layers)

        async def work() -> None:
            first = None
            if before is not None:
                first = asyncio.ensure_future(read(service, a_call(before, stream=stream)))
            try:
                await world.sleep(0.1)
                await use(service, a_call("swept", stream=stream))
            finally:
                if first is not None:
                    first.cancel()

        async def check() -> None:
            held = {name: count for name, count in (await full.held()).items() if count}
            rows = [row.attempt_id for row in kept.ledger.rows() if row.state == "reserved"]
            assert not held, f"held: {held}"
            assert not rows, f"open rows: {rows}"
            assert provider.in_flight == 0, "the provider still works"
            try:
                await read(service, a_call("afterwards", deadline=None))
            except LLMError as error:
                raise AssertionError(f"the next call failed: {error}") from error

        return work(), check

    return make


def whole_client(use: Callable[[Client], Coroutine[Any, Any, object]], plan: FaultPlan) -> Make:
    """A client with its default stack, the real codec and the real HTTP client over bytes in memory."""

    def make() -> Scene:
        world = sim_world(1)
        transport = SimTransport(codec("openai_chat"), world=world, traits=STEADY, plan=plan)
        ledger = MemoryLedger()
        nowhere = Path(tempfile.gettempdir())
        loaded = load(
            environ={"OPENAI_API_KEY": "k"}, arguments={"model": "openai:gpt-4o-mini"}, cwd=nowhere, user_folder=nowhere
        )
        client = Client(loaded=loaded, transport=transport, world=world, ledger=ledger)

        def check() -> None:
            rows = [row.attempt_id for row in ledger.rows() if row.state == "reserved"]
            assert not rows, f"open rows: {rows}"
            assert transport.open_connections == 0, f"open connections: {transport.open_connections}"

        return use(client), check

    return make


async def _generate(client: Client) -> object:
    return await client.generate("hello")


async def _stream(client: Client) -> object:
    async with client.stream("hello") as reply:
        return [event async for event in reply]


DOWN = (Outage(start=0.0, end=0.5),)
SLOW_START = FaultPlan({"status_503": 0.6})

IN_LAYERS: dict[str, Callable[[bool], Make]] = {
    "a whole answer": lambda flat: layered(read, is_flat=flat),
    "a stream, read": lambda flat: layered(read, stream=True, is_flat=flat),
    "a stream, iterated": lambda flat: layered(iterate, stream=True, is_flat=flat),
    "a stream, left": lambda flat: layered(leave, stream=True, is_flat=flat),
    "a retry": lambda flat: layered(read, outages=DOWN, is_flat=flat),
    "a retry of a stream": lambda flat: layered(iterate, stream=True, outages=DOWN, is_flat=flat),
    "in the queue": lambda flat: layered(read, before="other", is_flat=flat),
    "in the queue, a stream": lambda flat: layered(iterate, stream=True, before="other", is_flat=flat),
    "in line for a permit": lambda flat: layered(
        read, limits=ONE_PERMIT, queue=QueuePolicy(), before="other", is_flat=flat
    ),
    "in line for a permit, a stream": lambda flat: layered(
        iterate, stream=True, limits=ONE_PERMIT, queue=QueuePolicy(), before="other", is_flat=flat
    ),
}
SCENES: dict[str, Callable[[], Make]] = {
    **{f"{name}{' flat' * flat}": partial(make, flat) for name, make in IN_LAYERS.items() for flat in (False, True)},
    "joined": lambda: layered(read, before="swept"),
    "joined, a stream": lambda: layered(iterate, stream=True, before="swept"),
    "client.generate": lambda: whole_client(_generate, FaultPlan({})),
    "client.generate, retried": lambda: whole_client(_generate, SLOW_START),
    "client.stream": lambda: whole_client(_stream, FaultPlan({})),
    "client.stream, retried": lambda: whole_client(_stream, SLOW_START),
}
"""What is swept. "flat": without the layers that put what is inside them into a task: every suspension is the caller's."""


def measure(scale: float) -> Verdict:
    """Every scene; a leak is told with its scene. The size is always the whole."""
    figures: dict[str, int | float | str] = {"scenes": len(SCENES), "points": 0, "runs": 0, "absorbed": 0, "leaks": 0}
    for name, make in SCENES.items():
        try:
            sweep: Sweep = cancel_points(make())
        except Leak as leak:
            figures["leaks"] = int(figures["leaks"]) + len(leak.points)
            figures[name] = "; ".join(f"{point}: {found}" for point, found in list(leak.points.items())[:3])
            continue
        if sweep.ended != "complete":
            figures[name] = f"the undisturbed run ended in {sweep.ended}"
            figures["leaks"] = int(figures["leaks"]) + 1
        for fact in ("points", "runs", "absorbed"):
            figures[fact] = int(figures[fact]) + int(getattr(sweep, fact))
    return Verdict(figures["leaks"] == 0, figures)


class _Careless:
    """Broken: a bound of one call at a time whose permit is lost in the moment of its grant."""

    def __init__(self) -> None:
        self._gate: asyncio.Future[None] | None = None
        self._is_taken = False

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if self._is_taken:
            self._gate = asyncio.get_running_loop().create_future()
            await self._gate  # the permit is passed on, and nobody gives it back when this is cancelled now
        self._is_taken = True
        try:
            return await inner(call)
        finally:
            if self._gate is not None and not self._gate.done():
                self._gate.set_result(None)
            else:
                self._is_taken = False


def broken(scale: float) -> Verdict:
    """A layer that loses its permit."""

    def make() -> Scene:
        world = sim_world(1)
        provider = SimProvider(STEADY, world=world)
        service = stack(provider, _Careless(), Retry(RetryPolicy(), world=world))

        async def work() -> None:
            first = asyncio.ensure_future(read(service, a_call("other")))
            try:
                await world.sleep(0.1)
                await read(service, a_call("swept"))
            finally:
                first.cancel()

        async def check() -> None:
            try:
                await asyncio.wait_for(read(service, a_call("afterwards", deadline=None)), 1000)
            except TimeoutError:
                raise AssertionError("the permit is gone") from None

        return work(), check

    try:
        cancel_points(make)
    except Leak as leak:
        return Verdict(False, {"leaks": len(leak.points)})
    return Verdict(True, {"leaks": 0})

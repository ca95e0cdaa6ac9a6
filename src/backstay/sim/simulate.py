"""Simulate: traffic driven through the real layers in virtual time, against simulated providers: what would happen, at what cost.

    loaded = load("backstay.toml", arguments={"limits.tokens_per_minute": 40_000}, services=provider_names())
    report = simulate(read_trace("trace.csv"), loaded, seed=7)

The layers are those of a client, stacked by the same `Assembly` and `Dispatch` from the same settings. What is put in its place
stands at the edges: clock, providers (`Fleet`), ledger (`Book`, which sums) and, around the store of limits, a `Gauge`.
Requests are `Question`s: counts without words, whose bound is what the library's own estimate would be.

One seed is one result, byte for byte. Memory does not grow with the trace: sums, percentiles and time series have a fixed size.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from backstay.config import Loaded
from backstay.errors import AllTargetsFailed, ConfigurationError, LLMError
from backstay.ports import World
from backstay.service import Call, Service, stack
from backstay.sim.book import Book
from backstay.sim.gauge import Gauge
from backstay.sim.loop import run
from backstay.sim.record import Log, NoLog, Prices
from backstay.sim.report import Calls, Report, make_report
from backstay.sim.scenario import Fleet, Scenario, provider_names
from backstay.sim.work import Question
from backstay.sim.workload import Arrival
from backstay.sim.world import EPOCH, sim_world
from backstay.stores.memory_limit import MemoryLimits
from backstay.types import Message, Metadata, Priority, Response, Text
from backstay.usage import Meter

if TYPE_CHECKING:
    from backstay.assembly import Assembly

MIDNIGHT: Final = EPOCH - EPOCH % 86_400
WORDS: Final = (Message(role="user", parts=(Text(text="."),)),)
"""A request needs a message; what it says is not read, because its counts are stated."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the callers ask. `is_stream`: as streams, so that there is a time to the first token. `max_output_tokens` is what each
    call allows its answer, and so reserves; `overestimate` is how many times the truth the estimate of an input is, because a
    bound errs upward (`tokens.py`). `time_of_day` (seconds after midnight) is when the traffic begins."""

    is_stream: bool = True
    max_output_tokens: int = 4096
    overestimate: float = 2.5
    time_of_day: float = 43_200.0

    def __post_init__(self) -> None:
        checks = (
            (self.max_output_tokens >= 1, "max_output_tokens", "1 or more"),
            (1 <= self.overestimate <= 100, "overestimate", "from 1 to 100: an estimate is never below the truth"),
            (0 <= self.time_of_day < 86_400, "time_of_day", "seconds after midnight, below 86400"),
        )
        faults = [f"{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)


Progress = Callable[[int, float], None]
"""Hears, once in a while, how many calls have begun and at which virtual second."""

EVERY: Final = 2_000
"""Calls between two reports of progress."""


KEPT: Final = 10_000
"""Callers whose Metadata is kept."""

YOUNG: Final = 50_000
"""Objects after which the collector looks, in place of 700: a tenth of the time of a run is gained."""


class _Trip:
    """What one call waited for; found by the layers' stores through the context of its task."""

    __slots__ = ("begun", "limit_wait", "queue_wait")

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.queue_wait: float | None = None
        self.limit_wait: float | None = None


_TRIP: ContextVar[_Trip] = ContextVar("backstay_sim_trip")


def simulate(
    arrivals: Iterable[Arrival],
    loaded: Loaded,
    *,
    scenario: Scenario | None = None,
    options: Options | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """What comes of `arrivals`, which are in order, under the settings of `loaded`.

    `loaded` comes from `load(..., services=provider_names())`, so that no key is needed. Raises ConfigurationError where the
    settings name no model to simulate; Deadlock or Livelock where a real program would hang.
    """
    if loaded.model.startswith("offline:"):
        raise ConfigurationError(
            "no model to simulate: name one as provider:model, with --model openai:gpt-5-mini or `model` in the settings"
        )
    options = options or Options()

    async def main() -> Report:
        world = sim_world(seed, epoch=MIDNIGHT + options.time_of_day)
        return await Scene(loaded, scenario or Scenario(), options, world).play(arrivals, progress or _silent)

    with _few_collections():
        return run(main())


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Look for cycles of garbage less often: each call makes hundreds of short-lived objects, and next to no cycles."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], YOUNG), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _silent(count: int, now: float) -> None:
    """Nobody looks."""


class Scene:
    """The layers, what stands at their edges, and the callers. Belongs to one run of one loop.

    `log` makes the record of each provider: for proofs that hold the layers against what arrived there.
    """

    def __init__(
        self,
        loaded: Loaded,
        scenario: Scenario,
        options: Options,
        world: World,
        *,
        log: Callable[[Prices], Log] = NoLog,
    ) -> None:
        from backstay.assembly import Assembly  # stands above this floor: the driver is a client of the layers

        clock = world.clock
        loaded = _without_stores(loaded)
        self._loaded, self._options, self._world = loaded, options, world
        self.book = Book(clock.monotonic)
        self.gauge = Gauge(MemoryLimits(clock), clock=clock, asked=self._asked, waited=self._waited)
        self.fleet = Fleet(scenario, world, log=log)
        self.calls = Calls()
        self._meter = Meter.open(loaded, self.book, world)
        self.layers: Assembly = Assembly(loaded, meter=self._meter, world=world, limits=self.gauge, channels=())
        self._service = self._stacked()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._count = 0
        self._bug: BaseException | None = None
        self._ended: asyncio.Future[float]
        self._who: dict[tuple[Priority, str | None, str | None], Metadata] = {}

    def _stacked(self) -> Service:
        from backstay.dispatch import Dispatch
        from backstay.offline.provider import Offline
        from backstay.offline.rules import SHIPPED

        names = provider_names(self._loaded.config.providers)
        dispatch = Dispatch(
            self._loaded,
            services={**dict.fromkeys(names, self.fleet), "offline": Offline(SHIPPED)},
            keys={},
            transport=_no_transport,
            world=self._world,
            layers=self.layers.target_layers,
        )
        self.layers.exempt(dispatch.is_inside)
        return stack(dispatch, *self.layers.call_layers())

    async def play(self, arrivals: Iterable[Arrival], progress: Progress) -> Report:
        """Every call at its time, then all of them to their ends."""
        loop = asyncio.get_running_loop()
        source, self._ended = iter(arrivals), loop.create_future()
        self._admit(source, next(source, None), progress)
        try:
            last = await self._ended
            while self._tasks and self._bug is None:
                self._idle.clear()
                await self._idle.wait()
            if self._bug is not None:
                raise self._bug
        finally:
            await self.layers.aclose()
        progress(self._count, loop.time())
        return make_report(self.calls, self.book, self.gauge.uses, loaded=self._loaded, last=last, end=loop.time())

    def _admit(self, source: Iterator[Arrival], arrival: Arrival | None, progress: Progress) -> None:
        """Begin every call whose time has come, and come again at the time of the next one."""
        loop = asyncio.get_running_loop()
        try:
            while arrival is not None and arrival.at <= loop.time():
                self._count += 1
                task = loop.create_task(self._call(arrival, self._count))
                self._tasks.add(task)
                task.add_done_callback(self._done)
                if self._count % EVERY == 0:
                    progress(self._count, loop.time())
                arrival = next(source, None)
        except Exception as error:  # noqa: BLE001 - a fault of the trace is the caller's to hear
            self._ended.set_exception(error)
            return
        if arrival is None or self._bug is not None:
            self._ended.set_result(loop.time())
        else:
            loop.call_at(arrival.at, self._admit, source, arrival, progress)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if (
            error is not None and self._bug is None
        ):  # no answer of the layers but a bug in one: the end of the simulation
            self._bug = error
        if not self._tasks or self._bug is not None:
            self._idle.set()

    async def _call(self, arrival: Arrival, number: int) -> None:
        clock, calls = self._world.clock, self.calls
        trip = _Trip(clock.monotonic())
        _TRIP.set(trip)
        request = self._question(arrival, number)
        line = calls.begin(request.metadata, trip.begun)
        try:
            response, first = await self._answer(request, is_fresh=not arrival.content)
        except LLMError as error:
            calls.failed(line, clock.monotonic(), first_of(error))
        else:
            calls.complete(line, response, trip.begun, clock.monotonic(), first)
        calls.waited(line, trip.queue_wait, trip.limit_wait)

    async def _answer(self, request: Question, *, is_fresh: bool) -> tuple[Response, float | None]:
        """The answer, and the instant of its first token where it is a stream."""
        now, total = self._world.clock.monotonic(), self._loaded.config.timeouts.total
        deadline = None if total is None else now + total
        is_stream = self._options.is_stream
        reply = await self._service(Call(request=request, stream=is_stream, deadline=deadline, is_fresh=is_fresh))
        first = self._world.clock.monotonic() if is_stream else None
        return await reply.response(), first

    def _question(self, arrival: Arrival, number: int) -> Question:
        options = self._options
        return Question(
            id=f"call-{number}",
            model=arrival.model or self._loaded.model,
            messages=WORDS,
            max_output_tokens=options.max_output_tokens,
            metadata=self._metadata(arrival),
            created_at=self._world.clock.wall_ns() / 1e9,
            input_tokens=arrival.input_tokens,
            input_bound=round(arrival.input_tokens * options.overestimate),
            answer_tokens=arrival.output_tokens,
            content=arrival.content,
        )

    def _metadata(self, arrival: Arrival) -> Metadata:
        """Who asks; the same few ask again and again."""
        key = (arrival.priority or "medium", arrival.tenant, arrival.task)
        found = self._who.get(key)
        if found is None:
            if len(self._who) >= KEPT:
                self._who.clear()
            found = self._who[key] = Metadata(priority=key[0], tenant=key[1], task=key[2])
        return found

    def _asked(self) -> None:
        """The task's call has reached the limits for the first time: until here it stood in the queue."""
        trip = _TRIP.get()
        if trip.queue_wait is None:
            trip.queue_wait = self._world.clock.monotonic() - trip.begun

    def _waited(self, seconds: float) -> None:
        trip = _TRIP.get()
        trip.limit_wait = seconds + (trip.limit_wait or 0.0)


def _without_stores(loaded: Loaded) -> Loaded:
    """The settings with every store in memory: files and servers have no virtual time. Meanings need texts, of which there are
    none, so there is no semantic cache."""
    config = loaded.config
    cache = config.cache if config.cache.store == "off" else msgspec.structs.replace(config.cache, store="memory")
    meaning = msgspec.structs.replace(config.semantic_cache, model=None)
    changed = msgspec.structs.replace(config, cache=cache, semantic_cache=meaning)
    return msgspec.structs.replace(loaded, config=changed)


def first_of(error: LLMError) -> BaseException:
    """The failure that began it: of a chain of targets, the first one's."""
    cause: BaseException = error
    while isinstance(cause, AllTargetsFailed) and cause.errors:
        cause = cause.errors[0]
    return cause


def _no_transport() -> NoReturn:
    raise ConfigurationError("a simulation sends nothing: this target is no provider that the simulation knows")

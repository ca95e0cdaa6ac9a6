"""Call, Reply, Service, Layer: the one verb that everything composes through.

A service takes a `Call` and gives a `Reply`. A layer is a service that knows the next one: `async (call, inner) -> Reply`.
`stack(service, *layers)` puts layers around a service, the first one listed sees the call first. There is no readiness
protocol: an `await` is the backpressure. The lineage is Finagle's Filter ("Your Server as a Function", Eriksen 2013), tower's
Service and hyper 1.0's.

A `Reply` is one answer in flight, streamed or whole: iterate it for events, or `await reply.response()` for the folded answer.
It ends in exactly one of three outcomes, which its observers hear once, innermost first:

    a Response      complete: the provider said that the answer ended, and the consumer took all of it
    an exception    failed: the stream broke, a time-out passed, the provider sent an error
    DROPPED         the consumer left early: it closed the reply, or was cancelled

The commit point: a provider reads ahead to the first content event before it returns a Reply. Failures before it are raised
from the call itself, where retry and failover see them; after it nothing is retried, and the consumer gets
`StreamInterrupted` with the partial answer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

import msgspec

from backstay.eager import start
from backstay.errors import LLMError, StreamInterrupted
from backstay.event import Event
from backstay.fold import Folding, unfold
from backstay.types import Attempt, Request, Response

log = logging.getLogger("backstay")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One trip of a request through the layers: the request, and the facts of this trip only.

    `deadline` is an instant on the event loop's clock (None: no deadline). `attempt` counts from 1 and goes on over retries and
    targets. `parent_id` names the call that this one serves (a re-ask, a tool round, a batch). `is_fresh`: an answer of its own
    is wanted, so no layer may answer it from a cache or join it to a call in flight (samples that are asked to disagree).
    """

    request: Request
    stream: bool = False
    deadline: float | None = None
    attempt: int = 1
    delay_before: float = 0.0
    parent_id: str | None = None
    is_fresh: bool = False

    @property
    def attempt_id(self) -> str:
        """The idempotency key of this very try: known before anything is sent, the same if it is asked for twice."""
        return f"{self.request.id}.{self.attempt}"


class _Dropped:
    def __repr__(self) -> str:
        return "DROPPED"


DROPPED: Final = _Dropped()
"""The outcome of a reply whose consumer left before its end."""

Outcome: TypeAlias = Response | BaseException | _Dropped
Observer: TypeAlias = Callable[[Outcome], None]


class Service(Protocol):
    """Anything that answers a call."""

    async def __call__(self, call: Call, /) -> Reply: ...


class Layer(Protocol):
    """A service around a service. One object; its state is its own."""

    async def __call__(self, call: Call, inner: Service, /) -> Reply: ...


def stack(service: Service, *layers: Layer) -> Service:
    """`service` inside `layers`; the first layer listed sees the call first and the reply last."""
    for layer in reversed(layers):
        service = functools.partial(_enter, layer, service)
    return service


def _enter(layer: Layer, inner: Service, call: Call, /) -> Any:
    return layer(call, inner)


class Reply:
    """One answer in flight. One consumer: iterate it, or `await response()`; then, or instead, `aclose()`.

    Layers attach to it before they hand it on:
    - `observe(f)`: `f(outcome)` runs once at the end, synchronously, and cannot fail the call (a fault in it is logged);
    - `amend(f)`: the final Response is replaced by `f(response)`, innermost first;
    - `tap(f)`: `f(event)` sees every event before the consumer does;
    - `hold(f)`: the end is not acknowledged to the consumer until `await f()` returned; an error in it fails the call;
    - `wrap(f)`: the stream of event batches is replaced by `f(batches)`, for layers that must act between events.
    """

    __slots__ = (
        "__weakref__",
        "_amends",
        "_batches",
        "_close",
        "_content",
        "_holds",
        "_loop",
        "_observers",
        "_outcome",
        "_pending",
        "_taps",
    )

    def __init__(
        self,
        batches: AsyncIterator[Sequence[Event]] | None = None,
        *,
        response: Response | None = None,
        head: Iterable[Event] = (),
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Either `batches` of events, after those in `head` that were read ahead, or a whole `response`.

        `close` releases what stands behind the reply (a connection); it is awaited once, shielded from cancellation.
        """
        self._outcome: Outcome | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if (batches is None) == (response is None):
            raise TypeError("a Reply is made of batches of events or of a whole response, and not of both")
        self._batches = batches
        self._close = close
        self._pending: deque[Event] | None = None
        self._observers: tuple[Observer, ...] = ()
        self._amends: tuple[Callable[[Response], Response], ...] = ()
        self._taps: tuple[Callable[[Event], None], ...] = ()
        self._holds: tuple[Callable[[], Awaitable[None]], ...] = ()
        self._content: Response | Folding
        if response is not None:
            self._content = response
        else:
            self._content = folding = Folding()
            self._taps = (folding.add,)
            self._pending = deque(head)
            self._loop = asyncio.get_running_loop()

    @property
    def outcome(self) -> Outcome | None:
        """How the reply ended; None while it is in flight."""
        return self._outcome

    @property
    def is_whole(self) -> bool:
        """True when the whole answer was there from the start."""
        return self._batches is None

    def observe(self, observer: Observer) -> None:
        """Hear the outcome once. The inner layers attach first and hear first."""
        if self._loop is None:  # somebody waits for the end, so a whole reply that is forgotten is closed too
            self._loop = asyncio._get_running_loop()
        self._observers += (observer,)

    def amend(self, change: Callable[[Response], Response]) -> None:
        """Change the final Response on its way out."""
        self._amends += (change,)

    def tap(self, listener: Callable[[Event], None]) -> None:
        """See each event before the consumer does. A whole reply that is never iterated has no events."""
        self._taps += (listener,)

    def hold(self, barrier: Callable[[], Awaitable[None]]) -> None:
        """Keep the end back until `barrier` was awaited: how an answer becomes durable before it is acknowledged."""
        self._holds += (barrier,)

    def wrap(self, change: Callable[[AsyncIterator[Sequence[Event]]], AsyncIterator[Sequence[Event]]]) -> None:
        """Put `change` around the stream of batches that is still to come; nothing to do for a whole reply."""
        if self._batches is not None:
            self._batches = change(self._batches)

    def partial(self) -> Response:
        """The answer as far as the consumer has it; the whole answer where it was whole from the start."""
        content = self._content
        return content.response() if isinstance(content, Folding) else content

    async def response(self) -> Response:
        """The whole answer. Raises what the stream raises; a second call gives the same result again."""
        while self._outcome is None:
            while self._pending:
                event = self._pending.popleft()
                for tap in self._taps:
                    tap(event)
            if self._batches is None:
                return await self._complete()
            await self._refill()
        return self._result()

    def _result(self) -> Response:
        outcome = self._outcome
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, BaseException):
            raise outcome
        raise StreamInterrupted("the reply was closed before its end", partial=self.partial())

    def __aiter__(self) -> Self:
        if isinstance(self._content, Response) and self._outcome is None and not self._pending:
            self._pending = deque(unfold(self._content))
        return self

    async def __anext__(self) -> Event:
        while not self._pending:
            if self._outcome is not None:
                raise StopAsyncIteration
            await self._refill()
        event = self._pending.popleft()
        for tap in self._taps:
            tap(event)
        return event

    async def _refill(self) -> None:
        """Fetch the next batch; at the end, or at a failure, settle the outcome."""
        if self._batches is None or self._pending is None:
            await self._complete()
            return
        try:
            self._pending.extend(await anext(self._batches))
        except StopAsyncIteration:
            await self._complete()
        except (asyncio.CancelledError, GeneratorExit):
            await self._end(DROPPED)
            raise
        except BaseException as error:
            await self._fail(error)
            raise

    async def _complete(self) -> Response:
        try:
            response = self.partial()
            for change in self._amends:
                response = change(response)
        except BaseException as error:
            await self._fail(error)
            raise
        await self._end(response)
        return response

    async def _fail(self, error: BaseException) -> None:
        if isinstance(error, StreamInterrupted) and error.partial is None:
            error.partial = self.partial()
        await self._end(error)

    async def _end(self, outcome: Outcome) -> None:
        """Settle once: tell the observers without a suspension point, then release and make durable, shielded."""
        if self._outcome is not None:
            return
        self._outcome = outcome
        for observer in self._observers:
            try:
                observer(outcome)
            except Exception:
                log.exception("an observer of a reply failed")
        holds = self._holds
        self._observers, self._amends, self._holds = (), (), ()  # they know the reply: a cycle for the collector
        if self._batches is not None or self._close is not None:
            releasing = start(self._release(outcome, holds))
            if releasing is not None:  # what waits for nothing costs no task and no turn of the loop
                await asyncio.shield(releasing)
        else:
            for barrier in holds:  # what it waits for is under way already, whether or not anybody waits
                await self._held(barrier, outcome)

    async def _release(self, outcome: Outcome, holds: Iterable[Callable[[], Awaitable[None]]]) -> None:
        try:
            if self._batches is not None:
                await close_batches(self._batches)
            if self._close is not None:
                await self._close()
        finally:
            for barrier in holds:
                await self._held(barrier, outcome)

    async def _held(self, barrier: Callable[[], Awaitable[None]], outcome: Outcome) -> None:
        try:
            await barrier()
        except LLMError as error:
            if isinstance(outcome, Response):
                self._outcome = error
                raise
            log.error("after a call that did not complete: %s", error)

    async def aclose(self) -> None:
        """Leave: what has not arrived is dropped, the connection released. Idempotent; safe under cancellation."""
        if self._outcome is None:
            if self._pending:
                self._pending.clear()
            await self._end(DROPPED)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> Literal[False]:
        await self.aclose()
        return False

    def __del__(self) -> None:
        if self._outcome is None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_close_forgotten, self)


async def close_batches(batches: AsyncIterator[Sequence[Event]]) -> None:
    """Close a stream of batches that is a generator: a wrapper calls it in its `finally`, because nothing else would."""
    if isinstance(batches, AsyncGenerator):
        await batches.aclose()


def _close_forgotten(reply: Reply) -> None:
    """A consumer that broke out of its loop and forgot the reply still releases everything."""
    task = asyncio.get_running_loop().create_task(reply.aclose())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


def failed_attempt(call: Call, *, target: str, started_at: float, duration: float, error: BaseException) -> Attempt:
    """The record of a try that raised."""
    return Attempt(
        number=call.attempt,
        target=target,
        started_at=started_at,
        duration=duration,
        outcome="dropped" if isinstance(error, asyncio.CancelledError) else "failed",
        error=f"{type(error).__name__}: {error}",
        delay_before=call.delay_before,
    )

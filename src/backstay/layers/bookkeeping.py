"""Bookkeeping: a ledger row for every attempt, written before its bytes leave and settled after its end.

Write-ahead, because after a crash nobody can know whether the provider worked: the row with its estimate is durable before the
request is sent, and an unfinished row is found on the next start. The answer is handed out once its settlement is durable too.

    complete    posted with the provider's usage at the catalogue's price; an unknown price stays unknown
    failed      voided when nothing was sent or the provider refused it, else posted as failed at the estimate
    dropped     posted as dropped with what usage is known; its cost is the estimate, marked as one, unless the answer was whole

A ledger that cannot be written refuses the attempt before it is sent, and fails an answer that it could not write down. It
never hides why an attempt failed.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from backstay.errors import LLMError, Refused, StatusError, TransportError
from backstay.estimate import Estimator
from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.row import Ending, Reservation, Settlement
from backstay.ports import World
from backstay.service import DROPPED, Call, Outcome, Reply, Service
from backstay.target import parse_model
from backstay.types import Cost, Response, Usage
from backstay.usage import Meter

log = logging.getLogger("backstay")


COUNTS = tuple(name for name in Settlement.__struct_fields__ if name.endswith("_tokens"))
"""The counts of tokens that a row keeps."""


class _Trip:
    """An attempt on its way, and what its reply must do for the ledger."""

    __slots__ = ("_book", "_posted", "call", "estimate", "id", "reply", "started_ns")

    def __init__(self, book: Bookkeeping, call: Call, started_ns: int, estimate: Cost | None) -> None:
        self._book = book
        self.call = call
        self.id = call.attempt_id
        self.started_ns = started_ns
        self.estimate = estimate
        self._posted: Ticket | None = None

    def attach(self, reply: Reply) -> None:
        """Price the answer of `reply`, settle its end, and hand it out when that is durable."""
        self.reply = reply
        reply.amend(self.priced)
        reply.observe(self._settle)
        reply.hold(self._durable)

    def priced(self, response: Response) -> Response:
        return self._book.priced(response, self)

    def _settle(self, outcome: Outcome) -> None:
        self._posted = self._book.settled(outcome, self)

    async def _durable(self) -> None:
        if self._posted is not None:
            await self._posted


class Bookkeeping:
    """The layer for one target."""

    def __init__(self, meter: Meter, *, world: World, target: str, estimator: Estimator | None = None) -> None:
        self._meter = meter
        self._clock = world.clock
        self._target = target
        self._provider, self._model = parse_model(target)
        self._estimator = estimator or Estimator(meter.catalog.find(self._provider, self._model))

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        now = self._clock.wall_ns()
        trip = _Trip(self, call, now, self._estimator(call.request, now // 10**9).cost)
        reserved = self._meter.ledger.reserve(self._reservation(trip))
        try:
            await reserved
        except BaseException as error:
            self._not_begun(trip, error)
            raise
        try:
            reply = await inner(call)
        except BaseException as error:
            self._meter.count_failure()
            await _noted(self._fail(trip, error), error)
            raise
        trip.attach(reply)
        return reply

    def _not_begun(self, trip: _Trip, error: BaseException) -> None:
        """The reservation is not durable. Whoever stops waiting for it gives it back: nothing was sent."""
        self._meter.count_failure()
        if not isinstance(error, LedgerFailed):
            self._meter.ledger.void(trip.id, self._clock.wall_ns(), describe(error))

    def _reservation(self, trip: _Trip) -> Reservation:
        request, estimate = trip.call.request, trip.estimate
        about = request.metadata
        return Reservation(
            trip.id,
            request.id,
            trip.call.attempt,
            trip.started_ns,
            self._provider,
            self._model,
            about.tenant,
            about.task,
            about.correlation_id,
            None if estimate is None else estimate.nano_usd,
            "" if estimate is None else estimate.price_id,
        )

    def priced(self, response: Response, trip: _Trip) -> Response:
        """`response` with its cost at the rates of the attempt's start; without one where it is unknown."""
        if response.cost is not None:
            return response
        try:
            cost = self._estimator.price(response.usage, trip.started_ns // 10**9)
        except ValueError as error:  # counts that mean nothing: the answer is good, its price is not known
            log.warning("%s: the provider's usage has no price: %s", self._target, error)
            return response
        return response if cost is None else msgspec.structs.replace(response, cost=cost)

    def settled(self, outcome: Outcome, trip: _Trip) -> Ticket:
        """The ticket of the settlement that `outcome` asks for."""
        if isinstance(outcome, Response):
            self._meter.count(outcome)
            settlement = self._settlement(trip, "complete", outcome, outcome.cost or trip.estimate)
        else:
            self._meter.count_failure()
            settlement = self._unfinished(trip, outcome)
        return self._meter.ledger.post(settlement)

    def _unfinished(self, trip: _Trip, outcome: Outcome) -> Settlement:
        """The settlement of a reply that was left or broke: at the estimate, unless the whole answer was there."""
        partial = trip.reply.partial()
        if trip.reply.is_whole:
            partial = self.priced(partial, trip)
        ending: Ending = "dropped" if outcome is DROPPED else "failed"
        error = outcome if isinstance(outcome, BaseException) else None
        return self._settlement(trip, ending, partial, partial.cost or trip.estimate, error)

    def _fail(self, trip: _Trip, error: BaseException) -> Ticket:
        if is_unbilled(error):
            return self._meter.ledger.void(trip.id, self._clock.wall_ns(), describe(error))
        ending: Ending = "dropped" if isinstance(error, asyncio.CancelledError) else "failed"
        return self._meter.ledger.post(self._settlement(trip, ending, Response(), trip.estimate, error))

    def _settlement(
        self, trip: _Trip, ending: Ending, response: Response, cost: Cost | None, error: BaseException | None = None
    ) -> Settlement:
        now = self._clock.wall_ns()
        try:
            return _row(trip.id, now, ending, response, cost, error)
        except ValueError as wrong:  # figures of the provider's that cannot be: the row does without them
            log.warning("%s: %s", self._target, wrong)
            bare = msgspec.structs.replace(response, usage=Usage(), latency=None, time_to_first_token=None)
            return _row(trip.id, now, ending, bare, cost, error)


def _row(
    id: str, now: int, ending: Ending, response: Response, cost: Cost | None, error: BaseException | None
) -> Settlement:
    """The settlement with the fields of `Settlement` in their order."""
    usage, about = response.usage, response.provenance
    return Settlement(
        id,
        now,
        ending,
        None if error is None else describe(error),
        response.finish_reason,
        response.model,
        response.request_id or getattr(error, "request_id", None),
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        None if cost is None else cost.nano_usd,
        cost is not None and cost.is_estimate,
        "" if cost is None else cost.price_id,
        response.latency,
        response.time_to_first_token,
        about.cached,
        about.degraded,
        about.recovered,
    )


def is_unbilled(error: BaseException) -> bool:
    """True when the provider cannot have worked for this attempt: it never saw it, or answered it with a refusal."""
    if isinstance(error, TransportError):
        return not error.sent
    if isinstance(error, StatusError):
        return error.status < 500
    return isinstance(error, LLMError) and isinstance(error, Refused)


def describe(error: BaseException) -> str:
    """The error's class, which is stable and holds nothing of the request; never its message."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__}({code})" if isinstance(code, str) else type(error).__name__


async def _noted(ticket: Ticket, error: BaseException) -> None:
    """Wait until the settlement of a failed attempt is durable. The attempt's own error is what the caller must see, so a
    ledger that fails as well is noted on it; the row keeps its estimate."""
    try:
        await ticket
    except LedgerFailed as failed:
        error.add_note(f"the ledger did not take the end of this attempt: {failed}")
        log.error("after an attempt that failed: %s", failed)

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
from typing import Any, NamedTuple

import msgspec

from backstay.errors import LLMError, Refused, StatusError, TransportError
from backstay.estimate import Estimator
from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.row import Ending, Reservation, Settlement
from backstay.ports import World
from backstay.service import DROPPED, Call, Outcome, Reply, Service
from backstay.target import parse_model
from backstay.types import Cost, Response
from backstay.usage import Meter

log = logging.getLogger("backstay")

COUNTS = tuple(name for name in Settlement.__struct_fields__ if name.endswith("_tokens"))
"""The counts of tokens that a row keeps."""


class _Trip(NamedTuple):
    """What is known of an attempt when it begins."""

    call: Call
    started_ns: int
    estimate: Cost | None


class Bookkeeping:
    """The layer for one target."""

    def __init__(self, meter: Meter, *, world: World, target: str, estimator: Estimator | None = None) -> None:
        self._meter = meter
        self._world = world
        self._target = target
        self._provider, self._model = parse_model(target)
        self._estimator = estimator or Estimator(meter.catalog.find(self._provider, self._model))

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        trip = self._begin(call)
        await self._written(self._meter.ledger.reserve(self._reservation(trip)), trip)
        try:
            reply = await inner(call)
        except BaseException as error:
            self._meter.count_failure()
            await _noted(self._fail(trip, error), error)
            raise
        reply.amend(lambda response: self._priced(response, trip))
        self._settle_at_end(reply, trip)
        return reply

    def _begin(self, call: Call) -> _Trip:
        started_ns = self._world.clock.wall_ns()
        return _Trip(call, started_ns, self._estimator(call.request, started_ns // 10**9).cost)

    async def _written(self, reserved: Ticket, trip: _Trip) -> None:
        """Wait until the reservation is durable. Whoever stops waiting gives it back: nothing was sent."""
        try:
            await reserved
        except LedgerFailed:
            self._meter.count_failure()
            raise
        except BaseException as error:
            self._meter.count_failure()
            self._meter.ledger.void(trip.call.attempt_id, self._world.clock.wall_ns(), describe(error))
            raise

    def _reservation(self, trip: _Trip) -> Reservation:
        request, estimate = trip.call.request, trip.estimate
        about = request.metadata
        return Reservation(
            attempt_id=trip.call.attempt_id,
            call_id=request.id,
            number=trip.call.attempt,
            started_ns=trip.started_ns,
            provider=self._provider,
            model=self._model,
            tenant=about.tenant,
            task=about.task,
            correlation_id=about.correlation_id,
            cost_nano_usd=None if estimate is None else estimate.nano_usd,
            price_id="" if estimate is None else estimate.price_id,
        )

    def _priced(self, response: Response, trip: _Trip) -> Response:
        """`response` with its cost at the rates of the attempt's start; without one where it is unknown."""
        if response.cost is not None:
            return response
        try:
            cost = self._estimator.price(response.usage, trip.started_ns // 10**9)
        except ValueError as error:  # counts that mean nothing: the answer is good, its price is not known
            log.warning("%s: the provider's usage has no price: %s", self._target, error)
            return response
        return response if cost is None else msgspec.structs.replace(response, cost=cost)

    def _settle_at_end(self, reply: Reply, trip: _Trip) -> None:
        tickets: list[Ticket] = []

        def observe(outcome: Outcome) -> None:
            if isinstance(outcome, Response):
                self._meter.count(outcome)
                settlement = self._settlement(trip.call, "complete", outcome, outcome.cost or trip.estimate)
            else:
                self._meter.count_failure()
                settlement = self._unfinished(trip, outcome, reply)
            tickets.append(self._meter.ledger.post(settlement))

        async def durable() -> None:
            for ticket in tickets:
                await ticket

        reply.observe(observe)
        reply.hold(durable)

    def _unfinished(self, trip: _Trip, outcome: Outcome, reply: Reply) -> Settlement:
        """The settlement of a reply that was left or broke: at the estimate, unless the whole answer was there."""
        partial = reply.partial()
        if reply.is_whole:
            partial = self._priced(partial, trip)
        ending: Ending = "dropped" if outcome is DROPPED else "failed"
        error = outcome if isinstance(outcome, BaseException) else None
        return self._settlement(trip.call, ending, partial, partial.cost or trip.estimate, error)

    def _fail(self, trip: _Trip, error: BaseException) -> Ticket:
        call = trip.call
        if is_unbilled(error):
            return self._meter.ledger.void(call.attempt_id, self._world.clock.wall_ns(), describe(error))
        ending: Ending = "dropped" if isinstance(error, asyncio.CancelledError) else "failed"
        return self._meter.ledger.post(self._settlement(call, ending, Response(), trip.estimate, error))

    def _settlement(
        self, call: Call, ending: Ending, response: Response, cost: Cost | None, error: BaseException | None = None
    ) -> Settlement:
        about = response.provenance
        facts: dict[str, Any] = {
            "attempt_id": call.attempt_id,
            "settled_ns": self._world.clock.wall_ns(),
            "outcome": ending,
            "error": None if error is None else describe(error),
            "finish_reason": response.finish_reason,
            "answered_by": response.model,
            "request_id": response.request_id or getattr(error, "request_id", None),
            "cost_nano_usd": None if cost is None else cost.nano_usd,
            "is_estimate": cost is not None and cost.is_estimate,
            "price_id": "" if cost is None else cost.price_id,
            "is_cached": about.cached,
            "is_degraded": about.degraded,
            "is_recovered": about.recovered,
        }
        figures: dict[str, Any] = {name: getattr(response.usage, name) for name in COUNTS}
        figures |= {"latency": response.latency, "time_to_first_token": response.time_to_first_token}
        try:
            return Settlement(**facts, **figures)
        except ValueError as wrong:  # figures of the provider's that cannot be: the row does without them
            log.warning("%s: %s", self._target, wrong)
            return Settlement(**facts)


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

"""Bookkeeping: a ledger row for every attempt, written before its bytes leave and settled after its end.

Write-ahead, because after a crash nobody can know whether the provider worked: the row with its estimate is durable before the
request is sent, and an unfinished row is found on the next start. The answer is handed out once its settlement is durable too.

    complete    posted with the provider's usage at the catalogue's price; an unknown price stays unknown
    failed      voided when nothing was sent or the provider refused it, else posted as failed at the estimate
    dropped     posted as dropped with what usage is known; its cost is the estimate, marked as one
"""

from __future__ import annotations

import asyncio

import msgspec

from backstay.errors import LLMError, Refused, StatusError, TransportError
from backstay.estimate import estimate_cost
from backstay.ledger.base import Ticket
from backstay.ledger.row import Ending, Reservation, Settlement
from backstay.ports import World
from backstay.service import DROPPED, Call, Outcome, Reply, Service
from backstay.target import parse_model
from backstay.types import Cost, Response
from backstay.usage import Meter


class Bookkeeping:
    """The layer for one target."""

    def __init__(self, meter: Meter, *, world: World, target: str) -> None:
        self._meter = meter
        self._world = world
        self._target = target
        self._provider, self._model = parse_model(target)

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        estimate = estimate_cost(msgspec.structs.replace(call.request, model=self._target), self._meter.catalog).cost
        await self._meter.ledger.reserve(self._reservation(call, estimate))
        try:
            reply = await inner(call)
        except BaseException as error:
            self._meter.count_failure()
            await asyncio.shield(_durable(self._fail(call, error, estimate)))
            raise
        reply.amend(self._priced)
        self._settle_at_end(reply, call, estimate)
        return reply

    def _reservation(self, call: Call, estimate: Cost | None) -> Reservation:
        about = call.request.metadata
        return Reservation(
            attempt_id=call.attempt_id,
            call_id=call.request.id,
            number=call.attempt,
            started_ns=self._world.clock.wall_ns(),
            provider=self._provider,
            model=self._model,
            tenant=about.tenant,
            task=about.task,
            correlation_id=about.correlation_id,
            cost_nano_usd=None if estimate is None else estimate.nano_usd,
            price_id="" if estimate is None else estimate.price_id,
        )

    def _priced(self, response: Response) -> Response:
        if response.cost is not None:
            return response
        cost = self._meter.catalog.price(self._provider, self._model, response.usage)
        return response if cost is None else msgspec.structs.replace(response, cost=cost)

    def _settle_at_end(self, reply: Reply, call: Call, estimate: Cost | None) -> None:
        tickets: list[Ticket] = []

        def observe(outcome: Outcome) -> None:
            if isinstance(outcome, Response):
                self._meter.count(outcome)
                tickets.append(self._meter.ledger.post(self._settlement(call, "complete", outcome, outcome.cost)))
                return
            self._meter.count_failure()
            ending: Ending = "dropped" if outcome is DROPPED else "failed"
            error = outcome if isinstance(outcome, BaseException) else None
            tickets.append(self._meter.ledger.post(self._settlement(call, ending, reply.partial(), estimate, error)))

        async def durable() -> None:
            for ticket in tickets:
                await ticket

        reply.observe(observe)
        reply.hold(durable)

    def _fail(self, call: Call, error: BaseException, estimate: Cost | None) -> Ticket:
        now = self._world.clock.wall_ns()
        if is_unbilled(error):
            return self._meter.ledger.void(call.attempt_id, now, describe(error))
        ending: Ending = "dropped" if isinstance(error, asyncio.CancelledError) else "failed"
        return self._meter.ledger.post(self._settlement(call, ending, Response(), estimate, error))

    def _settlement(
        self, call: Call, ending: Ending, response: Response, cost: Cost | None, error: BaseException | None = None
    ) -> Settlement:
        usage = response.usage
        return Settlement(
            attempt_id=call.attempt_id,
            settled_ns=self._world.clock.wall_ns(),
            outcome=ending,
            error=None if error is None else describe(error),
            finish_reason=response.finish_reason,
            answered_by=response.model,
            request_id=response.request_id or getattr(error, "request_id", None),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_nano_usd=None if cost is None else cost.nano_usd,
            is_estimate=cost is not None and cost.is_estimate,
            price_id="" if cost is None else cost.price_id,
            latency=response.latency,
            time_to_first_token=response.time_to_first_token,
            is_degraded=response.provenance.degraded,
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


async def _durable(ticket: Ticket) -> None:
    await ticket

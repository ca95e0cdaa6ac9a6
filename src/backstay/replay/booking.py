"""Booking: a replayed call in the ledger and in the client's sums: marked, and free, because nobody was paid.

The row's cost is zero and what the answer had cost stands as saved, as for an answer from a cache. It has an id of its own, made
new: the recorded call may be in the same ledger, and is not counted twice. The client's `summary()` says what it said then.
"""

from __future__ import annotations

import logging
from typing import Any

from backstay.errors import LLMError
from backstay.layers.bookkeeping import COUNTS, describe
from backstay.ledger.row import Reservation, Settlement
from backstay.ports import World
from backstay.service import Call, Outcome
from backstay.target import parse_model
from backstay.types import Attempt, Response
from backstay.usage import Meter

log = logging.getLogger("backstay")


class Booking:
    """Hears of replayed calls (`JournalLayer(booking=...)`) and books them in `meter`."""

    def __init__(self, meter: Meter, *, world: World) -> None:
        self._meter = meter
        self._world = world

    def __call__(self, call: Call, outcome: Outcome) -> None:
        answer = outcome if isinstance(outcome, Response) else None
        error = outcome if isinstance(outcome, BaseException) else None
        attempts = answer.provenance.attempts if answer is not None else getattr(error, "attempts", ())
        self._count(answer, error, attempts)
        try:
            self._book(call, answer, error)
        except (LLMError, ValueError) as fault:  # the answer is recorded and good; its row can be spared
            log.error("a replayed call is not in the ledger: %s", fault)

    def _count(self, answer: Response | None, error: BaseException | None, attempts: tuple[Attempt, ...]) -> None:
        failures = sum(attempt.outcome == "failed" for attempt in attempts)
        for _ in range(max(failures, 0 if answer is not None else 1)):
            self._meter.count_failure()
        if answer is not None:
            self._meter.count(answer)

    def _book(self, call: Call, answer: Response | None, error: BaseException | None) -> None:
        provider, model = parse_model(call.request.model)
        about, now = call.request.metadata, self._world.clock.wall_ns()
        attempt_id = f"{call.request.id}.replay.{self._world.ids.new()}"
        self._meter.ledger.reserve(
            Reservation(
                attempt_id=attempt_id,
                call_id=call.request.id,
                number=1,
                started_ns=now,
                provider=provider,
                model=model,
                tenant=about.tenant,
                task=about.task,
                correlation_id=about.correlation_id,
                cost_nano_usd=0,
            )
        )
        facts: dict[str, Any] = {} if answer is None else _facts(answer)
        ending = "complete" if answer is not None else "dropped" if error is None else "failed"
        facts |= {"outcome": ending, "error": None if error is None else describe(error)}
        self._meter.ledger.post(
            Settlement(attempt_id=attempt_id, settled_ns=now, cost_nano_usd=0, is_replayed=True, **facts)
        )


def _facts(answer: Response) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(answer.usage, name) for name in COUNTS}
    return facts | {
        "finish_reason": answer.finish_reason,
        "answered_by": answer.model,
        "request_id": answer.request_id,
        "latency": answer.latency,
        "time_to_first_token": answer.time_to_first_token,
        "price_id": "" if answer.cost is None else answer.cost.price_id,
        "saved_nano_usd": None if answer.cost is None else answer.cost.nano_usd,
        "is_cached": answer.provenance.cached,
        "is_degraded": answer.provenance.degraded,
        "is_recovered": answer.provenance.recovered,
    }

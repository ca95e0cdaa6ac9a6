"""Hit booking: an answer from the cache has a row in the ledger too, which costs nothing and says what was saved.

The row is an entry like any other, so a report by tenant or task shows how many of its calls the cache answered. Nobody waits for
it: nothing was paid that could be lost.
"""

from __future__ import annotations

from collections.abc import Callable

from backstay.layers.cache import Hit
from backstay.ledger.row import Reservation, Settlement
from backstay.ports import World
from backstay.target import parse_model
from backstay.usage import Meter


def booker(meter: Meter, world: World) -> Callable[[Hit], None]:
    """The listener of a Cache that books each hit with `meter`."""

    def book(hit: Hit) -> None:
        request, response = hit.call.request, hit.response
        target = response.provenance.target or ""
        provider, model = parse_model(target if ":" in target else request.model)
        attempt_id, now = f"{hit.call.attempt_id}.hit", world.clock.wall_ns()
        about = request.metadata
        price_id = "" if response.cost is None else response.cost.price_id
        meter.ledger.reserve(
            Reservation(
                attempt_id=attempt_id,
                call_id=request.id,
                number=0,
                started_ns=now,
                provider=provider,
                model=model,
                tenant=about.tenant,
                task=about.task,
                correlation_id=about.correlation_id,
                cost_nano_usd=0,
                price_id=price_id,
            )
        )
        meter.ledger.post(
            Settlement(
                attempt_id=attempt_id,
                settled_ns=now,
                outcome="complete",
                finish_reason=response.finish_reason,
                answered_by=response.model,
                cost_nano_usd=0,
                price_id=price_id,
                latency=response.latency,
                is_cached=True,
                saved_nano_usd=None if hit.saved is None else hit.saved.nano_usd,
            )
        )
        meter.count(response)

    return book

"""Join, Queue, Retry, Hedge, Bookkeeping and Timeout together, under random faults, cancellations and deadlines."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest

from backstay.catalog.catalog import Catalog
from backstay.errors import LLMError, Overloaded, ServerFault, StreamInterrupted
from backstay.event import Event, Finished, TextDelta
from backstay.layers.bookkeeping import Bookkeeping
from backstay.layers.hedge import Hedge, HedgePolicy
from backstay.layers.join import Join
from backstay.layers.queue import Queue
from backstay.layers.queue_policy import PRIORITIES, QueuePolicy
from backstay.layers.retry import Retry, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.ledger.memory import MemoryLedger
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.transport.base import Timeouts
from backstay.types import Metadata, Request, Response, user
from backstay.usage import Meter


class Flaky:
    """Fails, stalls, breaks off or answers, as the dice fall; keeps the attempt ids and what is open."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ids: list[str] = []
        self.open = 0

    async def __call__(self, call: Call, /) -> Reply:
        self.ids.append(call.attempt_id)
        self.open += 1
        try:
            await asyncio.sleep(self.rng.choice((0.0, 0.1, 0.2, 3.0, 30.0)))
            if self.rng.random() < 0.2:
                raise self.rng.choice((ServerFault("x", status=500), Overloaded("x", status=529, retry_after=0.5)))
        except BaseException:
            self.open -= 1
            raise
        if call.stream:
            return Reply(self.events(), close=self.close)
        self.open -= 1
        return Reply(response=Response(finish_reason="stop"))

    async def events(self) -> AsyncIterator[Sequence[Event]]:
        for _ in range(5):
            await asyncio.sleep(self.rng.choice((0.0, 0.1)))
            if self.rng.random() < 0.02:
                raise StreamInterrupted("cut")
            yield (TextDelta("x"),)
        yield (Finished("stop"),)

    async def close(self) -> None:
        self.open -= 1


@pytest.mark.parametrize("seed", range(6))
def test_under_load_every_attempt_is_settled_once_and_nothing_is_left(seed: int) -> None:
    """One row for each request that was sent, none still reserved, no id twice, no permit, connection or task left."""
    rng, world, ledger = random.Random(seed), sim_world(seed), MemoryLedger()

    async def caller(service: Service, number: int) -> str:
        loop = asyncio.get_running_loop()
        about = Metadata(priority=rng.choice(PRIORITIES), tenant=rng.choice("ab"))
        request = Request(model="acme:m", messages=(user(str(rng.randrange(40))),), id=f"c{number}", metadata=about)
        deadline = rng.choice((None, loop.time() + 2.0, loop.time() + 20.0))
        try:
            reply = await service(Call(request=request, stream=rng.random() < 0.5, deadline=deadline))
            if rng.random() < 0.2:
                await reply.aclose()
                return "left"
            await reply.response()
        except LLMError as error:
            return type(error).__name__
        return "complete"

    async def main() -> tuple[set[str], Flaky, Queue, Join]:
        upstream = Flaky(rng)
        meter = Meter(catalog=Catalog([]), ledger=ledger, world=world)
        queue = Queue(QueuePolicy(running=10), clock=world.clock)
        join = Join(promote=queue.promote)
        service = stack(
            upstream,
            join,
            queue,
            Retry(RetryPolicy(), world=world),
            Hedge(HedgePolicy(delay=0.5, share=0.3), clock=world.clock),
            Bookkeeping(meter, world=world, target="acme:m"),
            Timeout(Timeouts(first_event=10, between_events=5, total=None)),
        )
        tasks = []
        for number in range(300):
            tasks.append(asyncio.ensure_future(caller(service, number)))
            await asyncio.sleep(rng.expovariate(10))
            if rng.random() < 0.2:
                rng.choice(tasks[-20:]).cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(60)
        assert len(asyncio.all_tasks()) == 1
        assert not [end for end in ends if isinstance(end, Exception)]
        return {end for end in ends if isinstance(end, str)}, upstream, queue, join

    ends, upstream, queue, join = run(main(), seed=seed)
    rows = list(ledger.rows())
    assert {"complete", "left"} <= ends
    assert len(set(upstream.ids)) == len(upstream.ids)
    assert {row.attempt_id for row in rows} >= set(upstream.ids)
    assert all(row.state in ("posted", "voided") for row in rows)
    assert (queue.running, queue.waiting, upstream.open, join.stats().in_flight) == (0, 0, 0, 0)
    assert any(id.endswith(".1001") for id in upstream.ids)
    assert join.stats().high > 0

"""Bookkeeping: every attempt has one row, settled once, however it ends and wherever it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from backstay.catalog import Catalog, Model, Period, Rate, Rates
from backstay.errors import ConnectFailed, DeadlineExceeded, LLMError, RateLimited, ReadFailed, ServerFault
from backstay.event import Finished, TextDelta, UsageReport
from backstay.layers.bookkeeping import Bookkeeping
from backstay.ledger.base import Ledger, LedgerFailed, Ticket
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.row import Reservation, Row, Settlement
from backstay.offline.scripted import Line, Scripted
from backstay.service import Call, Reply, Service, stack
from backstay.sim.loop import run
from backstay.sim.world import sim_world
from backstay.types import Cost, Metadata, Provenance, Request, Response, Text, Usage, user
from backstay.usage import Meter

RATES = Rates(input=Rate(1_000_000_000), output=Rate(10_000_000_000))
"""A thousand nano-dollars a token in, ten thousand out."""

CATALOG = Catalog([Model(provider="acme", id="m", max_output_tokens=50, periods=(Period(rates=RATES),))])
ANSWER = Response(
    parts=(Text(text="yes"),),
    finish_reason="stop",
    usage=Usage(input_tokens=7, output_tokens=3, cache_write_1h_tokens=0, reasoning_tokens=1),
    model="m-2026",
    request_id="r1",
    provenance=Provenance(recovered=True),
)
PRICE = 7_000 + 30_000


class Slow:
    """A ledger on a disk that takes its time: a ticket is good a tenth of a second after it was made."""

    def __init__(self) -> None:
        self.inner = MemoryLedger()

    def reserve(self, entry: Reservation) -> Ticket:
        return self._later(self.inner.reserve(entry))

    def post(self, entry: Settlement) -> Ticket:
        return self._later(self.inner.post(entry))

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        return self._later(self.inner.void(attempt_id, settled_ns, reason))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @staticmethod
    def _later(ticket: Ticket) -> Ticket:
        class Waiting:
            def __await__(self) -> Any:
                yield from asyncio.sleep(0.1).__await__()
                yield from ticket.__await__()

        return Waiting()


class Full(MemoryLedger):
    """A ledger that takes so many entries, and then no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def _settle(self, *entry: Any) -> Ticket:
        return self._room_for(lambda: MemoryLedger._settle(self, *entry))

    def reserve(self, entry: Reservation) -> Ticket:
        return self._room_for(lambda: MemoryLedger.reserve(self, entry))

    def _room_for(self, write: Callable[[], Ticket]) -> Ticket:
        self._room -= 1
        return write() if self._room >= 0 else _refused()


def _refused() -> Ticket:
    class Refused:
        def __await__(self) -> Any:
            raise LedgerFailed("the disk is full")
            yield

    return Refused()


def booked(ledger: Ledger, *lines: Line | Service, target: str = "acme:m") -> tuple[Service, Meter]:
    """A service that plays `lines` behind Bookkeeping, and its meter."""
    world = sim_world()
    meter = Meter(catalog=CATALOG, ledger=ledger, world=world)
    inner: Any = lines[0] if callable(lines[0]) and not isinstance(lines[0], Response) else Scripted(*lines)  # type: ignore[arg-type]
    return stack(inner, Bookkeeping(meter, world=world, target=target)), meter


def call(*, stream: bool = False, attempt: int = 1) -> Call:
    return Call(
        request=Request(model="acme:m", id="c", messages=(user("?"),), max_output_tokens=50),
        stream=stream,
        attempt=attempt,
    )


def only(ledger: Ledger) -> Row:
    (row,) = ledger.rows()
    return row


async def test_a_complete_answer_is_posted_at_its_exact_price() -> None:
    """The estimate is replaced by what the usage costs, and the answer carries the cost."""
    ledger = MemoryLedger()
    service, meter = booked(ledger, ANSWER)
    response = await (await service(call())).response()
    row = only(ledger)
    assert response.cost is not None
    assert (response.cost.nano_usd, row.cost_nano_usd, row.is_estimate) == (PRICE, PRICE, False)
    assert (row.state, row.outcome, row.answered_by, row.request_id) == ("posted", "complete", "m-2026", "r1")
    assert (row.input_tokens, row.output_tokens, row.reasoning_tokens, row.cache_read_tokens) == (7, 3, 1, None)
    assert (row.is_recovered, row.is_cached) == (True, False)
    summary = meter.summary()
    assert (summary.call_count, summary.total_tokens, summary.estimated_cost_usd) == (1, 10, Decimal("0.000037"))


async def test_the_row_is_there_before_anything_is_sent() -> None:
    """Whoever answers finds the reservation durable, at an estimate that the price does not exceed."""
    ledger = Slow()
    seen: list[Row] = []

    async def inner(call: Call, /) -> Reply:
        seen.append(only(ledger))  # type: ignore[arg-type]
        return Reply(response=ANSWER)

    service, _ = booked(ledger, inner)  # type: ignore[arg-type]
    await (await service(call())).response()
    (row,) = seen
    assert (row.state, row.is_estimate) == ("reserved", True)
    assert row.cost_nano_usd is not None
    assert row.cost_nano_usd >= PRICE


@pytest.mark.parametrize("stream", [False, True])
async def test_the_answer_waits_for_its_settlement(stream: bool) -> None:
    """It is handed out once its row is durable: two waits of a tenth of a second each."""
    ledger = Slow()
    service, _ = booked(ledger, ANSWER)  # type: ignore[arg-type]
    await (await service(call(stream=stream))).response()
    assert asyncio.get_running_loop().time() == pytest.approx(0.2, abs=1e-3)


ENDINGS: dict[str, tuple[LLMError, str, str]] = {
    "never connected": (ConnectFailed("no route"), "voided", "ConnectFailed"),
    "refused by the provider": (
        RateLimited("slow down", status=429, code="rate_limit"),
        "voided",
        "RateLimited(rate_limit)",
    ),
    "refused by a layer": (DeadlineExceeded("too late"), "voided", "DeadlineExceeded"),
    "broken after it was sent": (ReadFailed("cut"), "posted", "ReadFailed"),
    "a fault of the server": (ServerFault("oh", status=500), "posted", "ServerFault"),
}


@pytest.mark.parametrize("name", sorted(ENDINGS))
async def test_a_failure_is_voided_or_stays_at_its_estimate(name: str) -> None:
    """What the provider cannot have worked for costs nothing; what it may have is charged at the estimate. The error is the
    attempt's own, and the row has its class, not its words."""
    error, state, described = ENDINGS[name]
    ledger = MemoryLedger()
    service, meter = booked(ledger, error)
    with pytest.raises(type(error)) as caught:
        await service(call())
    row = only(ledger)
    assert caught.value is error
    assert (row.state, row.outcome, row.error) == (state, "failed", described)
    assert (row.cost_nano_usd == 0, row.is_estimate) == ((True, False) if state == "voided" else (False, True))
    assert meter.summary().failure_count == 1


async def test_a_dropped_stream_stands_at_its_estimate() -> None:
    """The consumer left early; the provider may have gone on."""
    ledger = MemoryLedger()
    service, _ = booked(ledger, [TextDelta("a"), 1.0, TextDelta("b"), Finished("stop")])
    async with await service(call(stream=True)) as reply:
        await anext(aiter(reply))
    row = only(ledger)
    assert (row.state, row.outcome, row.is_estimate) == ("posted", "dropped", True)
    assert row.cost_nano_usd is not None
    assert row.cost_nano_usd >= 500_000


async def test_a_dropped_whole_answer_costs_what_it_cost() -> None:
    """Its usage is known, whether or not somebody took the answer."""
    ledger = MemoryLedger()
    service, _ = booked(ledger, ANSWER)
    await (await service(call())).aclose()
    row = only(ledger)
    assert (row.outcome, row.cost_nano_usd, row.is_estimate) == ("dropped", PRICE, False)


async def test_a_broken_stream_is_posted_as_failed() -> None:
    """With what usage had arrived, at the estimate."""
    ledger = MemoryLedger()
    usage = UsageReport(Usage(input_tokens=7))
    service, _ = booked(ledger, [usage, TextDelta("a"), ReadFailed("cut")])
    with pytest.raises(LLMError):
        await (await service(call(stream=True))).response()
    row = only(ledger)
    assert (row.outcome, row.error, row.is_estimate, row.input_tokens) == ("failed", "StreamInterrupted", True, 7)


async def test_an_unknown_price_stays_unknown() -> None:
    """No row in the catalogue: the cost is None in the ledger and in the answer, and is counted as such."""
    ledger = MemoryLedger()
    service, meter = booked(ledger, ANSWER, target="acme:other")
    response = await (await service(call())).response()
    assert (response.cost, only(ledger).cost_nano_usd, meter.summary().unpriced) == (None, None, 1)


async def test_usage_that_cannot_be_does_not_cost_the_answer() -> None:
    """A negative count has no price and stands in no row, but the answer is good and the row is settled, at its estimate."""
    ledger = MemoryLedger()
    service, _ = booked(
        ledger, Response(parts=ANSWER.parts, finish_reason="stop", usage=Usage(input_tokens=-1, output_tokens=3))
    )
    response = await (await service(call())).response()
    row = only(ledger)
    assert (response.text, row.state, row.outcome) == ("yes", "posted", "complete")
    assert (row.input_tokens, row.is_estimate) == (None, True)
    assert row.cost_nano_usd


async def test_each_attempt_has_a_row_of_its_own() -> None:
    """A retried call has as many rows as tries, all under its id."""
    ledger = MemoryLedger()
    service, _ = booked(ledger, ServerFault("oh", status=500), ANSWER)
    with pytest.raises(ServerFault):
        await service(call())
    await (await service(call(attempt=2))).response()
    assert [(row.attempt_id, row.call_id, row.outcome) for row in ledger.rows()] == [
        ("c.1", "c", "failed"),
        ("c.2", "c", "complete"),
    ]


async def test_what_cannot_be_written_is_not_sent() -> None:
    """A full disk refuses the attempt, before anybody is asked."""
    asked = Scripted(ANSWER)
    service, _ = booked(Full(0), asked)  # type: ignore[arg-type]
    with pytest.raises(LedgerFailed, match="full"):
        await service(call())
    assert asked.requests == []


async def test_an_answer_that_cannot_be_written_down_is_an_error() -> None:
    """It is not acknowledged, because nobody would know of its cost."""
    ledger = Full(1)
    service, _ = booked(ledger, ANSWER)
    reply = await service(call())
    with pytest.raises(LedgerFailed, match="full"):
        await reply.response()
    assert only(ledger).state == "reserved"


async def test_a_failing_ledger_does_not_hide_why_the_attempt_failed(caplog: pytest.LogCaptureFixture) -> None:
    """The attempt's own error is raised, with a note."""
    service, _ = booked(Full(1), ServerFault("oh", status=500))
    with pytest.raises(ServerFault) as caught:
        await service(call())
    assert "the disk is full" in caught.value.__notes__[0]
    assert "the disk is full" in caplog.text


class Careless(Bookkeeping):
    """The broken variant: whoever stops waiting for the reservation leaves it standing."""

    def _not_begun(self, trip: Any, error: BaseException) -> None:
        """Nothing is given back."""


def cancelled_at(step: int, *, stream: bool, layer: type[Bookkeeping] = Bookkeeping) -> tuple[bool, Row]:
    """One call, cancelled after `step` turns of the loop: whether it had ended before, and its row once all is quiet."""
    ledger = Slow()

    async def use() -> None:
        world = sim_world()
        meter = Meter(catalog=CATALOG, ledger=ledger, world=world)  # type: ignore[arg-type]
        script = [TextDelta("a"), 0.3, TextDelta("b"), UsageReport(ANSWER.usage), Finished("stop")]
        provider = stack(Scripted(script if stream else ANSWER), _pausing)
        reply = await stack(provider, layer(meter, world=world, target="acme:m"))(call(stream=stream))
        async with reply:
            await reply.response()

    async def main() -> bool:
        task = asyncio.ensure_future(use())
        for _ in range(step):
            await asyncio.sleep(0.01)
        has_ended = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(1)
        return has_ended

    return run(main()), only(ledger)  # type: ignore[arg-type]


async def _pausing(call: Call, inner: Service, /) -> Reply:
    await asyncio.sleep(0.2)
    reply = await inner(call)
    await asyncio.sleep(0.1)
    return reply


def sweep(stream: bool, layer: type[Bookkeeping] = Bookkeeping) -> list[tuple[str, str | None]]:
    """The different ends of a call that is cancelled at each hundredth of a second of it, in the order in which they come."""
    endings = []
    for step in range(1, 200):
        has_ended, row = cancelled_at(step, stream=stream, layer=layer)
        endings.append((row.state, row.outcome))
        if has_ended:
            return list(dict.fromkeys(endings))
    raise AssertionError("the call never ended")


@pytest.mark.parametrize("stream", [False, True])
def test_wherever_a_call_is_cancelled_its_row_is_settled(stream: bool) -> None:
    """Voided while nothing was sent, then dropped, then complete; in that order and nothing else."""
    assert sweep(stream) == [("voided", "failed"), ("posted", "dropped"), ("posted", "complete")]


def test_the_sweep_sees_a_reservation_left_behind() -> None:
    """The broken variant is caught."""
    assert ("reserved", None) in sweep(False, Careless)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answered_reply_leaves_nothing_for_the_garbage_collector(stream: bool) -> None:
    """The reply knows its watchers and they know it: at its end they part."""
    service, _ = booked(MemoryLedger(), [TextDelta("a"), Finished("stop")] if stream else ANSWER)
    reply = await service(call(stream=stream))
    await reply.response()
    gone = weakref.ref(reply)
    gc.disable()
    try:
        del reply
        await asyncio.sleep(0.1)
        assert gone() is None
    finally:
        gc.enable()


async def test_every_fact_of_an_attempt_stands_under_its_own_name() -> None:
    """No two of them are alike, so none can stand in another's place."""
    usage = Usage(
        input_tokens=1_000,
        output_tokens=900,
        cache_read_tokens=80,
        cache_write_tokens=70,
        cache_write_1h_tokens=60,
        reasoning_tokens=50,
        input_audio_tokens=40,
        output_audio_tokens=30,
    )
    cost = Cost(nano_usd=77, is_estimate=True, price_id="p7")
    about = Provenance(cached=True, recovered=True)
    answer = msgspec.structs.replace(
        ANSWER, usage=usage, cost=cost, latency=4.0, time_to_first_token=2.0, provenance=about
    )
    ledger = MemoryLedger(owner="me")
    service, _ = booked(ledger, answer)
    metadata = Metadata(tenant="t", task="k", correlation_id="o", user="u")
    request = Request(model="acme:m", id="c", messages=(user("?"),), metadata=metadata)
    await (await service(Call(request=request, attempt=3))).response()
    row = msgspec.structs.asdict(only(ledger))
    counts = {name: count for name, count in msgspec.structs.asdict(usage).items() if name in row}
    assert len(counts) == 8
    assert row | counts == row
    assert row | {"attempt_id": "c.3", "call_id": "c", "number": 3, "provider": "acme", "model": "m"} == row
    assert row | {"tenant": "t", "task": "k", "correlation_id": "o", "owner": "me"} == row
    assert row | {"outcome": "complete", "error": None, "finish_reason": "stop", "answered_by": "m-2026"} == row
    assert row | {"request_id": "r1", "cost_nano_usd": 77, "is_estimate": True, "price_id": "p7"} == row
    assert row | {"latency": 4.0, "time_to_first_token": 2.0, "saved_nano_usd": None} == row
    assert (row["is_cached"], row["is_degraded"], row["is_recovered"], row["is_replayed"]) == (True, False, True, False)

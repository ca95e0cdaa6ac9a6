"""The Reply: one outcome, observers once, shielded close, nothing leaked at any cancellation point."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest

from backstay.errors import LLMError, ProtocolError, StreamInterrupted
from backstay.event import Event, Finished, TextDelta
from backstay.service import DROPPED, Call, Outcome, Reply, Service, stack
from backstay.types import Request, Response, Text

CALL = Call(request=Request(model="offline:x", id="c1"))
WHOLE = Response(parts=(Text(text="abc"),), finish_reason="stop")


async def batches(*steps: Event | Exception | float) -> AsyncIterator[Sequence[Event]]:
    for step in steps:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            yield (step,)


def letters() -> tuple[Event | float, ...]:
    return (TextDelta("a"), 1.0, TextDelta("b"), 1.0, TextDelta("c"), Finished("stop"))


def watched(reply: Reply) -> list[Outcome]:
    heard: list[Outcome] = []
    reply.observe(heard.append)
    return heard


async def test_a_stream_and_a_whole_answer_fold_to_the_same_response() -> None:
    """`response()` does not care how the answer travelled."""
    assert await Reply(batches(*letters())).response() == await Reply(response=WHOLE).response() == WHOLE


async def test_a_whole_answer_can_be_iterated_as_events() -> None:
    """Iterating a whole reply delivers events that fold into it, and completes it."""
    reply = Reply(response=WHOLE)
    heard = watched(reply)
    assert [event.text async for event in reply if isinstance(event, TextDelta)] == ["abc"]
    assert heard == [WHOLE]


async def test_the_three_outcomes_are_heard_once_innermost_first() -> None:
    """Complete, failed and dropped each reach every observer exactly once, in the order of attachment."""
    order: list[str] = []
    complete, failed, dropped = (
        Reply(batches(*letters())),
        Reply(batches(TextDelta("a"), ProtocolError("cut"))),
        Reply(batches(*letters())),
    )
    for reply in (complete, failed, dropped):
        reply.observe(lambda outcome: order.append(f"inner {type(outcome).__name__}"))
        reply.observe(lambda outcome: order.append(f"outer {type(outcome).__name__}"))
    await complete.response()
    await complete.aclose()
    with pytest.raises(ProtocolError):
        await failed.response()
    await failed.aclose()
    await anext(dropped)
    await dropped.aclose()
    await dropped.aclose()
    assert order == [
        "inner Response", "outer Response", "inner ProtocolError", "outer ProtocolError", "inner _Dropped", "outer _Dropped"
    ]  # fmt: skip


async def test_an_interrupted_stream_carries_what_had_arrived() -> None:
    """The partial answer is on the error, and a second look at the reply raises the same error."""
    reply = Reply(batches(TextDelta("a"), TextDelta("b"), StreamInterrupted("gone")))
    with pytest.raises(StreamInterrupted) as caught:
        await reply.response()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "ab"
    with pytest.raises(StreamInterrupted):
        await reply.response()


async def test_an_observers_fault_is_logged_and_the_next_one_still_hears(caplog: pytest.LogCaptureFixture) -> None:
    """Watching a call cannot break it."""
    reply = Reply(response=WHOLE)
    reply.observe(lambda outcome: 1 / 0)
    heard = watched(reply)
    assert await reply.response() == WHOLE
    assert heard == [WHOLE]
    assert "observer of a reply failed" in caplog.text


async def test_amends_change_the_answer_innermost_first() -> None:
    """Each layer sees what the layers inside it made of the answer."""
    reply = Reply(response=WHOLE)
    reply.amend(lambda response: msgspec.structs.replace(response, model="inner"))
    reply.amend(lambda response: msgspec.structs.replace(response, model=f"outer({response.model})"))
    assert (await reply.response()).model == "outer(inner)"


async def test_a_hold_keeps_the_end_back_and_its_error_fails_the_call() -> None:
    """An answer is acknowledged only after the barrier, and not at all when the barrier fails."""
    durable = asyncio.Event()
    reply = Reply(response=WHOLE)
    reply.hold(lambda: _wait(durable))
    task = asyncio.ensure_future(reply.response())
    await asyncio.sleep(5)
    assert not task.done()
    durable.set()
    assert await task == WHOLE

    async def broken() -> None:
        raise LLMError("the ledger's disk is full")

    reply = Reply(response=WHOLE)
    reply.hold(broken)
    with pytest.raises(LLMError, match="disk is full"):
        await reply.response()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_a_forgotten_reply_is_closed_by_the_garbage_collector() -> None:
    """A consumer that breaks out of its loop without closing still ends the call as dropped."""
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    reply = Reply(batches(*letters()), close=close)
    heard = watched(reply)
    await anext(reply)
    del reply
    gc.collect()
    await asyncio.sleep(0.1)
    assert heard == [DROPPED]
    assert closed == ["closed"]


async def test_a_reply_of_nothing_or_of_both_is_refused() -> None:
    """Misuse is a TypeError, at once."""
    with pytest.raises(TypeError):
        Reply()
    with pytest.raises(TypeError):
        Reply(batches(), response=WHOLE)


async def test_the_first_layer_listed_sees_the_call_first() -> None:
    """`stack(service, a, b)` is a around b around the service."""
    seen: list[str] = []

    def layer(name: str) -> Callable[[Call, Service], object]:
        async def enter(call: Call, inner: Service) -> Reply:
            seen.append(name)
            return await inner(call)

        return enter

    async def service(call: Call) -> Reply:
        seen.append("service")
        return Reply(response=WHOLE)

    await (await stack(service, layer("a"), layer("b"))(CALL)).response()  # type: ignore[arg-type]
    assert seen == ["a", "b", "service"]


class Resource:
    """Counts what is open, so that a leak is a number."""

    def __init__(self) -> None:
        self.opened = self.closed = 0

    async def close(self) -> None:
        await asyncio.sleep(0.5)
        self.closed += 1


async def consume(resource: Resource, heard: list[Outcome]) -> None:
    await asyncio.sleep(0.25)
    resource.opened += 1
    reply = Reply(batches(*letters()), close=resource.close)
    reply.observe(heard.append)
    reply.hold(lambda: asyncio.sleep(0.5))
    async with reply:
        await reply.response()


@pytest.mark.parametrize("instant", [step / 8 for step in range(30)])
async def test_cancelled_at_any_instant_there_is_one_outcome_and_one_close(instant: float) -> None:
    """Cancellation lands in the stream, in the close, in the barrier: never two outcomes, never an open connection."""
    resource, heard = Resource(), list[Outcome]()
    task = asyncio.ensure_future(consume(resource, heard))
    await asyncio.sleep(instant)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(5)
    assert resource.opened == resource.closed == len(heard)
    assert len(asyncio.all_tasks()) == 1


async def test_the_cancellation_test_catches_an_unshielded_close() -> None:
    """The broken variant: a close that is awaited without a shield is lost when the consumer is cancelled twice."""

    class Unshielded(Reply):
        async def _end(self, outcome: Outcome) -> None:
            self._outcome = outcome
            await self._release(outcome)

    resource = Resource()

    async def consume_badly() -> None:
        resource.opened += 1
        async with Unshielded(batches(*letters()), close=resource.close) as reply:
            await reply.response()

    task = asyncio.ensure_future(consume_badly())
    await asyncio.sleep(2.25)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(5)
    assert resource.closed < resource.opened


async def test_a_whole_reply_that_is_forgotten_is_dropped() -> None:
    """Nobody consumes it, nobody closes it: its observers still hear one outcome."""
    reply = Reply(response=WHOLE)
    outcomes = watched(reply)
    del reply
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert outcomes == [DROPPED]

"""Timeout: the right wait is named, keep-alives do not count, the deadline binds everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from backstay.errors import DeadlineExceeded, StreamInterrupted, TimedOut
from backstay.event import Event, Finished, TextDelta
from backstay.layers.timeout import Timeout
from backstay.offline.scripted import Scripted
from backstay.service import Call, Reply, Service, stack
from backstay.transport.base import Timeouts
from backstay.types import Request

LIMITS = Timeouts(first_event=10, between_events=5, total=None)


def call(*, stream: bool = True, deadline: float | None = None) -> Call:
    return Call(request=Request(model="scripted:x", id="c"), stream=stream, deadline=deadline)


def limited(*steps: Event | float) -> Service:
    return stack(Scripted(list(steps)), Timeout(LIMITS))


async def test_no_content_in_time_is_a_first_event_time_out() -> None:
    """The call itself raises, so a retry can see it."""
    with pytest.raises(TimedOut) as caught:
        await limited(11.0, TextDelta("a"), Finished("stop"))(call())
    assert caught.value.phase == "first_event"
    assert caught.value.retryable
    assert asyncio.get_running_loop().time() == pytest.approx(10, abs=1e-3)


async def test_a_stall_between_events_interrupts_the_stream_with_its_part() -> None:
    """The consumer keeps what had arrived and learns why there is no more."""
    reply = await limited(TextDelta("a"), 4.0, TextDelta("b"), 6.0, TextDelta("c"), Finished("stop"))(call())
    with pytest.raises(StreamInterrupted) as caught:
        await reply.response()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "ab"
    assert isinstance(caught.value.__cause__, TimedOut)
    assert caught.value.__cause__.phase == "between_events"
    assert asyncio.get_running_loop().time() == pytest.approx(9, abs=1e-3)


async def test_a_slow_consumer_is_not_a_stalled_provider() -> None:
    """Time that the consumer spends on an event is not counted against the stream."""
    reply = await limited(TextDelta("a"), 1.0, TextDelta("b"), 1.0, Finished("stop"))(call())
    async for _ in reply:
        await asyncio.sleep(30)
    assert (await reply.response()).text == "ab"


async def test_a_steady_stream_may_last_longer_than_any_single_limit() -> None:
    """Only gaps count, not the sum."""
    steps: list[Event | float] = []
    for _ in range(20):
        steps += [TextDelta("x"), 4.9]
    reply = await limited(*steps, Finished("stop"))(call())
    assert (await reply.response()).text == "x" * 20


async def test_the_deadline_cuts_a_stream_and_names_itself() -> None:
    """A deadline inside the stream is a total time-out."""
    reply = await limited(*[TextDelta("x"), 2.0] * 10, Finished("stop"))(call(deadline=7.0))
    with pytest.raises(StreamInterrupted) as caught:
        await reply.response()
    assert caught.value.__cause__.phase == "total"  # type: ignore[union-attr]
    assert asyncio.get_running_loop().time() == pytest.approx(7, abs=1e-3)


async def test_a_whole_answer_waits_for_the_deadline_only() -> None:
    """A long generation without a stream is not a missing first event."""

    async def slow(call: Call) -> Reply:
        await asyncio.sleep(60)
        return await Scripted("done")(call)

    service = stack(slow, Timeout(LIMITS))
    assert (await (await service(call(stream=False))).response()).text == "done"
    with pytest.raises(TimedOut) as caught:
        await service(call(stream=False, deadline=asyncio.get_running_loop().time() + 20))
    assert caught.value.phase == "total"
    assert not caught.value.retryable


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    """No attempt begins after its end."""
    script = Scripted("never")
    with pytest.raises(DeadlineExceeded):
        await stack(script, Timeout(LIMITS))(call(deadline=-1.0))
    assert script.requests == []


async def test_a_consumers_own_cancellation_is_not_taken_for_a_time_out() -> None:
    """A task that is cancelled from outside ends as cancelled."""
    reply = await limited(TextDelta("a"), 4.0, Finished("stop"))(call())
    task = asyncio.ensure_future(reply.response())
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_stream_is_closed_with_the_outer() -> None:
    """Leaving early closes every generator on the way down."""
    closed: list[str] = []

    async def inner(call: Call) -> Reply:
        async def events() -> AsyncIterator[Sequence[Event]]:
            try:
                while True:
                    yield (TextDelta("x"),)
            finally:
                closed.append("inner")

        return Reply(events())

    reply = await stack(inner, Timeout(LIMITS))(call())
    await anext(reply)
    await anext(reply)
    await reply.aclose()
    assert closed == ["inner"]


async def hang(call: Call) -> Reply:
    await asyncio.sleep(1000)
    raise AssertionError("nobody waits so long")


async def test_a_time_out_leaves_no_cancellation_behind() -> None:
    """The task that was cut is not cancelled afterwards, so that a time-out around it and a task group go on as before."""
    with pytest.raises(TimedOut):
        await stack(hang, Timeout(LIMITS))(call())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await asyncio.sleep(5)


@pytest.mark.parametrize("at", [4.0, 10.0, 11.0])
async def test_a_cancellation_during_the_call_is_heard_even_at_the_instant_of_the_time_out(at: float) -> None:
    """Before it and with it the caller's cancellation wins; after it there was nothing left to cancel."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    task = asyncio.ensure_future(stack(hang, Timeout(LIMITS))(call(stream=False, deadline=start + 10)))
    loop.call_at(start + at, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled() is (at <= 10)
    if at > 10:
        assert isinstance(task.exception(), TimedOut)


async def test_an_answer_that_comes_in_time_ends_the_watch() -> None:
    """Nothing cancels the task later."""
    reply = await limited(9.0, TextDelta("a"), Finished("stop"))(call())
    await asyncio.sleep(100)
    assert (await reply.response()).text == "a"


async def test_what_a_call_makes_of_its_time_out_is_its_own() -> None:
    """An inner service that turns the cancellation into an error of its own is believed, and the task is not left cancelled."""

    async def stubborn(call: Call) -> Reply:
        try:
            return await hang(call)
        except asyncio.CancelledError:
            raise DeadlineExceeded("of my own") from None

    with pytest.raises(DeadlineExceeded, match="of my own"):
        await stack(stubborn, Timeout(LIMITS))(call())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0

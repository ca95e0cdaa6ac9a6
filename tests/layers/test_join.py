"""Join: one request upstream, a reply for each; whoever leaves harms nobody; the last one out ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from backstay.errors import ServerFault, StreamInterrupted, TimedOut
from backstay.event import Event, Finished, TextDelta
from backstay.layers.join import AHEAD, Join, key_of
from backstay.layers.queue import Queue
from backstay.layers.queue_policy import QueuePolicy
from backstay.service import DROPPED, Call, Outcome, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.sim.sweep import cancel_points
from backstay.types import Cost, Metadata, Priority, Request, Response, Text, user

ANSWER = Response(parts=(Text(text="abc"),), finish_reason="stop", cost=Cost(nano_usd=700, price_id="p"))
LETTERS = [TextDelta("a"), TextDelta("b"), TextDelta("c"), Finished("stop")]


class Upstream:
    """Answers after a second, or streams a letter a second; keeps the outcome of each call it was asked."""

    def __init__(self, error: Exception | None = None, *, breaks_at: int | None = None) -> None:
        self.error = error
        self.breaks_at = breaks_at
        self.calls: list[Call] = []
        self.outcomes: list[Outcome | str] = []
        self.read = 0
        self.closing = 0.0

    async def __call__(self, call: Call, /) -> Reply:
        self.calls.append(call)
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            self.outcomes.append("cancelled")
            raise
        if self.error is not None:
            raise self.error
        reply = Reply(self.letters(), close=self.close) if call.stream else Reply(response=ANSWER)
        reply.amend(lambda response: msgspec.structs.replace(response, cost=ANSWER.cost))
        reply.observe(self.outcomes.append)
        return reply

    async def close(self) -> None:
        await asyncio.sleep(self.closing)

    async def letters(self) -> AsyncIterator[Sequence[Event]]:
        for number, event in enumerate(LETTERS):
            if number == self.breaks_at:
                raise StreamInterrupted("cut")
            self.read += 1
            yield (event,)
            await asyncio.sleep(1.0)


def call(
    text: str = "why?", *, name: str = "c", stream: bool = False, deadline: float | None = None,
    priority: Priority = "medium", tenant: str | None = None, is_fresh: bool = False,
) -> Call:  # fmt: skip
    about = Metadata(priority=priority, tenant=tenant)
    request = Request(model="acme:m", messages=(user(text),), id=name, metadata=about)
    return Call(request=request, stream=stream, deadline=deadline, is_fresh=is_fresh)


async def ask(service: Service, asked: Call) -> Response:
    return await (await service(asked)).response()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thousand_identical_calls_are_one_request(stream: bool) -> None:
    """Each has the whole answer; one has its cost, the others say that they joined and cost nothing."""
    upstream, join = Upstream(), Join()
    service = stack(upstream, join)
    answers = await asyncio.gather(*(ask(service, call(name=f"{i}", stream=stream)) for i in range(1000)))
    assert len(upstream.calls) == 1
    assert {answer.text for answer in answers} == {"abc"}
    assert [answer.cost.nano_usd for answer in answers if answer.cost] == [700, *[0] * 999]
    assert [answer.provenance.joined for answer in answers] == [False, *[True] * 999]
    assert (join.stats().flights, join.stats().medium, join.stats().in_flight) == (1, 999, 0)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    "other",
    [call("how?"), call(tenant="north"), call(is_fresh=True), call(stream=True), call(deadline=5.0)],
    ids=["another question", "another tenant", "an answer of its own", "a stream", "with more time"],
)
async def test_who_would_lose_by_it_does_not_join(other: Call) -> None:
    """What is asked apart, or needs more than the flight can give, is a request of its own."""
    upstream = Upstream()
    service = stack(upstream, Join())
    first = call(deadline=1.5)
    await asyncio.gather(ask(service, first), ask(service, other))
    assert len(upstream.calls) == 2


async def test_a_whole_answer_may_come_of_a_stream_in_flight() -> None:
    """Who wants the whole answer joins a stream and has all of it."""
    upstream = Upstream()
    service = stack(upstream, Join())
    answers = await asyncio.gather(ask(service, call(stream=True)), ask(service, call()))
    assert [answer.text for answer in answers] == ["abc", "abc"]
    assert len(upstream.calls) == 1


async def test_after_the_flight_a_new_one_begins() -> None:
    """Joining is no cache."""
    upstream = Upstream()
    service = stack(upstream, Join())
    await ask(service, call())
    await ask(service, call())
    assert len(upstream.calls) == 2


async def test_a_late_joiner_of_a_stream_gets_what_the_others_had_first() -> None:
    """All the events from the first on, at once what was there and the rest as it comes."""
    service = stack(Upstream(), Join())
    first = asyncio.ensure_future(ask(service, call(stream=True)))
    await asyncio.sleep(2.5)
    times = []
    async for event in await service(call(stream=True)):
        times.append((round(asyncio.get_running_loop().time(), 3), event))
    assert times == list(zip([2.5, 2.5, 3.0, 4.0], LETTERS, strict=True))
    assert (await first).text == "abc"


@pytest.mark.parametrize("instant", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_leader_harms_nobody(instant: float, stream: bool) -> None:
    """The one that began the flight is cancelled at any moment; the others get all of it from the one request."""
    upstream = Upstream()
    service = stack(upstream, Join())
    leader = asyncio.ensure_future(ask(service, call(stream=stream)))
    await asyncio.sleep(0.1)
    followers = [asyncio.ensure_future(ask(service, call(stream=stream))) for _ in range(3)]
    await asyncio.sleep(instant)
    leader.cancel()
    assert [answer.text for answer in await asyncio.gather(*followers)] == ["abc"] * 3
    assert len(upstream.calls) == 1
    assert isinstance(upstream.outcomes[0], Response)
    assert len(asyncio.all_tasks()) == 1


class Led(Join):
    """The broken variant: the request belongs to the call that began it."""

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        key = key_of(call) or ""
        if key in self._flights:
            return await asyncio.wrap_future(self._flights[key])  # type: ignore[arg-type]
        import concurrent.futures

        future = self._flights[key] = concurrent.futures.Future()  # type: ignore[assignment]
        try:
            reply = await inner(call)
        except BaseException:
            future.cancel()
            raise
        future.set_result(Reply(response=await reply.response()))
        return reply


async def test_the_cancelled_leader_is_seen_where_it_matters() -> None:
    """The broken variant: the followers die with it."""
    service = stack(Upstream(), Led())
    leader = asyncio.ensure_future(ask(service, call()))
    await asyncio.sleep(0.1)
    follower = asyncio.ensure_future(ask(service, call()))
    await asyncio.sleep(0.1)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower


@pytest.mark.parametrize(("instant", "expected"), [(0.5, "cancelled"), (1.5, DROPPED), (2.5, DROPPED)])
async def test_the_last_one_to_leave_ends_the_flight(instant: float, expected: object) -> None:
    """The layers inside see a consumer that dropped, once; when the cancellation has ended, so has the request."""
    upstream = Upstream()
    service = stack(upstream, Join())
    tasks = [asyncio.ensure_future(ask(service, call(stream=True))) for _ in range(3)]
    await asyncio.sleep(instant)
    for task in tasks:
        assert upstream.outcomes == []
        task.cancel()
        await asyncio.wait([task])
    assert upstream.outcomes == [expected]
    assert len(asyncio.all_tasks()) == 1


async def test_a_new_call_does_not_join_a_flight_that_is_being_ended() -> None:
    """It begins one of its own."""
    upstream = Upstream()
    service = stack(upstream, Join())
    reply = await service(call(stream=True))
    upstream.closing = 5.0
    closing = asyncio.ensure_future(reply.aclose())
    await asyncio.sleep(1.0)
    answer = asyncio.ensure_future(ask(service, call(stream=True)))
    await closing
    assert (await answer).text == "abc"
    assert len(upstream.calls) == 2


async def test_a_forgotten_reply_leaves_the_flight() -> None:
    """A consumer that breaks off without closing is noticed by the garbage collector."""
    upstream = Upstream()
    reply = await stack(upstream, Join())(call(stream=True))
    await anext(reply)
    del reply
    gc.collect()
    await asyncio.sleep(0.1)
    assert upstream.outcomes == [DROPPED]
    assert len(asyncio.all_tasks()) == 1


async def test_a_failure_goes_to_all_and_to_each_as_its_own() -> None:
    """The same class, facts and cause; other objects, so that a note on one is on no other."""
    cause = OSError("down")
    error = ServerFault("boom", status=500, retry_after=3.0)
    error.__cause__ = cause
    error.add_note("retry: gave up")
    service = stack(Upstream(error), Join())
    results = await asyncio.gather(*(ask(service, call()) for _ in range(3)), return_exceptions=True)
    assert len({id(result) for result in results}) == 3
    for result in results:
        assert isinstance(result, ServerFault)
        assert (result.status, result.retry_after, result.__cause__) == (500, 3.0, cause)
        result.add_note("mine")
        assert result.__notes__ == ["retry: gave up", "mine"]


async def test_a_stream_that_breaks_breaks_for_all_with_what_each_had() -> None:
    """Each gets the events, then the interruption with the partial answer."""
    service = stack(Upstream(breaks_at=2), Join())
    results = await asyncio.gather(*(ask(service, call(stream=True)) for _ in range(3)), return_exceptions=True)
    assert [result.partial.text for result in results if isinstance(result, StreamInterrupted) and result.partial] == [
        "ab"
    ] * 3
    assert len({id(result) for result in results}) == 3


async def test_a_slow_joiner_stops_nobody() -> None:
    """The others finish on time, and it gets all of it when it comes back."""
    upstream = Upstream()
    service = stack(upstream, Join())
    slow = await service(call(stream=True))
    assert (await ask(service, call(stream=True))).text == "abc"
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.1)
    await asyncio.sleep(100)
    assert (await slow.response()).text == "abc"
    assert len(upstream.calls) == 1


async def test_a_stream_is_not_read_far_ahead_of_its_fastest_reader() -> None:
    """Of ten thousand events a few wait in memory while nobody wants them; a reader that comes gets all of them."""
    read = 0

    async def endless(call: Call) -> Reply:
        async def events() -> AsyncIterator[Sequence[Event]]:
            nonlocal read
            for _ in range(10_000):
                read += 1
                yield (TextDelta("x"),)
            yield (Finished("stop"),)

        return Reply(events())

    service = stack(endless, Join())
    slow = await service(call(stream=True))
    await asyncio.sleep(100)
    assert read <= 2 * AHEAD
    assert len((await ask(service, call(stream=True))).text) == 10_000
    await slow.aclose()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_joiner_keeps_its_own_deadline(stream: bool) -> None:
    """It ends as a total time-out; the flight goes on for the others."""
    service = stack(Upstream(), Join())
    first = asyncio.ensure_future(ask(service, call(stream=stream, deadline=50.0)))
    await asyncio.sleep(0.1)
    with pytest.raises((TimedOut, StreamInterrupted)) as caught:
        await ask(service, call(stream=stream, deadline=2.5 if stream else 0.5))
    timed_out = caught.value.__cause__ if stream else caught.value
    assert isinstance(timed_out, TimedOut)
    assert timed_out.phase == "total"
    assert (await first).text == "abc"


async def test_a_high_call_does_not_wait_in_lows_line() -> None:
    """Joining a LOW call that waits raises it to HIGH."""
    queue = Queue(QueuePolicy(running=1), clock=sim_world().clock)
    upstream = Upstream()
    service = stack(upstream, Join(promote=queue.promote), queue)
    tasks = [asyncio.ensure_future(ask(service, call("running", name="r")))]
    await asyncio.sleep(0.1)
    tasks.append(asyncio.ensure_future(ask(service, call("shared", name="s", priority="low"))))
    tasks.append(asyncio.ensure_future(ask(service, call("medium", name="m"))))
    await asyncio.sleep(0.1)
    tasks.append(asyncio.ensure_future(ask(service, call("shared", name="h", priority="high"))))
    await asyncio.gather(*tasks)
    assert [asked.request.id for asked in upstream.calls] == ["r", "s", "m"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stream", [False, True])
def test_wherever_joiners_are_cancelled_each_request_has_one_outcome(seed: int, stream: bool) -> None:
    """Twenty callers come and are cancelled at random instants: no task is left, no request without exactly one end."""

    async def one(service: Service, rng: random.Random) -> str:
        await asyncio.sleep(rng.uniform(0, 3))
        task = asyncio.ensure_future(ask(service, call(stream=stream)))
        await asyncio.wait([task], timeout=rng.choice([0, 0.5, 1.0, 1.5, 3.0, 30]))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            assert (await task).text == "abc"
        return "ended"

    async def main() -> None:
        upstream, join, rng = Upstream(), Join(), random.Random(seed)
        service = stack(upstream, join)
        await asyncio.gather(*(one(service, rng) for _ in range(20)))
        assert len(asyncio.all_tasks()) == 1
        assert len(upstream.calls) == len(upstream.outcomes) >= 1
        assert join.stats().in_flight == 0

    run(main(), seed=seed)


async def test_a_flight_that_need_not_wait_costs_no_turn_of_the_loop() -> None:
    """Its answer is there before anything else has run, and no task is left of it; its failure too."""
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)

    async def at_once(call: Call) -> Reply:
        if call.stream:
            raise ServerFault("boom", status=500)
        return Reply(response=ANSWER)

    join = Join()
    service = stack(at_once, join)
    assert (await ask(service, call())).text == "abc"
    with pytest.raises(ServerFault):
        await ask(service, call(stream=True))
    assert (turns, join.stats().in_flight, len(asyncio.all_tasks())) == ([], 0, 1)


async def test_a_time_out_inside_is_the_flights_and_no_callers() -> None:
    """It was set in the turn of the first caller, who has left when it comes: the other one hears of it."""

    async def slow(call: Call) -> Reply:
        async with asyncio.timeout(2.0):
            await asyncio.sleep(3600)
        raise AssertionError("it was not stopped")

    service = stack(slow, Join())
    leader = asyncio.ensure_future(ask(service, call()))
    await asyncio.sleep(0.1)
    follower = asyncio.ensure_future(ask(service, call()))
    await asyncio.sleep(0.1)
    leader.cancel()
    with pytest.raises(TimeoutError):
        await follower
    assert leader.cancelled()
    assert asyncio.get_running_loop().time() == pytest.approx(2.0, abs=1e-3)


async def test_who_is_cancelled_in_the_turn_of_its_call_leaves_nothing() -> None:
    """The flight has begun then, and is ended where it waits."""
    upstream, join = Upstream(), Join()
    asked = asyncio.ensure_future(ask(stack(upstream, join), call()))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    assert (upstream.outcomes, join.stats().in_flight, len(asyncio.all_tasks())) == (["cancelled"], 0, 1)


@pytest.mark.parametrize("who", ["alone", "first", "second"])
@pytest.mark.parametrize("stream", [False, True])
def test_wherever_one_is_cancelled_nothing_is_left(stream: bool, who: str) -> None:
    """At each point, and at each pair of points: each request has one outcome, and the other caller its answer."""

    def make():  # type: ignore[no-untyped-def]
        upstream, join, others = Upstream(), Join(), list[asyncio.Task[Response]]()
        service = stack(upstream, join)

        async def swept() -> None:
            if who == "second":
                others.append(asyncio.ensure_future(ask(service, call(stream=stream))))
                await asyncio.sleep(0.5)
            mine = service(call(stream=stream))
            if who == "first":
                asyncio.get_running_loop().call_later(
                    0.5, lambda: others.append(asyncio.ensure_future(ask(service, call(stream=stream))))
                )
            assert (await (await mine).response()).text == "abc"

        async def check() -> None:
            assert [(await other).text for other in others] == ["abc"] * len(others)
            assert len(upstream.calls) == len(upstream.outcomes)
            assert join.stats().in_flight == 0

        return swept(), check

    assert cancel_points(make).runs > 1

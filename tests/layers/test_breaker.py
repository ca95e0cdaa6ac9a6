"""Breaker: the layer in virtual time: what it records of each outcome, whom it lets through, what it tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from backstay.errors import (
    CircuitOpen,
    ConfigurationError,
    LLMError,
    RateLimited,
    ServerFault,
    StreamInterrupted,
    TimedOut,
)
from backstay.event import Event, Finished, TextDelta
from backstay.layers.breaker import Breaker, Breakers, CircuitChange
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.retry import Retry, RetryPolicy
from backstay.offline.scripted import Line, Scripted
from backstay.ports import World
from backstay.service import Call, Reply, Service, stack
from backstay.sim import SimLoop, sim_world
from backstay.types import Request

POLICY = BreakerPolicy(jitter=0.0)
DOWN = ServerFault("down", status=503)


def call(*, stream: bool = False) -> Call:
    return Call(request=Request(model="scripted:x", id="c"), stream=stream)


def built(
    *lines: Line, policy: BreakerPolicy = POLICY, world: World | None = None, **facts: Any
) -> tuple[Service, Breaker, Scripted]:
    script = Scripted(*lines, is_endless=True)
    breaker = Breaker(policy, world=world or sim_world(), target="scripted:x", **facts)
    return stack(script, breaker), breaker, script


async def fail(service: Service, times: int) -> None:
    for _ in range(times):
        with pytest.raises(LLMError):
            await service(call())


async def test_an_open_circuit_sends_nothing_and_says_when_a_probe_may_pass() -> None:
    """The refusal costs no attempt, and names the target, the reason and the seconds."""
    service, breaker, script = built(DOWN)
    await fail(service, 5)
    await asyncio.sleep(20)
    with pytest.raises(CircuitOpen, match=r"scripted:x is open \(5 failures in a row; last: ServerFault\)") as caught:
        await service(call())
    assert caught.value.retry_after == pytest.approx(40.0)
    assert not caught.value.retryable
    assert len(script.requests) == 5
    assert breaker.status().refused == 1


async def test_it_recovers_by_itself() -> None:
    """A minute later three probes find the target well, and the circuit closes."""
    service, breaker, _ = built(*[DOWN] * 5, "fine")
    await fail(service, 5)
    await asyncio.sleep(60)
    for _ in range(3):
        assert breaker.is_available
        assert (await (await service(call())).response()).text == "fine"
    assert breaker.status().state == "closed"


@pytest.mark.parametrize("error", [RateLimited("slow down", status=429), ValueError("a bug")])
async def test_what_is_not_the_targets_fault_opens_nothing(error: Exception) -> None:
    """A hundred of them leave the circuit closed."""
    service, breaker, _ = built(error)
    for _ in range(100):
        with pytest.raises(type(error)):
            await service(call())
    assert breaker.status().state == "closed"
    assert breaker.status().calls == 0


async def test_a_stream_that_breaks_after_its_first_content_is_a_failure() -> None:
    """The consumer sees the interruption, the circuit counts it."""
    service, breaker, _ = built([TextDelta("a"), StreamInterrupted("cut")])
    for _ in range(5):
        reply = await service(call(stream=True))
        with pytest.raises(StreamInterrupted):
            await reply.response()
    assert breaker.status().state == "open"


async def test_a_reader_who_leaves_is_neutral() -> None:
    """Closing early and forgetting the reply give the probe back and record nothing."""
    service, breaker, _ = built(*[DOWN] * 5, [TextDelta("a"), 5.0, Finished("stop")])
    await fail(service, 5)
    await asyncio.sleep(60)
    for _ in range(20):
        reply = await service(call(stream=True))
        await reply.aclose()
    reply = await service(call(stream=True))
    assert breaker.status().probes_in_flight == 1
    del reply
    await asyncio.sleep(1)
    assert (breaker.status().state, breaker.status().probes_in_flight) == ("half_open", 0)


async def test_slow_first_content_opens_and_slow_rest_does_not() -> None:
    """A stream that begins late counts as slow; one that begins at once may last for ever."""
    policy = BreakerPolicy(slow_after=2.0, min_calls=4, slow_rate=1.0, window_time=None)
    late, _, _ = built([3.0, TextDelta("a"), Finished("stop")], policy=policy)
    steady, breaker, _ = built([TextDelta("a"), 50.0, Finished("stop")], policy=policy)
    for _ in range(4):
        await (await late(call(stream=True))).response()
        await (await steady(call(stream=True))).response()
    with pytest.raises(CircuitOpen, match="4 of the last 4 calls were slow"):
        await late(call(stream=True))
    assert breaker.status().state == "closed"


async def test_of_a_thousand_callers_at_half_open_three_pass() -> None:
    """All the others are refused at once; the probes' success lets the next ones through."""

    arrived = 0

    async def target(call: Call) -> Reply:
        nonlocal arrived
        arrived += 1
        await asyncio.sleep(1)
        if arrived <= 5:
            raise DOWN
        return await Scripted("fine")(call)

    breaker = Breaker(POLICY, world=sim_world())
    service = stack(target, breaker)
    await asyncio.gather(*(service(call()) for _ in range(5)), return_exceptions=True)
    await asyncio.sleep(60)
    results = await asyncio.gather(*(service(call()) for _ in range(1000)), return_exceptions=True)
    assert arrived == 8
    assert sum(isinstance(result, CircuitOpen) for result in results) == 997
    for result in results:
        if isinstance(result, Reply):
            await result.response()
    assert breaker.status().state == "closed"


async def probed_while_cancelled(steps: int) -> str:
    """The circuit's state and its probes, after a probe's caller was cancelled at its `steps`-th turn of the loop."""

    async def slow(call: Call) -> Reply:
        async def events() -> AsyncIterator[Sequence[Event]]:
            for text in "abc":
                await asyncio.sleep(0)
                yield (TextDelta(text),)
            yield (Finished("stop"),)

        await asyncio.sleep(0)
        if steps < 0:
            raise DOWN
        return Reply(events())

    breaker = Breaker(BreakerPolicy(jitter=0.0, probes=1), world=sim_world())
    service = stack(slow, breaker)

    async def ask() -> None:
        await (await service(call())).response()

    breaker.force_open()
    breaker._circuit.is_forced = False
    task = asyncio.ensure_future(ask())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    return f"{breaker.status().state} {breaker.status().probes_in_flight}"


def test_cancelled_at_any_point_a_probe_gives_its_place_back() -> None:
    """At every suspension point: half open with no probe out, or closed once the answer was whole."""
    seen = []
    for steps in range(1, 14):
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            seen.append(runner.run(probed_while_cancelled(steps)))
    assert set(seen) == {"half_open 0", "closed 0"}
    assert seen[0] == "half_open 0"
    assert seen[-1] == "closed 0"


async def test_the_listener_hears_every_change_and_cannot_break_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """A fault in the listener is logged; the call ends as it would have."""
    heard: list[CircuitChange] = []

    def listen(change: CircuitChange) -> None:
        heard.append(change)
        raise RuntimeError("listener")

    service, _, _ = built(*[DOWN] * 5, "fine", policy=BreakerPolicy(probes=1, jitter=0.0), listener=listen)
    with caplog.at_level(logging.ERROR):
        await fail(service, 5)
        await asyncio.sleep(60)
        await (await service(call())).response()
    assert [(one.before, one.after) for one in heard] == [
        ("closed", "open"), ("open", "half_open"), ("half_open", "closed")
    ]  # fmt: skip
    assert heard[0].retry_after == pytest.approx(60.0)
    assert len(caplog.records) == 3


async def test_an_operator_can_take_a_target_out_and_bring_it_back() -> None:
    """A forced circuit says so, and what was in flight when it was forced changes nothing."""
    service, breaker, _ = built([TextDelta("a"), 5.0, Finished("stop")])
    reply = await service(call(stream=True))
    breaker.force_open()
    with pytest.raises(CircuitOpen, match="until an operator closes it") as caught:
        await service(call())
    assert caught.value.retry_after is None
    await reply.response()
    assert (breaker.status().state, breaker.status().stale) == ("open", 1)
    breaker.force_close()
    assert (await (await service(call())).response()).text == "a"


async def test_inside_retry_every_attempt_counts_and_an_open_circuit_ends_the_trying() -> None:
    """Two calls of three attempts: the fifth failure opens, the sixth attempt is never sent."""
    script = Scripted(DOWN, is_endless=True)
    world = sim_world()
    service = stack(script, Retry(RetryPolicy(), world=world), Breaker(POLICY, world=world))
    with pytest.raises(ServerFault):
        await service(call())
    with pytest.raises(CircuitOpen) as caught:
        await service(call())
    assert len(script.requests) == 5
    assert [attempt.error for attempt in caught.value.attempts][:2] == ["ServerFault: down"] * 2


async def test_breakers_are_one_for_each_target_and_known_by_name() -> None:
    """The same target has the same circuit; a threshold of its own is its own; status lists them in order."""
    breakers = Breakers(POLICY, world=sim_world(), slow_after={"a:x": 3.0})
    assert breakers.of("b:y") is breakers.of("b:y")
    assert breakers.of("a:x") is not breakers.of("b:y")
    assert breakers.of("a:x")._policy.slow_after == 3.0
    breakers.of("b:y").force_open()
    assert [(one.target, one.state) for one in breakers.status()] == [("a:x", "closed"), ("b:y", "open")]
    assert (breakers.is_available("b:y"), breakers.is_available("never:asked")) == (False, True)


def test_a_threshold_of_a_target_is_checked_when_the_breakers_are_made() -> None:
    """Every fault at once, not at the first call of the target; a group has no circuit."""
    with pytest.raises(ConfigurationError) as caught:
        Breakers(POLICY, world=sim_world(), slow_after={"a:x": 0.0, "group:g": 3.0, "b:y": 1.0, "nobody": 1.0})
    wrong_number, group, no_target = caught.value.faults
    assert wrong_number == "breaker.slow_after_of.a:x = 0.0: must be more than 0 seconds"
    assert group == "breaker.slow_after_of.group:g: is a group, and circuits are of targets; name its members"
    assert no_target.startswith("breaker.slow_after_of.nobody: model 'nobody': write it as provider:model")


async def test_a_callers_short_deadline_is_not_the_targets_fault() -> None:
    """Twenty callers who had no time leave it closed."""
    service, breaker, _ = built(TimedOut("too late", phase="total", sent=True))
    await fail(service, 20)
    assert breaker.status().state == "closed"

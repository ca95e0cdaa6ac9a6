"""Hedge: when the second request is sent, who wins, and that both are paid, ended and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.catalog.catalog import Catalog
from backstay.errors import (
    AuthenticationFailed,
    CircuitOpen,
    ConfigurationError,
    Overloaded,
    RateLimited,
    ServerFault,
)
from backstay.event import Event, Finished, TextDelta
from backstay.layers.bookkeeping import Bookkeeping
from backstay.layers.hedge import HEDGE_NUMBER, Hedge, HedgePolicy, HedgePurse, Latency
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.ledger.memory import MemoryLedger
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Request, Response, Text
from backstay.usage import Meter

EAGER = HedgePolicy(delay=1.0, share=1.0)


class Upstream:
    """Plays one `(seconds, answer or error)` a call, in order; counts what is open."""

    def __init__(self, *plays: tuple[float, str | Exception]) -> None:
        self.plays = list(plays)
        self.calls: list[Call] = []
        self.open = 0

    async def __call__(self, call: Call, /) -> Reply:
        seconds, answer = self.plays[len(self.calls)]
        self.calls.append(call)
        self.open += 1
        try:
            await asyncio.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
        except BaseException:
            await self.close()
            raise
        if not call.stream:
            await self.close()
            return Reply(response=Response(parts=(Text(text=answer),), finish_reason="stop"))
        return Reply(self.events(answer), close=self.close)

    async def events(self, answer: str) -> AsyncIterator[Sequence[Event]]:
        yield (TextDelta(answer),)
        await asyncio.sleep(1.0)
        yield (Finished("stop"),)

    async def close(self) -> None:
        try:
            await asyncio.sleep(0.1)
        finally:
            self.open -= 1


def call(*, stream: bool = False, attempt: int = 1) -> Call:
    return Call(request=Request(model="acme:m", id="c"), stream=stream, attempt=attempt)


def hedged(upstream: Service, policy: HedgePolicy = EAGER, **facts: Any) -> tuple[Service, Hedge]:
    layer = Hedge(policy, clock=sim_world().clock, **facts)
    return stack(upstream, layer), layer


async def ask(service: Service, asked: Call) -> Response:
    return await (await service(asked)).response()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_slow_first_is_overtaken_and_ended(stream: bool) -> None:
    """The second answer wins; the first is cancelled and its connection closed before the call's end is acknowledged."""
    upstream = Upstream((50.0, "slow"), (1.0, "quick"))
    service, layer = hedged(upstream)
    answer = await ask(service, call(stream=stream))
    assert answer.text == "quick"
    assert asyncio.get_running_loop().time() < 4
    assert upstream.open == 0
    assert (layer.stats().hedged, layer.stats().won) == (1, 1)
    assert [asked.attempt_id for asked in upstream.calls] == ["c.1", f"c.{1 + HEDGE_NUMBER}"]
    assert [(a.number, a.outcome) for a in answer.provenance.attempts] == [(1 + HEDGE_NUMBER, "complete")]
    assert len(asyncio.all_tasks()) == 1


async def test_a_first_that_is_only_a_little_late_still_wins() -> None:
    """And the hedge is the loser that is ended, and told of."""
    upstream = Upstream((1.5, "first"), (5.0, "second"))
    service, layer = hedged(upstream)
    answer = await ask(service, call())
    assert answer.text == "first"
    assert upstream.open == 0
    assert (layer.stats().hedged, layer.stats().won) == (1, 0)
    assert [(a.number, a.outcome) for a in answer.provenance.attempts] == [(1 + HEDGE_NUMBER, "dropped")]


async def test_a_quick_first_is_alone() -> None:
    """Nothing is sent twice before the delay, and the answer says nothing of a hedge."""
    upstream = Upstream((0.8, "first"))
    service, _ = hedged(upstream)
    assert (await ask(service, call())).provenance == Response().provenance
    assert len(upstream.calls) == 1


async def test_once_content_has_come_there_is_no_hedge() -> None:
    """A stream that stalls after its first content is committed."""
    upstream = Upstream((0.5, "first"))
    service, _ = hedged(upstream, HedgePolicy(delay=0.6, share=1.0))
    assert (await ask(service, call(stream=True))).text == "first"
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (ServerFault("x", status=500), 2),
        (Overloaded("x", status=529), 1),
        (RateLimited("x", status=429), 1),
        (ServerFault("x", status=503, retry_after=30.0), 1),
        (AuthenticationFailed("x", status=401), 1),
        (CircuitOpen("x"), 1),
        (ValueError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_only_an_error_that_may_pass_fires_at_once(error: Exception, sent: int) -> None:
    """A fault does, at once; push-back, a fatal error and a refusal of our own do not."""
    upstream = Upstream((0.1, error), (0.1, "second"))
    service, _ = hedged(upstream)
    if sent == 2:
        assert (await ask(service, call())).text == "second"
        assert asyncio.get_running_loop().time() < 0.5
    else:
        with pytest.raises(type(error)):
            await ask(service, call())
    assert len(upstream.calls) == sent


async def test_push_back_stops_hedges_for_as_long_as_it_says() -> None:
    """A retry_after of 30 s means no hedge for 30 s, for no call."""
    upstream = Upstream(
        (0.1, RateLimited("x", status=429, retry_after=30.0)), (5.0, "alone"), (5.0, "slow"), (1.0, "hedge")
    )
    service, _ = hedged(upstream)
    with pytest.raises(RateLimited):
        await ask(service, call())
    assert (await ask(service, call())).text == "alone"
    await asyncio.sleep(30.0)
    assert (await ask(service, call())).text == "hedge"


async def test_when_both_fail_the_first_ones_error_is_raised_with_a_note() -> None:
    """Whichever failed first."""
    upstream = Upstream((3.0, ServerFault("one", status=500)), (0.5, ServerFault("two", status=502)))
    service, _ = hedged(upstream)
    with pytest.raises(ServerFault, match="one") as caught:
        await ask(service, call())
    assert "two" in caught.value.__notes__[0]


async def test_a_fatal_error_of_one_ends_the_other() -> None:
    """What the provider refuses for good, it refuses twice."""
    upstream = Upstream((50.0, "slow"), (0.5, AuthenticationFailed("no", status=401)))
    service, _ = hedged(upstream)
    with pytest.raises(AuthenticationFailed):
        await ask(service, call())
    assert upstream.open == 0
    assert len(asyncio.all_tasks()) == 1


async def test_a_hedge_that_our_own_layers_refuse_changes_nothing() -> None:
    """The first goes on."""
    upstream = Upstream((3.0, "first"), (0.1, CircuitOpen("no")))
    service, _ = hedged(upstream)
    assert (await ask(service, call())).text == "first"


async def test_inside_retry_only_the_first_attempt_is_hedged_and_ids_never_meet() -> None:
    """Retry's second attempt is c.2, whatever number a hedge had."""
    fault = ServerFault("x", status=500)
    upstream = Upstream((0.1, fault), (0.1, fault), (5.0, "late"))
    world = sim_world()
    retry = Retry(RetryPolicy(jitter=0.0), world=world)
    service = stack(upstream, retry, Hedge(EAGER, clock=world.clock))
    assert (await ask(service, call())).text == "late"
    assert [asked.attempt for asked in upstream.calls] == [1, 1 + HEDGE_NUMBER, 2]


async def test_both_attempts_have_a_row_and_the_loser_is_paid() -> None:
    """The ledger has the winner complete and the loser dropped; nothing stays reserved."""
    ledger, world = MemoryLedger(), sim_world()
    meter = Meter(catalog=Catalog([]), ledger=ledger, world=world)
    upstream = Upstream((50.0, "slow"), (1.0, "quick"))
    hedge = Hedge(EAGER, clock=world.clock)
    service = stack(upstream, hedge, Bookkeeping(meter, world=world, target="acme:m"))
    await ask(service, call())
    assert {(row.attempt_id, row.outcome) for row in ledger.rows()} == {("c.1", "dropped"), ("c.1001", "complete")}


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.05, 0.1, 0.3, 1.0]))
def test_never_more_than_the_share(wants: list[bool], share: float) -> None:
    """Of any first n calls at most share * n are hedged, exactly."""
    purse, spent = HedgePurse(share, 5), 0
    for number, is_wanted in enumerate(wants, 1):
        purse.earn()
        spent += is_wanted and purse.spend()
        assert spent * 1_000_000 <= number * round(share * 1_000_000)


async def test_the_clients_purse_of_retries_bounds_hedges_too() -> None:
    """With an empty one nothing is sent twice."""
    upstream = Upstream((5.0, "first"))
    service, layer = hedged(upstream, budget=RetryBudget(capacity=0.0))
    assert (await ask(service, call())).text == "first"
    assert layer.stats().hedged == 0


async def test_without_a_fixed_delay_the_percentile_decides() -> None:
    """No hedge before enough is known; then at the 95th percentile of the time to the first content."""
    plays = [(0.1 * number, "x") for number in range(1, 41)]
    upstream = Upstream(*plays, (50.0, "slow"), (0.1, "quick"))
    service, layer = hedged(upstream, HedgePolicy(min_samples=40))
    for _ in plays:
        await ask(service, call())
    started = asyncio.get_running_loop().time()
    assert (await ask(service, call())).text == "quick"
    assert (layer.stats().calls, layer.stats().hedged) == (41, 1)
    assert asyncio.get_running_loop().time() - started == pytest.approx(4.0 + 0.3, abs=0.15)


def test_a_percentile_is_told_when_enough_is_known() -> None:
    """Nearest rank over the latest times."""
    latency = Latency(0.95, 20)
    for number in range(19):
        latency.add(float(number))
    assert latency.delay() is None
    latency.add(19.0)
    assert latency.delay() == 19.0


def cancelled_at(step: int, *, stream: bool, layer: type[Hedge] = Hedge) -> tuple[bool, int, int]:
    """A hedged call that is cancelled after `step` twentieths of a second: had it ended; connections open; tasks left."""

    async def main() -> tuple[bool, int, int]:
        upstream = Upstream((2.0, "slow"), (1.0, "quick"))
        service = stack(upstream, layer(EAGER, clock=sim_world().clock))
        task = asyncio.ensure_future(ask(service, call(stream=stream)))
        await asyncio.sleep(step / 20)
        has_ended = task.done()
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(1.0)
        return has_ended, upstream.open, len(asyncio.all_tasks()) - 1

    return run(main())


def leaks(layer: type[Hedge]) -> int:
    found = 0
    for stream in (False, True):
        for step in range(100):
            has_ended, still_open, tasks = cancelled_at(step, stream=stream, layer=layer)
            found += bool(still_open or tasks)
            if has_ended:
                break
        else:
            raise AssertionError("the call never ended")
    return found


class Forgetful(Hedge):
    """The broken variant: nobody ends the losers."""

    def _end(self, tries: Any) -> asyncio.Task[None]:
        async def nothing() -> None:
            return

        return asyncio.get_running_loop().create_task(nothing())


def test_wherever_the_call_is_cancelled_both_requests_end() -> None:
    """Before the hedge, in the race, in the instant of a tie, in the stream."""
    assert leaks(Hedge) == 0


def test_the_sweep_sees_a_loser_that_runs_on() -> None:
    """The broken variant is caught."""
    assert leaks(Forgetful) > 0


def test_bad_settings_are_refused_all_at_once() -> None:
    """Each fault names its setting."""
    with pytest.raises(ConfigurationError) as caught:
        HedgePolicy(delay=-1.0, percentile=1.0, share=2.0, burst=0, min_samples=0)
    assert len(caught.value.faults) == 5

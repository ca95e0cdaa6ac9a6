"""The simulated provider keeps its own time, limits, faults and bill, and the same seed is the same provider."""

from __future__ import annotations

import asyncio

import pytest

from backstay.errors import (
    ConnectFailed,
    LLMError,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    ReadFailed,
    ServerFault,
    StreamInterrupted,
)
from backstay.layers.retry import Retry, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.service import Call, stack
from backstay.sim import FaultPlan, Outage, Prices, Quota, SimProvider, Traits, constant, run, sim_world
from backstay.sim.fault import SERVICE_KINDS
from backstay.sim.hint import FORMS
from backstay.transport.base import Timeouts
from backstay.types import Request, user

STEADY = Traits(
    first_token=constant(1.0),
    per_token=constant(0.1),
    output_tokens=constant(20),
    refusal=constant(0.0),
    tokens_per_event=5,
    prices=Prices(input=3, output=10),
)
INPUT = 6
"""Tokens of `ask`: two of the text, four of the message."""


def ask(number: int = 1, *, stream: bool = False, attempt: int = 1, most: int | None = 4096) -> Call:
    request = Request(id=f"c{number}", model="m", messages=(user("hello"),), max_output_tokens=most)
    return Call(request=request, stream=stream, attempt=attempt)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_whole_answer_takes_its_time_and_is_billed() -> None:
    """One second to the first token and a tenth for each of twenty; six tokens in at 3, twenty out at 10."""
    provider = SimProvider(STEADY, world=sim_world())
    response = await (await provider(ask())).response()
    assert now() == pytest.approx(3.0, abs=1e-6)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (INPUT, 20)
    assert response.finish_reason == "stop"
    assert provider.log.bill() == {"c1.1": INPUT * 3 + 200}
    assert (provider.in_flight, provider.most_in_flight) == (0, 1)


async def test_a_limit_on_the_output_is_kept() -> None:
    """The answer ends there, and says why."""
    provider = SimProvider(STEADY, world=sim_world())
    response = await (await provider(ask(most=7))).response()
    assert (response.usage.output_tokens, response.finish_reason) == (7, "length")


async def test_a_stream_comes_piece_by_piece() -> None:
    """Five tokens each half second after the first; the same answer in the end."""
    provider = SimProvider(STEADY, world=sim_world())
    reply = await provider(ask(stream=True))
    assert now() == pytest.approx(1.5, abs=1e-6)
    response = await reply.response()
    assert now() == pytest.approx(3.0, abs=1e-6)
    assert response.text == "word " * 20
    assert response.usage.output_tokens == 20
    assert provider.log.entries[0].outcome == "complete"


@pytest.mark.parametrize(("events", "made"), [(2, 5), (3, 10), (4, 15)])
async def test_a_stream_that_is_left_is_billed_for_what_was_made(events: int, made: int) -> None:
    """Each event after the first (which says that it began) has five tokens."""
    provider = SimProvider(STEADY, world=sim_world())
    async with await provider(ask(stream=True)) as reply:
        for _ in range(events):
            await anext(aiter(reply))
    assert provider.log.bill() == {"c1.1": INPUT * 3 + made * 10}
    assert provider.log.entries[0].outcome == "dropped"
    assert provider.in_flight == 0


async def test_a_call_that_is_cancelled_is_billed_for_what_was_made() -> None:
    """Half a second after the first token, six are begun."""
    provider = SimProvider(STEADY, world=sim_world())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(provider(ask()), 1.55)
    assert provider.log.bill() == {"c1.1": INPUT * 3 + 60}


@pytest.mark.parametrize("form", [*FORMS, None])
async def test_a_rate_limit_is_kept_exactly_and_told(form: str | None) -> None:
    """Two requests in ten seconds; the third hears when to come back, is early before it, and is taken then."""
    traits = Traits(quotas=(Quota(dimension="requests", limit=2, window=10.0),), retry_after=(form,) if form else ())
    provider = SimProvider(traits, world=sim_world())
    await asyncio.gather(provider(ask(1)), provider(ask(2)))
    asked = now()
    with pytest.raises(RateLimited) as caught:
        await provider(ask(3))
    wait = caught.value.retry_after
    if form is None:
        assert wait is None
        return
    assert wait is not None
    assert 10 - asked <= wait <= 11.1
    with pytest.raises(RateLimited):
        await provider(ask(3, attempt=2))
    assert provider.log.early() == 1
    await asyncio.sleep(wait)
    await provider(ask(3, attempt=3))
    assert provider.log.early() == 1
    assert provider.log.entries[-1].outcome == "complete"


async def test_tokens_are_limited_by_what_may_be_answered() -> None:
    """Input and the limit of the output count, as providers count them before they answer."""
    traits = Traits(quotas=(Quota(dimension="tokens", limit=210, window=60.0),))
    provider = SimProvider(traits, world=sim_world())
    await provider(ask(1, most=100))
    with pytest.raises(RateLimited):
        await provider(ask(2, most=100))
    await provider(ask(3, most=90))


async def test_an_outage_has_a_beginning_and_an_end() -> None:
    """503 within, answers before and after; without a status there is no connection, and the log knows of nothing."""
    provider = SimProvider(
        Traits(outages=(Outage(start=10, end=20), Outage(start=30, end=40, status=None))), world=sim_world()
    )
    await provider(ask(1))
    await asyncio.sleep(10.5 - now())
    with pytest.raises(ServerFault):
        await provider(ask(2))
    await asyncio.sleep(20.5 - now())
    await provider(ask(3))
    await asyncio.sleep(30.5 - now())
    with pytest.raises(ConnectFailed):
        await provider(ask(4))
    assert [entry.outcome for entry in provider.log] == ["complete", "refused", "complete"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", SERVICE_KINDS)
async def test_every_kind_of_fault_ends_a_call(kind: str, stream: bool) -> None:
    """In an answer or in an error of the tree, in bounded time, with nothing in flight."""
    world = sim_world()
    provider = SimProvider(world=world, plan=FaultPlan({kind: 1.0}))
    service = stack(provider, Timeout(Timeouts(first_event=20, between_events=20)))
    call = Call(request=ask().request, stream=stream, deadline=100.0)
    if kind in ("slow_drip", "wrong_usage", "missing_usage", "clock_step"):
        assert (await (await service(call)).response()).finish_reason is not None
    else:
        with pytest.raises(LLMError):
            await (await service(call)).response()
    assert now() <= 100.001
    assert provider.in_flight == 0
    assert all(entry.outcome != "open" for entry in provider.log)


@pytest.mark.parametrize(
    ("kind", "stream", "error"),
    [
        ("refused", False, ConnectFailed),
        ("quota", False, QuotaExhausted),
        ("reset_before_headers", True, ReadFailed),
        ("reset_mid_stream", False, ReadFailed),
        ("reset_mid_stream", True, StreamInterrupted),
        ("truncated", False, ProtocolError),
        ("error_event_in_200", True, ServerFault),
        ("error_event_late", True, StreamInterrupted),
    ],
)
async def test_a_fault_is_the_error_that_a_real_one_is(kind: str, stream: bool, error: type[LLMError]) -> None:
    """Before the first content an error of the call, after it an interrupted stream."""
    provider = SimProvider(world=sim_world(), plan=FaultPlan({kind: 1.0}))
    with pytest.raises(error):
        await (await provider(ask(stream=stream))).response()


async def test_work_whose_answer_was_lost_is_billed_and_a_refusal_is_not() -> None:
    """The customs of real bills."""
    lost = SimProvider(STEADY, world=sim_world(), plan=FaultPlan({"reset_before_headers": 1.0}))
    refused = SimProvider(STEADY, world=sim_world(), plan=FaultPlan({"status_429_seconds": 1.0}))
    for provider in (lost, refused):
        with pytest.raises(LLMError):
            await provider(ask())
    assert (lost.log.total(), refused.log.total()) == (INPUT * 3 + 200, 0)


def digest(seed: int) -> str:
    world = sim_world(seed)
    provider = SimProvider(world=world, plan=FaultPlan.of(seed))
    service = stack(provider, Retry(RetryPolicy(), world=world), Timeout(Timeouts(first_event=20, between_events=20)))

    async def one(number: int) -> None:
        try:
            call = Call(request=ask(number).request, stream=number % 3 == 0, deadline=now() + 60)
            await (await service(call)).response()
        except LLMError:
            return

    async def main() -> None:
        await asyncio.gather(*map(one, range(50)))

    run(main(), seed=seed)
    return provider.log.digest()


def test_one_seed_is_one_log() -> None:
    """Everything that the provider saw, to the instant; and seeds differ."""
    assert digest(5) == digest(5)
    assert len({digest(seed) for seed in range(4)}) == 4


def test_an_answer_of_ones_own() -> None:
    """A test that needs words gives them."""

    async def main() -> str:
        provider = SimProvider(world=sim_world(), answer=lambda request: f"about {request.model}")
        whole = await (await provider(ask(1))).response()
        streamed = await (await provider(ask(2, stream=True))).response()
        assert whole.text == streamed.text
        return whole.text

    assert run(main()) == "about m"

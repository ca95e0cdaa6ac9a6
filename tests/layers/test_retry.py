"""Retry: the policy as a table and as properties, the layer in virtual time, the budget in an outage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ContextLengthExceeded,
    LLMError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerFault,
    TimedOut,
)
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.layers.retry_function import retry
from backstay.offline.scripted import Line, Scripted
from backstay.service import Call, Reply, stack
from backstay.sim import run, sim_world
from backstay.types import Request

POLICY = RetryPolicy()
FLAT = RetryPolicy(jitter=0.0)


def decide(error: BaseException, **facts: Any) -> Any:
    return POLICY.decide(error, **{"attempt": 1, "elapsed": 0.0, "time_left": None, "draw": 0.5, **facts})


@pytest.mark.parametrize(
    ("error", "facts", "kind"),
    [
        (ServerFault("x", status=500), {}, "retry"),
        (Overloaded("x", status=529), {}, "retry"),
        (RateLimited("x", status=429), {}, "retry"),
        (RateLimited("x", status=429, retry_after=20), {}, "retry"),
        (RateLimited("x", status=429, retry_after=90), {}, "retry"),
        (RateLimited("x", status=429, retry_after=90), {"time_left": 60.0}, "stop"),
        (RateLimited("x", status=429, retry_after=400), {}, "stop"),
        (QuotaExhausted("x", status=429), {}, "stop"),
        (AuthenticationFailed("x", status=401), {}, "stop"),
        (ContextLengthExceeded("x", status=400), {}, "stop"),
        (ServerFault("x", status=500), {"attempt": 3}, "stop"),
        (ServerFault("x", status=500), {"elapsed": 299.5}, "stop"),
        (TimedOut("x", phase="total", sent=True), {}, "stop"),
        (TimedOut("x", phase="connect", sent=False), {}, "retry"),
        (ValueError("a bug"), {}, "stop"),
        (ServerFault("x", status=500, retryable=False), {}, "stop"),
    ],
)
def test_the_table_of_decisions(error: BaseException, facts: dict[str, Any], kind: str) -> None:
    """Each row is one rule of the policy."""
    assert decide(error, **facts).kind == kind


@given(attempt=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True))
def test_a_delay_stays_within_its_jitter_and_its_cap(attempt: int, draw: float) -> None:
    """The back-off is 1, 2, 4 ... up to 60 s, give or take a quarter, for any number of attempts."""
    middle = min(2.0 ** min(attempt - 1, 10), 60.0)
    assert middle * 0.75 <= POLICY.backoff(attempt, draw) <= middle * 1.25


@given(floor=st.floats(0.001, 250), draw=st.floats(0, 1, exclude_max=True), attempt=st.integers(1, 2))
def test_no_retry_comes_before_the_providers_floor(floor: float, draw: float, attempt: int) -> None:
    """`retry_after` is a floor that neither the cap of 60 s nor the jitter shortens."""
    decision = decide(RateLimited("x", status=429, retry_after=floor), draw=draw, attempt=attempt)
    assert decision.kind == "retry"
    assert decision.delay >= floor


def test_bad_settings_are_refused_all_at_once() -> None:
    """One error names every bad setting and its rule."""
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(max_attempts=0, factor=0.5, jitter=2, total_time=-1)
    assert len(caught.value.faults) == 4
    assert "retry.max_attempts = 0: must be at least 1" in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"budget_ratio = nan"):
        RetryBudget(ratio=float("nan"))


def call(**facts: Any) -> Call:
    return Call(request=Request(model="scripted:x", id="c"), **facts)


def build(*lines: Line, policy: RetryPolicy = FLAT, budget: RetryBudget | None = None) -> tuple[Any, Scripted]:
    script = Scripted(*lines)
    return stack(script, Retry(policy, world=sim_world(), budget=budget, target="scripted:x")), script


async def test_two_failures_then_an_answer_with_its_whole_history() -> None:
    """The answer carries every attempt: number, outcome, error, delay before, in virtual seconds."""
    service, script = build(ServerFault("boom", status=500), Overloaded("busy", status=529), "fine")
    response = await (await service(call())).response()
    assert response.text == "fine"
    attempts = response.provenance.attempts
    assert [(a.number, a.outcome, a.delay_before) for a in attempts] == [
        (1, "failed", 0.0), (2, "failed", 1.0), (3, "complete", 2.0)
    ]  # fmt: skip
    assert attempts[1].error == "Overloaded: busy"
    assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=1e-6)
    assert len(script.requests) == 3


async def test_the_last_error_is_raised_itself_with_its_history() -> None:
    """No wrapper: the caller catches what the provider said, and reads the attempts on it."""
    service, _ = build(*[ServerFault(f"boom {n}", status=500) for n in (1, 2, 3)])
    with pytest.raises(ServerFault, match="boom 3") as caught:
        await service(call())
    assert [attempt.error for attempt in caught.value.attempts] == [f"ServerFault: boom {n}" for n in (1, 2, 3)]
    assert caught.value.call_id == "c"
    assert any("gave up after 3 attempt(s)" in note for note in caught.value.__notes__)


async def test_a_floor_beyond_the_deadline_costs_no_sleep() -> None:
    """When the provider asks for more time than there is, the error comes at once."""
    service, script = build(RateLimited("later", status=429, retry_after=30))
    with pytest.raises(RateLimited):
        await service(call(deadline=10.0))
    assert asyncio.get_running_loop().time() < 0.001
    assert len(script.requests) == 1


async def test_cancelled_while_it_sleeps_it_stops() -> None:
    """A cancelled caller is not answered later."""
    service, script = build(ServerFault("boom", status=500), "late")
    task = asyncio.ensure_future(service(call()))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(script.requests) == 1


def _calls_in_outage(budget: RetryBudget | None, callers: int = 1000) -> int:
    sent = 0

    async def down(call: Call) -> Reply:
        nonlocal sent
        sent += 1
        await asyncio.sleep(0.05)
        raise ServerFault("down", status=503)

    async def main() -> None:
        service = stack(down, Retry(POLICY, world=sim_world(3), budget=budget))

        async def one(number: int) -> None:
            await asyncio.sleep(number * 60 / callers)
            with pytest.raises(ServerFault):
                await service(call())

        await asyncio.gather(*(one(number) for number in range(callers)))

    run(main(), seed=5)
    return sent


def test_in_a_total_outage_the_budget_keeps_the_storm_away() -> None:
    """A minute of outage costs at most 1.10 upstream calls per request; without the budget it is three."""
    assert _calls_in_outage(RetryBudget()) <= 1100
    assert _calls_in_outage(None) == 3000


async def test_successes_refill_the_budget() -> None:
    """Ten successes earn one retry, up to the capacity."""
    budget = RetryBudget(capacity=2, ratio=0.1)
    assert [budget.spend(), budget.spend(), budget.spend()] == [True, True, False]
    service, _ = build(*["fine"] * 10, budget=budget)
    for _ in range(10):
        await (await service(call())).response()
    assert budget.balance == pytest.approx(1.0)


async def test_the_decorator_retries_an_async_function() -> None:
    """Any coroutine function gets the same policy; its own result and errors pass through."""
    world, tries = sim_world(), 0

    @retry(on=ConnectionError, policy=FLAT, world=world)
    async def fetch(value: int) -> int:
        """Doc."""
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionError("no")
        return value * 2

    assert await fetch(21) == 42
    assert tries == 3
    assert fetch.__name__ == "fetch"
    assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=1e-6)


def test_the_decorator_retries_a_plain_function_and_keeps_the_attempts() -> None:
    """A blocking function sleeps through the injected pause, and the last error carries the history."""
    pauses: list[float] = []

    @retry(on=lambda error: "soft" in str(error), policy=FLAT, world=sim_world(), pause=pauses.append)
    def fetch() -> None:
        raise OSError("soft")

    with pytest.raises(OSError, match="soft") as caught:
        fetch()
    assert pauses == [1.0, 2.0]
    assert [attempt.number for attempt in caught.value.attempts] == [1, 2, 3]  # type: ignore[attr-defined]


def test_the_decorator_obeys_an_errors_own_word() -> None:
    """An LLMError's `retryable` and `retry_after` win over `on`."""
    pauses: list[float] = []
    errors = iter([RateLimited("wait", status=429, retry_after=7.0), AuthenticationFailed("no", status=401)])

    @retry(on=LLMError, policy=FLAT, world=sim_world(), pause=pauses.append)
    def ask() -> None:
        raise next(errors)

    with pytest.raises(AuthenticationFailed):
        ask()
    assert len(pauses) == 1
    assert pauses[0] >= 7.0


def test_the_decorator_refuses_generators() -> None:
    """What was yielded cannot be taken back, so there is nothing to retry."""
    with pytest.raises(TypeError, match="generator"):

        @retry()
        def numbers() -> Any:
            yield 1

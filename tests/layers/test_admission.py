"""Admission: attempts wait for their limits, pay what they used, and leave nothing behind however they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from backstay.catalog.model import Model, Period, Rate, Rates
from backstay.errors import (
    BudgetExceeded,
    ConfigurationError,
    ConnectFailed,
    DeadlineExceeded,
    LimitReached,
    RateLimited,
    ReadFailed,
)
from backstay.estimate import Estimator
from backstay.event import Finished, TextDelta, UsageReport
from backstay.layers.admission import Admission
from backstay.layers.admission_plan import Plan
from backstay.layers.admission_policy import NO_LIMITS, BudgetPolicy, LimitPolicy, Quota
from backstay.layers.admission_state import waiting
from backstay.layers.lease import Waiters
from backstay.offline.scripted import Scripted
from backstay.ports import World
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.stores.limit import LARGEST, Granted, LimitStore
from backstay.stores.memory_limit import MemoryLimits
from backstay.types import Cost, Limit, Metadata, Provenance, Request, Response, Text, Usage, user

MODEL = Model(
    provider="openai",
    id="m",
    max_output_tokens=1000,
    periods=(Period(rates=Rates(input=Rate(1_000_000_000), output=Rate(10_000_000_000))),),
    checked="2026-01-01",
)
"""1 and 10 dollars a million tokens: a token of output is 10,000 nano-dollars."""


def answer(input_tokens: int = 10, output_tokens: int = 5, **facts: Any) -> Response:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    cost = Cost(nano_usd=input_tokens * 1000 + output_tokens * 10_000)
    return Response(parts=(Text(text="ok"),), finish_reason="stop", usage=usage, cost=cost, **facts)


def call(number: int = 0, *, stream: bool = False, deadline: float | None = None, **about: Any) -> Call:
    request = Request(
        model="openai:m", id=f"c{number}", messages=(user("hi"),), max_output_tokens=100, metadata=Metadata(**about)
    )
    return Call(request=request, stream=stream, deadline=deadline)


class Bench:
    """A store and a world with as many layers as a test wants."""

    def __init__(self, limits: LimitPolicy = NO_LIMITS, *, store: LimitStore | None = None, **facts: Any) -> None:
        self.world: World = sim_world()
        self.store = store or MemoryLimits(self.world.clock)
        self.waiters = Waiters()
        self.plan = Plan("openai:m", limits=limits, **facts)
        self.layer = Admission(
            self.plan, self.store, world=self.world, model=MODEL, max_wait=limits.max_wait, waiters=self.waiters
        )

    def around(self, inner: Service) -> Service:
        return stack(inner, self.layer)

    async def used(self, name: str) -> int:
        return sum(each.used for each in await self.store.standings() if each.rule.name == name)

    async def reserved(self) -> int:
        return sum(each.reserved + each.waiting for each in await self.store.standings())


def always(response: Response) -> Service:
    async def inner(call: Call) -> Reply:
        return Reply(response=response)

    return inner


def slow(seconds: float, response: Response) -> Service:
    async def inner(call: Call) -> Reply:
        await asyncio.sleep(seconds)
        return Reply(response=response)

    return inner


async def test_calls_beyond_the_burst_are_paced() -> None:
    """60 a minute with a burst of 2: two at once, then one a second."""
    bench = Bench(LimitPolicy(requests_per_minute=60, burst=2 / 60 + 1, tokens_per_minute=None))
    service = bench.around(always(answer()))
    times = []

    async def one(number: int) -> None:
        await (await service(call(number))).response()
        times.append(round(asyncio.get_running_loop().time(), 3))

    await asyncio.gather(*(one(number) for number in range(5)))
    assert times == pytest.approx([0, 0, 1, 2, 3], abs=0.01)


async def test_a_long_wait_is_a_typed_error_at_once() -> None:
    """Whoever would wait longer than the longest wait learns the limit and the seconds without sleeping."""
    bench = Bench(LimitPolicy(requests_per_minute=1, mode="strict", max_wait=30.0))
    service = bench.around(always(answer()))
    await (await service(call(1))).response()
    with pytest.raises(LimitReached) as caught:
        await service(call(2))
    assert caught.value.limit == "target=openai:m/requests_per_minute"
    assert caught.value.retry_after == pytest.approx(60, abs=0.01)
    assert asyncio.get_running_loop().time() < 0.01
    assert not caught.value.retryable


async def test_a_wait_that_misses_the_deadline_is_refused_at_once() -> None:
    """No sleep that ends after the caller has gone; and none begins after its deadline."""
    bench = Bench(LimitPolicy(requests_per_minute=1, mode="strict", max_wait=90.0))
    service = bench.around(always(answer()))
    await (await service(call(1))).response()
    with pytest.raises(LimitReached):
        await service(call(2, deadline=40.0))
    assert asyncio.get_running_loop().time() < 0.01
    await asyncio.sleep(1)
    with pytest.raises(DeadlineExceeded):
        await service(call(3, deadline=0.5))


async def test_what_can_never_fit_is_refused_with_the_remedy() -> None:
    """No endless wait for an impossible quantity."""
    bench = Bench(LimitPolicy(tokens_per_minute=50))
    with pytest.raises(LimitReached, match="can never fit") as caught:
        await bench.around(always(answer()))(call())
    assert caught.value.retry_after is None


async def test_a_bound_above_the_limit_is_cut_where_the_request_likely_fits() -> None:
    """The estimate errs upward; a request that truly fits is not refused for it."""
    bench = Bench(LimitPolicy(tokens_per_minute=120))
    await (await bench.around(always(answer()))(call())).response()
    assert await bench.used("tokens_per_minute") == 15


async def test_the_settlement_is_exact_and_frees_the_rest() -> None:
    """Tokens and money stand at the provider's usage once the answer is complete."""
    bench = Bench(LimitPolicy(concurrency=3), budget=BudgetPolicy())
    reply = await bench.around(always(answer()))(call())
    assert await bench.used("usd_per_day") > 1_000_000
    await reply.response()
    assert await bench.used("usd_per_day") == 60_000
    assert await bench.used("tokens_per_day") == 15
    assert await bench.used("concurrency") == 0
    assert await bench.reserved() == 0


@pytest.mark.parametrize(
    ("error", "requests", "money"),
    [
        (ConnectFailed("refused"), 0, False),
        (RateLimited("slow down", status=429), 1, False),
        (ReadFailed("cut"), 1, True),
        (asyncio.CancelledError(), 1, True),
    ],
)
async def test_a_failure_pays_what_may_have_been_used(error: BaseException, requests: int, money: bool) -> None:
    """Nothing where nothing was sent, a request where it was refused, all that was reserved where nobody knows."""

    async def failing(call: Call) -> Reply:
        raise error

    bench = Bench(LimitPolicy(concurrency=3), budget=BudgetPolicy())
    with pytest.raises(type(error)):
        await bench.around(failing)(call())
    assert await bench.used("requests_per_day") == requests
    assert (await bench.used("usd_per_day") > 1_000_000) is money
    assert await bench.used("concurrency") == 0
    assert await bench.reserved() == 0


async def test_a_stream_that_is_left_stays_as_reserved() -> None:
    """The provider may have gone on writing: nothing is given back but the concurrency."""
    bench = Bench(LimitPolicy(concurrency=3), budget=BudgetPolicy())
    steps = [TextDelta("a"), UsageReport(Usage(input_tokens=1, output_tokens=1)), TextDelta("b"), Finished("stop")]
    async with await bench.around(Scripted(steps))(call(stream=True)) as reply:
        await anext(aiter(reply))
        held = await bench.used("usd_per_day")
    assert await bench.used("usd_per_day") == held > 1_000_000
    assert await bench.used("concurrency") == 0
    assert await bench.reserved() == 0


async def test_a_retry_after_holds_back_every_caller() -> None:
    """One caller is told; all wait."""
    refused = RateLimited("slow down", status=429, retry_after=20.0)
    bench = Bench()
    with pytest.raises(RateLimited):
        await bench.around(Scripted(refused))(call(1))
    await (await bench.around(always(answer()))(call(2))).response()
    assert asyncio.get_running_loop().time() == pytest.approx(20, abs=0.01)


async def test_nearly_used_up_limits_of_the_provider_tighten_ours() -> None:
    """What the headers leave is what goes out before their reset, and not one more."""
    told = answer(provenance=Provenance(limits=(Limit(dimension="tokens", limit=1000, remaining=150, reset=30.0),)))
    bench = Bench()
    service = bench.around(always(told))
    await (await service(call(1))).response()
    bench.plan.observe("tokens")
    reply = await service(call(2))
    assert asyncio.get_running_loop().time() < 0.1
    waiting = asyncio.ensure_future(bench.around(always(answer()))(call(3)))
    await asyncio.sleep(1)
    assert not waiting.done()
    await waiting
    assert asyncio.get_running_loop().time() == pytest.approx(30, abs=0.1)
    await reply.aclose()


async def test_budgets_stop_before_they_are_overspent() -> None:
    """Spent and reserved together never exceed the budget, in any of its scopes."""
    quotas = (Quota(tenant="*", usd_per_day=0.004), Quota(tenant="rich", usd_per_day=0.05))
    bench = Bench(quotas=quotas, budget=BudgetPolicy(usd_per_day=0.1))
    service = bench.around(slow(1.0, answer(10, 100)))

    async def one(number: int, tenant: str) -> bool:
        try:
            await (await service(call(number, tenant=tenant))).response()
        except BudgetExceeded:
            return False
        return True

    poor = await asyncio.gather(*(one(number, "poor") for number in range(20)))
    rich = await asyncio.gather(*(one(number, "rich") for number in range(60)))
    assert sum(poor) == 3
    assert sum(rich) == 49
    assert await bench.used("usd_per_day") == 2 * 52 * 1_010_000


async def test_an_unknown_price_is_never_zero() -> None:
    """It counts as the stated ceiling, or is refused with the remedy; on a machine of one's own it is free."""

    async def spent(**facts: Any) -> int:
        bench = Bench(budget=facts.pop("budget", BudgetPolicy()), **facts)
        layer = Admission(bench.plan, bench.store, world=bench.world, model=None)
        unpriced = msgspec.structs.replace(answer(), cost=None)
        await (await stack(always(unpriced), layer)(call())).response()
        return await bench.used("usd_per_day")

    assert await spent() == 10**9
    assert await spent(is_free=True) == 0
    with pytest.raises(ConfigurationError, match=r"budget\.unknown_usd"):
        await spent(budget=BudgetPolicy(unknown_usd=None))


async def test_a_reused_request_pays_again() -> None:
    """Two attempts with one id are two attempts."""
    bench = Bench(LimitPolicy())
    service = bench.around(always(answer()))
    for _ in range(2):
        await (await service(call(1))).response()
    assert await bench.used("requests_per_day") == 2


async def test_who_waits_can_be_asked_why() -> None:
    """The rule, the place and the prospect of every waiting call."""
    bench = Bench(LimitPolicy(requests_per_minute=2, mode="strict"))
    service = bench.around(always(answer()))
    for number in range(2):
        await service(call(number))
    tasks = [asyncio.ensure_future(service(call(number, tenant="acme"))) for number in (2, 3)]
    await asyncio.sleep(1)
    first, second = bench.waiters.places.values()
    assert (first.rule, first.place, second.place) == ("target=openai:m/requests_per_minute", 1, 2)
    assert first.wait == pytest.approx(60, abs=1)
    (line, _) = waiting(list(bench.waiters.places.values()), bench.world.clock.monotonic())
    assert line.startswith("c2 (openai:m, acme): for 1.0 s, place 1 for target=openai:m/requests_per_minute")
    (reason,) = await bench.layer.explain(call(9).request)
    assert "1 requests are asked for; target=openai:m/requests_per_minute" in reason
    assert "2 requests of 2 requests" in reason
    assert "2 wait" in reason
    await asyncio.gather(*tasks)
    assert bench.waiters.places == {}
    assert await Bench().layer.explain(call(9).request) == []


def test_quota_scopes_cannot_be_forged() -> None:
    """A tenant with blanks and signs in its name is still one tenant."""
    quota = Quota(tenant="*", task="*", usd_per_day=1.0)
    facts: dict[str, str | None] = {"tenant": "a task=b", "task": "c", "user": None, "model": "m"}
    assert quota.scope(facts) == "tenant=a%20task%3Db task=c"
    assert quota.scope({**facts, "task": None}) is None


async def test_rules_are_kept_for_the_facts_that_quotas_name() -> None:
    """Requests that differ in a named fact fall under rules of their own, again and again; a later gate reaches all of them."""
    quotas = (Quota(user="*", requests_per_day=1), Quota(tenant="", task="sum", requests_per_day=2))
    plan = Bench(quotas=quotas).plan
    expected: list[tuple[dict[str, str], set[str]]] = [
        ({"user": "ann"}, {"user=ann"}),
        ({"user": "bob"}, {"user=bob"}),
        ({"tenant": "", "task": "sum"}, {"tenant= task=sum"}),
        ({"tenant": "north", "task": "sum"}, set()),
    ]
    for about, scopes in expected * 2:
        rules = plan.rules(call(**about).request)
        assert {rule.scope for rule in rules} - {"client", "target=openai:m"} == scopes
        assert list(rules) == sorted(rules, key=lambda rule: rule.key)
    gate = plan.observe("input_tokens")
    assert gate in plan.rules(call(user="ann").request)


async def test_a_request_that_makes_no_sense_is_refused_before_it_is_counted() -> None:
    """A negative length and a priority that does not exist are faults of the caller; nothing is reserved."""
    bench = Bench(LimitPolicy())
    service = bench.around(always(answer()))
    with pytest.raises(ValueError, match="-5 output tokens"):
        await service(Call(request=msgspec.structs.replace(call().request, max_output_tokens=-5)))
    with pytest.raises(ValueError, match="'urgent' is none of high, medium, low"):
        await service(call(priority="urgent"))
    assert await bench.reserved() == 0


async def test_an_amount_that_no_store_holds_is_cut() -> None:
    """Beyond 2^53 - 1 a double has gaps: no amount is above it, in any dimension."""
    request = msgspec.structs.replace(call().request, max_output_tokens=10**17)
    plan = Bench(budget=BudgetPolicy()).plan
    amounts = {entry.rule.dimension: entry.amount for entry in plan.entries(request, Estimator(MODEL), 0)}
    assert amounts["nano_usd"] == LARGEST
    assert max(amounts.values()) == LARGEST


def test_bad_settings_are_refused_all_at_once() -> None:
    """Every fault, with its remedy."""
    with pytest.raises(ConfigurationError) as caught:
        LimitPolicy(requests_per_minute=0, burst=1.0, max_wait=-1)
    assert len(caught.value.faults) == 3
    with pytest.raises(ConfigurationError):
        LimitPolicy(zone="Middle/Earth")
    with pytest.raises(ConfigurationError):
        BudgetPolicy(usd_per_day=-1, alert_at=(0.0,))
    with pytest.raises(ConfigurationError):
        Quota(usd_per_day=1)


class Interrupted:
    """An inner service with several suspension points."""

    async def __call__(self, call: Call, /) -> Reply:
        for _ in range(3):
            await asyncio.sleep(0.5)
        return Reply(response=answer())


def cancelled_at(step: int, limits: LimitPolicy, make: Callable[..., Admission]) -> tuple[int, bool]:
    """What is left reserved or waiting once the call was cancelled at its `step`-th wake-up, and whether it had ended before."""

    async def main() -> tuple[int, bool]:
        bench = Bench(limits)
        layer = make(bench.plan, bench.store, world=bench.world, model=MODEL)
        blocker = await stack(always(answer()), layer)(call(0))
        freed = asyncio.ensure_future(_after(4.25, blocker))
        task = asyncio.ensure_future(_to_the_end(stack(Interrupted(), layer)))
        for _ in range(step):
            await asyncio.sleep(0.5)
        has_ended = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await freed
        return await bench.reserved(), has_ended

    return run(main())


async def _after(seconds: float, reply: Reply) -> None:
    await asyncio.sleep(seconds)
    await reply.response()


async def _to_the_end(service: Service) -> None:
    await (await service(call(1))).response()


def sweep(make: Callable[..., Admission]) -> list[int]:
    left: list[int] = []
    for step in range(40):
        found, has_ended = cancelled_at(step, LimitPolicy(concurrency=1), make)
        left.append(found)
        if has_ended:
            return left
    raise AssertionError("the call never ended")


def test_a_cancellation_at_any_point_leaves_nothing() -> None:
    """Before, in line and inside: no place, no slot and no reservation stays."""
    assert set(sweep(Admission)) == {0}


def test_the_sweep_sees_a_leak() -> None:
    """The broken variant: an admission that settles only what went well."""

    class Leaky(Admission):
        async def __call__(self, call: Call, inner: Service, /) -> Reply:
            claim = self._claim(call)
            while await self._store.reserve(claim) != Granted():
                await self._world.sleep(0.5)
            reply = await inner(call)
            reply.observe(self._observer(claim, reply))
            return reply

    assert set(sweep(Leaky)) != {0}

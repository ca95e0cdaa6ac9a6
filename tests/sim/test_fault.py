"""Fault plans keep their probabilities, differ by seed, and their bytes break every dialect as real servers do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from backstay.codecs.registry import codec, dialects
from backstay.errors import LLMError, RateLimited
from backstay.provider import Provider
from backstay.service import Call
from backstay.sim import KINDS, FaultPlan, constant, exponential, lognormal, run, sim_world
from backstay.sim.fault import SERVICE_KINDS, WIRE_KINDS
from backstay.sim.hint import FORMS
from backstay.sim.transport import SimTransport
from backstay.target import Target
from backstay.transport.base import Timeouts
from backstay.types import Request, user

GOOD = ("slow_drip", "double_done", "missing_done")
"""Faults after which an answer may still be whole: late, with its end said twice, or with a last word that says nothing new."""


def test_a_plan_keeps_its_probabilities() -> None:
    """Each kind as often as it should be, within four standard deviations."""
    plan = FaultPlan({"refused": 0.1, "status_503": 0.2, "quota": 0.0})
    draw = random.Random(1)
    found = Counter(kind.name if kind else "" for kind in (plan.draw(draw.random()) for _ in range(10_000)))
    assert abs(found["refused"] - 1000) < 4 * 30
    assert abs(found["status_503"] - 2000) < 4 * 40
    assert found["quota"] == 0


def test_seeds_switch_kinds_on_and_off() -> None:
    """Each kind is in some plan and out of another; one seed is one plan; the whole never exceeds its bound."""
    plans = [FaultPlan.of(seed) for seed in range(40)]
    assert plans[3].shares == FaultPlan.of(3).shares
    for kind in SERVICE_KINDS:
        assert 0 < sum(kind in plan.shares for plan in plans) < 40
    assert all(sum(plan.shares.values()) <= 0.5 + 1e-9 for plan in plans)


@pytest.mark.parametrize("shares", [{"no_such": 0.1}, {"refused": 0.7, "dns": 0.7}, {"refused": -0.1}])
def test_a_plan_that_cannot_be_is_refused(shares: dict[str, float]) -> None:
    """An unknown kind, more than everything, less than nothing."""
    with pytest.raises(ValueError):
        FaultPlan(shares)


def test_all_kinds_can_be_played_by_one_of_the_two() -> None:
    """No kind is only a name."""
    assert {*SERVICE_KINDS, *WIRE_KINDS} == set(KINDS)


def test_laws_have_the_shape_that_they_name() -> None:
    """Median, mean and bounds, from draws that are evenly spread."""
    draws = [(number + 0.5) / 1000 for number in range(1000)]
    assert {constant(2.0).at(draw) for draw in draws} == {2.0}
    assert sum(map(exponential(3.0).at, draws)) / 1000 == pytest.approx(3.0, rel=0.01)
    assert lognormal(0.5, 1.0).at(0.5) == pytest.approx(0.5)
    assert lognormal(0.5, 1.0, most=0.7).at(0.999) == 0.7
    assert lognormal(0.5).at(0.0) >= 0
    with pytest.raises(ValueError):
        constant(-1.0)


async def called(dialect: str, kind: str, *, stream: bool) -> tuple[str | LLMError, int]:
    """What a call comes to over bytes that `kind` strikes, and the connections that are open afterwards."""
    world = sim_world(1)
    transport = SimTransport(codec(dialect), world=world, plan=FaultPlan({kind: 1.0} if kind else {}))
    target = Target(provider="sim", model="m", codec=codec(dialect), base_url="http://sim.test/v1")
    provider = Provider(
        target, transport, timeouts=Timeouts(first_event=20, between_events=20, total=60), clock=world.clock
    )
    request = Request(id="c1", model="m", messages=(user("hello"),))
    try:
        came: str | LLMError = (await (await provider(Call(request=request, stream=stream))).response()).text
    except LLMError as error:
        came = error
    await asyncio.sleep(1)
    return came, transport.open_connections


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", dialects())
def test_every_dialect_is_spoken_and_every_damage_is_seen(dialect: str, stream: bool) -> None:
    """Without a fault the answer is whole; with one it is an error of the tree or it is still the same answer; nothing stays
    open."""
    whole, _ = run(called(dialect, "", stream=stream))
    assert isinstance(whole, str)
    assert whole.startswith("word word")
    for kind in WIRE_KINDS:
        came, still_open = run(called(dialect, kind, stream=stream))
        assert still_open == 0, kind
        if isinstance(came, str):
            assert kind in GOOD, f"{kind}: {came!r}"
            assert came == whole, kind


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_a_wait_is_read(form: str) -> None:
    """The server's headers, through the client and the codec: between 1 and 10 seconds, and a second of rounding."""
    came, _ = await called("openai_chat", f"status_429_{form}", stream=False)
    assert isinstance(came, RateLimited)
    assert came.retry_after is not None
    assert 1 <= came.retry_after <= 12

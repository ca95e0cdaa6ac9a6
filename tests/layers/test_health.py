"""Health: two thresholds, probes that bring a target back, and never nothing left to ask."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import AuthenticationFailed, BadRequest, ConfigurationError, RateLimited, ServerFault, TimedOut
from backstay.layers.failover_rule import Link
from backstay.layers.health import Health, HealthChange, HealthPolicy
from backstay.sim import sim_world
from backstay.sim.world import SimClock

A, B, OFFLINE = Link.of("a:x"), Link.of("b:y"), Link.of("offline:rules")
DOWN = ServerFault("down", status=503)


def arranged(one: Health, *links: Link) -> tuple[list[Link], list[Link]]:
    kept, passed = one.arrange(links)
    return list(kept), list(passed)


def health(heard: list[HealthChange] | None = None) -> Health:
    return Health(HealthPolicy(), clock=sim_world().clock, listener=None if heard is None else heard.append)


def down(one: Health, link: Link, times: int = 3) -> None:
    for _ in range(times):
        assert one.fail(link.model, DOWN, 0.1)


async def test_three_failures_in_a_row_move_a_target_back_and_two_successes_forward() -> None:
    """One lucky answer changes nothing, and neither do two failures."""
    heard: list[HealthChange] = []
    one = health(heard)
    down(one, A, 2)
    assert arranged(one, A, B, OFFLINE) == ([A, B, OFFLINE], [])
    down(one, A, 1)
    assert arranged(one, A, B, OFFLINE) == ([B, A, OFFLINE], [])
    one.succeed("a:x")
    assert not one.is_healthy("a:x")
    one.succeed("a:x")
    assert one.is_healthy("a:x")
    assert [(change.target, change.condition) for change in heard] == [("a:x", "unhealthy"), ("a:x", "healthy")]


async def test_a_probe_is_due_every_half_minute_for_one_caller() -> None:
    """The first to come asks the target in its own place; the others wait for the next probe."""
    one = health()
    down(one, A)
    await asyncio.sleep(29)
    assert arranged(one, A, B)[0] == [B, A]
    await asyncio.sleep(1)
    assert [arranged(one, A, B)[0] for _ in range(3)] == [[A, B], [B, A], [B, A]]
    one.succeed("a:x")
    assert arranged(one, A, B)[0] == [A, B]


async def test_where_all_are_unhealthy_all_are_asked_the_best_first() -> None:
    """Nothing is ever ejected."""
    one = health()
    down(one, A, 6)
    down(one, B, 3)
    assert arranged(one, A, B) == ([B, A], [])
    assert arranged(one, A) == ([A], [])


async def test_three_calls_without_a_model_degrade_the_client_and_two_with_one_end_it() -> None:
    """While degraded, unhealthy targets are passed over; a probe brings them back."""
    heard: list[HealthChange] = []
    one = health(heard)
    for _ in range(3):
        assert not one.is_degraded
        down(one, A, 1)
        down(one, B, 1)
        one.ended(has_model_answer=False)
    assert one.is_degraded
    assert arranged(one, A, B, OFFLINE) == ([OFFLINE], [A, B])
    assert arranged(one, A, B) == ([A, B], [])
    await asyncio.sleep(30)
    assert arranged(one, A, B, OFFLINE) == ([A, B, OFFLINE], [])
    one.ended(has_model_answer=True)
    one.ended(has_model_answer=False)
    one.ended(has_model_answer=True)
    assert one.is_degraded
    one.ended(has_model_answer=True)
    assert not one.is_degraded
    assert [change.condition for change in heard if not change.target] == ["degraded", "normal"]


@pytest.mark.parametrize(
    ("error", "elapsed", "is_counted"),
    [
        (DOWN, 0.1, True),
        (AuthenticationFailed("no", status=401), 0.1, True),
        (RateLimited("later", status=429), 0.1, False),
        (BadRequest("no", status=400), 0.1, False),
        (TimedOut("late", phase="total", sent=True), 1.0, False),
        (TimedOut("late", phase="total", sent=True), 31.0, True),
    ],
)
async def test_the_table_of_what_counts(error: Exception, elapsed: float, is_counted: bool) -> None:
    """A refused key makes a target useless; a rate limit and a caller's mistake do not."""
    assert health().fail("a:x", error, elapsed) is is_counted


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from(["fail", "succeed", "bad", "good"])), max_size=60))
def test_whatever_happens_there_is_always_somebody_to_ask(steps: list[tuple[Link, str]]) -> None:
    """The links kept and passed over are those given, the degraded one stays last, and scores stay within 0 and 1."""
    one = Health(HealthPolicy(), clock=SimClock())
    for link, what in steps:
        if what == "fail":
            one.fail(link.model, DOWN, 0.1)
        elif what == "succeed":
            one.succeed(link.model)
        else:
            one.ended(has_model_answer=what == "good")
        for links in ([A], [A, B], [A, B, OFFLINE]):
            kept, passed = one.arrange(links)
            assert kept
            assert sorted(map(id, [*kept, *passed])) == sorted(map(id, links))
            assert OFFLINE not in links or kept[-1] is OFFLINE
        assert all(0 <= target.score <= 1 for target in one.report().targets)


async def test_the_report_tells_how_everything_stands(caplog: pytest.LogCaptureFixture) -> None:
    """By target, with the next probe; a listener that fails is logged and forgotten."""

    def broken(change: HealthChange) -> None:
        raise RuntimeError("listener")

    one = Health(HealthPolicy(), clock=sim_world().clock, listener=broken)
    with caplog.at_level(logging.ERROR):
        down(one, A)
    one.succeed("b:y")
    assert len(caplog.records) == 1
    first, second = one.report().targets
    assert (first.target, first.is_healthy, first.last_error) == ("a:x", False, "ServerFault")
    assert first.next_probe == pytest.approx(30.0)
    assert (second.target, second.score, second.next_probe) == ("b:y", 1.0, None)


def test_bad_settings_are_refused_all_at_once() -> None:
    """One error names every bad setting."""
    with pytest.raises(ConfigurationError) as caught:
        HealthPolicy(unhealthy_after=0, weight=0, probe_every=-1)
    assert len(caught.value.faults) == 3

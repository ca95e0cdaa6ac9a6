"""Policies decide as their rules say, and looking ahead pays; nothing passes the validator that may not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.kits.operations.compare import Course, compare, run_policy, run_static
from backstay.kits.operations.forecast import Forecast
from backstay.kits.operations.policy import Reactive, Thresholds, health_of
from backstay.kits.operations.predictive import Predictive
from backstay.kits.operations.queueing import Service, foresee
from backstay.kits.operations.setting import Loop
from backstay.kits.operations.state import Action, State
from backstay.kits.operations.system import WEB_ACTIONS
from backstay.kits.operations.twin import diagnose, simulate
from backstay.kits.operations.validate import ActionValidator

Make = Callable[..., State]


def names(actions: tuple[Action, ...]) -> list[str]:
    return [one.action_type for one in actions]


@pytest.mark.parametrize(
    ("changes", "health", "wanted"),
    [
        ({}, "healthy", []),
        ({"response_time_ms": 1_200.0}, "critical", ["ADD_SERVER"]),
        ({"utilisation": 0.97}, "critical", ["ADD_SERVER"]),
        ({"utilisation": 0.97, "server_count": 3.0, "active_servers": 3.0}, "critical", ["SET_DIMMER"]),
        ({"utilisation": 0.97, "server_count": 3.0, "active_servers": 2.0}, "critical", ["SET_DIMMER"]),
        ({"utilisation": 0.9, "response_time_ms": 600.0}, "warning", ["ADD_SERVER"]),
        ({"utilisation": 0.9}, "warning", []),
        ({"utilisation": 0.45, "dimmer": 0.5}, "healthy", ["SET_DIMMER"]),
        ({"utilisation": 0.45}, "healthy", []),
        ({"utilisation": 0.3}, "healthy", ["REMOVE_SERVER"]),
        ({"utilisation": 0.3, "server_count": 1.0, "active_servers": 1.0}, "healthy", []),
        ({"utilisation": None, "response_time_ms": None}, "unknown", []),
        ({"active_servers": 0.0}, "unhealthy", []),
    ],
)
def test_the_rule_book(state: Make, changes: dict[str, float | None], health: str, wanted: list[str]) -> None:
    """Critical: a server, else the dimmer down; high: the same in smaller steps; spare: the dimmer up, then a server less."""
    seen = state(**changes)
    assert health_of(seen) == health
    assert names(Thresholds().decide(seen)) == wanted


def test_the_dimmer_falls_faster_when_it_is_critical(state: Make) -> None:
    """By 0.25 where it is critical, by 0.1 where it is high, and never below 0."""
    full = {"server_count": 3.0, "active_servers": 3.0}
    critical = Thresholds().decide(state(**full, response_time_ms=2_000.0, utilisation=0.99))
    high = Thresholds().decide(state(**full, response_time_ms=700.0, utilisation=0.9))
    lowest = Thresholds().decide(state(**full, response_time_ms=2_000.0, dimmer=0.1))
    assert [one[0].parameters["value"] for one in (critical, high, lowest)] == [0.75, 0.9, 0.0]


def test_reactive_waits_for_a_server_that_boots(state: Make) -> None:
    """Late with a server on its way lowers the dimmer; late without one adds a server."""
    late = {"response_time_ms": 900.0}
    assert names(Reactive().decide(state(**late))) == ["ADD_SERVER"]
    assert names(Reactive().decide(state(**late, server_count=3.0))) == ["SET_DIMMER"]


@given(st.floats(0.1, 200), st.integers(1, 10), st.floats(0.001, 0.1), st.floats(0, 100))
def test_more_servers_never_make_it_worse(rate: float, servers: int, service: float, left: float) -> None:
    """Response time and utilisation fall, or stay, with every server."""
    few = foresee(rate=rate, servers=servers, service=service, left=left)
    more = foresee(rate=rate, servers=servers + 1, service=service, left=left)
    assert more.left <= few.left + 1e-9
    assert more.utilisation <= few.utilisation + 1e-9


def test_service_times_are_learned() -> None:
    """A tier that is twice as busy as was thought is believed in a few periods."""
    service = Service(optional=0.04, basic=0.001)
    for _ in range(30):
        service = service.learned(rate=10, dimmer=1.0, busy_servers=0.8)
    assert service.mean(1.0) == pytest.approx(0.08, rel=0.01)


def test_a_forecast_follows_a_slope() -> None:
    """After a steady rise the next rate is foreseen within a tenth of it, and what is steady has no trend."""
    rising, steady = Forecast(), Forecast()
    for step in range(30):
        rising, steady = rising.seen(10.0 + step), steady.seen(20.0)
    assert rising.at(1)[0] == pytest.approx(40.0, rel=0.1)
    assert steady.at(4) == (pytest.approx(20.0), pytest.approx(0.0, abs=0.1))


def test_looking_ahead_beats_standing_still(course: Course) -> None:
    """Over a wave of load the predictive policy earns more than every fixed configuration and than reacting."""
    found = asyncio.run(compare(course))
    by_name = {one.name: one.utility for one in found}
    assert found[0].name == "predictive"
    assert by_name["predictive"] > max(one.utility for one in found if one.is_static)
    assert found == sorted(found, key=lambda one: -one.utility)


def test_the_comparison_sees_a_policy_that_does_nothing(course: Course) -> None:
    """The broken variant: a policy that decides nothing is worth what its first configuration is, and is not the best."""
    idle = asyncio.run(run_policy(course, "static"))
    still = run_static(course, 3, 0.9)
    assert idle.utility == pytest.approx(still.utility)
    assert idle.utility < asyncio.run(run_policy(course, "predictive")).utility


def test_predictive_knows_how_long_a_server_boots(state: Make) -> None:
    """Before a rise that needs a server it adds one while things are still good."""
    policy = Predictive()
    decided: list[str] = []
    for step, rate in enumerate((30, 32, 34, 36, 38, 40, 42, 44, 46)):
        busy = rate * 0.0386 / 2
        decided += names(
            policy.decide(
                state(
                    at=60.0 * step,
                    arrival_rate_per_s=float(rate),
                    optional_throughput_per_s=float(rate),
                    utilisation=min(busy, 1.0),
                    response_time_ms=38.6 / (1 - busy),
                )
            )
        )
        if "ADD_SERVER" in decided:
            break
    assert "ADD_SERVER" in decided
    assert rate <= 46


def test_predictive_says_nothing_about_what_it_does_not_see(state: Make) -> None:
    """Without a rate or a number of servers there is no plan."""
    assert Predictive().decide(state(arrival_rate_per_s=None)) == ()
    assert Predictive().decide(state(server_count=None)) == ()


def validator() -> ActionValidator:
    return ActionValidator(WEB_ACTIONS, Loop())


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        (Action(action_type="REBOOT"), "there is no action"),
        (Action(action_type="ADD_SERVR"), "did you mean ADD_SERVER"),
        (Action(action_type="SET_DIMMER"), "value: is missing"),
        (Action(action_type="SET_DIMMER", parameters={"value": 1.5}), "outside 0 to 1"),
        (Action(action_type="SET_DIMMER", parameters={"value": True}), "is no number"),
        (Action(action_type="SET_DIMMER", parameters={"value": float("nan")}), "outside 0 to 1"),
        (Action(action_type="ADD_SERVER", parameters={"count": 2}), "has none"),
        (Action(action_type="ADD_SERVER", confidence=0.2), "confidence"),
        (Action(action_type="ADD_SERVER", risk_level="high"), "risk high"),
    ],
)
def test_what_may_not_be_is_refused(state: Make, action: Action, fault: str) -> None:
    """Unknown, out of bounds, too unsure, too risky: each with its reason."""
    verdict = validator().check(action, state())
    assert not verdict.is_valid
    assert fault in "; ".join(verdict.faults)


def test_all_faults_at_once_and_other_names(state: Make) -> None:
    """Every fault is told together; an alias is carried out under the system's own name."""
    bad = Action(action_type="SET_DIMMER", parameters={"value": 2, "speed": 1}, confidence=0.1, risk_level="high")
    assert len(validator().check(bad, state()).faults) == 4
    good = validator().check(Action(action_type="scale_up"), state())
    assert good.is_valid
    assert good.action.action_type == "ADD_SERVER"


def test_conditions_and_stabilisation(state: Make) -> None:
    """No server above the most; none soon after the last one; an unknown metric holds nothing."""
    check = validator()
    assert not check.check(Action(action_type="ADD_SERVER"), state(server_count=3.0)).is_valid
    assert not check.check(Action(action_type="ADD_SERVER"), state(max_servers=None)).is_valid
    check.note(Action(action_type="ADD_SERVER"), at=600.0)
    assert "5 s ago" in check.check(Action(action_type="ADD_SERVER"), state(at=605.0)).faults[0]
    assert check.check(Action(action_type="ADD_SERVER"), state(at=610.0)).is_valid


def test_the_twin_foresees(state: Make) -> None:
    """A server more at full load helps after its boot; one less is advised against; what is unknown is said."""
    busy = state(arrival_rate_per_s=50.0, utilisation=0.97).metrics
    more = simulate(busy, "ADD_SERVER", {})
    assert more["recommendations"]["proceed"] is True
    assert "booted" in more["simulation_result"]["immediate_effects"][0]
    less = simulate(busy, "REMOVE_SERVER", {})
    assert less["recommendations"]["proceed"] is False
    unknown = simulate({"dimmer": 1.0}, "ADD_SERVER", {})
    assert unknown["simulation_result"]["success_probability"] <= 0.5
    assert "active_servers" in unknown["simulation_result"]["risk_assessment"]["factors"][0]
    slow = diagnose(state(response_time_ms=5_000.0))
    assert "remark" in slow

"""Digital twin: what an action would do, worked out on the queueing model instead of on the system.

It answers in the form of the prompt `adaptation_impact_simulation`, so a rule, a model and a tool are read the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backstay.kits.operations.policy import health_of
from backstay.kits.operations.queueing import Expected, Service, foresee, service_of
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.state import State

NEEDED = ("active_servers", "dimmer", "arrival_rate_per_s")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a web tier that the model needs."""

    servers: int
    active: int
    dimmer: float
    rate: float

    def expected(self, service: Service, *, active: int | None = None) -> Expected:
        """The next period, with the servers that serve."""
        serving = max(self.active if active is None else active, 1)
        return foresee(rate=self.rate, servers=serving, service=service.mean(self.dimmer))


def case_of(metrics: Mapping[str, float]) -> Case | None:
    """The case in a table of metrics; None where it lacks what the model needs."""
    if any(metrics.get(name) is None for name in NEEDED):
        return None
    active = int(metrics["active_servers"])
    return Case(
        servers=int(metrics.get("server_count", active)),
        active=active,
        dimmer=metrics["dimmer"],
        rate=metrics["arrival_rate_per_s"],
    )


def changed(case: Case, action_type: str, parameters: Mapping[str, Any]) -> Case | None:
    """The case after an action has taken full effect; None for an action that the model does not know."""
    step = {"ADD_SERVER": 1, "SCALE_UP": 1, "REMOVE_SERVER": -1, "SCALE_DOWN": -1}.get(action_type.upper())
    if step is not None:
        return msgspec.structs.replace(case, servers=max(case.servers + step, 1), active=max(case.active + step, 1))
    value = parameters.get("value")
    if action_type.upper() in ("SET_DIMMER", "ADJUST_QOS") and isinstance(value, (int, float)) and 0 <= value <= 1:
        return msgspec.structs.replace(case, dimmer=float(value))
    return case if action_type.upper() in ("NO_ACTION", "NONE") else None


def simulate(
    metrics: Mapping[str, float], action_type: str, parameters: Mapping[str, Any], tier: Tier | None = None
) -> dict[str, Any]:
    """What `action_type` would do, in the form of `adaptation_impact_simulation`."""
    tier = tier or Tier()
    case = case_of(metrics)
    after = None if case is None else changed(case, action_type, parameters)
    if case is None or after is None:
        lacking = [name for name in NEEDED if metrics.get(name) is None]
        why = f"the state lacks {', '.join(lacking)}" if lacking else f"the model does not know {action_type[:60]}"
        return _answer([], [], "medium", [why], 0.5, proceed=False, precautions=[f"find out first: {why}"])
    service = service_of(tier)
    now, then = case.expected(service), after.expected(service)
    adds = after.servers > case.servers
    immediate = [f"{_said(now)} until the new server has booted, {tier.boot_delay:.0f} s"] if adds else []
    effects = [f"{_said(then)} at {case.rate:.1f} requests/s with {after.active} servers and dimmer {after.dimmer:.2f}"]
    is_worse = then.utilisation > 0.9 and then.utilisation > now.utilisation + 1e-9
    is_better = then.utilisation < now.utilisation - 1e-9
    level = "high" if is_worse else "medium" if after.servers < case.servers or after.dimmer < case.dimmer else "low"
    factors = [f"utilisation from {now.utilisation:.0%} to {then.utilisation:.0%}"]
    precautions = ["lower the dimmer until the server is up"] if adds and now.utilisation > 0.9 else []
    return _answer(
        immediate or effects,
        effects if immediate else [],
        level,
        factors,
        0.2 if is_worse else 0.85 if is_better else 0.7,
        proceed=not is_worse,
        precautions=precautions,
    )


def _said(one: Expected) -> str:
    if one.utilisation >= 1:
        return "more work comes than is done, and response times grow"
    return f"response time about {one.response_time * 1e3:,.0f} ms, utilisation {one.utilisation:.0%}"


def _answer(
    immediate: list[str],
    cascading: list[str],
    level: str,
    factors: list[str],
    probability: float,
    *,
    proceed: bool,
    precautions: list[str],
) -> dict[str, Any]:
    return {
        "simulation_result": {
            "immediate_effects": immediate,
            "cascading_effects": cascading,
            "risk_assessment": {"level": level, "factors": factors},
            "success_probability": probability,
            "alternative_outcomes": ["arrivals change meanwhile, and the figures with them"],
        },
        "recommendations": {
            "proceed": proceed,
            "modifications": [] if proceed else ["choose a smaller action"],
            "precautions": precautions,
        },
    }


def diagnose(state: State) -> dict[str, Any]:
    """How the system stands, and whether what is measured is what the model expects."""
    case = case_of(state.metrics)
    found: dict[str, Any] = {"health": health_of(state)}
    if case is not None:
        expected = case.expected(service_of(Tier()))
        found["expected_response_time_ms"] = round(expected.response_time * 1e3, 1)
        found["expected_utilisation"] = round(min(expected.utilisation, 1.0), 3)
        measured = state.get("response_time_ms")
        if measured is not None and measured > 3 * expected.response_time * 1e3:
            found["remark"] = "slower than queueing explains: work is left over, or something else is slow"
    return found

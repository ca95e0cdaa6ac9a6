"""Policies that react: what to do next, from the metrics alone.

`Thresholds` is the application's own rule book, `Reactive` is SWIM's own manager, `Static` does nothing. Every policy gives
actions with reasons, in the order in which they should be tried; `predictive.py` has the one that looks ahead.
"""

from __future__ import annotations

from typing import Final, Protocol

from backstay.kits.operations.setting import Policy, Worth
from backstay.kits.operations.state import Action, HealthStatus, State

ROUND: Final = 2
"""Decimals of a dimmer."""


class Decides(Protocol):
    """Gives the actions for a state, best first; none where the system is to be left alone."""

    def decide(self, state: State) -> tuple[Action, ...]: ...


class Static:
    """Leaves the system as it is: what others are compared with."""

    def decide(self, state: State) -> tuple[Action, ...]:
        """No action."""
        return ()


def health_of(state: State, policy: Policy | None = None) -> HealthStatus:
    """How the system stands: by response time and utilisation; unknown where neither is measured."""
    policy = policy or Policy()
    response, busy = state.get("response_time_ms"), state.get("utilisation")
    if response is None and busy is None:
        return "unknown"
    if state.get("active_servers") == 0:
        return "unhealthy"
    response, busy = response or 0.0, busy or 0.0
    if response > policy.critical_response_ms or busy > policy.critical_utilisation:
        return "critical"
    if response > policy.high_response_ms or busy > policy.high_utilisation:
        return "warning"
    return "healthy"


class Thresholds:
    """Reacts to response time and utilisation: the rule book of the application (critical, high, low, idle)."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()

    def decide(self, state: State) -> tuple[Action, ...]:
        """The action that the rule book names."""
        policy = self.policy
        health = health_of(state, policy)
        if health == "unknown":
            return ()
        response, busy = state.get("response_time_ms") or 0.0, state.get("utilisation") or 0.0
        said = f"response time {response:,.0f} ms, utilisation {busy:.0%}"
        if health == "critical":
            return self._relieve(state, policy.critical_dimmer_step, f"{said}: critical", 0.9)
        if busy > policy.high_utilisation and response > policy.high_response_ms:
            return self._relieve(state, policy.dimmer_step, f"{said}: high", 0.75)
        if busy < policy.low_utilisation and health == "healthy":
            return self._use(state, busy, f"{said}: spare capacity")
        return ()

    def _relieve(self, state: State, step: float, why: str, confidence: float) -> tuple[Action, ...]:
        servers, most = state.get("server_count"), state.get("max_servers")
        is_booting = servers is not None and servers > (state.get("active_servers") or servers)
        if servers is not None and most is not None and servers < most and not is_booting:
            return (Action(action_type="ADD_SERVER", rationale=why, confidence=confidence),)
        dimmer = state.get("dimmer")
        if dimmer:
            return (set_dimmer(max(dimmer - step, 0.0), why, confidence, "medium"),)
        return ()

    def _use(self, state: State, busy: float, why: str) -> tuple[Action, ...]:
        dimmer, servers = state.get("dimmer"), state.get("server_count")
        if dimmer is not None and dimmer < 1:
            return (set_dimmer(min(dimmer + self.policy.dimmer_step, 1.0), why, 0.8, "low"),)
        if busy < self.policy.idle_utilisation and servers is not None and servers > 1:
            return (Action(action_type="REMOVE_SERVER", rationale=why, confidence=0.7, risk_level="medium"),)
        return ()


class Reactive:
    """SWIM's own reactive manager: late, a server more or else a dimmer step less; on time with more than a server to spare, a
    dimmer step more or else a server less."""

    def __init__(self, worth: Worth | None = None, *, step: float = 0.25) -> None:
        self.worth = worth or Worth()
        self.step = step

    def decide(self, state: State) -> tuple[Action, ...]:
        """One action at most."""
        response, busy = state.get("response_time_ms"), state.get("utilisation")
        servers, active, dimmer = (state.get(name) for name in ("server_count", "active_servers", "dimmer"))
        if response is None or busy is None or servers is None or active is None or dimmer is None:
            return ()
        is_booting = servers > active
        said = f"response time {response:,.0f} ms"
        if response > self.worth.response_goal * 1e3:
            if not is_booting and servers < (state.get("max_servers") or servers):
                return (Action(action_type="ADD_SERVER", rationale=f"{said}: late", confidence=0.8),)
            return (set_dimmer(max(dimmer - self.step, 0.0), f"{said}: late", 0.8, "medium"),) if dimmer > 0 else ()
        if active - busy * active <= 1:
            return ()
        if dimmer < 1:
            return (set_dimmer(min(dimmer + self.step, 1.0), f"{said}: more than a server to spare", 0.8, "low"),)
        if not is_booting and servers > 1:
            why = f"{said}: more than a server to spare"
            return (Action(action_type="REMOVE_SERVER", rationale=why, confidence=0.7, risk_level="medium"),)
        return ()


def set_dimmer(value: float, why: str, confidence: float, risk: str) -> Action:
    """The action that sets the dimmer, rounded to two decimals."""
    return Action(
        action_type="SET_DIMMER",
        parameters={"value": round(value, ROUND)},
        rationale=why,
        confidence=confidence,
        risk_level=risk,  # type: ignore[arg-type]
    )

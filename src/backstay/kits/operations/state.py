"""What the control loop passes around: a state with its metrics, an action, what came of it, and how healthy the system is.

The names are those of the monitor-analyse-plan-execute cycle over a knowledge base (Kephart and Chess, "The Vision of Autonomic
Computing", 2003). Metrics are a flat table from name to number, with the unit in the name, so that any system fits.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

HealthStatus: TypeAlias = Literal["healthy", "warning", "critical", "unhealthy", "unknown"]
ExecutionStatus: TypeAlias = Literal["success", "failed", "partial", "timeout", "dry_run", "refused"]
RiskLevel: TypeAlias = Literal["low", "medium", "high"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One observation of a system: `at` in seconds on the system's own clock, and its `metrics` by name."""

    system_id: str
    at: float
    metrics: dict[str, float]

    def get(self, name: str) -> float | None:
        """The metric, None where it is absent: absent is unknown, never zero."""
        return self.metrics.get(name)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """What a parameter of an action may be: a number from `least` to `most`."""

    least: float
    most: float
    description: str = ""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold for an action: `metric` below or above a number or another metric. An unknown metric does not hold."""

    metric: str
    relation: Literal["below", "above"]
    bound: float | str

    def holds(self, state: State) -> bool:
        """True where the state shows it."""
        value = state.get(self.metric)
        bound = state.get(self.bound) if isinstance(self.bound, str) else self.bound
        if value is None or bound is None:
            return False
        return value < bound if self.relation == "below" else value > bound

    def __str__(self) -> str:
        return f"{self.metric} must be {self.relation} {self.bound}"


class ActionKind(msgspec.Struct, frozen=True, kw_only=True):
    """An action that a system can carry out, under other names too, where its `conditions` hold.

    `stabilisation` is how many seconds the same kind is left alone afterwards; None takes the loop's.
    """

    name: str
    description: str
    parameters: dict[str, Parameter] = {}
    aliases: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    stabilisation: float | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """An action as it is asked for, with the reason for it and how sure its author is."""

    action_type: str
    parameters: dict[str, Any] = {}
    rationale: str = ""
    confidence: float = 1.0
    risk_level: RiskLevel = "low"
    action_id: str = ""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action."""

    action: Action
    status: ExecutionStatus
    detail: str = ""

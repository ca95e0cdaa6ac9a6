"""The tools of an agent that looks after a system: metrics, trends, knowledge, the digital twin, and the validator.

All of them only read: what is recommended is carried out by the loop, after its own validation. A toolbox is made for one
round, so kept results never outlive the state that they describe.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from backstay.kits.operations.knowledge import EntryKind, KnowledgeBase
from backstay.kits.operations.policy import health_of
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.state import Action, ActionKind, RiskLevel, State
from backstay.kits.operations.trend import trends_of
from backstay.kits.operations.twin import diagnose, simulate
from backstay.kits.operations.validate import ActionValidator
from backstay.kits.operations.world_model import WorldModel
from backstay.ports import World
from backstay.tools import ToolRegistry
from backstay.tools.tool import FunctionTool, tool

METRICS_TTL, KNOWLEDGE_TTL, TWIN_TTL = 60.0, 3_600.0, 300.0
"""Seconds for which the results of a tool are kept; the validator's never are."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen in a round: the states so far, the present one last; what the system can do; what is known."""

    states: tuple[State, ...]
    kinds: tuple[ActionKind, ...]
    validator: ActionValidator
    knowledge: KnowledgeBase
    tier: Tier = Tier()
    world: WorldModel | None = None

    @property
    def state(self) -> State:
        """The state now."""
        return self.states[-1]

    def summary(self) -> dict[str, Any]:
        """What an agent is told before it asks."""
        actions = {
            kind.name: {name: [one.least, one.most] for name, one in kind.parameters.items()} for kind in self.kinds
        }
        told = {"system_id": self.state.system_id, "health": health_of(self.state), "actions": actions}
        if self.world is not None:
            told["world_model"] = {name: getattr(self.world, name) for name in ("description", "trend", "short_term")}
        return told


def toolbox(view: View, world: World | None = None) -> ToolRegistry:
    """The five tools over a view."""
    return ToolRegistry(*_watching(view), *_thinking(view), world=world)


def _watching(view: View) -> tuple[FunctionTool, ...]:
    """What is measured, and where it is going."""

    @tool(tags=["metrics"], ttl=METRICS_TTL, inline=True)
    def get_metrics(system_id: str, names: list[str] | None = None) -> dict[str, Any]:
        """The metrics of a system now, with units in their names, and its health.

        Args:
            system_id: which system
            names: only these metrics; all where absent
        """
        _known(view, system_id)
        chosen = {name: value for name, value in view.state.metrics.items() if names is None or name in names}
        return {"at": view.state.at, "health": health_of(view.state), "metrics": chosen}

    @tool(tags=["metrics"], ttl=METRICS_TTL, inline=True)
    def analyze_trends(system_id: str, observations: int = 10) -> list[dict[str, Any]]:
        """Where each metric is going, over the last observations.

        Args:
            system_id: which system
            observations: how many to look back
        """
        _known(view, system_id)
        found = trends_of(view.states[-max(observations, 2) :])
        return [{**msgspec.to_builtins(one), "direction": one.direction} for one in found]

    return get_metrics, analyze_trends


def _thinking(view: View) -> tuple[FunctionTool, ...]:
    """What is known, what would be, and what may be done."""

    @tool(tags=["knowledge"], ttl=KNOWLEDGE_TTL, inline=True)
    def query_knowledge_base(
        query_text: str = "",
        data_types: list[EntryKind] | None = None,
        filters: dict[str, Any] | None = None,
        limit: int = 5,
    ) -> list[dict[str, Any]]:
        """What was seen, decided, done and learned before; the best fitting first.

        Args:
            query_text: words to look for
            data_types: kinds of entries; all where absent
            filters: values that an entry's data must have
            limit: how many
        """
        found = view.knowledge.query(kinds=data_types or (), text=query_text, filters=filters, limit=limit)
        return [msgspec.to_builtins(one) for one in found]

    @tool(tags=["twin"], ttl=TWIN_TTL, inline=True)
    def query_digital_twin(
        operation: Literal["query", "simulate", "diagnose"],
        action_type: str = "NO_ACTION",
        action_parameters: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Ask a model of the system instead of the system: its state, what an action would do, or what is wrong.

        Args:
            operation: query the state, simulate an action, or diagnose
            action_type: the action to simulate
            action_parameters: its parameters
        """
        if operation == "simulate":
            return simulate(view.state.metrics, action_type, action_parameters or {}, view.tier)
        return diagnose(view.state) if operation == "diagnose" else {"metrics": view.state.metrics}

    @tool(tags=["validator"], inline=True)
    def validate_action(
        action_type: str,
        parameters: dict[str, Any] | None = None,
        confidence: float = 1.0,
        risk_level: RiskLevel = "low",
    ) -> dict[str, Any]:
        """Whether an action would be carried out now, and if not, every reason. Nothing is carried out.

        Args:
            action_type: the action
            parameters: its parameters
            confidence: how sure you are, 0 to 1
            risk_level: the harm if you are wrong
        """
        action = Action(
            action_type=action_type, parameters=parameters or {}, confidence=confidence, risk_level=risk_level
        )
        verdict = view.validator.check(action, view.state)
        return {"is_valid": verdict.is_valid, "faults": list(verdict.faults)}

    return query_knowledge_base, query_digital_twin, validate_action


def _known(view: View, system_id: str) -> None:
    if system_id != view.state.system_id:
        raise ValueError(f"there is no system {system_id[:60]!r}; there is {view.state.system_id!r}")

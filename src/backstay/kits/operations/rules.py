"""Offline answers to the four prompts of the kit, so that all of it runs without a model, and says that it did.

Each rule reads its input back from the rendered prompt, as a model does. `agentic_reasoning` belongs to every agent, so its rule
speaks only where the tools of this kit are offered.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.kits.operations.policy import Thresholds
from backstay.kits.operations.state import Action, State
from backstay.kits.operations.twin import simulate
from backstay.offline.provider import Answer, Rule, question
from backstay.prompts.escape import enclosed
from backstay.types import Request

TOOLS: Final = frozenset({"get_metrics", "query_digital_twin", "validate_action"})
STEP: Final = "rule of thumb over the metrics"


def _read(request: Request, name: str) -> Any:
    """A JSON variable of the prompt; None where it is not there."""
    text = enclosed(question(request), name)
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _numbers(value: Any) -> dict[str, float]:
    given = value if isinstance(value, dict) else {}
    return {
        name: float(one) for name, one in given.items() if isinstance(one, (int, float)) and not isinstance(one, bool)
    }


def _written(value: Any) -> Answer:
    return Answer(text=msgspec.json.encode(value).decode())


def _line(request: Request, label: str) -> str:
    """What stands behind a label of the prompt on the same line."""
    for line in question(request).splitlines():
        if line.startswith(f"{label}: "):
            return line.removeprefix(f"{label}: ")
    return ""


def reason(metrics: dict[str, float], names: set[str], system_id: str) -> dict[str, Any]:
    """The answer to `system_reasoning` by the threshold policy, with only such actions as exist."""
    actions = Thresholds().decide(State(system_id=system_id, at=0.0, metrics=metrics))
    kept = [one for one in actions if one.action_type in names]
    said = "; ".join(one.rationale for one in actions) or "no threshold is passed"
    return {
        "analysis": f"{system_id}: {said}.",
        "recommendations": [_told(one) for one in kept],
        "reasoning_steps": [f"{STEP}: {one.rationale}" for one in actions] or [f"{STEP}: nothing to do"],
    }


def _told(one: Action) -> dict[str, Any]:
    names = ("action_type", "parameters", "rationale", "confidence", "risk_level")
    return {name: getattr(one, name) for name in names}


def system_reasoning(request: Request) -> Answer | None:
    """Thresholds over the metrics of the prompt."""
    if request.metadata.task != "system_reasoning":
        return None
    offered = _read(request, "available_actions") or []
    names = {str(one.get("action_type") or one.get("name")) for one in offered if isinstance(one, dict)}
    return _written(reason(_numbers(_read(request, "current_metrics")), names, _line(request, "System")))


def world_model_update(request: Request) -> Answer | None:
    """The state, what changed, and a straight line into the future."""
    if request.metadata.task != "world_model_update":
        return None
    now, before = (_numbers(_read(request, name)) for name in ("system_state", "previous_state"))
    changes = sorted(
        ((now[name] - before[name], name) for name in now.keys() & before.keys() if now[name] != before[name]),
        key=lambda one: (-abs(one[0]) / (abs(before[one[1]]) or 1.0), one[1]),
    )
    told = ", ".join(f"{name} {delta:+.4g}" for delta, name in changes[:5])
    trend = told or ("no change since the last state" if before else "one observation only")
    ahead = ", ".join(f"{name} about {now[name] + delta:.4g}" for delta, name in changes[:3])
    sure = (0.6, 0.3) if before else (0.3, 0.2)
    return _written(
        {
            "updated_model": {
                "system_description": f"{_line(request, 'System')} with {len(now)} metrics.",
                "key_metrics": now,
                "identified_patterns": [],
                "trend_analysis": trend,
            },
            "predictions": {
                "short_term": f"If it goes on like this: {ahead}." if ahead else "As now, as far as can be told.",
                "medium_term": "As in the short term, with less certainty.",
                "confidence_scores": {"short_term": sure[0], "medium_term": sure[1]},
            },
        }
    )


def adaptation_impact_simulation(request: Request) -> Answer | None:
    """The queueing model's word."""
    if request.metadata.task != "adaptation_impact_simulation":
        return None
    state = _numbers(_read(request, "current_state"))
    parameters = _read(request, "action_parameters")
    given = parameters if isinstance(parameters, dict) else {}
    return _written(simulate(state, _line(request, "Action"), given))


def agentic_reasoning(request: Request) -> Answer | None:
    """Metrics, then a simulation of what the thresholds say, then its validation, then the answer."""
    if request.metadata.task != "agentic_reasoning":
        return None
    offered = {one.get("name") for one in _read(request, "available_tools") or [] if isinstance(one, dict)}
    known = [one for one in _read(request, "context") or [] if isinstance(one, dict)]
    about: dict[str, Any] = next((one["context"] for one in known if isinstance(one.get("context"), dict)), {})
    system_id = about.get("system_id")
    if not offered >= TOOLS or not isinstance(system_id, str):
        return None
    steps = {one.get("tool_name"): one for one in known}
    if "get_metrics" not in steps:
        return _use("get_metrics", {"system_id": system_id}, "the metrics are not known yet")
    metrics = _numbers(_result(steps["get_metrics"]).get("metrics"))
    found = reason(metrics, set(about.get("actions") or {}), system_id)
    chosen = found["recommendations"][:1]
    if chosen and "query_digital_twin" not in steps:
        action = {"action_type": chosen[0]["action_type"], "action_parameters": chosen[0]["parameters"]}
        return _use("query_digital_twin", {"operation": "simulate", **action}, "what would it do?")
    twin = _result(steps.get("query_digital_twin", {})).get("recommendations")
    if isinstance(twin, dict) and twin.get("proceed") is False:
        return _end({**found, "recommendations": []}, "the simulation advises against it", 0.6)
    if chosen and "validate_action" not in steps:
        names = ("action_type", "parameters", "confidence", "risk_level")
        return _use("validate_action", {name: chosen[0][name] for name in names}, "may it be carried out?")
    return _end(found, "the thresholds, checked by simulation and validator", 0.8 if metrics else 0.3)


def _result(step: dict[str, Any]) -> dict[str, Any]:
    """What a tool returned, as an object; empty where it is none."""
    said = step.get("result")
    try:
        value = msgspec.json.decode(said) if isinstance(said, str) else said
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _use(name: str, parameters: dict[str, Any], why: str) -> Answer:
    return _written({"action": "use_tool", "tool_name": name, "parameters": parameters, "reasoning": why})


def _end(result: dict[str, Any], why: str, confidence: float) -> Answer:
    return _written({"action": "final_answer", "result": result, "reasoning": why, "confidence": confidence})


RULES: Final = (
    Rule("thresholds", system_reasoning),
    Rule("differences", world_model_update),
    Rule("queueing", adaptation_impact_simulation),
    Rule("checked thresholds", agentic_reasoning),
)
"""The kit's rules, for `Offline(SHIPPED + RULES)`."""

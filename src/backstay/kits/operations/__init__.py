"""Operations: look after a running system. Observe, think, validate, act; with a model, or with a queueing model alone.

    system = SimulatedTier(WebTier(waves(minutes=60, low=5, high=45)))
    loop = ControlLoop(system, PolicyAdviser(Predictive(), name="predictive"))
    async for one in loop.rounds():
        print(one.health, one.advice.analysis)

Names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.kits.operations.advice import Advice as Advice
    from backstay.kits.operations.advice import ModelAdviser as ModelAdviser
    from backstay.kits.operations.advice import PolicyAdviser as PolicyAdviser
    from backstay.kits.operations.anomaly import Detector as Detector
    from backstay.kits.operations.anomaly import detect as detect
    from backstay.kits.operations.knowledge import KnowledgeBase as KnowledgeBase
    from backstay.kits.operations.loop import ControlLoop as ControlLoop
    from backstay.kits.operations.loop import Round as Round
    from backstay.kits.operations.policy import Static as Static
    from backstay.kits.operations.policy import Thresholds as Thresholds
    from backstay.kits.operations.predictive import Predictive as Predictive
    from backstay.kits.operations.root_cause import Incident as Incident
    from backstay.kits.operations.root_cause import rank as rank
    from backstay.kits.operations.rules import RULES as RULES
    from backstay.kits.operations.state import Action as Action
    from backstay.kits.operations.state import ActionKind as ActionKind
    from backstay.kits.operations.state import Execution as Execution
    from backstay.kits.operations.state import State as State
    from backstay.kits.operations.swim import SwimServer as SwimServer
    from backstay.kits.operations.swim import SwimSystem as SwimSystem
    from backstay.kits.operations.system import ManagedSystem as ManagedSystem
    from backstay.kits.operations.system import SimulatedTier as SimulatedTier
    from backstay.kits.operations.thinking import Thinker as Thinker
    from backstay.kits.operations.tier import WebTier as WebTier
    from backstay.kits.operations.trace import waves as waves
    from backstay.kits.operations.validate import ActionValidator as ActionValidator

_HOME = {
    "Action": "state", "ActionKind": "state", "ActionValidator": "validate", "Advice": "advice", "ControlLoop": "loop",
    "Detector": "anomaly", "Execution": "state", "Incident": "root_cause", "KnowledgeBase": "knowledge",
    "ManagedSystem": "system", "ModelAdviser": "advice", "PolicyAdviser": "advice", "Predictive": "predictive", "RULES": "rules",
    "Round": "loop", "SimulatedTier": "system", "State": "state", "Static": "policy", "SwimServer": "swim",
    "SwimSystem": "swim", "Thinker": "thinking", "Thresholds": "policy", "WebTier": "tier", "detect": "anomaly",
    "rank": "root_cause", "waves": "trace",
}  # fmt: skip

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """The public name, from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value

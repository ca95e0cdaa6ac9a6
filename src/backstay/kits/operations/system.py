"""ManagedSystem: what a system must offer to be adapted; and the simulated web tier in that form.

A plug-in is any object with these four methods; nothing has to be inherited. `wait` is the system's own time: real seconds for a
real one, a jump for a simulated one. That is why a loop over an hour of trace ends in a second.
"""

from __future__ import annotations

from typing import Final, Protocol

from backstay.kits.operations.state import Action, ActionKind, Condition, Execution, Parameter, State
from backstay.kits.operations.tier import Measurement, WebTier


class ManagedSystem(Protocol):
    """A system that is watched and adapted."""

    @property
    def system_id(self) -> str:
        """Its name."""

    def actions(self) -> tuple[ActionKind, ...]:
        """What it can do; nothing where it is only watched."""

    async def observe(self) -> State:
        """How it is now. Raises LLMError or OSError where it can't be reached."""

    async def execute(self, action: Action) -> Execution:
        """Carry out a validated action. What goes wrong is told in the Execution."""

    async def wait(self, seconds: float) -> bool:
        """Let `seconds` pass; False when the system has come to its end."""


WEB_ACTIONS: Final = (
    ActionKind(
        name="ADD_SERVER",
        description="start one more server; it serves after its boot delay",
        aliases=("SCALE_UP",),
        conditions=(Condition(metric="server_count", relation="below", bound="max_servers"),),
    ),
    ActionKind(
        name="REMOVE_SERVER",
        description="stop one server",
        aliases=("SCALE_DOWN",),
        conditions=(Condition(metric="server_count", relation="above", bound=1.0),),
    ),
    ActionKind(
        name="SET_DIMMER",
        description="the share of requests that get their optional content",
        parameters={"value": Parameter(least=0.0, most=1.0, description="0: none, 1: all")},
        aliases=("ADJUST_QOS",),
    ),
)
"""What a web tier with servers and a dimmer can do."""


class SimulatedTier:
    """A WebTier as a managed system."""

    def __init__(self, tier: WebTier, *, system_id: str = "web-tier", window: float = 60.0) -> None:
        self.tier = tier
        self.system_id = system_id
        self.window = window
        self.periods: list[Measurement] = []
        """What was measured, one for each observation."""

    def actions(self) -> tuple[ActionKind, ...]:
        """Servers and dimmer."""
        return WEB_ACTIONS

    async def observe(self) -> State:
        """The last window in metrics."""
        self.periods.append(self.tier.measure(self.window))
        return State(system_id=self.system_id, at=self.tier.now, metrics=self.periods[-1].metrics())

    async def execute(self, action: Action) -> Execution:
        """At once."""
        try:
            apply(self.tier, action)
        except (ValueError, KeyError, TypeError) as error:
            return Execution(action=action, status="failed", detail=str(error))
        return Execution(action=action, status="success")

    async def wait(self, seconds: float) -> bool:
        """The tier's clock moves on, and nobody waits."""
        if self.tier.is_over:
            return False
        self.tier.advance(self.tier.now + seconds)
        return True


def apply(tier: WebTier, action: Action) -> None:
    """Carry out an action of `WEB_ACTIONS` on a tier. Raises ValueError where it can't be, KeyError for a missing parameter."""
    match action.action_type:
        case "ADD_SERVER":
            tier.add_server()
        case "REMOVE_SERVER":
            tier.remove_server()
        case "SET_DIMMER":
            tier.set_dimmer(float(action.parameters["value"]))
        case other:
            raise ValueError(f"there is no action {other!r}")

"""A plug-in: an image service that can switch between a small, a medium and a large model, looked after by the same loop.

Run it: python examples/operations/model_switch.py
"""

from __future__ import annotations

import asyncio

from backstay.kits.operations import Action, ActionKind, ControlLoop, Execution, PolicyAdviser, State
from backstay.kits.operations.state import Parameter

SECONDS = (0.02, 0.05, 0.12)
"""What an image takes with each model."""

QUALITY = (0.62, 0.71, 0.78)
LOAD = (5, 6, 8, 12, 18, 25, 30, 22, 14, 9, 6, 5)
"""Images a second, a figure for each round."""


class ImageService:
    """A managed system: four methods and a name, nothing to inherit."""

    system_id = "images"

    def __init__(self) -> None:
        self.model = 2
        self.round = -1

    def actions(self) -> tuple[ActionKind, ...]:
        bounds = Parameter(least=0, most=2, description="0: small, 1: medium, 2: large")
        return (ActionKind(name="SWITCH_MODEL", description="answer with another model", parameters={"model": bounds}),)

    async def observe(self) -> State:
        busy = LOAD[self.round] * SECONDS[self.model]
        metrics = {
            "utilisation": min(busy, 1.0),
            "model": float(self.model),
            "arrival_rate_per_s": float(LOAD[self.round]),
        }
        metrics["response_time_ms"] = 1e3 * SECONDS[self.model] / max(1 - busy, 0.02)
        return State(system_id=self.system_id, at=60.0 * self.round, metrics=metrics)

    async def execute(self, action: Action) -> Execution:
        self.model = int(action.parameters["model"])
        return Execution(action=action, status="success")

    async def wait(self, seconds: float) -> bool:
        self.round += 1
        return self.round < len(LOAD)


class LargestThatFits:
    """A policy: the largest model that leaves a third of the time free."""

    def decide(self, state: State) -> tuple[Action, ...]:
        rate = state.metrics["arrival_rate_per_s"]
        fitting = [number for number, seconds in enumerate(SECONDS) if rate * seconds < 0.67]
        wanted = max(fitting, default=0)
        if wanted == state.metrics["model"]:
            return ()
        why = f"{rate:.0f} images/s leave room for model {wanted}, quality {QUALITY[wanted]}"
        return (Action(action_type="SWITCH_MODEL", parameters={"model": wanted}, rationale=why, confidence=0.9),)


async def main() -> None:
    loop = ControlLoop(ImageService(), PolicyAdviser(LargestThatFits(), name="largest that fits"))
    async for one in loop.rounds():
        done = "; ".join(action.rationale for action in one.done) or "as it is"
        print(f"{one.health:<9} {one.state.metrics['response_time_ms']:6.0f} ms  {done}")


if __name__ == "__main__":
    asyncio.run(main())

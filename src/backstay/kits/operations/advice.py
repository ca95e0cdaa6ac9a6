"""Advice: what is recommended for a state, by whom, and why; by a policy, by a model in one answer, or by a model with tools.

An `Advice` says where it came from, so a rule never passes for a model. `ModelAdviser` asks the cheap way while the system is
healthy and the thorough one when it is not; it falls back to one answer where the agent finds none, and to its policy where the
model cannot be asked or answers with what is no advice, and says that too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from backstay.client import Client
from backstay.conversation import Agent, AgentOptions
from backstay.conversation.trace import ModelStep
from backstay.errors import LLMError, SchemaMismatch
from backstay.kits.operations.policy import Decides, health_of
from backstay.kits.operations.setting import Loop
from backstay.kits.operations.state import Action, ActionKind
from backstay.kits.operations.thinking import Thinker, Thinking, is_users_fault
from backstay.kits.operations.toolbox import View, toolbox
from backstay.ports import World
from backstay.prompts import PromptLibrary

Mode = Literal["auto", "direct", "agent"]
OBJECTIVE: Final = (
    "Decide whether the system {system_id} must be adapted now, and how. Look at its metrics and trends first, simulate what you "
    "think of doing, and validate it. The result is your analysis and your recommendations, none where the goals are met."
)


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Recommendations, best first. `source` names the policy, or the target that answered; `is_degraded` is true where a model
    was asked for and a rule answered; `note` says why."""

    source: str
    analysis: str = ""
    reasoning_steps: tuple[str, ...] = ()
    recommendations: tuple[Action, ...] = ()
    is_degraded: bool = False
    note: str = ""
    report: str = ""


class Adviser(Protocol):
    """Gives advice on what can be seen."""

    async def advise(self, view: View) -> Advice: ...


class PolicyAdviser:
    """Advice by a policy alone."""

    def __init__(self, policy: Decides, *, name: str) -> None:
        self._policy = policy
        self._name = name

    async def advise(self, view: View) -> Advice:
        """The policy's actions, with their reasons."""
        actions = self._policy.decide(view.state)
        health = health_of(view.state)
        done = "; ".join(f"{one.action_type} ({one.rationale})" for one in actions) or "nothing is to be done"
        return Advice(source=f"rule:{self._name}", analysis=f"The system is {health}: {done}.", recommendations=actions)


class ModelAdviser:
    """Advice by a model: `direct` in one answer to `system_reasoning`, or as an `agent` that uses tools first; `auto` is an agent
    where the system is not healthy, and direct where it is, or where the agent came to no answer.

    The policy behind it is asked in every round, so that it has learned when it is needed.
    """

    def __init__(
        self,
        client: Client,
        fallback: Decides,
        *,
        mode: Mode = "direct",
        name: str = "predictive",
        settings: Loop | None = None,
        thinking: Thinking | None = None,
        world: World | None = None,
        library: PromptLibrary | None = None,
    ) -> None:
        self._fallback = PolicyAdviser(fallback, name=name)
        self._mode = mode
        self._settings = settings or Loop()
        self._world = world or World.real()
        self._thinker = Thinker(client, settings=thinking, library=library or PromptLibrary(rng=self._world.rng))

    async def advise(self, view: View) -> Advice:
        """The model's advice, the policy's where there is none."""
        spare = await self._fallback.advise(view)
        is_agent = self._mode == "agent" or (self._mode == "auto" and health_of(view.state) != "healthy")
        advice = await self._tried(self._work if is_agent else self._ask, view, spare)
        if self._mode == "auto" and is_agent and advice.source == spare.source:
            again = await self._tried(self._ask, view, spare)
            return msgspec.structs.replace(
                again, note="; ".join(filter(None, (advice.note, again.note))), report=advice.report
            )
        return advice

    async def _tried(self, way: Callable[[View], Awaitable[Advice]], view: View, spare: Advice) -> Advice:
        """What comes of a way of asking; `spare` with the reason where nothing does."""
        try:
            return await way(view)
        except NoAdvice as error:
            return msgspec.structs.replace(spare, is_degraded=True, note=str(error), report=error.report)
        except LLMError as error:
            if is_users_fault(error):
                raise
            said = f"the model was no help ({type(error).__name__}: {error})"[:500]
            return msgspec.structs.replace(spare, is_degraded=True, note=said)

    async def _ask(self, view: View) -> Advice:
        answer = await self._thinker.ask(
            "system_reasoning",
            system_id=view.state.system_id,
            current_metrics=view.state.metrics,
            health_status=health_of(view.state),
            available_actions=[action_facts(kind) for kind in view.kinds],
        )
        if any(one.code == "empty_list" for one in getattr(answer.parsed, "coercions", ())):
            raise SchemaMismatch("the answer has no list of recommendations", faults=["recommendations: is missing"])
        provenance = answer.response.provenance
        return advice_of(answer.value, source=provenance.target or "model", is_degraded=provenance.degraded)

    async def _work(self, view: View) -> Advice:
        thinker = self._thinker
        how = thinker.settings.calls["agentic_reasoning"]
        agent = Agent(
            thinker.client,
            toolbox(view, self._world),
            max_iterations=self._settings.max_tool_calls + 1,
            timeout=thinker.settings.timeout("agentic_reasoning"),
            options=AgentOptions(
                result_schema=thinker.library.get("system_reasoning").schema,
                world=self._world,
                prompts=thinker.library,
                settings={"max_output_tokens": how.max_output_tokens},
            ),
        )
        found = await agent.run(OBJECTIVE.format(system_id=view.state.system_id), context=view.summary())
        if not found.is_answered:
            said = f"the agent ended without an answer: {found.stop_reason} after {found.iterations} steps"
            raise NoAdvice(said, report=found.report())
        targets = [step.target for step in found.trace.steps if isinstance(step, ModelStep)]
        told = advice_of(found.result, source=targets[-1] or "model", is_degraded=found.trace.is_degraded)
        return msgspec.structs.replace(told, report=found.report())


class NoAdvice(Exception):
    """An agent came to no answer; `report` is how it went."""

    def __init__(self, message: str, *, report: str) -> None:
        super().__init__(message)
        self.report = report


def action_facts(kind: ActionKind) -> dict[str, Any]:
    """An action as a model is told of it."""
    return {
        "action_type": kind.name,
        "description": kind.description,
        "parameters": {name: {"minimum": one.least, "maximum": one.most} for name, one in kind.parameters.items()},
        "conditions": [str(condition) for condition in kind.conditions],
    }


def advice_of(value: Any, *, source: str, is_degraded: bool = False) -> Advice:
    """The advice in an answer that fits the schema of `system_reasoning`."""
    given = value if isinstance(value, dict) else {}
    return Advice(
        source=source,
        analysis=given.get("analysis") or "",
        reasoning_steps=tuple(given.get("reasoning_steps") or ()),
        recommendations=tuple(msgspec.convert(one, Action) for one in given.get("recommendations") or ()),
        is_degraded=is_degraded,
    )

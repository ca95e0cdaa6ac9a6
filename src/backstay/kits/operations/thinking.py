"""Thinking: how the kit asks a model: each prompt has its seconds, its length and its money, and its answer must fit its schema.

A `Thinker` keeps the world model and foresees what an action would do. Where the model can't be asked, or answers with what is
no answer, the kit's own rule answers the same question, and what comes of it says that a rule did, and why. A wrong setting (a
missing key, an unknown model) is raised.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.answer import JsonAnswer
from backstay.client import Client
from backstay.config import Loaded
from backstay.config.reliability import Quota
from backstay.errors import ConfigurationError, InvalidRequest, LLMError, RecoveryFailed
from backstay.kits.operations.rules import adaptation_impact_simulation, world_model_update
from backstay.kits.operations.state import Action, RiskLevel, State
from backstay.kits.operations.world_model import WorldModel, world_of
from backstay.offline.provider import Rule
from backstay.prompts import PromptLibrary
from backstay.recover import align

Question: TypeAlias = Literal[
    "world_model_update", "system_reasoning", "adaptation_impact_simulation", "agentic_reasoning"
]


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of question is asked: its seconds in all, the tokens of its answer, and US dollars a day."""

    timeout: float
    max_output_tokens: int
    usd_per_day: float


ASKING: Final[dict[Question, Asking]] = {
    "world_model_update": Asking(timeout=15.0, max_output_tokens=900, usd_per_day=5.0),
    "system_reasoning": Asking(timeout=30.0, max_output_tokens=900, usd_per_day=10.0),
    "adaptation_impact_simulation": Asking(timeout=15.0, max_output_tokens=900, usd_per_day=5.0),
    "agentic_reasoning": Asking(timeout=60.0, max_output_tokens=900, usd_per_day=20.0),
}
"""The time-out of `agentic_reasoning` is that of a whole run of the agent. Together they fit into two rounds of a minute."""

TASKS: Final[dict[Question, tuple[str, ...]]] = {"agentic_reasoning": ("agentic_reasoning", "agent")}
"""Under which tasks the ledger has a question, where that is not its own name: an agent with native tool calls has no prompt."""

RULE_OF: Final[dict[Question, Rule]] = {
    "world_model_update": Rule("differences", world_model_update),
    "adaptation_impact_simulation": Rule("queueing", adaptation_impact_simulation),
}
"""What answers instead of the model; for the other two questions it is the policy."""


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """`calls`: how each kind is asked. `patience` multiplies all time-outs: a model on this machine is slow."""

    calls: dict[Question, Asking] = msgspec.field(default_factory=lambda: dict(ASKING))
    patience: float = 1.0

    def __post_init__(self) -> None:
        faults = [f"operations.calls: {name} is missing" for name in sorted(ASKING.keys() - self.calls.keys())]
        if not self.patience > 0:
            faults.append("operations.patience: must be above 0")
        if faults:
            raise ConfigurationError(*faults)

    def timeout(self, question: Question) -> float:
        """Seconds for a question."""
        return self.calls[question].timeout * self.patience


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What an action is foreseen to do, and by whom. `note` says why a rule answered where a model was asked."""

    action_type: str
    parameters: dict[str, Any] = {}
    proceed: bool
    risk_level: RiskLevel
    success_probability: float
    effects: tuple[str, ...] = ()
    modifications: tuple[str, ...] = ()
    precautions: tuple[str, ...] = ()
    source: str = ""
    is_degraded: bool = False
    note: str = ""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that fits its prompt's schema, and who gave it."""

    value: dict[str, Any]
    source: str
    is_degraded: bool
    note: str = ""


class Thinker:
    """Asks `client` the kit's prompts."""

    def __init__(
        self, client: Client, *, settings: Thinking | None = None, library: PromptLibrary | None = None
    ) -> None:
        self.client = client
        self.settings = settings or Thinking()
        self.library = library or PromptLibrary()

    async def ask(self, question: Question, **variables: Any) -> JsonAnswer:
        """The model's answer. Raises LLMError for one that fails, is late, is cut, or does not fit."""
        request = self.library.render(question, **variables).request()
        how = self.settings.calls[question]
        request = msgspec.structs.replace(request, max_output_tokens=how.max_output_tokens, temperature=0.0)
        answer = await self.client.generate_json(request, timeout=self.settings.timeout(question))
        if answer.response.was_truncated:
            raise RecoveryFailed(f"the answer was cut at {how.max_output_tokens} tokens", text=answer.response.text)
        return answer

    async def update(self, state: State, before: State | None) -> WorldModel:
        """The world model after `state`."""
        previous = before.metrics if before is not None else {}
        said = await self._told(
            "world_model_update", system_id=state.system_id, system_state=state.metrics, previous_state=previous
        )
        return world_of(said.value, source=said.source, is_degraded=said.is_degraded, note=said.note)

    async def foresee(self, action: Action, state: State) -> Impact:
        """What `action` would do to a system in this state."""
        said = await self._told(
            "adaptation_impact_simulation",
            system_id=state.system_id,
            action_type=action.action_type,
            action_parameters=action.parameters,
            current_state=state.metrics,
        )
        found, advice = said.value["simulation_result"], said.value["recommendations"]
        return Impact(
            action_type=action.action_type,
            parameters=action.parameters,
            proceed=advice["proceed"],
            risk_level=found["risk_assessment"]["level"],
            success_probability=found["success_probability"],
            effects=(*found["immediate_effects"], *found["cascading_effects"]),
            modifications=tuple(advice["modifications"]),
            precautions=tuple(advice["precautions"]),
            source=said.source,
            is_degraded=said.is_degraded,
            note=said.note,
        )

    async def _told(self, question: Question, **variables: Any) -> Said:
        """The model's answer, else the rule's."""
        try:
            answer = await self.ask(question, **variables)
        except LLMError as error:
            if is_users_fault(error):
                raise
            return self._ruled(question, f"the model was no help ({type(error).__name__}: {error})"[:500], variables)
        about = answer.response.provenance
        return Said(value=answer.value, source=about.target or "model", is_degraded=about.degraded)

    def _ruled(self, question: Question, note: str, variables: dict[str, Any]) -> Said:
        rule, rendered = RULE_OF[question], self.library.render(question, **variables)
        answer = rule.answer(rendered.request())
        assert answer is not None
        assert rendered.schema is not None
        value = align(answer.text, rendered.schema).value
        return Said(value=value, source=f"rule:{rule.name}", is_degraded=True, note=note)


def is_users_fault(error: LLMError) -> bool:
    """True for a wrong setting: it is told at once, and not after a night of rules."""
    return isinstance(error, ConfigurationError) and not isinstance(error, InvalidRequest)


def fitted(base: Loaded, settings: Thinking | None = None) -> Loaded:
    """`base` with a daily budget for each kind of question, unless it has quotas of its own."""
    if base.config.quotas:
        return base
    calls = (settings or Thinking()).calls
    quotas = {
        task: Quota(task=task, usd_per_day=call.usd_per_day)
        for question, call in calls.items()
        for task in TASKS.get(question, (question,))
    }
    return msgspec.structs.replace(base, config=msgspec.structs.replace(base.config, quotas=quotas))

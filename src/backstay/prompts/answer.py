"""Answer: from what a model wrote to what a shipped prompt asked for, as a type, or an error that names every fault.

The text is read as any answer is (`recover.align`): JSON is recovered from prose and from repairable damage, and spelled numbers
and names are fitted to the schema. What the schema cannot say is checked after that: a step that uses a tool names one, a final
answer has a result, a verdict does not contradict itself. Nothing is invented: an answer that was cut short is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from backstay.errors import RecoveryFailed, SchemaMismatch
from backstay.recover import Status, align, parse

T = TypeVar("T")
Probability: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Level: TypeAlias = Literal["low", "medium", "high"]

PASS_AT: Final = 0.75
"""The confidence from which a validation counts: the one from which an extraction is accepted (`extract.accept_at`)."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """An action that a model proposes; `confidence` is its own probability that it helps."""

    action_type: str
    parameters: dict[str, Any]
    rationale: str
    confidence: Probability
    risk_level: Level


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `system_reasoning`; no recommendations means that nothing should be done."""

    analysis: str
    recommendations: tuple[Recommendation, ...]
    reasoning_steps: tuple[str, ...]


class ModelState(msgspec.Struct, frozen=True, kw_only=True):
    """How a system stands."""

    system_description: str
    key_metrics: dict[str, Any]
    identified_patterns: tuple[str, ...]
    trend_analysis: str


class Horizons(msgspec.Struct, frozen=True, kw_only=True):
    """How sure a prediction is, by horizon."""

    short_term: Probability
    medium_term: Probability


class Predictions(msgspec.Struct, frozen=True, kw_only=True):
    """The next 5 to 10 minutes, and the next 30 to 60."""

    short_term: str
    medium_term: str
    confidence_scores: Horizons


class WorldModel(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `world_model_update`."""

    updated_model: ModelState
    predictions: Predictions


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """How much harm an action may do, and by what."""

    level: Level
    factors: tuple[str, ...]


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What an action would do."""

    immediate_effects: tuple[str, ...]
    cascading_effects: tuple[str, ...]
    risk_assessment: Risk
    success_probability: Probability
    alternative_outcomes: tuple[str, ...]


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to do it, and how else."""

    proceed: bool
    modifications: tuple[str, ...]
    precautions: tuple[str, ...]


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `adaptation_impact_simulation`."""

    simulation_result: Effects
    recommendations: Advice


class UseTool(msgspec.Struct, frozen=True, kw_only=True):
    """A step of `agentic_reasoning`: one tool, with its arguments."""

    tool_name: str
    parameters: dict[str, Any]
    reasoning: str = ""


class FinalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last step of `agentic_reasoning`. `confidence` is None where the model gave none."""

    result: Any
    reasoning: str = ""
    confidence: Probability | None = None


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on an earlier answer; `issues` are what is wrong with it."""

    is_valid: bool
    confidence: Probability
    issues: tuple[str, ...] = ()


class _Step(msgspec.Struct, kw_only=True):
    action: Literal["use_tool", "final_answer"]
    tool_name: str | None = None
    parameters: dict[str, Any] | None = None
    result: Any = msgspec.UNSET
    reasoning: str | None = None
    confidence: Probability | None = None


def read_answer(text: str, kind: type[T]) -> T:
    """The value of type `kind` that `text` holds. Raises RecoveryFailed without JSON, SchemaMismatch with every fault."""
    aligned = align(text, kind)
    if aligned.status is Status.FAILED:
        faults = [str(error) for error in aligned.errors]
        if parse(text).status is Status.FAILED:
            raise RecoveryFailed("the answer holds no JSON: " + "; ".join(faults), text=text)
        raise _mismatch(faults)
    if aligned.status is Status.PARTIAL:
        raise _mismatch(["$: the answer is cut short"])
    typed: T = aligned.typed
    return typed


def _mismatch(faults: list[str]) -> SchemaMismatch:
    return SchemaMismatch("the answer does not fit the schema: " + "; ".join(faults), faults=faults)


def parse_reasoning(text: str) -> Reasoning:
    """The answer to `system_reasoning`. Raises as `read_answer` does, as do those below."""
    return read_answer(text, Reasoning)


def parse_world_model(text: str) -> WorldModel:
    """The answer to `world_model_update`."""
    return read_answer(text, WorldModel)


def parse_simulation(text: str) -> Simulation:
    """The answer to `adaptation_impact_simulation`."""
    return read_answer(text, Simulation)


def parse_step(text: str) -> UseTool | FinalAnswer:
    """The answer to `agentic_reasoning`: a tool to use or the end, by its `action`, never both.

    Raises SchemaMismatch also for a step that names no tool, an end without a result, and one that does both.
    """
    step = read_answer(text, _Step)
    faults = []
    if step.action == "use_tool":
        if not (step.tool_name or "").strip():
            faults.append("$.tool_name: use_tool names no tool; give the name of one that is listed")
        if step.result not in (msgspec.UNSET, None, "", {}, []):
            faults.append("$.result: use_tool has a result too; give a tool or a final answer, not both")
    else:
        if step.result is msgspec.UNSET or step.result is None:
            faults.append("$.result: final_answer has no result; give it")
        if step.tool_name:
            faults.append("$.tool_name: final_answer names a tool too; give a tool or a final answer, not both")
    if faults:
        raise _mismatch(faults)
    if step.action == "use_tool":
        return UseTool(
            tool_name=(step.tool_name or "").strip(), parameters=step.parameters or {}, reasoning=step.reasoning or ""
        )
    return FinalAnswer(result=step.result, reasoning=step.reasoning or "", confidence=step.confidence)


def parse_validation(text: str) -> Validation:
    """A verdict `{"is_valid": ..., "confidence": ..., "issues": [...]}`."""
    return read_answer(text, Validation)


def validation_passed(verdict: str | Mapping[str, Any] | Validation, *, at: float = PASS_AT) -> bool:
    """True only for a verdict that says so, is sure enough, and names no issue.

    It fails closed: a text that holds no verdict, a verdict without a confidence and one that contradicts itself do not pass.
    """
    read = verdict
    if not isinstance(read, Validation):
        aligned = align(read if isinstance(read, str) else dict(read), Validation)
        if aligned.status in (Status.FAILED, Status.PARTIAL) or not isinstance(aligned.typed, Validation):
            return False
        read = aligned.typed
    return read.is_valid and read.confidence >= at and not read.issues

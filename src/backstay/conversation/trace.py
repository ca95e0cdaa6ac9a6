"""Trace: everything that an agent did, as data and as a report to read; and what a run comes to in the end.

A trace is kept whole and in order, in the conversation itself, so what happened before a crash is in it too.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from backstay.tools.execution import Execution, shorten
from backstay.types import ToolCall

StopReason: TypeAlias = Literal["answered", "iterations", "deadline", "budget", "refused", "tool_failures", "cancelled"]
"""Why a run ended: the final answer was given; a bound was reached; the model or its provider declined; somebody cancelled it."""


class FinalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the model says in the end: the `result`, its `reasoning`, and its `confidence` from 0 to 1 where it states one."""

    result: Any
    reasoning: str = ""
    confidence: float | None = None


class ModelStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="model"):
    """One answer of the model: its `text`, the `calls` it makes, or the `fault` for which it was no step."""

    iteration: int
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    answer: FinalAnswer | None = None
    fault: str | None = None
    finish_reason: str | None = None
    target: str | None = None
    is_degraded: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nano_usd: int | None = None
    latency: float | None = None
    left_out: int = 0


class ToolStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tool"):
    """One call of a tool and what came of it."""

    iteration: int
    execution: Execution


Step: TypeAlias = ModelStep | ToolStep


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of a run towards `objective`, and its end so far."""

    objective: str
    steps: tuple[Step, ...] = ()
    iterations: int = 0
    stop_reason: StopReason | None = None
    answer: FinalAnswer | None = None
    spent_nano_usd: int = 0

    def to_json(self) -> bytes:
        """The trace as JSON."""
        return msgspec.json.encode(self)

    @property
    def executions(self) -> tuple[Execution, ...]:
        """The tool calls, in their order."""
        return tuple(step.execution for step in self.steps if isinstance(step, ToolStep))

    @property
    def is_degraded(self) -> bool:
        """True when some answer was not from a model that was asked for."""
        return any(isinstance(step, ModelStep) and step.is_degraded for step in self.steps)

    def report(self, *, width: int = 400) -> str:
        """The trace for a person to read; each text is shortened to `width` characters."""
        lines = [f"Objective: {shorten(self.objective, width)}"]
        for step in self.steps:
            lines += _model_lines(step, width) if isinstance(step, ModelStep) else _tool_lines(step.execution, width)
        lines.append("")
        lines.append(f"Stopped: {self.stop_reason or 'not yet'} after {_counted(self.iterations, 'iteration')}")
        if self.answer is not None:
            sure = "" if self.answer.confidence is None else f" (confidence {self.answer.confidence:.2f})"
            lines.append(f"Result{sure}: {shorten(_shown(self.answer.result), width)}")
            if self.answer.reasoning:
                lines.append(f"Because: {shorten(self.answer.reasoning, width)}")
        lines.append(f"Cost: ${Decimal(self.spent_nano_usd).scaleb(-9):f}")
        if self.is_degraded:
            lines.append("Degraded: not every answer is from a model that was asked for")
        return "\n".join(lines)


def _model_lines(step: ModelStep, width: int) -> list[str]:
    lines = ["", f"{step.iteration}. {step.target or 'model'}"]
    if step.text and step.answer is None and not step.calls:
        lines.append(f"   says: {shorten(step.text, width)}")
    if step.fault:
        lines.append(f"   no valid step: {shorten(step.fault, width)}")
    return lines


def _tool_lines(done: Execution, width: int) -> list[str]:
    asked = msgspec.json.encode(done.arguments).decode()
    facts = [done.outcome, f"{done.duration:.2f} s", *(["kept result"] if done.is_cached else [])]
    facts += [f"{one.path} {one.code}" for one in done.coercions]
    return [f"   {done.name} {shorten(asked, width)} [{', '.join(facts)}]", f"   -> {shorten(done.text, width)}"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


class AgentResult(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run: why it stopped, the answer where there is one, and the whole trace.

    `conversation_id` is where it is kept. `stop_reason` "answered" is the only one with a `result`.
    """

    conversation_id: str
    trace: Trace

    @property
    def stop_reason(self) -> StopReason:
        """Why the run ended."""
        assert self.trace.stop_reason is not None
        return self.trace.stop_reason

    @property
    def is_answered(self) -> bool:
        """True when the model gave its final answer."""
        return self.trace.stop_reason == "answered"

    @property
    def result(self) -> Any:
        """The final answer's result, None where the run ended without one."""
        return None if self.trace.answer is None else self.trace.answer.result

    @property
    def reasoning(self) -> str:
        """The final answer's reasoning."""
        return "" if self.trace.answer is None else self.trace.answer.reasoning

    @property
    def confidence(self) -> float | None:
        """The final answer's confidence, None where none was stated."""
        return None if self.trace.answer is None else self.trace.answer.confidence

    @property
    def iterations(self) -> int:
        """How often the model was asked."""
        return self.trace.iterations

    @property
    def cost_usd(self) -> Decimal:
        """What the run cost in US dollars, exact."""
        return Decimal(self.trace.spent_nano_usd).scaleb(-9)

    def report(self) -> str:
        """The trace for a person to read."""
        return self.trace.report()

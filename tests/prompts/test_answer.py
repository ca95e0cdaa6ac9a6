"""What a model writes becomes the type that was asked for, or an error with every fault; a verdict fails closed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RecoveryFailed, SchemaMismatch
from backstay.prompts import shipped
from backstay.prompts.answer import (
    FinalAnswer,
    Reasoning,
    Simulation,
    UseTool,
    Validation,
    WorldModel,
    parse_reasoning,
    parse_simulation,
    parse_step,
    parse_validation,
    parse_world_model,
    validation_passed,
)

ACTION = {"action_type": "ADD_SERVER", "parameters": {}, "rationale": "Full.", "confidence": 0.9, "risk_level": "low"}
REASONING = {"analysis": "Full.", "recommendations": [ACTION], "reasoning_steps": ["It is full."]}
WORLD = {
    "updated_model": {
        "system_description": "Two servers.",
        "key_metrics": {"utilisation": 0.7},
        "identified_patterns": [],
        "trend_analysis": "one observation only",
    },
    "predictions": {
        "short_term": "0.8",
        "medium_term": "0.9",
        "confidence_scores": {"short_term": 0.5, "medium_term": 0.3},
    },
}
SIMULATION = {
    "simulation_result": {
        "immediate_effects": ["none"],
        "cascading_effects": [],
        "risk_assessment": {"level": "medium", "factors": ["cost"]},
        "success_probability": 0.6,
        "alternative_outcomes": [],
    },
    "recommendations": {"proceed": True, "modifications": [], "precautions": []},
}


def written(value: Any) -> str:
    return f"Sure.\n```json\n{msgspec.json.encode(value).decode()}\n```"


def test_each_answer_of_operations_is_read() -> None:
    """From prose and a fence, into frozen types."""
    reasoning = parse_reasoning(written(REASONING))
    assert reasoning.recommendations[0].risk_level == "low"
    assert parse_world_model(written(WORLD)).predictions.confidence_scores.medium_term == 0.3
    assert parse_simulation(written(SIMULATION)).recommendations.proceed is True
    assert msgspec.json.decode(msgspec.json.encode(reasoning)) == REASONING


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("system_reasoning", Reasoning, REASONING),
        ("world_model_update", WorldModel, WORLD),
        ("adaptation_impact_simulation", Simulation, SIMULATION),
    ],
)
def test_type_and_schema_say_the_same(name: str, kind: type[Any], value: dict[str, Any]) -> None:
    """Each member that a prompt's schema requires is a field without a default, at every depth, and the other way round."""

    def required(schema: Any, root: Any) -> Any:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if "items" in schema:
            return [required(schema["items"], root)]
        if "properties" not in schema:
            return None
        return {one: required(schema["properties"][one], root) for one in schema["required"]}

    made, told = msgspec.json.schema(kind), shipped().get(name).schema or {}
    assert required(made, made) == required(told, told)
    assert msgspec.json.decode(msgspec.json.encode(msgspec.convert(value, kind))) == value


def test_repairable_damage_is_repaired_and_a_cut_is_not() -> None:
    """Spelling and commas cost nothing; half an answer is no answer."""
    loose = "{'analysis': 'Full.', recommendations: [], 'reasoningSteps': ['a', 'b',],}"
    assert parse_reasoning(loose).reasoning_steps == ("a", "b")
    with pytest.raises(SchemaMismatch):
        parse_reasoning(written(REASONING)[:-40])
    with pytest.raises(RecoveryFailed) as caught:
        parse_reasoning("I can't do that.")
    assert caught.value.text == "I can't do that."


def test_what_is_out_of_bounds_is_named_by_its_path() -> None:
    """A confidence above 1 and a level that does not exist."""
    wrong = {**REASONING, "recommendations": [ACTION | {"risk_level": "none"}]}
    with pytest.raises(SchemaMismatch) as caught:
        parse_reasoning(written(wrong))
    assert "risk_level" in caught.value.faults[0]
    with pytest.raises(SchemaMismatch):
        parse_reasoning(written({**REASONING, "recommendations": [ACTION | {"confidence": 1.4}]}))


def test_a_step_is_a_tool_or_the_end() -> None:
    """Each with what it needs; optional words may be missing; an empty place for the other kind is nothing."""
    step = parse_step('{"action": "use_tool", "tool_name": " get ", "parameters": {"a": 1}, "result": null}')
    assert step == UseTool(tool_name="get", parameters={"a": 1})
    assert parse_step('{"action": "use_tool", "tool_name": "get", "result": {}}') == UseTool(
        tool_name="get", parameters={}
    )
    end = parse_step('{"action": "final_answer", "result": {"n": 0}, "confidence": 0.4}')
    assert end == FinalAnswer(result={"n": 0}, confidence=0.4)
    assert parse_step('{"action": "final_answer", "result": false}') == FinalAnswer(result=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"action": "use_tool", "parameters": {}}', "names no tool"),
        ('{"action": "use_tool", "tool_name": "  "}', "names no tool"),
        ('{"action": "use_tool", "tool_name": "a", "result": "done"}', "has a result too"),
        ('{"action": "final_answer"}', "has no result"),
        ('{"action": "final_answer", "result": "x", "tool_name": "a"}', "names a tool too"),
        ('{"action": "think", "result": "x"}', "action"),
        ('{"action": "use_tool", "tool_name": "delete_al', "cut short"),
    ],
)
def test_a_step_that_is_neither_is_refused(text: str, said: str) -> None:
    """With words that can go back to the model."""
    with pytest.raises(SchemaMismatch, match=said):
        parse_step(text)


def test_a_verdict_passes_when_it_says_so_and_means_it() -> None:
    """As text, as data, as the type."""
    good = {"is_valid": True, "confidence": 0.75, "issues": []}
    assert validation_passed(written(good))
    assert validation_passed(good)
    assert validation_passed(parse_validation('{"isValid": "yes", "confidence": "0.8"}'))
    assert not validation_passed(good, at=0.8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "valid",
        "true",
        "This is not valid.",
        "{}",
        '{"is_valid": true}',
        '{"is_valid": false, "confidence": 1}',
        '{"is_valid": true, "confidence": 0.74}',
        '{"is_valid": true, "confidence": 1.5}',
        '{"is_valid": true, "confidence": 0.9, "issues": ["the total differs"]}',
        '{"is_valid": true, "confidence": 0.9, "issues": ["the to',
        '{"is_valid": null, "confidence": 0.9}',
    ],
)
def test_any_other_verdict_does_not_pass(text: str) -> None:
    """Silence, doubt, a contradiction and half a verdict are no."""
    assert not validation_passed(text)


@given(st.booleans(), st.floats(0, 1), st.lists(st.text(max_size=3), max_size=2), st.floats(0, 1))
def test_passing_is_the_conjunction(is_valid: bool, confidence: float, issues: list[str], at: float) -> None:
    """Nothing else decides."""
    verdict = Validation(is_valid=is_valid, confidence=confidence, issues=tuple(issues))
    assert validation_passed(verdict, at=at) == (is_valid and confidence >= at and not issues)

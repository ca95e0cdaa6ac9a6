"""With a model: all four prompts are asked, timed, budgeted and checked; what fails is done by rule, and the trace says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay import Client
from backstay.config import Loaded, load
from backstay.errors import AuthenticationFailed, ConfigurationError, InvalidRequest, ServerFault
from backstay.kits.operations.advice import ModelAdviser, PolicyAdviser
from backstay.kits.operations.loop import ControlLoop, Round, read_trace, write_round
from backstay.kits.operations.policy import Static, Thresholds
from backstay.kits.operations.screen import clipped, line_of
from backstay.kits.operations.setting import Loop, Tier
from backstay.kits.operations.system import SimulatedTier
from backstay.kits.operations.thinking import ASKING, Thinker, Thinking, fitted
from backstay.kits.operations.tier import WebTier
from backstay.kits.operations.trace import waves
from backstay.ledger.memory import MemoryLedger
from backstay.offline.provider import Offline
from backstay.service import Call, Reply
from backstay.sim import sim_world
from backstay.types import Provenance, Request, Response, Text, Usage

WORLD = {
    "updated_model": {
        "system_description": "A web tier.",
        "key_metrics": {"utilisation": 0.9},
        "identified_patterns": [],
        "trend_analysis": "Load rises.",
    },
    "predictions": {
        "short_term": "more",
        "medium_term": "unknown",
        "confidence_scores": {"short_term": 0.6, "medium_term": 0.3},
    },
}
ADD = {"action_type": "ADD_SERVER", "parameters": {}, "rationale": "busy", "confidence": 0.9, "risk_level": "low"}
ADVICE = {"analysis": "Busy.", "recommendations": [ADD], "reasoning_steps": ["one"]}
IMPACT = {
    "simulation_result": {
        "immediate_effects": ["none for 60 s"],
        "cascading_effects": [],
        "risk_assessment": {"level": "low", "factors": []},
        "success_probability": 0.9,
        "alternative_outcomes": [],
    },
    "recommendations": {"proceed": True, "modifications": [], "precautions": []},
}
STEP = {"action": "use_tool", "tool_name": "get_metrics", "parameters": {"system_id": "web-tier"}, "reasoning": "look"}
END = {"action": "final_answer", "result": ADVICE, "reasoning": "seen", "confidence": 0.9}
PROMPTS = {"world_model_update", "system_reasoning", "adaptation_impact_simulation", "agentic_reasoning"}


class Model:
    """A provider that answers each task by its table: JSON, text, an error, or after so many seconds."""

    def __init__(self, **lines: Any) -> None:
        self._lines = {
            "world_model_update": WORLD,
            "system_reasoning": ADVICE,
            "adaptation_impact_simulation": IMPACT,
            "agentic_reasoning": [STEP, END],
            **lines,
        }
        self.calls: list[Call] = []

    async def __call__(self, call: Call, /) -> Reply:
        self.calls.append(call)
        task = call.request.metadata.task
        if task == "agent":
            raise InvalidRequest("tools: this model takes none")
        line = self._lines[str(task)]
        if isinstance(line, list):
            line = line[min(sum(one.request.metadata.task == task for one in self.calls), len(line)) - 1]
        if isinstance(line, float):
            await asyncio.sleep(line)
        if isinstance(line, Exception):
            raise line
        return Reply(response=said(line if isinstance(line, str) else json.dumps(line), call.request))

    @property
    def tasks(self) -> set[str]:
        return {str(one.request.metadata.task) for one in self.calls}


def said(text: str, request: Request) -> Response:
    return Response(
        parts=(Text(text=text),),
        finish_reason="stop",
        raw_finish_reason="stop",
        usage=Usage(input_tokens=5, output_tokens=5),
        model=request.model,
        provenance=Provenance(target="scripted"),
    )


def settings(tmp_path: Path, **arguments: Any) -> Loaded:
    given = {"model": "scripted:demo", "ledger.path": str(tmp_path / "ledger.db"), "retry.max_attempts": 1, **arguments}
    services = ("scripted", "offline")
    return load(environ={}, arguments=given, cwd=tmp_path, user_folder=tmp_path, services=services)


Look = Callable[..., Any]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Looks after a tier with a model, in virtual time; the rounds and the tier's servers in the end."""

    async def run(
        model: Model, most: int = 1, *, servers: int = 1, settings_: Loop | None = None, **how: Any
    ) -> tuple[list[Round], SimulatedTier]:
        system = SimulatedTier(WebTier(waves(minutes=12, low=34, high=45, seed=2), Tier(initial_servers=servers)))
        services: dict[str, Any] = {"scripted": model, "offline": Offline(())}
        loaded, world, ledger = fitted(settings(tmp_path, **how)), sim_world(), MemoryLedger(owner="test")
        async with Client(loaded=loaded, services=services, world=world, ledger=ledger) as client:
            adviser = ModelAdviser(
                client, Thresholds(), mode="auto", name="thresholds", settings=settings_, world=world
            )
            loop = ControlLoop(system, adviser, settings=settings_, thinker=Thinker(client))
            return [one async for one in loop.rounds(most)], system

    return run


async def test_every_prompt_is_asked(look: Look) -> None:
    """A critical tier is looked into by an agent, a healthy one in one answer; a world model is kept, actions are simulated."""
    model = Model()
    (first, second), system = await look(model, 2)
    assert first.health == "critical"
    assert model.tasks >= {"world_model_update", "agentic_reasoning", "adaptation_impact_simulation"}
    assert first.world is not None
    assert (first.world.trend, first.world.source, first.world.is_degraded) == ("Load rises.", "scripted", False)
    assert "get_metrics" in first.advice.report
    assert [(one.action_type, one.source, one.is_degraded) for one in first.impacts] == [
        ("ADD_SERVER", "scripted", False)
    ]
    assert [one.status for one in first.executions] == ["success"]
    assert not first.advice.is_degraded
    healthy = Model()
    ((calm,), _) = await look(healthy, 1, servers=3)
    assert calm.health == "healthy"
    assert healthy.tasks == {"world_model_update", "system_reasoning"}
    assert calm.executions[0].status == "refused"  # three servers are all that there are
    assert calm.impacts == ()  # what is refused is not paid for
    assert second.number == 2
    assert system.tier.servers >= 2


async def test_each_question_has_its_seconds_and_its_length(look: Look) -> None:
    """Deadlines and output tokens are those of the setting; a daily budget stands for each task."""
    model = Model()
    await look(model, 1)
    for call in model.calls:
        how = ASKING.get(call.request.metadata.task)  # type: ignore[call-overload]
        if how is not None:
            assert call.request.max_output_tokens == how.max_output_tokens
            assert call.deadline is not None


def test_budgets_stand_for_each_kind(tmp_path: Path) -> None:
    """Every task has US dollars a day, the agent under both of its names; the user's own quotas are left as they are."""
    quotas = fitted(settings(tmp_path)).config.quotas
    assert {one.task for one in quotas.values()} == PROMPTS | {"agent"}
    assert all(one.usd_per_day for one in quotas.values())
    own = settings(tmp_path, **{"quotas.mine.task": "x", "quotas.mine.usd_per_day": 1})
    assert fitted(own) is own


def test_patience_multiplies_the_time_outs() -> None:
    """Ten times the patience, ten times the seconds; none is refused."""
    assert Thinking(patience=10).timeout("system_reasoning") == 10 * ASKING["system_reasoning"].timeout
    for wrong in ({"patience": 0}, {"calls": {}}):
        with pytest.raises(ConfigurationError, match="operations"):
            Thinking(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "failure",
    [ServerFault("down", status=500), AuthenticationFailed("no", status=401), "I would rather not.", '{"x": 1}', 400.0],
    ids=["fault", "key", "words", "schema", "silence"],
)
async def test_a_model_that_fails_is_replaced_and_the_trace_says_so(look: Look, tmp_path: Path, failure: Any) -> None:
    """The policy advises, the rule keeps the world model, all marked degraded with the reason; the round reads back the same."""
    ((found,), system) = await look(Model(**dict.fromkeys(PROMPTS, failure)))
    assert found.advice.is_degraded
    assert found.advice.source == "rule:thresholds"
    assert found.advice.note
    assert found.world is not None
    assert (found.world.source, found.world.is_degraded) == ("rule:differences", True)
    assert "the model was no help" in found.world.note
    assert found.world.key_metrics["server_count"] == 1
    assert found.done[0].action_type == "ADD_SERVER"
    assert found.impacts == ()  # a policy's action comes out of a simulation already
    assert system.tier.servers == 2
    write_round(tmp_path / "run.jsonl", found)
    assert read_trace(tmp_path / "run.jsonl") == [found]


async def test_an_agent_without_an_end_is_followed_by_one_answer(look: Look) -> None:
    """The agent only calls tools: `system_reasoning` is asked instead, and both are told."""
    model = Model(agentic_reasoning=STEP)
    ((found,), _) = await look(model)
    assert found.advice.source == "scripted"
    assert not found.advice.is_degraded
    assert "the agent ended without an answer" in found.advice.note
    assert "system_reasoning" in model.tasks


async def test_what_the_simulation_advises_against_is_not_done(look: Look) -> None:
    """`proceed` false refuses the action, with the reason; where the model can't simulate, the queueing model does."""
    no = {**IMPACT, "recommendations": {"proceed": False, "modifications": ["lower the dimmer"], "precautions": []}}
    ((found,), system) = await look(Model(adaptation_impact_simulation=no))
    assert [one.status for one in found.executions] == ["refused"]
    assert "advises against it: risk low; rather: lower the dimmer" in found.executions[0].detail
    assert system.tier.servers == 1
    ((found,), system) = await look(Model(adaptation_impact_simulation="no idea"))
    assert [(one.source, one.is_degraded) for one in found.impacts] == [("rule:queueing", True)]
    assert found.impacts[0].proceed
    assert system.tier.servers == 2


async def test_more_actions_than_can_be_simulated_are_refused(look: Look) -> None:
    """The broken variant of a bound: with room for none, nothing that a model recommends is done."""
    ((found,), system) = await look(Model(), settings_=Loop(most_simulations=0))
    assert found.executions[0].status == "refused"
    assert "not simulated" in found.executions[0].detail
    assert system.tier.servers == 1


async def test_an_answer_that_was_cut_is_no_answer(look: Look) -> None:
    """JSON that could be closed again, but was cut by the token limit, is not carried out."""

    class Cut(Model):
        async def __call__(self, call: Call, /) -> Reply:
            response = await (await super().__call__(call)).response()
            return Reply(response=msgspec.structs.replace(response, finish_reason="length"))

    ((found,), _) = await look(Cut())
    assert found.advice.is_degraded
    assert found.world is not None
    assert "cut at 900 tokens" in found.world.note


async def test_without_a_thinker_nothing_is_modelled() -> None:
    """A loop on a policy alone asks nobody: no world model, no simulation."""
    system = SimulatedTier(WebTier(waves(minutes=3, low=34, high=45)))
    loop = ControlLoop(system, PolicyAdviser(Static(), name="static"))
    assert [(one.world, one.impacts) for one in [each async for each in loop.rounds(1)]] == [(None, ())]


@pytest.mark.parametrize("servers", [1, 3], ids=["critical", "healthy"])
async def test_nonsense_of_the_right_shape_does_nothing(look: Look, servers: int) -> None:
    """Answers that fit every schema and mean nothing: each action is refused with its reasons, and the tier is as it was."""
    noise = "\u421a\U000b16b1ENOUGH;DROP"
    junk = {**ADD, "action_type": noise, "parameters": {noise: [noise]}, "confidence": 1.0}
    wild = {**ADD, "action_type": "SET_DIMMER", "parameters": {"value": -1e308}, "risk_level": "high"}
    advice = {"analysis": noise, "recommendations": [junk, wild], "reasoning_steps": [noise] * 9}
    world = {
        **WORLD,
        "updated_model": {**WORLD["updated_model"], "key_metrics": {noise: None}, "trend_analysis": noise},
    }
    model = Model(
        world_model_update=world,
        system_reasoning=advice,
        agentic_reasoning=[{**STEP, "tool_name": noise, "parameters": {noise: noise}}, {**END, "result": advice}],
    )
    ((found,), system) = await look(model, 1, servers=servers)
    assert [one.status for one in found.executions] == ["refused", "refused"]
    assert "there is no action" in found.executions[0].detail
    assert "outside 0 to 1" in found.executions[1].detail
    assert "risk high is above medium" in found.executions[1].detail
    assert found.impacts == ()
    assert (system.tier.servers, system.tier.dimmer) == (servers, 0.9)
    assert clipped(line_of(found)).isprintable()

"""The questions of the game: how they are asked, who answers, and what becomes of bad answers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from backstay.answer import JsonAnswer
from backstay.errors import AuthenticationFailed, ConfigurationError, ServerFault
from backstay.kits.narrative import Game, Settings
from backstay.kits.narrative.narrator import Mode
from backstay.kits.narrative.rules import RULES
from backstay.kits.narrative.setting import CALLS
from backstay.offline.scripted import Scripted
from backstay.prompts import shipped
from backstay.recover import Status, align
from backstay.service import Call, Reply
from backstay.types import Request

from .seat import lived, loaded, open_table

SAID = {
    "decision_interpretation": {"action": "delegate", "target": "wardens", "task": "hunt", "confidence": 0.9},
    "world_narrative": {"title": "A week", "narrative": "It was a week. The mill turned."},
    "npc_conversation": {"reply": "Yes, Reeve.", "topic": "food", "feeling": "warmer"},
    "crisis_generation": {
        "type": "other", "title": "The flood", "description": "Water came.",
        "options": [{"approach": way, "label": f"{way}."} for way in ("pay", "talk", "endure")],
    },
}  # fmt: skip


def by_task(request: Request) -> str:
    return json.dumps(SAID[request.metadata.task or ""])


class Model:
    """A service that answers by task and keeps the calls."""

    def __init__(self, *lines: Any) -> None:
        self._script = Scripted(*(lines or (by_task,)), is_endless=True)
        self.calls: list[Call] = []

    async def __call__(self, call: Call, /) -> Reply:
        self.calls.append(call)
        return await self._script(call)


@pytest.mark.parametrize("task", sorted(CALLS))
def test_a_scripted_answer_fits_the_prompts_schema(task: str) -> None:
    """The parser accepts what a model would say, with prose and a fence around it."""
    template = shipped().get(task)
    assert template.schema is not None
    aligned = align(f"Here you are:\n```json\n{json.dumps(SAID[task])}\n```", template.schema)
    assert aligned.status is not Status.FAILED
    assert aligned.value["title" if "title" in SAID[task] else next(iter(SAID[task]))]


async def test_each_kind_is_asked_with_its_class_time_and_length() -> None:
    """Priority and length stand in the request, the time-out in the call's deadline, the seed differs from call to call."""
    model = Model()
    async with open_table(Settings(), service=model) as client:
        game = Game.new(seed=7, client=client, run=lived())
        heard = await game.say("let the warriors do something useful")
        assert heard.told is not None
        assert heard.told.source == "model"
        assert game.realm.faction("wardens").task == "hunt"
        await game.close_week()
    seen = {call.request.metadata.task: call for call in model.calls}
    for task in ("decision_interpretation", "world_narrative"):
        how, call = CALLS[task], seen[task]  # type: ignore[index]
        assert call.request.metadata.priority == how.priority
        assert call.request.max_output_tokens == how.max_output_tokens
        assert call.deadline is not None
        assert call.deadline <= how.timeout
    assert len({call.request.seed for call in model.calls}) == len(model.calls)


def test_priorities_are_those_of_the_specification() -> None:
    """HIGH waits 3 s, MEDIUM 10 s, LOW 5 s."""
    waits = {"high": 3.0, "medium": 10.0, "low": 5.0}
    assert {how.priority for how in CALLS.values()} == set(waits)
    assert all(how.timeout == waits[how.priority] for how in CALLS.values())


@pytest.mark.parametrize(
    "line", ["I would rather not.", '{"title": 7}', ServerFault("down", status=503)], ids=["prose", "schema", "fault"]
)
async def test_a_bad_answer_is_replaced_by_the_rules(line: Any) -> None:
    """No JSON, another schema, a failing provider: the week is told by rule, says so, and three in a row are degraded mode."""
    async with open_table(Settings(), service=Model(line)) as client:
        game = Game.new(seed=7, client=client, run=lived())
        assert not game.narrator.mode.is_degraded
        for _ in range(3):
            week = await game.close_week()
            assert week.told.source == "rule"
            assert week.story
    assert game.narrator.mode.is_degraded
    assert game.realm.week == 4


async def test_a_hanging_model_costs_the_game_its_time_out_and_no_more() -> None:
    """A model that takes a minute: the rules tell the week within the ten seconds of its class, in virtual time."""
    import asyncio

    now = asyncio.get_running_loop().time
    async with open_table(Settings(), service=Model([60.0])) as client:
        game = Game.new(seed=7, client=client, run=lived())
        before = now()
        week = await game.close_week()
    assert week.told.source == "rule"
    assert now() - before <= CALLS["world_narrative"].timeout


async def test_a_models_words_cannot_change_the_rules() -> None:
    """Type, severity and ways of a crisis are the rules'; a label that is missing gets a plain one, and it is noted."""
    answer = {
        **SAID["crisis_generation"],
        "type": "rebellion",
        "options": [{"approach": "force", "label": "Kill all."}],
    }
    async with open_table(Settings(), service=Model(json.dumps(answer))) as client:
        game = Game.new(seed=7, client=client, run=lived())
        crisis, _ = await game.narrator.crisis(game.realm, "famine", 400)
    assert (crisis.type, crisis.severity) == ("famine", 400)
    assert [one.approach for one in crisis.options] == ["pay", "talk", "endure"]
    assert "no label" in game.narrator.errors[0]


def test_mode_follows_the_share_and_recovers() -> None:
    """More than half of more than ten tries is degraded as well; a good answer after three bad ones ends it."""
    mode = Mode(Settings())
    for is_failure in (True, True, False) * 4:
        mode.note(is_failure)
    assert mode.is_degraded
    fresh = Mode(Settings())
    for _ in range(3):
        fresh.note(True)
    assert fresh.is_degraded
    fresh.note(False)
    assert not fresh.is_degraded


async def test_a_person_answers_in_their_role_and_feels_it() -> None:
    """Talking to a person gives a reply, spends attention, and kindness and threats are felt differently."""
    settings = Settings(attention=9)
    async with open_table(settings) as client:
        game = Game.new(seed=7, client=client, run=lived(), settings=settings)
        kind, harsh = game.realm.people[0], game.realm.people[1]
        kind.loyalty = harsh.loyalty = 400
        first = await game.say(f"Talk to {kind.name}: thank you for the bread. I promise to listen")
        second = await game.say(f"Talk to {harsh.name}: obey, or else")
    assert first.speaker == kind.name
    assert first.reply
    assert second.told is not None
    assert second.told.value["feeling"] == "colder"
    assert kind.loyalty - harsh.loyalty == 50
    assert game.realm.attention == 7


async def test_budgets_stand_for_each_kind() -> None:
    """The layer keeps a daily budget for each task, and the rules stand behind every model; the user's own settings win."""
    from backstay.kits.narrative.setting import fitted

    plain = fitted(loaded("scripted:test", ("scripted",)), Settings())
    assert {quota.task: quota.usd_per_day for quota in plain.config.quotas.values()} == {
        task: how.usd_per_day for task, how in CALLS.items()
    }
    assert plain.config.failover.targets == ("offline:rules",)
    own = fitted(loaded("scripted:test", ("scripted",), **{"failover.targets": ["scripted:other"]}), Settings())
    assert own.config.failover.targets == ("scripted:other",)


def test_the_rules_leave_other_tasks_alone() -> None:
    """A rule of this kit answers its own task and no other, even when the text looks like it."""
    rendered = shipped().render("world_narrative", week={})
    asked = rendered.request()
    other = msgspec.structs.replace(asked, metadata=msgspec.structs.replace(asked.metadata, task="something_else"))
    assert [rule.answer(other) for rule in RULES] == [None] * len(RULES)


class Wrong:
    """A client whose settings are wrong."""

    model = "scripted:test"

    async def generate_json(self, prompt: Request, *, timeout: float | None = None) -> JsonAnswer:
        raise ConfigurationError("no key")


async def test_a_wrong_configuration_is_not_hidden_by_the_rules() -> None:
    """What the user has to mend is raised; what a provider refuses is told around, and the mode says so."""
    with pytest.raises(ConfigurationError, match="no key"):
        await Game.new(seed=7, client=Wrong(), run=lived()).close_week()
    async with open_table(Settings(), service=Model(AuthenticationFailed("bad key", status=401))) as client:
        game = Game.new(seed=7, client=client, run=lived())
        assert (await game.close_week()).told.source == "rule"

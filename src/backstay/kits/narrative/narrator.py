"""Narrator: how the game asks: four kinds of question, each with its priority, its seconds, its length and its money.

Every question goes through a client, so it is retried, queued, limited, booked and journaled as any call. The chain of models
ends in the offline rules. Where a model's answer cannot be used (no JSON, another schema), the same question is asked of the
rules, so a week never waits for prose. Each answer says who gave it, and a `Mode` says when models have failed too often lately.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from backstay.answer import JsonAnswer
from backstay.errors import ConfigurationError, InvalidRequest, LLMError, ReplayMiss
from backstay.kits.narrative.dice import Dice, seed_of
from backstay.kits.narrative.order import Decision
from backstay.kits.narrative.realm import Crisis, Option, Person, Realm
from backstay.kits.narrative.setting import OFFLINE, CallType, Settings
from backstay.kits.narrative.view import crisis_view, person_view, week_view, world_view
from backstay.prompts import PromptLibrary, Rendered
from backstay.types import Request

Source: TypeAlias = Literal["model", "rule"]
SEEDS: Final = 1 << 31
"""Seeds of requests stay below this, which every provider takes."""


class Asks(Protocol):
    """The part of a Client that the game uses."""

    @property
    def model(self) -> str: ...

    async def generate_json(self, prompt: Request, *, timeout: float | None = None) -> JsonAnswer: ...


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, who gave it (`by`: the rule's or the target's name), and what went wrong before, if anything did."""

    value: dict[str, Any]
    source: Source
    by: str
    error: str = ""


class Mode:
    """Whether models answer: degraded after a number of failures in a row, or when most of the last tries failed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._in_a_row = 0
        self._lately: list[bool] = []

    def note(self, is_failure: bool) -> None:
        """A question that was meant for a model was answered by it, or was not."""
        self._in_a_row = self._in_a_row + 1 if is_failure else 0
        self._lately = [*self._lately[-19:], is_failure]

    @property
    def is_degraded(self) -> bool:
        """True while models have failed too often."""
        tries = len(self._lately)
        is_share = tries > self._settings.error_tries and sum(self._lately) * 1000 > self._settings.error_share * tries
        return self._in_a_row >= self._settings.errors_in_a_row or is_share


class Narrator:
    """Asks for one game. `calls` counts the questions of this week, `tally` all of them by kind and source."""

    def __init__(self, client: Asks, *, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._marks = Dice(0)
        self._library = PromptLibrary(rng=self._marks)
        self.mode = Mode(settings)
        self.calls = 0
        self.tally: Counter[tuple[str, Source]] = Counter()
        self.errors: list[str] = []

    def open_week(self, realm: Realm) -> None:
        """Count from zero. What a week's prompts are marked with hangs on the week alone, so a loaded game asks the same."""
        self.calls = 0
        self._marks.position = seed_of(realm.nonces, realm.week)

    @property
    def is_offline(self) -> bool:
        """True when no model was asked for."""
        return self._client.model == OFFLINE

    async def interpret(self, realm: Realm, words: str) -> tuple[Decision, Told]:
        """What the player's words ask for."""
        told = await self._ask("decision_interpretation", realm, words=words, world=world_view(realm))
        return msgspec.convert(told.value, Decision, strict=False), told

    async def tell(self, realm: Realm) -> Told:
        """The week as prose: `title` and `narrative`."""
        return await self._ask("world_narrative", realm, week=week_view(realm), recent=[*realm.headings, *realm.told])

    async def converse(self, realm: Realm, person: Person, words: str) -> Told:
        """What a person answers: `reply`, `topic`, `feeling`."""
        about = person_view(realm, person, self._settings)
        return await self._ask("npc_conversation", realm, person=about, words=words, recent=realm.said)

    async def crisis(self, realm: Realm, type: str, severity: int) -> tuple[Crisis, Told]:
        """A crisis that is told. Type, severity and ways stay those of the rules, whatever the answer says."""
        view = crisis_view(realm, type, severity)
        wrong = [problem.description for problem in realm.problems]
        world = {"season": realm.season, "weather": realm.weather, "problems": wrong}
        told = await self._ask("crisis_generation", realm, crisis=view, world=world, recent=realm.titles)
        labels = {one["approach"]: one["label"] for one in told.value["options"]}
        ways = [way["approach"] for way in view["ways"]]
        if missing := [way for way in ways if way not in labels]:
            self.errors.append(f"crisis_generation: no label for {', '.join(missing)}")
            labels |= {way: f"{way.capitalize()}." for way in missing}
        crisis = Crisis(
            type=type,
            title=" ".join(told.value["title"].split())[:60],
            description=" ".join(told.value["description"].split()),
            severity=severity,
            due=realm.week + self._settings.crisis_weeks,
            options=tuple(Option(approach=way, label=labels[way]) for way in ways),
        )
        return crisis, told

    async def _ask(self, task: CallType, realm: Realm, **variables: Any) -> Told:
        self.calls += 1
        rendered = self._library.render(task, **variables)
        request = self._request(task, rendered, seed_of(realm.seed, realm.week, self.calls, task) % SEEDS)
        told = await self._answered(task, request)
        self.tally[task, told.source] += 1
        if not self.is_offline:
            self.mode.note(told.source == "rule")
        if told.error:
            self.errors.append(f"{task}: {told.error}")
        return told

    def _request(self, task: CallType, rendered: Rendered, seed: int) -> Request:
        how = self._settings.calls[task]
        asked = rendered.request()
        return msgspec.structs.replace(
            asked,
            seed=seed,
            temperature=how.temperature,
            max_output_tokens=how.max_output_tokens,
            metadata=msgspec.structs.replace(asked.metadata, priority=how.priority),
        )

    async def _answered(self, task: CallType, request: Request) -> Told:
        timeout = self._settings.calls[task].timeout
        try:
            return _told(await self._client.generate_json(request, timeout=timeout))
        except ReplayMiss:
            raise
        except LLMError as error:
            if isinstance(error, ConfigurationError) and not isinstance(error, InvalidRequest):
                raise
            fault = f"{type(error).__name__}: {error}"
        plain = msgspec.structs.replace(request, model=OFFLINE)
        told = _told(await self._client.generate_json(plain, timeout=timeout))
        return msgspec.structs.replace(told, error=fault)


def _told(answer: JsonAnswer) -> Told:
    about = answer.response.provenance
    source: Source = "rule" if about.rule is not None or about.degraded else "model"
    return Told(value=dict(answer.value), source=source, by=about.rule or about.target or answer.response.model or "")

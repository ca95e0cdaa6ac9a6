"""Game: one play through, week by week; a week is a tick of the run that records or replays it.

    open the week   run.tick(week)
    orders          interpreted, carried out; a person spoken to answers; an open crisis is met
    the week        work, food, weather, sickness, raiders, moods; problems; perhaps a crisis
    its story       told, and remembered, so that no sentence comes again within the window
    the snapshot    the whole state and its hash

The game asks nothing of the machine: chances come from the run, words from the narrator, orders from whoever plays.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from backstay.kits.narrative import crisis as crises
from backstay.kits.narrative.grammar import prose, sentences
from backstay.kits.narrative.narrator import Asks, Narrator, Told
from backstay.kits.narrative.order import Decision, Outcome, carry_out, shift
from backstay.kits.narrative.problem import find_problems
from backstay.kits.narrative.realm import Crisis, Person, Realm, new_realm
from backstay.kits.narrative.setting import Settings
from backstay.kits.narrative.view import effect_of, hearts
from backstay.kits.narrative.week import live
from backstay.replay.run import Run, sha_of, state_of

FEELINGS: Final = {"warmer": 25, "same": 0, "colder": -25}
HEADINGS: Final = 6
"""Weeks within which no title comes again: a season."""

CHOICE: Final = re.compile(r"\s*([1-9])\s*\.?\s*")


UNASKED: Final = (
    "Nobody is there to answer. `status` and `people` show how things stand, `advice` asks the elders, and "
    "`talk to NAME: ...` asks a person."
)


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of something that the player said: the outcome, how people took it (`effect`, empty where they did not mind), how
    it was understood, and who spoke, if somebody did."""

    outcome: Outcome
    effect: str = ""
    decision: Decision | None = None
    told: Told | None = None
    speaker: str = ""
    reply: str = ""


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """A week that is over: its story and the frame that was noted."""

    number: int
    title: str
    story: str
    told: Told
    frame: Frame
    crisis: Crisis | None = None
    crisis_told: Told | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The snapshot of a tick: the figures by which two runs are compared at a glance, and the state behind them.

    Its JSON has the simulation's own names: worldStateHash, npcCount, factionCount, totalLoyalty, llmCallsThisTick.
    """

    tick: int
    world_state_hash: str
    npc_count: int
    faction_count: int
    total_loyalty: int
    llm_calls_this_tick: int
    state: Any


class Game:
    """One game. `await say(...)` as often as there is attention, then `await close_week()`, until `realm.ended`."""

    def __init__(self, realm: Realm, *, client: Asks, run: Run, settings: Settings) -> None:
        self.realm = realm
        self.settings = settings
        self._run = run
        self.narrator = Narrator(client, settings=settings)
        self._story = hashlib.sha256()
        self.last_hash = ""
        self.change: dict[str, int] = {}
        self._opened: dict[str, int] = {}
        self._open_week()

    @classmethod
    def new(cls, *, seed: int, client: Asks, run: Run, settings: Settings | None = None) -> Game:
        """A game from its first week. `run` is what draws; its random numbers decide who lives in the village."""
        chosen = settings or Settings()
        return cls(new_realm(run, seed, chosen), client=client, run=run, settings=chosen)

    @property
    def story_hash(self) -> str:
        """SHA-256 of everything that was told so far."""
        return self._story.hexdigest()

    def _open_week(self) -> None:
        self._run.tick(self.realm.week)
        self.realm.attention = self.settings.attention
        self._opened = dict(self.realm.stock)
        self.realm.events = []
        self.narrator.open_week(self.realm)

    async def say(self, words: str) -> Heard:
        """Carry out what `words` ask for: the number of a way to meet the crisis, or an order in any words."""
        if self.realm.attention < 1:
            return Heard(outcome=Outcome(is_done=False, text="There is no time left this week."))
        before = hearts(self.realm)
        heard = await self._heard(words)
        if not heard.outcome.is_done:
            return heard
        self.realm.attention -= 1
        return msgspec.structs.replace(
            heard, effect=effect_of(self.realm, before, heard.decision.target if heard.decision else "")
        )

    async def _heard(self, words: str) -> Heard:
        realm = self.realm
        choice = CHOICE.fullmatch(words)
        if choice is not None and realm.crisis is not None:
            return Heard(outcome=self._meet(realm.crisis, int(choice[1])))
        if choice is not None:
            said = "There is no crisis to answer. Orders are said in words; `help` tells how."
            return Heard(outcome=Outcome(is_done=False, text=said))
        decision, told = await self.narrator.interpret(realm, words)
        person = next((one for one in realm.people if one.id == decision.target), None)
        if decision.action == "negotiate" and person is not None:
            return await self._talk(person, words, decision)
        outcome = carry_out(realm, decision)
        if decision.action == "unknown" and words.rstrip().endswith("?"):
            outcome = Outcome(is_done=False, text=UNASKED)
        return Heard(outcome=outcome, decision=decision, told=told)

    def _meet(self, crisis: Crisis, number: int) -> Outcome:
        if number > len(crisis.options):
            return Outcome(is_done=False, text=f"There are {len(crisis.options)} ways.")
        return crises.meet(self.realm, crisis.options[number - 1].approach, self._run)

    async def _talk(self, person: Person, words: str, decision: Decision) -> Heard:
        told = await self.narrator.converse(self.realm, person, words)
        outcome = carry_out(self.realm, decision)
        shift([person], loyalty=FEELINGS[told.value["feeling"]])
        reply = " ".join(told.value["reply"].split())
        self.realm.said = self._latest([*self.realm.said, *sentences(reply)])
        self._note(reply)
        return Heard(outcome=outcome, decision=decision, told=told, speaker=person.name, reply=reply)

    def _latest(self, told: list[str]) -> list[str]:
        return told[max(0, len(told) - self.settings.window) :]

    def _note(self, text: str) -> None:
        self._story.update(text.encode() + b"\n")

    async def close_week(self) -> Week:
        """Let the week pass; tell it, note it, and open the next one unless the game is over. Raises RuntimeError when it was."""
        realm, settings = self.realm, self.settings
        if realm.ended:
            raise RuntimeError("the game is over: no week follows")
        if realm.crisis is not None and realm.week >= realm.crisis.due:
            crises.expire(realm)
        live(realm, self._run)
        realm.problems = find_problems(realm, settings)
        realm.ended = realm.ended or self._verdict()
        crisis, crisis_told = await self._misfortune()
        told = await self.narrator.tell(realm)
        story = " ".join(told.value["narrative"].split())
        title = " ".join(told.value["title"].split())
        realm.told = self._latest([*realm.told, *sentences(story)])
        realm.headings = [*realm.headings[-HEADINGS + 1 :], title]
        self._note(f"{title}: {story}")
        week = Week(
            number=realm.week,
            title=title,
            story=story,
            told=told,
            frame=self._snapshot(),
            crisis=crisis,
            crisis_told=crisis_told,
        )
        self.change = {good: count - self._opened[good] for good, count in realm.stock.items()}
        if not realm.ended:
            realm.week += 1
            self._open_week()
        return week

    async def _misfortune(self) -> tuple[Crisis | None, Told | None]:
        struck = crises.strikes(self.realm, self._run, self.settings)
        if struck is None or self.realm.ended:
            return None, None
        crisis, told = await self.narrator.crisis(self.realm, *struck)
        self.realm.crisis = crisis
        self.realm.titles = [*self.realm.titles[-9:], crisis.title]
        self._note(f"{crisis.title}: {crisis.description}")
        return crisis, told

    def _verdict(self) -> str:
        """How the game ends this week; empty while it goes on."""
        realm = self.realm
        if realm.heads * 2 < realm.first_heads or not realm.people:
            return "emptied"
        if realm.loyalty < self.settings.deposed_loyalty:
            return "deposed"
        if realm.week < self.settings.weeks:
            return ""
        votes = self.votes()
        if votes * 2 <= realm.heads:
            return "dismissed"
        return "beloved" if votes * 5 >= realm.heads * 4 and all(map(realm.is_built, realm.works)) else "kept"

    def votes(self) -> int:
        """The people whose households would vote for the Reeve today."""
        return sum(one.heads for one in self.realm.people if one.loyalty >= self.settings.vote_loyalty)

    def ending(self) -> str:
        """How it ended, as one reads it; empty while the game goes on."""
        realm = self.realm
        facts = {"heads": str(realm.heads), "first": str(realm.first_heads), "week": str(realm.week)}
        return prose("ending").text(realm.ended, 0, facts) if realm.ended else ""

    def _snapshot(self) -> Frame:
        realm = self.realm
        state = msgspec.to_builtins(realm)
        frame = Frame(
            tick=realm.week,
            world_state_hash=sha_of(state_of(state)),
            npc_count=len(realm.people),
            faction_count=len(realm.factions),
            total_loyalty=sum(one.loyalty for one in realm.people),
            llm_calls_this_tick=self.narrator.calls,
            state=state,
        )
        self.last_hash = self._run.snapshot(frame)
        return frame


def save(game: Game, position: int) -> bytes:
    """The game between two weeks, as JSON: its settings, its state, and the position of its dice."""
    return msgspec.json.encode({"version": 1, "settings": game.settings, "realm": game.realm, "dice": position})


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A saved game, read."""

    version: int
    settings: Settings
    realm: Realm
    dice: int


def load(data: bytes) -> Saved:
    """A saved game. Raises ValueError for a text that is none, or of another version."""
    try:
        saved = msgspec.json.decode(data, type=Saved)
    except msgspec.MsgspecError as error:
        raise ValueError(f"this is no saved game: {error}") from error
    if saved.version != 1:
        raise ValueError(f"this game was saved by another version ({saved.version}); this one reads 1")
    return saved

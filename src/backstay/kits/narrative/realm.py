"""Realm: the state of one game, all of it, in whole numbers: what is saved, hashed and replayed.

Four factions, twenty households each with a named head, four kinds of goods, three works to build. Moods, loyalties and
severities are thousandths. Everything stands in lists in a fixed order, so one state has one JSON and one hash.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.narrative.dice import choose
from backstay.kits.narrative.setting import Settings
from backstay.replay.run import Run

Season: TypeAlias = Literal["autumn", "winter", "spring", "summer"]
SEASONS: Final[tuple[Season, ...]] = ("autumn", "winter", "spring", "summer")
SEASON_WEEKS: Final = 6
GOODS: Final = ("food", "timber", "coin", "medicine")
WORKS: Final = {"granary": 60, "palisade": 80, "infirmary": 70}
"""What can be built, with the labour that each takes."""

TASKS: Final = ("farm", "hunt", "gather", "build", "guard", "trade", "buy", "heal", "rest")


class Person(msgspec.Struct, kw_only=True):
    """The head of a household of `heads` people. `met`: the week in which the Reeve last spoke with them; 0 never."""

    id: str
    name: str
    role: str
    faction: str
    trait: str
    heads: int
    mood: int
    loyalty: int
    sick: int = 0
    met: int = 0


class Faction(msgspec.Struct, kw_only=True):
    """People of one trade: what they do by habit, what they do now, for how long it is not their trade, and what for.

    `restricted`: weeks for which they are still held down; `met`: the week in which they were last negotiated with.
    """

    id: str
    name: str
    trade: str
    task: str
    work: str = ""
    away: int = 0
    restricted: int = 0
    met: int = 0


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong, and what could be done. `severity` in thousandths; `person` names whose grievance it is."""

    type: str
    description: str
    severity: int
    faction: str = ""
    resource: str = ""
    person: str = ""
    is_resolvable: bool = True
    solutions: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in a week: its kind, to whom, to what, and how many."""

    kind: str
    who: str = ""
    what: str = ""
    count: int = 0


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One way to meet a crisis: `approach` decides what it does, `label` is what the player reads."""

    approach: str
    label: str


class Crisis(msgspec.Struct, frozen=True, kw_only=True):
    """A crisis that waits for an answer until the week `due`."""

    type: str
    title: str
    description: str
    severity: int
    due: int
    options: tuple[Option, ...]


class Realm(msgspec.Struct, kw_only=True):
    """The whole state. `week` is the tick; `ended` is empty while the game goes on, then says how it ended.

    `nonces` seeds the marks around untrusted text in prompts: drawn, so that nobody can foretell them, and kept, so that a
    replay asks the same. `told`, `said`, `titles` and `headings` are what was told lately: by the
    chronicle, by people, and the titles of crises and weeks.
    """

    seed: int
    nonces: int
    week: int = 1
    weather: str = "clear"
    stock: dict[str, int]
    works: dict[str, int]
    factions: list[Faction]
    people: list[Person]
    rations: int = 100
    threat: int = 150
    cheer: int = 0
    attention: int
    first_heads: int
    problems: list[Problem] = []
    crisis: Crisis | None = None
    last_crisis: int = 0
    events: list[Event] = []
    told: list[str] = []
    said: list[str] = []
    titles: list[str] = []
    headings: list[str] = []
    ended: str = ""

    @property
    def season(self) -> Season:
        """The season of this week; the game begins in autumn."""
        return SEASONS[(self.week - 1) // SEASON_WEEKS % len(SEASONS)]

    @property
    def heads(self) -> int:
        """How many people there are."""
        return sum(person.heads for person in self.people)

    @property
    def loyalty(self) -> int:
        """The loyalty of all, by heads, in thousandths."""
        return sum(person.loyalty * person.heads for person in self.people) // max(1, self.heads)

    def faction(self, id: str) -> Faction:
        """The faction called `id`. Raises KeyError."""
        return next((one for one in self.factions if one.id == id), None) or _missing(id)

    def members(self, id: str) -> list[Person]:
        """The households of a faction, in order."""
        return [person for person in self.people if person.faction == id]

    def mean(self, id: str, what: Literal["mood", "loyalty"]) -> int:
        """The mean mood or loyalty of a faction, by heads."""
        members = self.members(id)
        heads = sum(person.heads for person in members)
        each = ((person.mood if what == "mood" else person.loyalty) * person.heads for person in members)
        return sum(each) // max(1, heads)

    def is_built(self, work: str) -> bool:
        """True when the work is finished."""
        return self.works[work] >= WORKS[work]


def _missing(id: str) -> Faction:
    raise KeyError(id)


NONCES: Final = 1 << 53

TRADES: Final = (
    ("growers", "the Growers", "farm", "farmer", 6),
    ("makers", "the Makers", "gather", "maker", 5),
    ("wardens", "the Wardens", "guard", "warrior", 5),
    ("traders", "the Traders", "trade", "merchant", 4),
)
"""Faction, its name, its habitual task, the role of its people, its households."""

NAMES: Final = (
    "Aldith", "Bram", "Corin", "Dessa", "Edda", "Fenn", "Greta", "Hollis", "Ines", "Joss", "Kester", "Lisbet", "Maren",
    "Nial", "Orla", "Perrin", "Quill", "Runa", "Silas", "Tamsin", "Ulla", "Verity", "Wystan", "Yara", "Anselm", "Bettina",
    "Cade", "Doro", "Emric", "Fara",
)  # fmt: skip
TRAITS: Final = ("proud", "gentle", "wry", "fearful", "stubborn")


def new_realm(run: Run, seed: int, settings: Settings) -> Realm:
    """The first week: who lives here is drawn, what they have is the same in every game."""
    names = list(NAMES)
    people: list[Person] = []
    for faction, _, _, role, households in TRADES:
        for _ in range(households):
            name = names.pop(choose(run, "people", "name", len(names)))
            people.append(
                Person(
                    id=name.lower(),
                    name=name,
                    role=role,
                    faction=faction,
                    trait=TRAITS[choose(run, "people", "trait", len(TRAITS))],
                    heads=3 + choose(run, "people", "heads", 4),
                    mood=520 + choose(run, "people", "mood", 160),
                    loyalty=450 + choose(run, "people", "loyalty", 200),
                )
            )
    return Realm(
        seed=seed,
        nonces=int(run.random("prompts", "nonces") * NONCES),
        stock={"food": 210, "timber": 40, "coin": 50, "medicine": 8},
        works=dict.fromkeys(WORKS, 0),
        factions=[Faction(id=id, name=name, trade=task, task=task) for id, name, task, _, _ in TRADES],
        people=people,
        attention=settings.attention,
        first_heads=sum(person.heads for person in people),
    )

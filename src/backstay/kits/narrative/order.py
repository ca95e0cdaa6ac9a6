"""Order: what the Reeve decided, and what it does to the realm. The words are interpreted elsewhere; here are the rules.

A decision is one of the five verbs of the simulation (allocate, delegate, negotiate, inspire, suppress) with its object. One
that cannot be carried out changes nothing and costs no attention; the outcome says why.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.narrative.problem import sentence_case
from backstay.kits.narrative.realm import GOODS, TASKS, WORKS, Event, Faction, Person, Realm

Action: TypeAlias = Literal["allocate", "delegate", "negotiate", "inspire", "suppress", "unknown"]
EVERYBODY: Final = "all"
RATIONS: Final = (50, 75, 100)
FEAST: Final = 20
"""Food that a feast takes at least."""

SENT: Final = {
    "farm": "to the fields", "hunt": "after game and fish", "gather": "into the woods for timber", "build": "to work on the {}",
    "guard": "to keep watch", "trade": "out on the road to trade", "buy": "over the pass to buy food",
    "heal": "to nurse the sick", "rest": "home to rest",
}  # fmt: skip
"""How a task is told."""

DEFAULT_FACTION: Final = {
    "farm": "growers", "hunt": "wardens", "gather": "makers", "build": "makers", "guard": "wardens",
    "trade": "traders", "buy": "traders", "heal": "traders", "rest": "growers",
}  # fmt: skip


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was understood. `target` is a faction's or a person's id, `all`, or empty; `confidence` from 0 to 1."""

    action: Action
    target: str = ""
    resource: str = ""
    amount: int = 0
    task: str = ""
    work: str = ""
    rations: int = 0
    confidence: float = 0.5
    summary: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a decision, in one line; `deed` is under which kind, and `what` about what, the chronicle has it."""

    is_done: bool
    text: str
    deed: str = ""
    what: str = ""
    count: int = 0


def carry_out(realm: Realm, decision: Decision) -> Outcome:
    """Do it, where it can be done."""
    does = {
        "allocate": _allocate,
        "delegate": _delegate,
        "negotiate": _negotiate,
        "inspire": _inspire,
        "suppress": _suppress,
    }.get(decision.action)
    if does is None:
        return _refused(
            "That was not understood. Say it as in: give 40 food to the Makers; send the Wardens to hunt; talk to a name. "
            "`help` has all of it, `advice` asks the elders."
        )
    outcome = does(realm, decision)
    if outcome.is_done:
        who = name_of(realm, _whom(realm, decision) if decision.action == "delegate" else decision.target)
        realm.events.append(Event(kind=outcome.deed, who=who, what=outcome.what, count=outcome.count))
    return outcome


def name_of(realm: Realm, target: str) -> str:
    """The name to read for a target."""
    if target == EVERYBODY or not target:
        return "everyone"
    people = {person.id: person.name for person in realm.people}
    return people.get(target) or {one.id: one.name for one in realm.factions}.get(target, target)


def households(realm: Realm, target: str) -> list[Person]:
    """Whom a target means: all, a faction, or one household."""
    if target in (EVERYBODY, ""):
        return realm.people
    return [person for person in realm.people if target in (person.id, person.faction)]


def shift(people: list[Person], *, mood: int = 0, loyalty: int = 0) -> None:
    """Change moods and loyalties, between 0 and 1000."""
    for person in people:
        person.mood = max(0, min(1000, person.mood + mood))
        person.loyalty = max(0, min(1000, person.loyalty + loyalty))


def _refused(text: str) -> Outcome:
    return Outcome(is_done=False, text=text)


def _nobody(target: str) -> Outcome:
    name = " ".join(target.split())[:40].capitalize()
    return _refused(f"There is nobody called {name} at the Ford; `people` tells who lives here.")


def _done(text: str, deed: str, what: str = "", count: int = 0) -> Outcome:
    return Outcome(is_done=True, text=text, deed=deed, what=what, count=count)


def _allocate(realm: Realm, decision: Decision) -> Outcome:
    if decision.rations in RATIONS:
        return _ration(realm, decision.rations)
    good = decision.resource
    if good not in GOODS:
        return _refused(f"Allocate what? There is {', '.join(GOODS)}.")
    if decision.amount < 1:
        return _refused(f"How much {good}? Say a number, as in: give 30 {good} to the Growers.")
    if decision.amount > realm.stock[good]:
        return _refused(f"There is only {realm.stock[good]} {good} in the store.")
    people = households(realm, decision.target)
    if not people:
        return _nobody(decision.target)
    realm.stock[good] -= decision.amount
    text = f"{decision.amount} {good} to {name_of(realm, decision.target)}"
    if good == "medicine":
        return _done(f"{text}: {_cure(people, decision.amount)}", "give_medicine", count=decision.amount)
    each = decision.amount * 10 // max(1, sum(person.heads for person in people))
    mood, loyalty = {"food": (12, 6), "coin": (4, 10), "timber": (8, 4)}[good]
    shift(people, mood=min(150, each * mood), loyalty=min(150, each * loyalty))
    return _done(text, f"give_{good}", count=decision.amount)


def _cure(people: list[Person], doses: int) -> str:
    sick = sorted((one for one in people if one.sick), key=lambda one: -one.sick)[:doses]
    for person in sick:
        person.sick = 0
        shift([person], mood=60, loyalty=60)
    if not sick:
        return "nobody there was ill, and it is used up"
    return f"{len(sick)} households are on their feet again" if len(sick) > 1 else "the household is on its feet again"


def _ration(realm: Realm, rations: int) -> Outcome:
    if rations == realm.rations:
        return _refused(f"Rations already stand at {rations} in a hundred.")
    rises = rations > realm.rations
    realm.rations = rations
    shift(realm.people, mood=40 if rises else -30, loyalty=20 if rises else -15)
    return _done(f"rations set to {rations} in a hundred", "rations_raised" if rises else "rations_cut")


def _delegate(realm: Realm, decision: Decision) -> Outcome:
    if decision.task not in TASKS:
        return _refused(f"Send them to do what? There is {', '.join(TASKS)}.")
    if decision.task == "build" and decision.work not in WORKS:
        return _refused(f"Build what? There is {', '.join(WORKS)}.")
    if decision.task == "build" and realm.is_built(decision.work):
        return _refused(f"The {decision.work} is finished.")
    whom = name_of(realm, _whom(realm, decision))
    factions = _factions(realm, decision)
    if not factions:
        return _nobody(decision.target)
    work = decision.work if decision.task == "build" else ""
    if all((one.task, one.work) == (decision.task, work) for one in factions):
        return _refused(f"{sentence_case(whom)} {'has' if len(factions) > 1 else 'have'} that work already.")
    for faction in factions:
        faction.away = 0 if faction.task != decision.task else faction.away
        faction.task, faction.work = decision.task, work
    where = SENT[decision.task].format(decision.work)
    is_idle = decision.task == "farm" and realm.season == "winter"
    warned = "; the ground is frozen, and will give next to nothing" if is_idle else ""
    return _done(f"{whom} {'goes' if len(factions) > 1 else 'go'} {where}{warned}", "delegate", where)


def _factions(realm: Realm, decision: Decision) -> list[Faction]:
    whom = _whom(realm, decision)
    return [one for one in realm.factions if whom in (EVERYBODY, one.id)]


def _whom(realm: Realm, decision: Decision) -> str:
    """The faction that is sent: the one named, the one of the person named, else the one whose trade is nearest."""
    person = next((one for one in realm.people if one.id == decision.target), None)
    if person is not None:
        return person.faction
    return decision.target or DEFAULT_FACTION[decision.task]


def _negotiate(realm: Realm, decision: Decision) -> Outcome:
    if not decision.target:
        return _refused("Talk with whom? Name a person or a faction; `people` tells who lives here.")
    people = households(realm, decision.target)
    if not people:
        return _nobody(decision.target)
    for faction in realm.factions:
        members = [person for person in people if person.faction == faction.id]
        is_whole = len(members) == len(realm.members(faction.id)) and len(members) > 1
        lately = faction.met if is_whole else max((one.met for one in members), default=0)
        gain = max(10, (650 - sum(one.loyalty for one in members) // max(1, len(members))) // 6)
        shift(members, loyalty=gain // 3 if lately and realm.week - lately < 2 else gain)
        if is_whole:
            faction.met = realm.week
        elif members:
            members[0].met = realm.week
    return _done(f"you sat down with {name_of(realm, decision.target)}", "negotiate")


def _inspire(realm: Realm, decision: Decision) -> Outcome:
    people = households(realm, decision.target)
    if not people:
        return _nobody(decision.target)
    is_feast = decision.resource == "food"
    food = max(FEAST, decision.amount) if is_feast else 0
    if food > realm.stock["food"]:
        return _refused(f"A feast takes {food} food, and there is {realm.stock['food']}.")
    realm.stock["food"] -= food
    base = (30 if len(people) == len(realm.people) else 60) + (60 if is_feast else 0)
    shift(people, mood=base * 4 // (4 + realm.cheer), loyalty=base // (8 + realm.cheer))
    realm.cheer += 2
    what = f"a feast of {food} food for" if is_feast else "you spoke to"
    return _done(f"{what} {name_of(realm, decision.target)}", "feast" if is_feast else "inspire", count=food)


def _suppress(realm: Realm, decision: Decision) -> Outcome:
    if decision.rations in RATIONS:
        return _ration(realm, decision.rations)
    if decision.target in (EVERYBODY, ""):
        return _refused("Hold down whom? Name a faction or a person; or cut the rations.")
    people = households(realm, decision.target)
    if not people:
        return _nobody(decision.target)
    faction = realm.faction(people[0].faction)
    faction.restricted = 3
    shift(people, mood=-50, loyalty=-60)
    whom = f"{people[0].name} is kept at home, and {faction.name}" if decision.target != faction.id else faction.name
    return _done(f"{whom} are held down for three weeks: they work less, and nobody leaves", "suppress")

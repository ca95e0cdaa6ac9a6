"""Week: what a week does to the realm by itself: work, food, weather, sickness, raiders, moods, loyalties.

Every chance is drawn from the run under the name of its system, so it stands in the journal and comes back in a replay. How
often something is drawn does not hang on how it falls.
"""

from __future__ import annotations

from typing import Final

from backstay.kits.narrative.dice import choose, happens
from backstay.kits.narrative.order import shift
from backstay.kits.narrative.realm import WORKS, Event, Faction, Person, Realm
from backstay.replay.run import Run

WEATHER: Final = {
    "autumn": ("clear", "clear", "rain", "mist", "wind"),
    "winter": ("snow", "snow", "frost", "clear", "storm"),
    "spring": ("rain", "clear", "mist", "clear", "wind"),
    "summer": ("clear", "clear", "heat", "rain", "storm"),
}
FARM: Final = {"autumn": 24, "winter": 2, "spring": 9, "summer": 16}
"""Food in tenths that a head brings in a week at its own trade."""

SKY: Final = {"storm": 60, "snow": 80, "frost": 85, "heat": 85, "rain": 95}
"""What is left of a field's or a hunter's yield in a hundred."""

UNTRAINED: Final = 60
"""Of a hundred, what people do at a trade that is not theirs."""

LARGEST: Final = 8
"""Heads of the largest household."""

KEPT_TIMBER: Final = 60
"""Timber that the Traders leave alone."""

EATEN: Final = 4
"""Tenths of food that a head eats in a week at full rations."""

MIDDLE, WEAR = 470, 5
"""To which mood people return, and what a week takes from their loyalty, in thousandths."""

STORE: Final = 200
"""Food above this spoils, until there is a granary."""


def live(realm: Realm, run: Run) -> None:
    """One week passes."""
    sky = WEATHER[realm.season]
    realm.weather = sky[choose(run, "weather", "sky", len(sky))]
    for faction in realm.factions:
        _work(realm, faction)
    _eat(realm)
    _spoil(realm)
    _sicken(realm, run)
    _threaten(realm, run)
    _feel(realm)
    _leave(realm, run)
    _grow(realm, run)
    realm.cheer = max(0, realm.cheer - 1)


def labour(realm: Realm, faction: Faction) -> int:
    """The hands of a faction this week, in hundredths of a head: the well ones, less skilled away from their trade."""
    heads = sum(person.heads for person in realm.members(faction.id) if not person.sick)
    if faction.restricted:
        heads = heads * 3 // 4
    mastery = 100 if faction.task in (faction.trade, "rest", "build") else UNTRAINED
    willing = 70 + 30 * realm.mean(faction.id, "mood") // 1000
    return heads * mastery * willing // 100


def _work(realm: Realm, faction: Faction) -> None:
    hands, stock = labour(realm, faction), realm.stock
    outdoors = SKY.get(realm.weather, 100)
    if faction.task == "farm":
        stock["food"] += hands * FARM[realm.season] * outdoors // 100_000
    elif faction.task == "hunt":
        stock["food"] += hands * 9 * outdoors // 100_000
    elif faction.task == "gather":
        stock["timber"] += hands * outdoors // 10_000 * 6 // 10
    elif faction.task == "guard":
        realm.threat = max(0, realm.threat - hands // 40)
    elif faction.task == "trade":
        sold = min(max(0, stock["timber"] - KEPT_TIMBER), hands // 150)
        stock["timber"] -= sold
        stock["coin"] += hands * (4 if realm.season == "winter" else 9) // 1000 + sold * 2 // 3
    elif faction.task == "buy":
        spent = min(stock["coin"], hands // 60)
        stock["coin"] -= spent
        stock["food"] += spent * 3 // 2
        stock["medicine"] += spent // 10
    elif faction.task == "build":
        _build(realm, faction, hands)
    _settle(realm, faction)


def _settle(realm: Realm, faction: Faction) -> None:
    """What the kind of work does to those who do it, and how long it has lasted."""
    members = realm.members(faction.id)
    if faction.task == "rest":
        shift(members, mood=45)
    is_away = faction.task not in (faction.trade, "rest")
    faction.away = faction.away + 1 if is_away else 0
    if faction.away > 3:
        shift(members, mood=-14)
    if faction.restricted:
        faction.restricted -= 1
        shift(members, loyalty=-12)


def _build(realm: Realm, faction: Faction, hands: int) -> None:
    work = faction.work
    done = min(hands // 130, WORKS[work] - realm.works[work], realm.stock["timber"] * 2)
    realm.stock["timber"] -= (done + 1) // 2
    realm.works[work] += done
    if realm.is_built(work):
        faction.task, faction.work = faction.trade, ""
        realm.events.append(Event(kind="built", who=faction.name, what=work))
        shift(realm.people, mood=60, loyalty=30)
    elif not done:
        realm.events.append(Event(kind="no_timber", who=faction.name, what=work))


def _eat(realm: Realm) -> None:
    need = realm.heads * EATEN * realm.rations // 1000
    short = max(0, need - realm.stock["food"])
    realm.stock["food"] = max(0, realm.stock["food"] - need)
    if not short:
        shift(realm.people, mood={100: 4, 75: -18, 50: -40}[realm.rations])
        return
    realm.events.append(Event(kind="hunger", count=short * 100 // need))
    shift(realm.people, mood=-120, loyalty=-60)
    weakest = sorted(realm.people, key=lambda one: (one.mood, one.id))
    for person in weakest[: max(1, short * 4 // need)]:
        _lose(realm, person, "starved")


def _lose(realm: Realm, person: Person, why: str) -> None:
    """One of a household is gone; with the last one the household is."""
    person.heads -= 1
    realm.events.append(Event(kind=why, who=person.name, count=1))
    shift(realm.members(person.faction), mood=-15)
    if person.heads < 1:
        realm.people.remove(person)


def _spoil(realm: Realm) -> None:
    over = max(0, realm.stock["food"] - STORE)
    lost = over // (40 if realm.is_built("granary") else 10)
    realm.stock["food"] -= lost
    if lost >= 10:
        realm.events.append(Event(kind="spoiled", what="food", count=lost))


def _sicken(realm: Realm, run: Run) -> None:
    ill = sum(1 for person in realm.people if person.sick)
    odds = {"winter": 35, "autumn": 14, "spring": 14, "summer": 8}[realm.season] + 14 * ill
    if realm.rations < 75:
        odds += 20
    if realm.is_built("infirmary"):
        odds //= 2
    healers = sum(labour(realm, faction) // 1000 for faction in realm.factions if faction.task == "heal")
    for person in list(realm.people):
        catches = happens(run, "health", f"{person.id} catches", odds)
        worsens = happens(run, "health", f"{person.id} worsens", 40 if realm.is_built("infirmary") else 90)
        if person.sick:
            _suffer(realm, person, worsens)
        elif catches:
            person.sick = 1
            realm.events.append(Event(kind="sick", who=person.name))
    for person in sorted((one for one in realm.people if one.sick), key=lambda one: (-one.sick, one.id))[:healers]:
        if realm.stock["medicine"]:
            realm.stock["medicine"] -= 1
            person.sick = 0
            realm.events.append(Event(kind="cured", who=person.name))


def _suffer(realm: Realm, person: Person, worsens: bool) -> None:
    person.sick += 1
    shift([person], mood=-25)
    if person.sick > 4:
        person.sick = 0
        realm.events.append(Event(kind="recovered", who=person.name))
    elif worsens:
        _lose(realm, person, "died")


def _threaten(realm: Realm, run: Run) -> None:
    realm.threat = min(1000, realm.threat + (75 if realm.season == "winter" else 60))
    comes = happens(run, "raiders", "come", max(0, realm.threat - 250) // 2)
    share = 8 + choose(run, "raiders", "take", 10)
    if not comes:
        return
    share = share // 3 if realm.is_built("palisade") else share
    lost = realm.stock["food"] * share // 100
    realm.stock["food"] -= lost
    realm.threat = realm.threat // 3
    realm.events.append(Event(kind="raid" if lost else "raid_empty", what="food", count=lost))
    shift(realm.people, mood=-25, loyalty=-15)


def _feel(realm: Realm) -> None:
    """Moods return to the middle, loyalties follow moods."""
    for person in realm.people:
        drift = (MIDDLE - person.mood) // 10 + (-10 if realm.season == "winter" else 0)
        person.mood = max(0, min(1000, person.mood + drift))
        person.loyalty = max(0, min(1000, person.loyalty + (person.mood - person.loyalty) // 14 - WEAR))


def _leave(realm: Realm, run: Run) -> None:
    """Who has no loyalty left may go, unless they are held down."""
    for person in list(realm.people):
        goes = happens(run, "people", f"{person.id} goes", max(0, 140 - person.loyalty) * 2)
        if goes and not realm.faction(person.faction).restricted:
            realm.people.remove(person)
            realm.events.append(Event(kind="left", who=person.name, count=person.heads))


def _grow(realm: Realm, run: Run) -> None:
    """Children are born where people are in good heart, and not when the store is empty."""
    odds = 220 if realm.stock["food"] > STORE // 2 else 0
    comes = happens(run, "people", "birth", odds)
    place = choose(run, "people", "house", len(realm.people)) if realm.people else 0
    if comes and realm.people and realm.people[place].mood > 400 and realm.people[place].heads < LARGEST:
        realm.people[place].heads += 1
        realm.events.append(Event(kind="born", who=realm.people[place].name, count=1))

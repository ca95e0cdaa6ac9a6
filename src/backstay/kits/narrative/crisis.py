"""Crisis: when one comes, of which type, and what each way to meet it does.

The rules decide type, severity, ways and consequences; a model, or the offline grammar, writes only what is read. So no text can
change the balance of the game, and the same answer has the same effect whoever wrote it.
"""

from __future__ import annotations

from typing import Final

from backstay.kits.narrative.dice import choose, happens
from backstay.kits.narrative.order import Outcome, shift
from backstay.kits.narrative.problem import below
from backstay.kits.narrative.realm import Crisis, Event, Realm
from backstay.kits.narrative.setting import CONFLICT, MORALE, SCARCITY, Settings
from backstay.replay.run import Run

TYPES: Final = ("famine", "conflict", "disease", "rebellion", "other")
APPROACHES: Final = {
    "famine": ("pay", "talk", "endure"),
    "conflict": ("pay", "talk", "force"),
    "disease": ("pay", "force", "endure"),
    "rebellion": ("pay", "talk", "force"),
    "other": ("pay", "talk", "endure"),
}
COSTS: Final[dict[str, dict[str, int]]] = {
    "famine": {"coin": 40},
    "conflict": {"coin": 30},
    "disease": {"medicine": 6},
    "rebellion": {"coin": 40, "food": 30},
    "other": {"timber": 30},
}
"""What the way `pay` costs at the highest severity."""


def cost_of(type: str, severity: int) -> dict[str, int]:
    """What `pay` costs at `severity`, at least one of each."""
    return {good: max(1, most * severity // 1000) for good, most in COSTS[type].items()}


def strikes(realm: Realm, run: Run, settings: Settings) -> tuple[str, int] | None:
    """The type and severity of a crisis that begins now; None in most weeks."""
    serious = sum(problem.severity >= 300 for problem in realm.problems)
    comes = happens(run, "crisis", "comes", settings.crisis_odds + 60 * serious)
    chance = choose(run, "crisis", "type", 1000)
    strength = 250 + choose(run, "crisis", "severity", 500)
    too_soon = realm.last_crisis and realm.week - realm.last_crisis < settings.crisis_gap
    if realm.crisis is not None or too_soon or not comes:
        return None
    return _type(realm, settings, chance), min(1000, strength + 80 * serious)


def _type(realm: Realm, settings: Settings, chance: int) -> str:
    """What is most wrong makes the crisis, two times in three."""
    kinds = {problem.type for problem in realm.problems if problem.severity >= 200}
    ill = sum(1 for person in realm.people if person.sick)
    likely = [
        *(["rebellion"] if below(realm.loyalty, settings.grievance_loyalty) else []),
        *(["famine"] if SCARCITY in kinds else []),
        *(["conflict"] if CONFLICT in kinds or MORALE in kinds else []),
        *(["disease"] if ill >= 3 else []),
    ]
    if likely and chance < 667:
        return likely[0]
    calm = ("other", "conflict", "other", "disease")
    return calm[chance % len(calm)]


def meet(realm: Realm, approach: str, run: Run) -> Outcome:
    """Meet the open crisis in one of its ways. Nothing changes where the store does not hold what it costs."""
    crisis = realm.crisis
    if crisis is None or approach not in APPROACHES[crisis.type]:
        return Outcome(is_done=False, text="There is no such way to meet it.")
    cost = cost_of(crisis.type, crisis.severity) if approach == "pay" else {}
    lacking = [f"{count} {good}" for good, count in cost.items() if realm.stock[good] < count]
    if lacking:
        return Outcome(is_done=False, text=f"That takes {' and '.join(lacking)}, which the store does not hold.")
    for good, count in cost.items():
        realm.stock[good] -= count
    word = _end(realm, crisis, _averted(realm, approach, run))
    paid = " and ".join(f"{count} {good}" for good, count in cost.items())
    return Outcome(is_done=True, text=f"{crisis.title}: {word}{f', for {paid}' if paid else ''}")


def expire(realm: Realm) -> None:
    """Nobody answered the open crisis in time: it does all its harm. A rebellion that nobody answers is the end."""
    crisis = realm.crisis
    if crisis is not None:
        _end(realm, crisis, 0)
        if crisis.type == "rebellion":
            realm.ended = "deposed"


def _end(realm: Realm, crisis: Crisis, averted: int) -> str:
    """The crisis is over; how it was met, in words."""
    _suffer(realm, crisis, 1000 - averted)
    realm.crisis, realm.last_crisis = None, realm.week
    realm.events.append(Event(kind="crisis_over", what=crisis.title, who=crisis.type, count=averted))
    return "dealt with" if averted >= 700 else "half dealt with" if averted >= 350 else "it took its course"


def _averted(realm: Realm, approach: str, run: Run) -> int:
    """How much of the harm is kept away, in thousandths."""
    luck = choose(run, "crisis", "luck", 300)
    if approach == "pay":
        return 900
    if approach == "talk":
        return min(1000, 250 + luck + realm.loyalty * 6 // 10)
    if approach == "force":
        shift(realm.people, mood=-30, loyalty=-45)
        return 800
    return 100 + luck // 3


def _suffer(realm: Realm, crisis: Crisis, share: int) -> None:
    """The harm of `crisis`, as far as it was not averted."""
    harm = crisis.severity * share // 1000
    stock = realm.stock
    if crisis.type == "famine":
        stock["food"] = max(0, stock["food"] - 90 * harm // 1000)
        shift(realm.people, mood=-60 * harm // 1000)
    elif crisis.type == "conflict":
        order = sorted(realm.factions, key=lambda one: (realm.mean(one.id, "loyalty"), one.id))
        for faction in order[:2]:
            shift(realm.members(faction.id), mood=-120 * harm // 1000, loyalty=-140 * harm // 1000)
    elif crisis.type == "disease":
        well = sorted((one for one in realm.people if not one.sick), key=lambda one: (one.mood, one.id))
        for person in well[: 7 * harm // 1000]:
            person.sick = 1
    elif crisis.type == "rebellion":
        shift(realm.people, mood=-60 * harm // 1000, loyalty=-120 * harm // 1000)
        stock["food"] = max(0, stock["food"] - 60 * harm // 1000)
    else:
        stock["food"] = max(0, stock["food"] - 40 * harm // 1000)
        stock["timber"] = max(0, stock["timber"] - 30 * harm // 1000)
        shift(realm.people, mood=-50 * harm // 1000)

"""Problem: what is wrong in a realm, by fixed thresholds, each with its severity and with what could be done about it."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.kits.narrative.realm import Problem, Realm
from backstay.kits.narrative.setting import CONFLICT, GRIEVANCE, MORALE, SCARCITY, Settings, band_of

MOST_GRIEVANCES = 3
"""Grievances that are reported in one week, the worst first; more is a conflict, which has a problem of its own."""


def find_problems(realm: Realm, settings: Settings) -> list[Problem]:
    """The problems of this week, the worst first; among equals, in the order of the types above."""
    found = [
        *_scarcity(realm, settings),
        *_conflicts(realm, settings),
        *_morale(realm, settings),
        *_grievances(realm, settings),
    ]
    return sorted(found, key=lambda problem: -problem.severity)


def below(value: int, threshold: int) -> int:
    """How far `value` is below `threshold`, in thousandths of it."""
    return max(0, min(1000, (threshold - value) * 1000 // threshold))


def _scarcity(realm: Realm, settings: Settings) -> Iterator[Problem]:
    food = realm.stock["food"]
    if food < settings.scarce_food:
        severity = below(food, settings.scarce_food)
        yield Problem(
            type=SCARCITY,
            description=f"{food} measures of food for {realm.heads} people ({band_of(severity)})",
            severity=severity,
            resource="food",
            solutions=("send a faction to hunt or farm", "buy food with coin", "cut the rations"),
        )


def _conflicts(realm: Realm, settings: Settings) -> Iterator[Problem]:
    for faction in realm.factions:
        loyalty = realm.mean(faction.id, "loyalty")
        if loyalty < settings.conflict_loyalty:
            severity = below(loyalty, settings.conflict_loyalty)
            yield Problem(
                type=CONFLICT,
                description=f"{faction.name} are close to breaking with you ({band_of(severity)})",
                severity=severity,
                faction=faction.id,
                solutions=(
                    f"negotiate with {faction.name}",
                    f"give coin to {faction.name}",
                    f"suppress {faction.name}",
                ),
            )


def _morale(realm: Realm, settings: Settings) -> Iterator[Problem]:
    for faction in realm.factions:
        mood = realm.mean(faction.id, "mood")
        if mood < settings.crisis_mood:
            severity = below(mood, settings.crisis_mood)
            yield Problem(
                type=MORALE,
                description=f"{faction.name} have lost heart ({band_of(severity)})",
                severity=severity,
                faction=faction.id,
                solutions=(f"inspire {faction.name}", f"let {faction.name} rest", f"give food to {faction.name}"),
            )


def _grievances(realm: Realm, settings: Settings) -> Iterator[Problem]:
    angry = [person for person in realm.people if person.loyalty < settings.grievance_loyalty]
    for person in sorted(angry, key=lambda one: one.loyalty)[:MOST_GRIEVANCES]:
        severity = below(person.loyalty, settings.grievance_loyalty)
        yield Problem(
            type=GRIEVANCE,
            description=f"{person.name} of {realm.faction(person.faction).name} bears a grudge ({band_of(severity)})",
            severity=severity,
            faction=person.faction,
            person=person.name,
            solutions=(f"talk to {person.name}", f"give coin to {person.name}"),
        )

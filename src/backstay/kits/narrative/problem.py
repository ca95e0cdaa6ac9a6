"""Problem: what is wrong in a realm, by fixed thresholds, each with its severity and with what could be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from backstay.kits.narrative.realm import Problem, Realm
from backstay.kits.narrative.setting import CONFLICT, GRIEVANCE, MORALE, SCARCITY, Settings, band_of

MOST_GRIEVANCES = 3
"""Grievances that are reported in one week, the worst first; more is a conflict, which has a problem of its own."""


def find_problems(realm: Realm, settings: Settings) -> list[Problem]:
    """The problems of this week, the worst first; among equals, in the order of the types above."""
    found = [
        *_scarcity(realm, settings),
        *_low(realm, CONFLICTS, settings.conflict_loyalty),
        *_low(realm, HEARTS, settings.crisis_mood),
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


class _Low(msgspec.Struct, frozen=True):
    """A faction's mean that is too low: which one, the type of the problem, what is said of it, and what could be done."""

    what: Literal["mood", "loyalty"]
    type: str
    said: str
    ways: tuple[str, ...]


CONFLICTS: Final = _Low(
    "loyalty", CONFLICT, "are close to breaking with you", ("negotiate with {}", "give coin to {}", "suppress {}")
)
HEARTS: Final = _Low("mood", MORALE, "have lost heart", ("inspire {}", "let {} rest", "give food to {}"))


def _low(realm: Realm, low: _Low, threshold: int) -> Iterator[Problem]:
    """The factions whose mean is below `threshold`."""
    for faction in realm.factions:
        value = realm.mean(faction.id, low.what)
        if value < threshold:
            severity = below(value, threshold)
            yield Problem(
                type=low.type,
                description=f"{sentence_case(faction.name)} {low.said} ({band_of(severity)})",
                severity=severity,
                faction=faction.id,
                solutions=tuple(way.format(faction.name) for way in low.ways),
            )


def sentence_case(text: str) -> str:
    """`text` with its first letter large."""
    return text[:1].upper() + text[1:]


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

"""View: what of a realm a prompt shows: small JSON objects in words and shares, made from the state and nothing else."""

from __future__ import annotations

from typing import Any, Final

from backstay.kits.narrative.crisis import APPROACHES, cost_of
from backstay.kits.narrative.realm import Event, Person, Realm
from backstay.kits.narrative.setting import Settings, band_of

WARM, COLD = 600, 350
"""Above and below these, in thousandths, people are warm and cold."""

SINGLE: Final = ("delegate", "suppress", "crisis_over", "built")
"""Events that are told one by one; those of any other kind are told together."""


def world_view(realm: Realm) -> dict[str, Any]:
    """What an order can be about."""
    return {
        "factions": [{"id": one.id, "name": one.name, "task": one.task} for one in realm.factions],
        "people": [{"id": one.id, "name": one.name, "faction": one.faction} for one in realm.people],
        "stock": dict(realm.stock),
        "works": {name: "built" if realm.is_built(name) else "unbuilt" for name in realm.works},
        "rations": realm.rations,
    }


def week_view(realm: Realm) -> dict[str, Any]:
    """What there is to tell of this week."""
    return {
        "week": realm.week,
        "season": realm.season,
        "weather": realm.weather,
        "temper": temper_of(realm.loyalty, high="high", even="mid", low="low"),
        "events": merge_events(realm.events),
        "problems": [
            {
                "type": problem.type,
                "band": band_of(problem.severity),
                "severity": problem.severity / 1000,
                "faction": realm.faction(problem.faction).name if problem.faction else "",
                "person": problem.person,
                "description": problem.description,
            }
            for problem in realm.problems
        ],
        "crisis": realm.crisis.title if realm.crisis is not None else "",
    }


def merge_events(events: list[Event]) -> list[dict[str, Any]]:
    """Events of one kind as one, where they can be told together: who it was, how many in all."""
    merged: dict[Any, list[Event]] = {}
    for place, event in enumerate(events):
        merged.setdefault((event.kind, place) if event.kind in SINGLE else (event.kind, event.what), []).append(event)
    return [
        {
            "kind": group[0].kind,
            "who": join(list(dict.fromkeys(one.who for one in group if one.who))),
            "houses": len({one.who for one in group}),
            "what": group[0].what,
            "count": sum(one.count for one in group),
        }
        for group in merged.values()
    ]


def join(names: list[str]) -> str:
    """Names as one says them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def temper_of(value: int, *, high: str = "warm", even: str = "even", low: str = "cold") -> str:
    """The word for a mood or loyalty in thousandths."""
    return high if value >= WARM else low if value < COLD else even


def person_view(realm: Realm, person: Person, settings: Settings) -> dict[str, Any]:
    """A person as they would know themselves, and what they know of the rest."""
    food = realm.stock["food"]
    store = "as good as empty" if food < settings.scarce_food // 2 else "thinner than it looks"
    quarrel = min(
        (one for one in realm.factions if one.id != person.faction),
        key=lambda one: (realm.mean(one.id, "loyalty"), one.id),
    )
    return {
        "name": person.name,
        "role": person.role,
        "faction": realm.faction(person.faction).name,
        "nature": person.trait,
        "temper": temper_of((person.mood + person.loyalty) // 2),
        "knows": {
            "store": "fuller than I feared" if food >= settings.scarce_food * 2 else store,
            "season": realm.season,
            "quarrel": quarrel.name,
        },
    }


def crisis_view(realm: Realm, type: str, severity: int) -> dict[str, Any]:
    """A crisis before it has a title: what is fixed about it."""
    people = sorted(realm.people, key=lambda one: (one.loyalty, one.id))
    angry = people[0] if people else None
    cost = " and ".join(f"{count} {good}" for good, count in cost_of(type, severity).items())
    return {
        "type": type,
        "band": band_of(severity),
        "faction": realm.faction(angry.faction).name if angry is not None else "the Growers",
        "person": angry.name if angry is not None else "the ferryman",
        "ways": [{"approach": one, "cost": cost if one == "pay" else ""} for one in APPROACHES[type]],
    }

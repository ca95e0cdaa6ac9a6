"""View: what of a realm a prompt shows: small JSON objects in words and shares, made from the state and nothing else."""

from __future__ import annotations

from typing import Any, Final

from backstay.kits.narrative.crisis import APPROACHES, cost_of
from backstay.kits.narrative.realm import Event, Person, Realm
from backstay.kits.narrative.setting import Settings, band_of

WARM, COLD = 600, 350
"""Above and below these, in thousandths, people are warm and cold."""

EVERYONE: Final = "everyone"
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
            "who": _whom([one.who for one in group if one.who]),
            "houses": len({one.who for one in group}),
            "what": group[0].what,
            "count": sum(one.count for one in group),
        }
        for group in merged.values()
    ]


def _whom(names: list[str]) -> str:
    return EVERYONE if EVERYONE in names else join(list(dict.fromkeys(names)))


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


def hearts(realm: Realm) -> dict[str, tuple[int, int]]:
    """Loyalty and mood of each faction and each person, in percent."""
    people = {one.id: (one.loyalty // 10, one.mood // 10) for one in realm.people}
    means = {one.id: (realm.mean(one.id, "loyalty") // 10, realm.mean(one.id, "mood") // 10) for one in realm.factions}
    return people | means


def effect_of(realm: Realm, before: dict[str, tuple[int, int]], target: str = "") -> str:
    """How hearts moved, as one reads it: of the person `target`, else of the factions: the Makers: loyalty +3, mood +5."""
    after = hearts(realm)
    names = {one.id: one.name for one in realm.people if one.id == target} or {
        one.id: one.name for one in realm.factions
    }
    moved = {id: _steps(before.get(id, after[id]), after[id]) for id in names}
    if len(moved) > 1 and len(set(moved.values())) == 1:
        said = next(iter(moved.values()))
        return f"{EVERYONE}: {said}" if said else ""
    return "; ".join(f"{names[id]}: {said}" for id, said in moved.items() if said)


def _steps(old: tuple[int, int], new: tuple[int, int]) -> str:
    named = zip(("loyalty", "mood"), old, new, strict=True)
    return ", ".join(f"{what} {now - then:+d}" for what, then, now in named if now != then)

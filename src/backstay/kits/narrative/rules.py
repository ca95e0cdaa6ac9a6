"""The offline rules: what answers the game's four questions where there is no model, from the very same prompts.

Each rule reads its input back from the rendered prompt and answers with JSON of the prompt's schema, as a model would. It has
no state: what was told lately stands in the prompt, and the seed in the request, so one request has one answer. The type of a
problem and its severity band choose a rule of the grammar in `prose/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from backstay.kits.narrative.dice import seed_of
from backstay.kits.narrative.grammar import Grammar, prose, sentences
from backstay.kits.narrative.interpret import interpret
from backstay.offline.provider import Answer, Rule, question
from backstay.prompts.escape import enclosed
from backstay.types import Request

SLOTS: Final = {
    "RESOURCE_SCARCITY": "scarcity", "FACTION_CONFLICT": "conflict", "MORAL_CRISIS": "morale",
    "PERSONAL_GRIEVANCE": "grievance", "UNKNOWN": "unknown",
}  # fmt: skip
WEIGHT: Final = (
    "hunger", "starved", "died", "left", "raid", "crisis_over", "built", "sick", "no_timber", "spoiled", "cured", "born",
    "raid_empty", "recovered",
)  # fmt: skip
"""What is told first where a week holds more than there is room for."""

MOST_EVENTS, MOST_PROBLEMS, MOST_DEEDS = 3, 2, 2
VERBS: Final = (
    ("was", "was", "were"),
    ("has", "has", "have"),
    ("goes", "goes", "go"),
    ("s", "s", ""),
    ("is", "is", "are"),
)
"""What agrees with who it is: a fact's name, its form for one, its form for many."""

QUIET: Final = 5
"""Sentences below which there is room for how people are minded."""

TOPICS: Final = {
    "food": r"food|grain|bread|hung|eat|ration|harvest|store|starv|winter",
    "conflict": r"quarrel|fight|conflict|feud|peace|angry|trust|rebel|war|enem|blame",
    "trade": r"trade|price|coin|money|sell|buy|market|road|merchant",
    "work": r"work|build|labou?r|task|job|granary|palisade|infirmary|timber|tired|rest",
}
KIND: Final = re.compile(
    r"\b(thank|sorry|promise|help|please|well done|praise|need you|proud of|listen|forgive|gift)", re.I
)
HARSH: Final = re.compile(r"\b(threat|punish|shut up|fool|obey|or else|traitor|prison|coward|beat you|hang you)", re.I)


def _rule(name: str, task: str, answer: Callable[[Request], Mapping[str, Any] | None]) -> Rule:
    """A rule for one task whose answer is a JSON object."""

    def say(request: Request) -> Answer | None:
        if request.metadata.task != task:
            return None
        value = answer(request)
        return None if value is None else Answer(text=msgspec.json.encode(value).decode())

    return Rule(name, say)


def _given(request: Request, name: str) -> Any:
    """The JSON value of a variable of the prompt; None where it is not there."""
    body = enclosed(question(request), name)
    return None if body is None else msgspec.json.decode(body)


def tell_decision(request: Request) -> dict[str, Any] | None:
    """The decision in a player's words."""
    words, world = enclosed(question(request), "words"), _given(request, "world")
    if words is None or world is None:
        return None
    return msgspec.structs.asdict(interpret(words, world))


def tell_week(request: Request) -> dict[str, Any] | None:
    """The week as prose: the weather, deeds, events, problems, and how people are minded."""
    week = _given(request, "week")
    if week is None:
        return None
    teller = _Teller(prose("world"), request, {"season": week["season"]})
    teller.say(f"open_{week['weather']}")
    deeds = [event for event in week["events"] if event["kind"] not in WEIGHT]
    events = sorted((one for one in week["events"] if one["kind"] in WEIGHT), key=lambda one: WEIGHT.index(one["kind"]))
    for event in [*deeds[:MOST_DEEDS], *events[:MOST_EVENTS]]:
        teller.say(event["kind"], **_event_facts(event))
    for problem in week["problems"][:MOST_PROBLEMS]:
        slot = f"{SLOTS.get(problem['type'], 'unknown')}_{problem['band']}"
        teller.say(slot, faction=problem["faction"] or "some", person=problem["person"] or "somebody")
    if len(teller.said) < QUIET:
        teller.say(f"close_{week['temper']}")
    narrative = " ".join(teller.said)
    teller.must(f"title_{week['season']}")
    return {"title": teller.said[-1], "narrative": narrative}


def _event_facts(event: Mapping[str, Any]) -> dict[str, str]:
    who = str(event["who"] or "everyone")
    is_many = who.startswith("the ") or " and " in who
    return {
        "who": who,
        **{one: many if is_many else single for one, single, many in VERBS},
        "houses": f"the {'houses' if event['houses'] > 1 else 'house'} of {who}",
        "what": str(event["what"]),
        "measures": "one measure" if event["count"] == 1 else f"{event['count']} measures",
    }


class _Teller:
    """Says one thing after another, and nothing twice."""

    def __init__(self, grammar: Grammar, request: Request, facts: Mapping[str, str]) -> None:
        self._grammar = grammar
        self._seed = request.seed or 0
        self._facts = dict(facts)
        self._told: list[str] = list(_given(request, "recent") or ())
        self.said: list[str] = []

    def say(self, rule: str, **facts: str) -> None:
        """Add a telling of `rule`; nothing where all that it could say was said lately."""
        seed = seed_of(self._seed, len(self.said))
        text = self._grammar.fresh(rule, {**self._facts, **facts}, seed=seed, told=self._told)
        if text is not None:
            self.said.append(text)
            self._told += sentences(text)

    def must(self, rule: str, **facts: str) -> None:
        """As `say`, but rather a thing again than nothing."""
        before = len(self.said)
        self.say(rule, **facts)
        if len(self.said) == before:
            self.said.append(self._grammar.text(rule, self._seed, {**self._facts, **facts}))


def tell_reply(request: Request) -> dict[str, Any] | None:
    """What a person answers: a greeting by temper, a body by role and topic, a parting by nature."""
    person, words = _given(request, "person"), enclosed(question(request), "words")
    if person is None or words is None:
        return None
    topic = next((name for name, pattern in TOPICS.items() if re.search(pattern, words, re.IGNORECASE)), "other")
    knows = person["knows"]
    teller = _Teller(
        prose("talk"), request, {"store": knows["store"], "season": knows["season"], "faction": knows["quarrel"]}
    )
    teller.say(f"greet_{person['temper']}")
    teller.must(f"{person['role']}_{topic}")
    teller.say(f"part_{person['nature']}")
    feeling = "colder" if HARSH.search(words) else "warmer" if KIND.search(words) else "same"
    return {"reply": " ".join(one.strip('"') for one in teller.said), "topic": topic, "feeling": feeling}


def tell_crisis(request: Request) -> dict[str, Any] | None:
    """The occasion of a crisis, and a label for each way to meet it."""
    crisis = _given(request, "crisis")
    if crisis is None:
        return None
    grammar, type, seed = prose("crisis"), crisis["type"], request.seed or 0
    facts = {"faction": crisis["faction"], "person": crisis["person"], "cost": ""}
    facts["strength"] = grammar.text(f"strength_{crisis['band']}", seed_of(seed, "strength"), facts).lower()
    facts["where"] = grammar.text("spot", seed_of(seed, "spot"), facts).lower()
    teller = _Teller(grammar, request, facts)
    occasions = [name.removeprefix("title_") for name in grammar.names() if name.startswith(f"title_{type}_")]
    occasion = occasions[seed_of(seed, "occasion") % len(occasions)]
    teller.must(f"title_{occasion}")
    teller.must(f"describe_{occasion}")
    options = []
    for way in crisis["ways"]:
        cost = {**facts, "cost": way["cost"]}
        label = grammar.text(f"label_{type}_{way['approach']}", seed_of(seed, way["approach"]), cost)
        options.append({"approach": way["approach"], "label": label})
    return {"type": type, "title": teller.said[0], "description": teller.said[1], "options": options}


RULES = (
    _rule("verbs", "decision_interpretation", tell_decision),
    _rule("chronicle", "world_narrative", tell_week),
    _rule("villager", "npc_conversation", tell_reply),
    _rule("misfortune", "crisis_generation", tell_crisis),
)
"""The rules of this kit, for `Offline(SHIPPED + RULES)`."""

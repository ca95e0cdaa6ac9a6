"""The grammar: every sentence can be told, none comes again while there is a fresh one."""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec
import pytest

from backstay.kits.narrative.crisis import TYPES
from backstay.kits.narrative.grammar import Grammar, prose, sentences
from backstay.kits.narrative.rules import _event_facts, tell_crisis
from backstay.kits.narrative.setting import BANDS
from backstay.prompts import shipped

FACTS = {
    "who": "the Makers", "houses": "the house of Bram", "what": "granary", "measures": "12 measures", "faction": "the Growers",
    "person": "Edda", "season": "winter", "store": "thinner than it looks", "strength": "grave", "cost": "12 coin",
    "heads": "80", "first": "90", "week": "12", "where": "the mill", "was": "were", "has": "have", "goes": "go",
    "s": "", "is": "are",
}  # fmt: skip


@pytest.mark.parametrize("name", ["world", "talk", "crisis", "ending"])
def test_every_rule_can_be_told(name: str) -> None:
    """No place is without a rule or a fact, no text has a stray brace or a double word, and all end as sentences do."""
    grammar = prose(name)
    for rule in grammar.names():
        assert grammar.facts(rule) <= FACTS.keys(), rule
        for number in range(min(grammar.span(rule), 300)):
            text = grammar.text(rule, number, FACTS)
            words = text.lower().split()
            assert text
            assert "{" not in text
            assert "}" not in text
            assert not any(one == other for one, other in pairwise(words)), text
            assert text[0] in '"0123456789' or text[0].isupper(), text


def test_each_problem_has_words_for_each_band() -> None:
    """Five types by four bands, each with more sentences than a window could use up in a row of weeks."""
    grammar = prose("world")
    for slot in ("scarcity", "conflict", "morale", "grievance", "unknown"):
        for _, band in BANDS:
            rule = f"{slot}_{band}"
            told = {grammar.text(rule, number, FACTS) for number in range(grammar.span(rule))}
            assert len(told) >= 13, rule


@pytest.mark.parametrize("who", ["Bram", "everyone", "the Makers", "Bram and Edda"])
def test_verbs_agree_with_who_it_is(who: str) -> None:
    """One person and everyone are one, factions and two persons are many: no "Bram were", no "the Makers goes"."""
    facts = {**FACTS, **_event_facts({"who": who, "houses": 1, "what": "to the fields", "count": 3})}
    grammar = prose("world")
    wrong = (
        ("were", "have", "are", "go", "walk") if who in ("Bram", "everyone") else ("was", "has", "is", "goes", "walks")
    )
    for rule in ("delegate", "give_coin", "suppress", "inspire", "negotiate", "give_food"):
        for number in range(grammar.span(rule)):
            text = grammar.text(rule, number, facts)
            for verb in wrong:
                found = re.search(rf"{who} {verb}\b", text, re.IGNORECASE)
                assert found is None or text[: found.start()].endswith((" for ", " saw ")), text


def test_each_crisis_has_occasions() -> None:
    """Every type can be told in at least two ways, each with titles and descriptions of its own."""
    names = set(prose("crisis").names())
    for kind in TYPES:
        occasions = {name.removeprefix("title_") for name in names if name.startswith(f"title_{kind}_")}
        assert len(occasions) >= 2
        assert {f"describe_{one}" for one in occasions} <= names


def test_a_crisis_is_in_one_place() -> None:
    """The title and the occasion of a crisis name one place, in the middle of a sentence without a capital."""
    for seed in range(40):
        rendered = shipped().render(
            "crisis_generation",
            crisis={
                "type": "other",
                "band": "moderate",
                "faction": "the Growers",
                "person": "Edda",
                "ways": [{"approach": "pay", "cost": "8 timber"}],
            },
            world={},
        )
        told = tell_crisis(msgspec.structs.replace(rendered.request(), seed=seed))
        assert told is not None
        text = f"{told['title']}. {told['description']}"
        places = {spot for spot in prose("crisis")._rules["spot"] if spot in text}
        assert len(places) <= 1, text
        assert "is Real" not in text
        assert "is Not" not in text


def test_fresh_means_fresh_until_nothing_is_left() -> None:
    """Every sentence of a rule is told once before the rule is silent; it never repeats one."""
    grammar = Grammar({"a": ["it {b} here", "there {b}. And so on"], "b": ["rained", "snowed", "blew"]})
    told: list[str] = []
    count = 0
    while (text := grammar.fresh("a", {}, seed=3, told=told)) is not None:
        assert not set(sentences(text)) & set(told)
        told += sentences(text)
        count += 1
    assert count == 4  # three of the first build; one of the second, whose last sentence may come once


def test_a_rule_that_leads_to_itself_is_refused() -> None:
    """An endless language cannot be counted."""
    with pytest.raises(ValueError, match="a > b > a"):
        Grammar({"a": ["{b}"], "b": ["{a}"]})

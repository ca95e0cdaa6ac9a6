"""The grammar: every sentence can be told, none comes again while there is a fresh one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from backstay.kits.narrative.grammar import Grammar, prose, sentences
from backstay.kits.narrative.setting import BANDS

FACTS = {
    "who": "the Makers", "houses": "the house of Bram", "what": "granary", "measures": "12 measures", "faction": "the Growers",
    "person": "Edda", "season": "winter", "store": "thinner than it looks", "strength": "grave", "cost": "12 coin",
    "heads": "80", "first": "90", "week": "12",
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

"""What free text asks for, without a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.kits.narrative.interpret import interpret

WORLD = {
    "people": [
        {"id": "bram", "name": "Bram", "faction": "growers"},
        {"id": "edda", "name": "Edda", "faction": "wardens"},
    ],
    "stock": {"food": 81, "timber": 10, "coin": 40, "medicine": 5},
}
FIELDS = ("action", "target", "resource", "amount", "task", "work", "rations")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Give 40 food to the growers", ("allocate", "growers", "food", 40)),
        ("hand out forty five sacks of grain to everyone", ("allocate", "all", "food", 45)),
        ("Give half the food to Edda.", ("allocate", "edda", "food", 40)),
        ("pay the makers all the coin", ("allocate", "makers", "coin", 40)),
        ("send 10 timber to bram", ("allocate", "bram", "timber", 10)),
        ("send the Wardens to hunt", ("delegate", "wardens", "", 0, "hunt")),
        ("farmers to the fields", ("delegate", "growers", "", 0, "farm")),
        ("Have the carpenters build the wall", ("delegate", "makers", "", 0, "build", "palisade")),
        ("Tell the merchants to buy food", ("delegate", "traders", "", 0, "buy")),
        ("let the makers rest", ("delegate", "makers", "", 0, "rest")),
        ("talk to Edda's house about the quarrel", ("negotiate", "edda")),
        ("I want to speak with brram", ("negotiate", "bram")),
        ("negotiate with the traders", ("negotiate", "traders")),
        ("praise everyone", ("inspire", "all")),
        ("hold a feast", ("inspire", "all", "food")),
        ("punish the soldiers", ("suppress", "wardens")),
        ("cut the rations to half", ("suppress", "", "", 0, "", "", 50)),
        ("restore full rations", ("allocate", "", "", 0, "", "", 100)),
        ("do not punish the wardens", ("unknown",)),
        ("don\u2019t give them food", ("unknown",)),
        ("sing a song of the moon", ("unknown",)),
        ("tell the farmers to keep working", ("delegate", "growers", "", 0, "farm")),
        ("the guards shall go back to their posts", ("delegate", "wardens", "", 0, "guard")),
        ("throw a party for everybody", ("inspire", "all", "food")),
        ("get more wood", ("delegate", "", "", 0, "gather")),
        ("we need more food", ("delegate", "", "", 0, "hunt")),
        ("defend the village", ("delegate", "", "", 0, "guard")),
        ("make peace with the traders", ("negotiate", "traders")),
        ("give medicine to the sick", ("allocate", "all", "medicine", 5)),
        ("hang Edda", ("suppress", "edda")),
        ("feed everyone", ("allocate", "all", "food", 20)),
        ("give -5 food to the Makers", ("allocate", "makers", "food", 0)),
        ("give \u22125 food to the Makers", ("allocate", "makers", "food", 0)),
        ("give minus five food to the Makers", ("allocate", "makers", "food", 0)),
        ("", ("unknown",)),
    ],
)
def test_words_become_decisions(words: str, expected: tuple[object, ...]) -> None:
    """Verb, object and amount, in figures, words and parts of the store; what is denied is not asked for."""
    decision = interpret(words, WORLD)
    assert tuple(getattr(decision, name) for name in FIELDS[: len(expected)]) == expected


@pytest.mark.parametrize(
    "words",
    ["talk to Wystan", "give Wystan 10 coin", "hand 5 food to old Wystan", "punish wystan", "ask Wystan's advice"],
)
def test_a_name_that_nobody_has_is_not_taken_for_everybody(words: str) -> None:
    """Who is named and does not live here is the target as they were named, so that it can be said."""
    assert interpret(words, WORLD).target == "wystan"


@pytest.mark.parametrize("words", ["speak to them", "hand out food", "share the food", "give food to the poor"])
def test_what_is_no_name_is_not_taken_for_one(words: str) -> None:
    """Pronouns, articles and those in need are everybody, or nobody in particular."""
    assert interpret(words, WORLD).target in ("", "all")


@pytest.mark.parametrize(
    ("words", "confidence"),
    [
        ("give 5 coin to Bram", 0.8), ("assign the makers to gather", 0.75), ("talk to Bram", 0.7), ("motivate the makers", 0.8),
        ("restrict the traders", 0.7), ("what is this", 0.5), ("give food to Bram", 0.65),
    ],
)  # fmt: skip
def test_confidences_are_those_of_the_simulation(words: str, confidence: float) -> None:
    """By verb; lower where an amount had to be assumed."""
    assert interpret(words, WORLD).confidence == confidence


@given(st.text(max_size=200))
def test_no_text_breaks_it(words: str) -> None:
    """Whatever is typed has one reading, the same each time."""
    assert interpret(words, WORLD) == interpret(words, WORLD)

"""Likeness: whether two questions that sound alike may have one answer; what a vector does not see.

Embeddings put "with 5 mg" next to "with 50 mg", "is safe" next to "is not safe" and "from Rome to Oslo" next to "from Oslo to
Rome". So beside the vectors the `marks` of two texts must be equal: their numbers in order, their names in order (words with a
capital, ids, codes, addresses), their negations, and the words that turn a question round (more and less, before and after). What
a rule of this kind cannot read, it does not vouch for: a text in a script without capitals has no marks, and none is like it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORD: Final = re.compile(r"[-\u2212]?\d+(?:[.,:/]\d+)*|[^\W\d_][\w'\u2019-]*(?:[.@/_]\w+)*|[%$\u20ac\u00a3<>=+*^]")

POSSESSIVE: Final = re.compile(r"['\u2019]s$")

OPENERS: Final = _words(
    "a an and are at be by can could define describe did do does explain find for from give had has have how i if in "
    "is it let list make may me my name of on or please say should show so tell that the their there these this to "
    "translate was we were what when where which who whom whose why will with would write you your"
)
"""Words that open a sentence with a capital and are no names."""

NEGATIONS: Final = _words(
    "no not none nobody nothing never neither nor without except cannot unless hardly fail fails kein keine nicht nie "
    "ohne ne pas jamais sans sin nunca non senza mai"
)
OPPOSITES: Final = _words(
    "more less most least max min maximum minimum high higher highest low lower lowest before after since until above "
    "below over under up down out off first last next previous best worst increase decrease add remove enable disable "
    "allow deny start stop open close buy sell import export encrypt decrypt true false and or all any some only both "
    "same different than left right north south east west old new long short big small good bad safe unsafe legal "
    "illegal possible impossible yesterday today tomorrow who what when where why how which"
)
"""Words whose exchange turns a question round; the question words with them."""


class Marks(NamedTuple):
    """What must be equal in two texts that are to share an answer."""

    numbers: tuple[str, ...]
    names: tuple[str, ...]
    negations: tuple[str, ...]
    turns: tuple[str, ...]


def marks(text: str) -> Marks | None:
    """The marks of `text`, None where they cannot be read (letters of a script that has no capitals)."""
    if any(letter.isalpha() and letter.lower() == letter.upper() for letter in text):
        return None
    words = [POSSESSIVE.sub("", word) for word in WORD.findall(text)]
    plain = [word.lower() for word in words]
    return Marks(
        numbers=tuple(word for word in words if not word[0].isalpha()),
        names=tuple(word for word in words if _is_name(word)),
        negations=tuple(sorted(word for word in plain if _is_negation(word))),
        turns=tuple(word for word in plain if word in OPPOSITES),
    )


def _is_name(word: str) -> bool:
    if any(not letter.isalpha() and letter not in "'\u2019-" for letter in word[1:]):
        return True
    return word[0].isupper() and word.lower() not in OPENERS


def _is_negation(word: str) -> bool:
    return word in NEGATIONS or word.endswith(("n't", "n\u2019t")) or word.startswith("non-")

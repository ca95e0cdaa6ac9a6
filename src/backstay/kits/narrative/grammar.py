"""Grammar: a finite language of sentences, counted and numbered, so that a fresh one can always be found while there is one.

A grammar is a table of rules; a rule is a list of alternatives, texts in which `{name}` stands for another rule or for a fact.
The sentences of a rule are numbered: the number modulo the alternatives says which one, what is left over goes on into its
places; so neighbours differ in their build and not in one word only. A telling takes, from a place that the seed gives, the first
few of which no sentence was told lately, and of these the one that is least like what was, the latest weighing most.
The form is that of Tracery (Compton, Kybartas and Mateas 2015), with memory.
"""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Final, TypeAlias

from backstay.kits.narrative.dice import seed_of

Rules: TypeAlias = Mapping[str, Sequence[str]]

PLACE: Final = re.compile(r"\{([a-z_]+)\}")
END: Final = re.compile(r"(?<=[.!?])[\"\u201d]?\s+")
CANDIDATES: Final = 12
TRIES: Final = 4096
"""Numbers that are looked at before the rule has nothing new to say."""


class Grammar:
    """The rules of one file or table. Raises ValueError for a rule that leads to itself."""

    def __init__(self, rules: Rules) -> None:
        self._rules = {name: tuple(texts) for name, texts in rules.items()}
        self._sizes: dict[str, int] = {}
        for name in self._rules:
            self._span(name, ())

    def names(self) -> list[str]:
        """The rules, sorted."""
        return sorted(self._rules)

    def facts(self, rule: str) -> set[str]:
        """The names of the facts that a telling of `rule` may need."""
        found: set[str] = set()
        for text in self._rules[rule]:
            for name in PLACE.findall(text):
                found |= self.facts(name) if name in self._rules else {name}
        return found

    def _span(self, name: str, above: tuple[str, ...]) -> int:
        """How many numbers a rule has: alternatives times the most that any of them leaves over."""
        if name in above:
            raise ValueError(f"the rule {name} leads to itself: {' > '.join([*above, name])}")
        if not self._rules[name]:
            raise ValueError(f"the rule {name} has no alternative")
        if name not in self._sizes:
            widest = 1
            for text in self._rules[name]:
                size = 1
                for place in PLACE.findall(text):
                    size *= self._span(place, (*above, name)) if place in self._rules else 1
                widest = max(widest, size)
            self._sizes[name] = widest * len(self._rules[name])
        return self._sizes[name]

    def span(self, rule: str) -> int:
        """How many numbers `rule` has; at most so many sentences."""
        return self._sizes[rule]

    def text(self, rule: str, number: int, facts: Mapping[str, str]) -> str:
        """The sentence with this number. Raises KeyError for a fact that is not given."""
        return _tidy(self._expand(rule, number, facts)[0])

    def _expand(self, rule: str, number: int, facts: Mapping[str, str]) -> tuple[str, int]:
        texts = self._rules[rule]
        number, which = divmod(number, len(texts))
        pieces: list[str] = []
        at = 0
        for place in PLACE.finditer(texts[which]):
            pieces.append(texts[which][at : place.start()])
            at = place.end()
            name = place[1]
            if name in self._rules:
                piece, number = self._expand(name, number, facts)
                pieces.append(piece)
            else:
                pieces.append(facts[name])
        return "".join([*pieces, texts[which][at:]]), number

    def fresh(self, rule: str, facts: Mapping[str, str], *, seed: int, told: Sequence[str] = ()) -> str | None:
        """A telling of `rule` of which no sentence is in `told` (the latest last); None where every one was told."""
        span = self._sizes[rule]
        start = seed_of(seed, rule, *(f"{name}={facts[name]}" for name in sorted(facts))) % span
        heard = [(_words(one), (place + 1) / len(told)) for place, one in enumerate(told)]
        found: list[tuple[float, int, str]] = []
        for step in range(min(span, TRIES)):
            text = self.text(rule, (start + step) % span, facts)
            if any(one in told for one in sentences(text)):
                continue
            likeness = max((_likeness(_words(text), one) * weight for one, weight in heard), default=0.0)
            found.append((likeness, step, text))
            if len(found) == CANDIDATES:
                break
        return min(found)[2] if found else None


def _tidy(text: str) -> str:
    """Sentences begin with a capital; spaces are single."""
    text = " ".join(text.split())
    return re.sub(r"(^|[.!?][\"\u201d]? )([a-z])", lambda found: found[1] + found[2].upper(), text)


def sentences(text: str) -> list[str]:
    """The sentences of a telling, as they are remembered."""
    return [one.strip() for one in END.split(" ".join(text.split())) if one.strip()]


@lru_cache(maxsize=8192)
def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[a-z']+", text.lower()) if len(word) > 3)


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of words in common (the coefficient of Dice 1945)."""
    return 2 * len(one & other) / max(1, len(one) + len(other))


@cache
def prose(name: str) -> Grammar:
    """The grammar in the file `prose/NAME.toml` of this package."""
    file = importlib.resources.files("backstay.kits.narrative") / "prose" / f"{name}.toml"
    return Grammar(tomllib.loads(file.read_text(encoding="utf-8")))

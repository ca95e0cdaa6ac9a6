"""Templates: what a program's messages have in common once the values are taken out, learned from the messages alone.

A fixed-depth tree in the manner of Drain (He, Zhu, Zheng, Lyu, "Drain: an online log parsing approach with fixed depth tree",
ICWS 2017): messages of one length in tokens, with the same first words, are compared with the groups found so far; one that
agrees in enough places joins the most similar group, and where it differs the group's template has `<*>`. Before that, what
is surely a value (numbers, addresses, ids, paths) is masked, so that a message with a number in its first word finds its
group.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Final

WILD: Final = "<*>"
MASKS: Final = (
    re.compile(r"\bblk_-?\d+"),
    re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    re.compile(r"(?<![\w.])/?\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.])"),
    re.compile(r"\b0x[0-9a-fA-F]+\b"),
    re.compile(r"(?<![\w.:/])(?:/[\w.\-+@]+){2,}/?"),
    re.compile(r"(?<![\w])[+-]?\d+(?:[.,:]\d+)*%?(?![\w])"),
    re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"),
)
"""What is a value wherever it stands."""
SIBLINGS: Final = 8
"""Templates that differ in one place only, from which on that place holds a value. Fewer may be verbs: started, stopped."""
_REPEATED: Final = re.compile(r"(?:<\*>[,:;/\-]?){2,}")


class Group:
    """Messages of one template."""

    __slots__ = ("count", "tokens")

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.count = 1

    def likeness(self, tokens: list[str]) -> tuple[float, int]:
        """The share of places that agree, and the number of places that are free."""
        same = sum(one == other for one, other in zip(self.tokens, tokens, strict=True) if one != WILD)
        free = self.tokens.count(WILD)
        return (same + free * (1 if same else 0)) / len(tokens), -free

    def join(self, tokens: list[str]) -> None:
        """Take a message in; where it differs the place is free from now on."""
        self.tokens = [one if one == other else WILD for one, other in zip(self.tokens, tokens, strict=True)]
        self.count += 1


class TemplateMiner:
    """Learns templates. `depth` first words must agree (those with a value in them do not count), and then at least
    `similarity` of all."""

    def __init__(self, *, depth: int = 2, similarity: float = 0.7, most_children: int = 100) -> None:
        if not 0 < similarity <= 1 or depth < 0 or most_children < 1:
            raise ValueError("similarity must be above 0 and at most 1, depth 0 or more, most_children 1 or more")
        self._depth = depth
        self._similarity = similarity
        self._most = most_children
        self._leaves: dict[tuple[str, ...], list[Group]] = {}
        self._children: dict[tuple[str, ...], set[str]] = {}

    def fit(self, messages: Iterable[str]) -> list[str]:
        """The template of each message, in their order, after all of them were learned."""
        groups = [self._learn(tokens_of(message)) for message in messages]
        self._merge()
        return [" ".join(group.tokens) for group in groups]

    def templates(self) -> dict[str, int]:
        """Each template with how many messages it has, the most common first."""
        counts: dict[str, int] = {}
        for group in (one for leaf in self._leaves.values() for one in leaf):
            text = " ".join(group.tokens)
            counts[text] = counts.get(text, 0) + group.count
        return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))

    def _learn(self, tokens: list[str]) -> Group:
        leaf = self._leaves.setdefault(self._path(tokens), [])
        best = max(leaf, key=lambda group: group.likeness(tokens), default=None)
        if best is not None and best.likeness(tokens)[0] >= self._similarity:
            best.join(tokens)
            return best
        group = Group(tokens)
        leaf.append(group)
        return group

    def _merge(self) -> None:
        """Free a place in which many templates differ that are one otherwise: a name or a word, where a value was not seen."""
        siblings: dict[tuple[int, tuple[str, ...]], list[Group]] = {}
        for group in (one for leaf in self._leaves.values() for one in leaf):
            for place, token in enumerate(group.tokens):
                if token != WILD:
                    rest = (*group.tokens[:place], WILD, *group.tokens[place + 1 :])
                    siblings.setdefault((place, rest), []).append(group)
        for (_, rest), several in siblings.items():
            if len({tuple(group.tokens) for group in several}) >= SIBLINGS:
                for group in several:
                    group.tokens = list(rest)

    def _path(self, tokens: list[str]) -> tuple[str, ...]:
        """The way down the tree: the length, then the first words without a value in them; one too many is any word."""
        path: tuple[str, ...] = (str(len(tokens)),)
        words = (token for token in tokens if WILD not in token and not any(map(str.isdigit, token)))
        for token in itertools.islice(words, self._depth):
            children = self._children.setdefault(path, set())
            if token in children or len(children) < self._most:
                children.add(token)
                path = (*path, token)
            else:
                path = (*path, WILD)
        return path


def tokens_of(message: str) -> list[str]:
    """The words of a message with its values masked; an empty message is one empty word."""
    text = message
    for mask in MASKS:
        text = mask.sub(WILD, text)
    return _REPEATED.sub(WILD, text).split() or [""]


def grouping_accuracy(found: Iterable[str], truth: Iterable[str]) -> float:
    """The share of messages whose group holds exactly the messages of their true group (Zhu et al., "Tools and benchmarks for
    automated log parsing", ICSE-SEIP 2019); 0 where there is none."""
    pairs = list(zip(found, truth, strict=True))
    ours: dict[str, set[int]] = {}
    theirs: dict[str, set[int]] = {}
    for index, (one, other) in enumerate(pairs):
        ours.setdefault(one, set()).add(index)
        theirs.setdefault(other, set()).add(index)
    right = sum(len(group) for group in ours.values() if group == theirs[pairs[min(group)][1]])
    return right / len(pairs) if pairs else 0.0

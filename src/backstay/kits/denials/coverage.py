"""Coverage: what plan documents (a summary of benefits, an evidence of coverage) say that bears on a case, as quotes.

Nothing is interpreted: a rule finds the sentence that speaks of a matter (deductible, authorization, necessity, exclusion,
appeal, filing) and quotes it with its page and the section it stands under. Verified mode cites these quotes; fast mode reads
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.document.document import Document

Topic: TypeAlias = Literal[
    "deductible", "out_of_pocket", "prior_authorization", "medical_necessity", "exclusion", "appeal", "timely_filing"
]

TOPICS: Final[tuple[tuple[Topic, re.Pattern[str]], ...]] = (
    ("out_of_pocket", re.compile(r"\bout[- ]of[- ]pocket (?:limit|maximum)\b", re.I)),
    ("deductible", re.compile(r"\bdeductible\b", re.I)),
    ("prior_authorization", re.compile(r"\b(?:prior[- ]auth\w+|pre-?auth\w+|pre-?cert\w+|prior approval)\b", re.I)),
    ("medical_necessity", re.compile(r"\bmedical(?:ly)? necess\w+\b", re.I)),
    (
        "exclusion",
        re.compile(r"\b(?:exclu(?:ded?|sions?)|does not cover|not covered|experimental|investigational)\b", re.I),
    ),
    ("appeal", re.compile(r"\b(?:appeals?|grievances?|external review|reconsideration)\b", re.I)),
    ("timely_filing", re.compile(r"\b(?:timely filing|claims? must be (?:filed|submitted|received))\b", re.I)),
)
RELEVANT: Final[dict[str | None, tuple[Topic, ...]]] = {
    "prior_auth_needed": ("prior_authorization", "appeal"),
    "claim_correction_resubmit": ("timely_filing", "appeal"),
    "medical_necessity_appeal": ("medical_necessity", "exclusion", "appeal"),
    None: ("appeal",),
}
"""The topics that a route cites."""
MOST: Final = 4
"""Quotes of one topic that are kept: the first say what a topic is, the rest repeat it."""
SHORTEST, LONGEST = 25, 600
_SENTENCE: Final = re.compile(r"[^.!?\n\f]+(?:\n(?![\n\f ]*\n)[^.!?\n\f]+)*(?:[.!?](?=\s|$)|\n|\f|$)|[^\n\f]+")
_SECTION: Final = re.compile(
    r"(?m:^[ ]*(?P<id>(?:(?:Section|Chapter|Article|Part) )?\d+(?:\.\d+)*)[.:]?[ ]+(?P<title>[A-Z][^\n.]{2,70})$)"
)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One quote of a plan document: its topic, words, place, page and the section above it."""

    topic: Topic
    quote: str
    source: str
    page: int
    section: str | None
    start: int
    end: int


def read_rules(documents: Iterable[Document]) -> tuple[Rule, ...]:
    """The Rules of all plan documents, in their order."""
    return tuple(rule for document in documents for rule in _read(document))


def relevant(rules: Iterable[Rule], route: str | None) -> tuple[Rule, ...]:
    """The first rules of each topic that the route cites."""
    known = list(rules)
    return tuple(rule for topic in RELEVANT[route] for rule in [one for one in known if one.topic == topic][:2])


def _read(document: Document) -> Iterator[Rule]:
    from backstay.offline.denial_screen import screen

    text = screen(document.text, keep_afterword=True).text
    sections = [(match.start(), match) for match in _SECTION.finditer(text)]
    counts: dict[str, int] = {}
    for match in _SENTENCE.finditer(text):
        words = match[0].split()
        quote = " ".join(words)
        if not SHORTEST <= len(quote) <= LONGEST or len(words) < 5:
            continue
        topic = next((name for name, pattern in TOPICS if pattern.search(quote)), None)
        if topic is None or counts.get(topic, 0) >= MOST:
            continue
        counts[topic] = counts.get(topic, 0) + 1
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        above = [one for place, one in sections if place <= start]
        yield Rule(
            topic=topic,
            quote=quote,
            source=Path(document.source).name,
            page=sum(place <= start for place in document.pages),
            section=f"{above[-1]['id']} {above[-1]['title'].strip()}" if above else None,
            start=start,
            end=match.end(),
        )

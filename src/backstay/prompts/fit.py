"""Fit: a prompt into a number of tokens, by leaving out whole sections, then paragraphs, then sentences; never a part of a word.

A section is a Markdown heading with what stands below it, or a run of text between tags (`<name ...>` to `</name ...>` on lines
of their own), or what stands before the first of either. What is kept is kept as it was and in its order; where something is
gone stands `[...]`, so that the model knows, and the report tells what it was. Critical sections are served first: nothing
else is kept before all of them are whole, and they are cut, the last one first, only where they alone are more than the budget.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.tokens import TokenCounter, upper_bound

MAX_TOKENS: Final = 3_000
MARK: Final = "[...]"
HEADING: Final = re.compile(r"^(?:#{1,6}[ \t]+(?P<title>.+?)[ \t#]*|<(?P<tag>[A-Za-z][\w-]*)[^<>/\n]*>)$", re.MULTILINE)
SHOWN: Final = 60

Unit: TypeAlias = Literal["section", "paragraph", "sentence", "word"]
BREAKS: Final[Sequence[tuple[Unit, re.Pattern[str]]]] = (
    ("paragraph", re.compile(r"\n[ \t]*\n\s*")),
    ("sentence", re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]\u201d]*\s+|\n+|(?<=[\u3002\uff01\uff1f])")),
    ("word", re.compile(r"\s+")),
)
"""Where a text may be cut, the best kind first."""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out: the section, from which kind of place on (`unit`), its tokens, and how it begins."""

    section: str
    unit: Unit
    tokens: int
    begins: str


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """The text that fits, its tokens by the counter that was used, and what it lacks."""

    text: str
    tokens: int
    dropped: tuple[Dropped, ...] = ()

    @property
    def is_whole(self) -> bool:
        """True when nothing was left out."""
        return not self.dropped


class _Section(msgspec.Struct, frozen=True):
    title: str
    text: str


def fit(
    text: str,
    max_tokens: int = MAX_TOKENS,
    *,
    critical: Collection[str] = (),
    count: TokenCounter = upper_bound,
) -> Fitted:
    """`text` in at most `max_tokens`. `critical` names sections, by heading or tag, in any case.

    Raises ValueError for less than 1 token, and for a critical section that is not there.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens = {max_tokens}: must be 1 or more")
    sections = list(_sections(text))
    wanted = {name.strip().lower() for name in critical}
    if missing := sorted(wanted - {section.title.lower() for section in sections}):
        there = ", ".join(section.title for section in sections if section.title) or "none"
        raise ValueError(f"critical: there is no section {', '.join(missing)}; there is: {there}")
    tokens = count(text)
    if tokens <= max_tokens:
        return Fitted(text=text, tokens=tokens)
    return _Fitting(sections, max_tokens, count).run([section.title.lower() in wanted for section in sections])


def _sections(text: str) -> Iterator[_Section]:
    """The sections in order; joined they are the text. A heading inside tags belongs to the tag's section."""
    starts: list[tuple[int, str]] = [(0, "")]
    inside_until = 0
    for found in HEADING.finditer(text):
        if found.start() < inside_until:
            continue
        if tag := found["tag"]:
            closing = re.compile(rf"^</{re.escape(tag)}[^<>\n]*>$\n?", re.MULTILINE).search(text, found.end())
            if closing is None:
                continue
            inside_until = closing.end()
            starts += [(found.start(), tag), (closing.end(), "")]
        else:
            starts.append((found.start(), found["title"]))
    for (start, title), (end, _) in zip(starts, [*starts[1:], (len(text), "")], strict=True):
        if text[start:end].strip():
            yield _Section(title, text[start:end])


class _Fitting:
    """One run: for each section how much of it is kept, as a number of characters."""

    def __init__(self, sections: Sequence[_Section], most: int, count: TokenCounter) -> None:
        self._sections = sections
        self._most = most
        self._count = count
        self._kept = [0] * len(sections)
        self._units: list[Unit] = ["section"] * len(sections)

    def run(self, is_critical: Sequence[bool]) -> Fitted:
        order = sorted(range(len(self._sections)), key=lambda place: not is_critical[place])
        for place in order:
            if not self._fits(place, len(self._sections[place].text)):
                self._cut(place, down_to_words=is_critical[place] or not any(self._kept))
        text = self._text()
        if self._count(text) > self._most:  # not even the mark has room
            text = ""
        return Fitted(text=text, tokens=self._count(text), dropped=tuple(self._dropped()))

    def _fits(self, place: int, length: int) -> bool:
        """Keep so much of a section, if all that is kept still fits then."""
        before, self._kept[place] = self._kept[place], length
        if self._count(self._text()) <= self._most:
            return True
        self._kept[place] = before
        return False

    def _cut(self, place: int, *, down_to_words: bool) -> None:
        """Keep as many whole paragraphs as fit, then sentences of the next one, then, where it must be, words."""
        text = self._sections[place].text
        for unit, pattern in BREAKS if down_to_words else BREAKS[:-1]:
            begin = self._kept[place]
            ends = [found.start() for found in pattern.finditer(text, begin) if text[begin : found.start()].strip()]
            low, high = 0, len(ends)
            while low < high:  # the most ends that fit
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self._fits(place, ends[middle - 1]) else (low, middle - 1)
            if low:
                self._fits(place, ends[low - 1])
                self._units[place] = unit
            elif begin == 0:
                self._units[place] = "section"

    def _text(self) -> str:
        parts: list[str] = []
        for section, length in zip(self._sections, self._kept, strict=True):
            if length == len(section.text):
                parts.append(section.text)
            elif length:
                parts.append(f"{section.text[:length].rstrip()} {MARK}\n\n")
            elif not parts or not parts[-1].endswith(f"{MARK}\n\n"):
                parts.append(f"{MARK}\n\n")
        return "".join(parts).strip("\n")

    def _dropped(self) -> Iterator[Dropped]:
        for section, length, unit in zip(self._sections, self._kept, self._units, strict=True):
            rest = section.text[length:].strip()
            if rest:
                begins = " ".join(rest.split())
                begins = begins if len(begins) <= SHOWN else begins[:SHOWN].rsplit(" ", 1)[0] + " ..."
                title = section.title or "(no heading)"
                yield Dropped(
                    section=title, unit=unit if length else "section", tokens=self._count(rest), begins=begins
                )

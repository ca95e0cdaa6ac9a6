"""Fit: a prompt into a number of tokens, by leaving out whole sections, then paragraphs, then sentences; never a part of a word.

A section is a Markdown heading with what stands below it, or a run of text between tags (`<name ...>` to `</name ...>` on lines
of their own), or what stands before the first of either. What is kept is kept as it was and in its order; where something is
gone stands `[...]`, so that the model knows, and the report tells what it was. A run between tags keeps both its tags however
much of it goes, so that what follows never seems to be a part of it. Critical sections are served first: nothing else is kept
before all of them are whole, and they are cut, the last one first, only where they alone are more than the budget.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.prompts.rendered import Rendered
from backstay.tokens import TokenCounter, upper_bound
from backstay.types import Text

MAX_TOKENS: Final = 3_000
MARK: Final = "[...]"
HEADING: Final = re.compile(
    r"^(?:#{1,6}[ \t]+(?P<title>.+?)[ \t#\r]*|<(?P<tag>[A-Za-z][\w-]*)(?P<about>[^<>/\n]*)>\r?|(?P<fence>```|~~~).*)$",
    re.MULTILINE,
)
SHOWN: Final = 60

SENTENCE: Final = re.compile(
    r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]\u201d]*\s+|\n+|(?<=[\u3002\uff01\uff1f])"
    r"|(?<=[\"}\]]),(?=[\"{\[\w-])|(?<=\w),(?=[\"{\[])"
)
"""Where a sentence ends; in JSON without spaces, where a member or an item does."""

Unit: TypeAlias = Literal["section", "paragraph", "sentence", "word"]
BREAKS: Final[Sequence[tuple[Unit, re.Pattern[str]]]] = (
    ("paragraph", re.compile(r"\n[ \t]*\n\s*")),
    ("sentence", SENTENCE),
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


def fit_prompt(
    prompt: Rendered,
    max_tokens: int = MAX_TOKENS,
    *,
    critical: Collection[str] = (),
    count: TokenCounter = upper_bound,
) -> tuple[Rendered, Fitted]:
    """`prompt` with its last message fitted, and what that message lacks. `max_tokens` are those of all its texts.

    The system part is what the developer wrote and stays whole, as do earlier messages. Raises ValueError as `fit` does, and
    where they alone fill the budget.
    """
    *earlier, last = prompt.messages
    fixed = sum(map(count, [prompt.system or "", *(message.text for message in earlier)]))
    if fixed >= max_tokens:
        raise ValueError(f"max_tokens = {max_tokens}: what must stay is {fixed} already")
    fitted = fit(last.text, max_tokens - fixed, critical=critical, count=count)
    shorter = msgspec.structs.replace(
        last, parts=(Text(text=fitted.text), *(one for one in last.parts if not isinstance(one, Text)))
    )
    return msgspec.structs.replace(prompt, messages=(*earlier, shorter)), fitted


class _Section(msgspec.Struct, frozen=True):
    """`text[:start]` is the opening tag, which is kept with anything of the section, as is `tail`, the closing one."""

    title: str
    text: str
    start: int = 0
    tail: str = ""


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
    """The sections in order; joined they are the text. A heading inside tags or a code fence is none."""
    done, title = 0, ""
    place = 0
    while (found := HEADING.search(text, place)) is not None:
        place = found.end()
        end = None if found["title"] else _end(text, found)
        if end is not None and found["fence"]:
            place = end.end()
        elif end is not None or found["title"]:
            if text[done : found.start()].strip():
                yield _Section(title, text[done : found.start()])
            done, title = found.start(), found["title"] or ""
            if end is not None:
                opening = min(found.end() + 1, end.start()) - found.start()
                yield _Section(found["tag"], text[done : end.start()], opening, end[0])
                done = place = end.end()
    if text[done:].strip():
        yield _Section(title, text[done:])


def _end(text: str, opening: re.Match[str]) -> re.Match[str] | None:
    """The line that ends what `opening` begins: the tag with the same id, where it has one; the fence."""
    if opening["fence"]:
        line = re.escape(opening["fence"])
    else:
        about = re.escape(opening["about"].rstrip()) if "id=" in opening["about"] else ""
        line = f"</{re.escape(opening['tag'])}{about}>"
    return re.compile(rf"^{line}[ \t\r]*$\n?", re.MULTILINE).search(text, opening.end())


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
            if not is_critical[place] and any(map(self._is_cut, range(len(order)), is_critical)):
                break
            if not self._fits(place, len(self._sections[place].text)):
                self._cut(place, down_to_words=is_critical[place] or not any(self._kept))
        text = self._text()
        if self._count(text) > self._most:  # not even the mark has room
            text = ""
        return Fitted(text=text, tokens=self._count(text), dropped=tuple(self._dropped()))

    def _is_cut(self, place: int, is_critical: bool) -> bool:
        return is_critical and self._kept[place] < len(self._sections[place].text)

    def _fits(self, place: int, length: int) -> bool:
        """Keep so much of a section, if all that is kept still fits then."""
        before, self._kept[place] = self._kept[place], length
        if self._count(self._text()) <= self._most:
            return True
        self._kept[place] = before
        return False

    def _cut(self, place: int, *, down_to_words: bool) -> None:
        """Keep as many whole paragraphs as fit, then sentences of the next one, then, where it must be, words."""
        text, start = self._sections[place].text, self._sections[place].start
        for unit, pattern in BREAKS if down_to_words else BREAKS[:-1]:
            begin = max(self._kept[place], start)
            ends = [found.start() for found in pattern.finditer(text, begin) if text[begin : found.start()].strip()]
            low, high = 0, len(ends)
            while low < high:  # the most ends that fit
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self._fits(place, ends[middle - 1]) else (low, middle - 1)
            if low:
                self._fits(place, ends[low - 1])
                self._units[place] = unit

    def _text(self) -> str:
        parts: list[str] = []
        for section, length in zip(self._sections, self._kept, strict=True):
            if length == len(section.text):
                parts.append(section.text + section.tail)
            elif length:
                end = f"\n{section.tail.rstrip()}" if section.tail else ""
                parts.append(f"{section.text[:length].rstrip()} {MARK}{end}\n\n")
            elif not parts or not parts[-1].endswith(f"{MARK}\n\n"):
                parts.append(f"{MARK}\n\n")
        return "".join(parts).strip("\n")

    def _dropped(self) -> Iterator[Dropped]:
        for section, length, unit in zip(self._sections, self._kept, self._units, strict=True):
            rest = section.text[length:].strip()
            if rest:
                begins = " ".join(section.text[length or section.start :].split())
                begins = begins if len(begins) <= SHOWN else begins[:SHOWN].rsplit(" ", 1)[0] + " ..."
                title = section.title or "(no heading)"
                yield Dropped(
                    section=title, unit=unit if length else "section", tokens=self._count(rest), begins=begins
                )

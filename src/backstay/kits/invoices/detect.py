"""Detect: which vendor's form a document is written on: told by its marks, and where these leave a doubt by a model.

Marks decide where nearly all of a layout's stand in the document, or where no layout comes near. Between the two a model may be
asked, which sees the nearest few layouts; its answer counts only as a name of that list. In doubt a document is generic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from backstay.kits.invoices.hint import view, word_at
from backstay.kits.invoices.layout import Form, Layout, Mark

CLEAR: Final = 0.9
"""The share of a layout's marks from which nobody needs to be asked."""

SURE: Final = 0.5
"""A model that is less sure than this has not told a layout."""

NEAR: Final = 0.3
"""The share of a layout's words in marks from which it is worth asking about."""

MOST_SHOWN: Final = 8
"""Layouts that a model is shown: more cost more, and the right one is among the nearest."""

GENERIC: Final = "generic"


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """What a document was taken for: the layout or None, its name or "generic", how surely, and why."""

    layout: Layout | None
    name: str
    confidence: float
    reasoning: str


class Seen:
    """A text in the forms that layouts look at, each made once."""

    def __init__(self, text: str) -> None:
        self.plain = plain(text)
        self._text = text
        self._views: dict[Form, str] = {}

    def has(self, layout: Layout, mark: Mark) -> bool:
        """Whether `mark` stands in the text."""
        return self.matches(layout, mark.text) if mark.is_pattern else word_at(plain(mark.text), self.plain) >= 0

    def matches(self, layout: Layout, pattern: str) -> bool:
        """Whether `pattern` is found in the text as the layout's form has it."""
        if layout.form not in self._views:
            self._views[layout.form] = view(self._text, layout.form).text
        return re.search(pattern, self._views[layout.form]) is not None


def detect(text: str, layouts: Sequence[Layout]) -> Detected:
    """The layout with the greatest share of its marks in `text`; generic where none has enough of them, or two are alike."""
    seen = Seen(text)
    ranked = sorted(
        ((share, layout) for layout in layouts if (share := share_of(layout, seen)) is not None),
        key=lambda pair: (-pair[0], pair[1].name),
    )
    if not ranked:
        why = "no vendor layout is known" if not layouts else "every layout is excluded by what the document says"
        return Detected(layout=None, name=GENERIC, confidence=0.0, reasoning=why)
    share, best = ranked[0]
    second = ranked[1][0] if len(ranked) > 1 else 0.0
    if share < best.least or share == second:
        is_weak = share < best.least
        why = f"the nearest, {best.name}, has {share:.0%} of its marks" if is_weak else "two layouts fit alike"
        return Detected(layout=None, name=GENERIC, confidence=1 - share if is_weak else 0.0, reasoning=why)
    found = [mark.text for mark in best.marks if seen.has(best, mark)]
    shown = ", ".join(repr(mark) for mark in found[:3])
    return Detected(layout=best, name=best.name, confidence=share, reasoning=f"{share:.0%} of its marks: {shown}")


def share_of(layout: Layout, seen: Seen) -> float | None:
    """The share of the layout's marks, by weight, that stand in a text; None where a pattern of its `exclude` does."""
    if any(seen.matches(layout, pattern) for pattern in layout.exclude):
        return None
    total = sum(mark.weight for mark in layout.marks)
    return sum(mark.weight for mark in layout.marks if seen.has(layout, mark)) / total


def in_doubt(text: str, layouts: Sequence[Layout], found: Detected) -> list[Layout]:
    """The layouts that a model should choose from, the nearest first; none where the marks have decided."""
    if found.layout is not None and found.confidence >= CLEAR:
        return []
    seen = Seen(text)
    words = set(re.findall(r"\w+", seen.plain))
    near = []
    for layout in layouts:
        if share_of(layout, seen) is None:
            continue
        own = {word for mark in layout.marks for word in re.findall(r"\w+", plain(mark.text))}
        near.append((len(own & words) / len(own) if own else 0.0, layout))
    near.sort(key=lambda pair: (-pair[0], pair[1].name))
    return [layout for share, layout in near[:MOST_SHOWN] if share >= NEAR]


def shown(layouts: Sequence[Layout]) -> list[dict[str, Any]]:
    """The layouts as a model is shown them."""
    return [{"name": one.name, "vendor": one.vendor, "marks": [mark.text for mark in one.marks]} for one in layouts]


def answered(value: dict[str, Any], layouts: Sequence[Layout], by_marks: Detected) -> Detected:
    """What a model's answer comes to: a layout of the list that it is sure enough of, else generic, else what the marks say."""
    name, confidence = str(value["layout"]), min(max(float(value["confidence"]), 0.0), 1.0)
    why = " ".join(str(value["reasoning"]).split())[:300]
    if name == GENERIC:
        return Detected(layout=None, name=GENERIC, confidence=confidence, reasoning=why)
    chosen = next((layout for layout in layouts if layout.name == name), None)
    if chosen is None:
        note = f"{by_marks.reasoning}; the model named {name[:60]!r}, which is no layout"
        return msgspec.structs.replace(by_marks, reasoning=note)
    if confidence < SURE:
        return Detected(layout=None, name=GENERIC, confidence=1 - confidence, reasoning=why)
    return Detected(layout=chosen, name=name, confidence=confidence, reasoning=why)


def plain(text: str) -> str:
    """`text` in lower case, with single spaces."""
    return " ".join(text.lower().split())

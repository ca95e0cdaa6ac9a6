"""Excerpt: the part of a journal that a page shows, taken in one pass: a stretch of entries, and the calls that reach into it.

A journal may be larger than memory and than anybody's patience. What is drawn begins with the run, or shortly before the tick
that is marked.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from backstay.replay.entry import Began, Chunk, Noted, Tick
from backstay.replay.reading import Source
from backstay.replay.under_way import ENDINGS, Ending, UnderWay

NOTHING: Final = "nothing"
"""No tick is marked; None is what stands before the first one."""


class Shown(msgspec.Struct, kw_only=True):
    """A call: the places of its begin and end among all entries, and how many chunks came."""

    began: Began
    place: int
    end: Ending | None = None
    end_place: int | None = None
    chunks: int = 0


class Excerpt(msgspec.Struct, kw_only=True):
    """`entries` stand at the places from `start` on, of `total`; `drawn` are the calls that reach into them, `calls` the first of
    all. `marked` is the span of places of the marked tick."""

    start: int = 0
    total: int = 0
    marked: tuple[int, int] = (0, 0)
    entries: list[Noted] = []
    drawn: list[Shown] = []
    calls: list[Shown] = []


def excerpt(source: Source, *, most: int, most_calls: int, mark: int | Literal["nothing"] | None = NOTHING) -> Excerpt:
    """At most `most` entries and `most_calls` calls; of a longer journal the entries around the tick `mark`."""
    marked, total = _marked(source, mark)
    start = max(0, min(marked[0] - most // 4, total - most))
    found = Excerpt(start=start, total=total, marked=marked)
    under_way: UnderWay[Shown] = UnderWay()
    for place, entry in enumerate(source.entries):
        if start <= place < start + most:
            found.entries.append(entry)
        if isinstance(entry, Began):
            shown = Shown(began=entry, place=place)
            under_way.begin(entry, shown, place)
            if len(found.calls) < most_calls:
                found.calls.append(shown)
        elif isinstance(entry, Chunk):
            under_way.of(entry, place).chunks += 1
        elif isinstance(entry, ENDINGS):
            call = under_way.of(entry, place)
            call.end, call.end_place = entry, place
            if call.place < start + most and place >= start:
                found.drawn.append(call)
    found.drawn += [call for call in under_way.values() if call.place < start + most]
    found.drawn.sort(key=lambda call: call.place)
    return found


def _marked(source: Source, mark: int | Literal["nothing"] | None) -> tuple[tuple[int, int], int]:
    """The places of the entries of the tick `mark`, from its begin to the next one's, and how many entries there are."""
    begin: int | None = 0 if mark is None else None
    end: int | None = None
    total = 0
    for total, entry in enumerate(source.entries, 1):
        if not isinstance(entry, Tick):
            continue
        if begin is None and entry.tick == mark:
            begin = total - 1
        elif begin is not None and end is None:
            end = total - 1
    if begin is None:
        return (0, 0), total
    return (begin, total if end is None else end), total

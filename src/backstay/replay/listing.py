"""Listing: a journal as lines for a terminal, one an entry; a question stands where it was asked, with what came of it.

What comes of a question is known later, so lines wait until the calls before them have ended; no more than `MOST_HELD` wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from backstay.replay.compare import gist_of
from backstay.replay.entry import Began, Draw, Made, Noted, Snapshot, Tick, ToolRun
from backstay.replay.reading import Source
from backstay.replay.timeline import told_of
from backstay.replay.under_way import ENDINGS, UnderWay

MOST_HELD: Final = 10_000


class _Line:
    """One line; `is_open` while the end of its call is not known."""

    __slots__ = ("is_open", "text")

    def __init__(self, text: str, *, is_open: bool = False) -> None:
        self.text = text
        self.is_open = is_open


def listing(source: Source, *, tick: int | None = None) -> Iterator[str]:
    """The lines, in the order of the journal; with `tick`, only those of that frame. Raises JournalDamaged."""
    calls: UnderWay[_Line] = UnderWay()
    held: deque[_Line] = deque()
    for place, entry in enumerate(source.entries):
        if isinstance(entry, Began):
            line = _Line(f"  call {entry.call}  {entry.task or '-'}  {gist_of(bytes(entry.request))}", is_open=True)
            calls.begin(entry, line, place)
            if tick is None or entry.tick == tick:
                held.append(line)
        elif isinstance(entry, ENDINGS):
            line = calls.of(entry, place)
            line.text, line.is_open = f"{line.text}  ->  {told_of(entry)}", False
        elif (tick is None or getattr(entry, "tick", None) == tick) and (text := _told(entry)) is not None:
            held.append(_Line(text))
        while held and (not held[0].is_open or len(held) > MOST_HELD):
            first = held.popleft()
            yield f"{first.text}  ->  (ends much later)" if first.is_open else first.text
    for line in held:
        yield f"{line.text}  ->  {told_of(None)}" if line.is_open else line.text


def _told(entry: Noted) -> str | None:
    if isinstance(entry, Tick):
        return f"tick {entry.tick}"
    if isinstance(entry, ToolRun):
        result = entry.failure.kind if entry.failure else bytes(entry.result).decode()
        return f"  tool {entry.name} {bytes(entry.arguments).decode()}  ->  {result}"
    if isinstance(entry, Draw):
        return f"  draw {entry.system}/{entry.name}  {entry.value}"
    if isinstance(entry, Snapshot):
        return f"  state {entry.sha256[:16]}"
    return f"  id {entry.value}" if isinstance(entry, Made) else None

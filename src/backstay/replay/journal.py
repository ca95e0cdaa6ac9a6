"""Journal: a recorded run, read whole and checked line by line.

Three states are told apart. Finished: the last line is there and counts right. Cut: the file breaks off, as after a kill; what
stands before the cut is good, and `cut_bytes` says how much of a line was lost. Damaged: a line does not follow from the one
before it; nothing can be said for such a file, and reading it raises `JournalDamaged` with the line.

A replay needs all of it at once, in no order; who goes through it once reads its file (`reading.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import TypeVar

import msgspec

from backstay.replay.entry import Answered, Began, Chunk, Dropped, End, Failed, Header, Noted
from backstay.replay.reading import JournalFile, Lines
from backstay.replay.under_way import ENDINGS, Ending, UnderWay

T = TypeVar("T", bound=Noted)


class Recorded(msgspec.Struct):
    """A call with all that was noted of it. `places` are the positions of its chunks and of its end in the journal."""

    began: Began
    chunks: list[Chunk] = []
    end: Answered | Failed | Dropped | None = None
    places: list[int] = []


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """The entries after the header, in the order in which they were written; `end` is None where the file was cut off."""

    header: Header
    entries: tuple[Noted, ...]
    end: End | None = None
    cut_bytes: int = 0

    @property
    def is_finished(self) -> bool:
        """True when the recording came to its end."""
        return self.end is not None

    def of(self, kind: type[T]) -> Iterator[T]:
        """The entries of one kind, in order."""
        return (entry for entry in self.entries if isinstance(entry, kind))

    def calls(self) -> dict[int, Recorded]:
        """The calls by their number, in the order in which they began. Raises JournalDamaged for a chunk or end of no call."""
        calls: dict[int, Recorded] = {}
        under_way: UnderWay[Recorded] = UnderWay()
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Began):
                calls[entry.call] = call = Recorded(entry)
                under_way.begin(entry, call, place)
            elif isinstance(entry, (Chunk, *ENDINGS)):
                _continue(under_way.of(entry, place), entry, place)
        return calls


def _continue(call: Recorded, entry: Chunk | Ending, place: int) -> None:
    if isinstance(entry, Chunk):
        call.chunks.append(entry)
    else:
        call.end = entry
    call.places.append(place)


def read_journal(path: str | os.PathLike[str]) -> Journal:
    """The journal in the file `path`. Raises ConfigurationError where there is none, JournalDamaged where it is not sound."""
    file = JournalFile(path)
    entries = tuple(file.entries)
    return Journal(header=file.header, entries=entries, end=file.end, cut_bytes=file.cut_bytes)


def parse_journal(data: bytes) -> Journal:
    """The journal in `data`. Raises JournalDamaged."""
    lines = Lines()
    entries = tuple(lines.entries(BytesIO(data)))
    assert lines.header is not None
    return Journal(header=lines.header, entries=entries, end=lines.end, cut_bytes=lines.cut_bytes)

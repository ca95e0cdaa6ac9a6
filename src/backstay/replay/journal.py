"""Journal: a recorded run as it stands in its file, read whole and checked line by line.

Three states are told apart. Finished: the last line is there and counts right. Cut: the file breaks off, as after a kill; what
stands before the cut is good, and `cut_bytes` says how much of a line was lost. Damaged: a line does not follow from the one
before it; nothing can be said for such a file, and reading it raises `JournalDamaged` with the line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from backstay.errors import ConfigurationError
from backstay.replay.chain import Broken, Chain
from backstay.replay.entry import (
    VERSION,
    Answered,
    Began,
    Chunk,
    Dropped,
    End,
    Failed,
    Header,
    Noted,
    decode_entry,
)
from backstay.replay.fault import JournalDamaged
from backstay.replay.writer import load_zstandard

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
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Began):
                if entry.call in calls:
                    raise JournalDamaged(f"call {entry.call} begins twice", line=place + 2)
                calls[entry.call] = Recorded(entry)
            elif isinstance(entry, (Chunk, Answered, Failed, Dropped)):
                _continue(calls.get(entry.call), entry, place)
        return calls


def _continue(call: Recorded | None, entry: Chunk | Answered | Failed | Dropped, place: int) -> None:
    if call is None or call.end is not None:
        raise JournalDamaged(f"call {entry.call} goes on but is not under way", line=place + 2)
    if isinstance(entry, Chunk):
        call.chunks.append(entry)
    else:
        call.end = entry
    call.places.append(place)


def read_journal(path: str | os.PathLike[str]) -> Journal:
    """The journal in the file `path`. Raises ConfigurationError where there is none, JournalDamaged where it is not sound."""
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: no journal can be read there: {error.strerror}") from error
    try:
        if file.suffix != ".zst":
            return parse_journal(data)
        lines, is_whole = _unpacked(data)
        journal = parse_journal(lines)
        return journal if is_whole else msgspec.structs.replace(journal, end=None)
    except JournalDamaged as error:
        raise JournalDamaged(f"{file}: {error.message}", line=error.line) from error


def _unpacked(data: bytes) -> tuple[bytes, bool]:
    """The lines in a Zstandard frame, as far as whole blocks of it are there, and whether its end with the checksum is."""
    library = load_zstandard()
    frame = library.ZstdDecompressor().decompressobj()
    try:
        lines: bytes = frame.decompress(data)
    except library.ZstdError as error:
        raise JournalDamaged(f"it is not sound Zstandard data: {error}") from error
    if frame.unused_data:
        raise JournalDamaged(f"{len(frame.unused_data)} bytes stand after its end")
    return lines, bool(frame.eof)


def parse_journal(data: bytes) -> Journal:
    """The journal in `data`. Raises JournalDamaged."""
    *lines, tail = data.split(b"\n")
    if not lines:
        raise JournalDamaged("it was cut off in its first line, or is no journal: nothing of it can be used")
    chain = Chain()
    header = _entry(chain, lines[0], 1)
    if not isinstance(header, Header) or header.version > VERSION:
        raise JournalDamaged(f"it does not begin as a journal of version {VERSION} does", line=1)
    entries: list[Noted] = []
    end: End | None = None
    for number, line in enumerate(lines[1:], 2):
        entry = _entry(chain, line, number)
        if end is not None or isinstance(entry, Header):
            raise JournalDamaged(f"line {number} stands after the end, or begins anew", line=number)
        if isinstance(entry, End):
            end = entry
        else:
            entries.append(entry)
    if end is not None and (tail or end.entries != len(entries) + 1):
        raise JournalDamaged("what it holds is not what its last line says", line=len(lines) + bool(tail))
    return Journal(header=header, entries=tuple(entries), end=end, cut_bytes=len(tail))


def _entry(chain: Chain, line: bytes, number: int) -> Header | Noted:
    try:
        body = chain.open(line)
    except Broken as error:
        raise JournalDamaged(f"line {number}: {error}", line=number) from error
    try:
        return decode_entry(body)
    except ValueError as error:
        raise JournalDamaged(f"line {number}: {_about(body, error)}", line=number) from error


def _about(body: bytes, error: ValueError) -> str:
    """Why a line with a good hash is no entry of this version."""
    return f"no entry that version {VERSION} of the form knows ({error}); a later version of the library may read it"

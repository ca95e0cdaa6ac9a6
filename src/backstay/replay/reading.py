"""Reading: a journal's file, read line by line and checked as it goes, so that memory holds one line of it and not all.

    journal = JournalFile("run.jsonl")      # the first line is read, and says what it is
    for entry in journal.entries: ...       # from the beginning, as often as wanted
    journal.end                             # known once all of it was read

`Lines` is the check itself; `journal.py` keeps what it lets through where a whole journal is wanted at once, as in a replay.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from backstay.errors import ConfigurationError
from backstay.replay.chain import Broken, Chain
from backstay.replay.entry import VERSION, End, Header, Noted, decode_entry
from backstay.replay.fault import JournalDamaged
from backstay.replay.writer import load_zstandard

BLOCK: Final = 1 << 14
"""Bytes of a compressed file that are unpacked at a time: what they may grow to is what memory holds."""


LONGEST: Final = 1 << 20
"""Bytes of a first line: what has more of them without an end is no journal."""


class Source(Protocol):
    """What tools read: a journal in memory or in its file. `end` and `cut_bytes` are known once the entries were read."""

    @property
    def header(self) -> Header: ...
    @property
    def entries(self) -> Iterable[Noted]: ...
    @property
    def end(self) -> End | None: ...
    @property
    def cut_bytes(self) -> int: ...


class Lines:
    """The lines of one journal in their order: each must follow from the one before it. Raises JournalDamaged with its line."""

    def __init__(self) -> None:
        self._chain = Chain()
        self._number = 0
        self.header: Header | None = None
        self.end: End | None = None
        self.cut_bytes = 0

    def entries(self, lines: Iterable[bytes]) -> Iterator[Noted]:
        """What stands in `lines`, which keep their line breaks; the last one may lack its own, and is then cut off."""
        for line in lines:
            if not line.endswith(b"\n"):
                self.cut_bytes = len(line)
                break
            entry = self._entry(line[:-1])
            if isinstance(entry, End):
                self.end = entry
            elif not isinstance(entry, Header):
                yield entry
        if self.header is None:
            raise JournalDamaged("it was cut off in its first line, or is no journal: nothing of it can be used")
        if self.end is not None and (self.cut_bytes or self.end.entries != self._number - 1):
            raise JournalDamaged(
                "what it holds is not what its last line says", line=self._number + (self.cut_bytes > 0)
            )

    def _entry(self, line: bytes) -> Header | Noted:
        self._number += 1
        number = self._number
        entry = self._decoded(line, number)
        if self.header is None:
            if not isinstance(entry, Header) or entry.version > VERSION:
                raise JournalDamaged(f"it does not begin as a journal of version {VERSION} does", line=number)
            self.header = entry
        elif self.end is not None or isinstance(entry, Header):
            raise JournalDamaged(f"line {number} stands after the end, or begins anew", line=number)
        return entry

    def _decoded(self, line: bytes, number: int) -> Header | Noted:
        try:
            body = self._chain.open(line)
        except Broken as error:
            raise JournalDamaged(f"line {number}: {error}", line=number) from error
        try:
            return decode_entry(body)
        except ValueError as error:
            about = f"no entry that version {VERSION} of the form knows ({error}); a later version of the library may read it"
            raise JournalDamaged(f"line {number}: {about}", line=number) from error


class JournalFile:
    """The journal in the file `path`. Raises ConfigurationError where none can be read, JournalDamaged where it is not sound."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.end: End | None = None
        self.cut_bytes = 0
        self.header = self._header()

    @property
    def entries(self) -> Iterator[Noted]:
        """The entries after the header, from the first one on."""
        lines = Lines()
        try:
            with self._path.open("rb") as file:
                text = Unpacked(file) if self._path.suffix == ".zst" else None
                yield from lines.entries(file if text is None else text)
        except OSError as error:
            raise self._unreadable(error) from error
        except JournalDamaged as error:
            raise JournalDamaged(f"{self._path}: {error.message}", line=error.line) from error
        self.end = lines.end if text is None or text.is_whole else None
        self.cut_bytes = lines.cut_bytes

    def _header(self) -> Header:
        lines = Lines()
        try:
            with self._path.open("rb") as file:
                text = Unpacked(file) if self._path.suffix == ".zst" else [file.readline(LONGEST)]
                list(lines.entries(line for line in itertools.islice(text, 1) if line))
        except OSError as error:
            raise self._unreadable(error) from error
        except JournalDamaged as error:
            raise JournalDamaged(f"{self._path}: {error.message}", line=error.line) from error
        assert lines.header is not None
        return lines.header

    def _unreadable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"{self._path}: no journal can be read there: {error.strerror}")


class Unpacked:
    """The lines in a Zstandard frame, as far as whole blocks of it are there; then `is_whole`: its end with the checksum is."""

    def __init__(self, file: BinaryIO) -> None:
        self._library = load_zstandard()
        self._file = file
        self.is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for block in self._blocks():
            *lines, rest = (rest + block).split(b"\n")
            yield from (line + b"\n" for line in lines)
        if rest:
            yield rest

    def _blocks(self) -> Iterator[bytes]:
        frame = self._library.ZstdDecompressor().decompressobj()
        while packed := self._file.read(BLOCK):
            if frame.eof:
                raise JournalDamaged(f"{len(packed)} bytes or more stand after its end")
            try:
                yield frame.decompress(packed)
            except self._library.ZstdError as error:
                raise JournalDamaged(f"it is not sound Zstandard data: {error}") from error
        if frame.unused_data:
            raise JournalDamaged(f"{len(frame.unused_data)} bytes stand after its end")
        self.is_whole = bool(frame.eof)

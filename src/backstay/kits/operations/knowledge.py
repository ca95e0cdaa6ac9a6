"""KnowledgeBase: what was seen, done and learned, in order, bounded, and searchable; kept as JSON Lines where a path is given."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError

EntryKind: TypeAlias = Literal["observation", "decision", "execution", "outcome", "note"]
WORD: Final = re.compile(r"\w+")
MOST: Final = 100
"""Entries that one query gives at most."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something known: when on the system's clock, of what kind, in words and as data."""

    at: float
    kind: EntryKind
    system_id: str
    text: str
    data: dict[str, Any] = {}


class KnowledgeBase:
    """Entries, the oldest forgotten first. A file is read in full when it is opened, and appended to."""

    def __init__(self, path: str | Path | None = None, *, most: int = 10_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=most)
        self._path = None if path is None else Path(path)
        if self._path is not None and self._path.exists():
            self._entries.extend(read_entries(self._path))
            _drop_cut_line(self._path)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Keep an entry, in the file first."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(entry) + b"\n")
        self._entries.append(entry)

    def query(
        self,
        *,
        kinds: Iterable[str] = (),
        text: str = "",
        filters: Mapping[str, Any] | None = None,
        since: float | None = None,
        limit: int = 10,
    ) -> list[Entry]:
        """The entries that fit, best first: by how many words of `text` they have, then the latest.

        `filters` compares data by its names; `kinds` none means all.
        """
        wanted, words = set(kinds), {word.lower() for word in WORD.findall(text)}
        fitting = [
            (len(words & {word.lower() for word in WORD.findall(entry.text)}), number, entry)
            for number, entry in enumerate(self._entries)
            if (not wanted or entry.kind in wanted)
            and (since is None or entry.at >= since)
            and all(entry.data.get(name) == value for name, value in (filters or {}).items())
        ]
        found = [one for one in fitting if one[0] or not words]
        found.sort(key=lambda one: (-one[0], -one[1]))
        return [entry for _, _, entry in found[: max(0, min(limit, MOST))]]


def _drop_cut_line(path: Path) -> None:
    """Cut a file behind its last whole line, so that what is appended begins a line."""
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(text.rfind(b"\n") + 1)


def read_entries(path: Path) -> list[Entry]:
    """The entries of a file. A last line that was cut by a crash is left out. Raises ConfigurationError for any other fault."""
    lines = path.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError as error:
            if number == len(lines):  # no line end after it: it was being written
                break
            raise ConfigurationError(f"{path}:{number}: is no entry ({error})") from error
    return entries

"""Patch: what a replay asked beyond its journal, added to it: all that was there, then what is new.

The new journal is written beside the old one from the first new entry on, and replaces it when the run ends; where nothing was
new, the file stays untouched. What the old journal has and the program did not ask for stays in it.
"""

from __future__ import annotations

import os

import msgspec

from backstay.ports import World
from backstay.replay.entry import Began, Chunk, Draw, Noted
from backstay.replay.journal import Journal
from backstay.replay.notebook import Notebook
from backstay.replay.tooling import ToolNoting
from backstay.replay.watch import watched
from backstay.replay.writer import Writer
from backstay.service import Call, Reply, Service


class Patch:
    """Additions to `journal` in the file `path`; opens nothing before the first of them."""

    def __init__(self, path: str | os.PathLike[str], journal: Journal) -> None:
        self._path = path
        self._journal = journal
        self._notebook: Notebook | None = None

    @property
    def has_clock(self) -> bool:
        """True where the journal notes clock readings."""
        return self._journal.header.has_clock

    @property
    def notebook(self) -> Notebook:
        """Where additions go; what was there is in it already."""
        if self._notebook is None:
            writer = Writer(self._path, overwrite=True)
            writer.add(self._journal.header)
            self._notebook = Notebook(writer, started_ns=self._journal.header.started_ns)
            self._notebook.adopt(self._journal)
        return self._notebook

    def add(self, entry: Noted) -> None:
        """Write one new entry."""
        self.notebook.add(entry)

    def draw(self, system: str, name: str, value: float, tick: int | None) -> float:
        """Note a draw that was made live."""
        self.add(Draw(system=system, name=name, value=value, tick=tick))
        return value

    def tool(self, world: World, tick: int | None) -> ToolNoting:
        """How a live run of a tool is noted."""
        return ToolNoting(self.notebook, world, tick)

    async def answer(self, call: Call, inner: Service, *, tick: int | None, world: World) -> Reply:
        """The live reply to a call that was not recorded, noted as it goes."""
        return await watched(call, inner, notebook=self.notebook, tick=tick, world=world)

    def finish(self, outcome: str) -> None:
        """Put the new journal in the place of the old one, if there is a new one. Raises JournalFailed."""
        if self._notebook is not None:
            self._notebook.writer.close(outcome)

    def abandon(self) -> None:
        """Forget what is new."""
        if self._notebook is not None:
            self._notebook.writer.discard()


def whole_calls(journal: Journal) -> Journal:
    """`journal` without the calls that have no end: in a patched run they are asked again."""
    endless = {number for number, call in journal.calls().items() if call.end is None}
    kept = tuple(
        entry for entry in journal.entries if not (isinstance(entry, (Began, Chunk)) and entry.call in endless)
    )
    return msgspec.structs.replace(journal, entries=kept)

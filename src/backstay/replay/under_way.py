"""UnderWay: the calls that have begun and not ended, in one pass over a journal, each with what the pass keeps of it.

A journal of any length has few of them at a time, so a pass that keeps nothing else needs no more memory for a longer one.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

from backstay.replay.entry import Answered, Began, Chunk, Dropped, Failed
from backstay.replay.fault import JournalDamaged

K = TypeVar("K")

Ending: TypeAlias = Answered | Failed | Dropped

ENDINGS = (Answered, Failed, Dropped)


class UnderWay(Generic[K]):
    """What is kept, by the number of the call. `place` is where the entry stands among the entries, from 0, for the message."""

    def __init__(self) -> None:
        self._kept: dict[int, K] = {}
        self._last = -1

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, entry: Began, kept: K, place: int) -> None:
        """A call begins. Numbers only grow, so one that does not was there before. Raises JournalDamaged."""
        if entry.call <= self._last:
            raise JournalDamaged(f"call {entry.call} begins twice, or out of its turn", line=place + 2)
        self._last = entry.call
        self._kept[entry.call] = kept

    def of(self, entry: Chunk | Ending, place: int) -> K:
        """What is kept of the call that `entry` belongs to; its end ends it. Raises JournalDamaged where it is not under way."""
        if entry.call not in self._kept:
            raise JournalDamaged(f"call {entry.call} goes on but is not under way", line=place + 2)
        return self._kept[entry.call] if isinstance(entry, Chunk) else self._kept.pop(entry.call)

    def values(self) -> list[K]:
        """What is kept of all of them, in the order in which they began."""
        return list(self._kept.values())

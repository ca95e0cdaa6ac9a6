"""Sequencer: a log that many processes append to and read, in one order, with one clock. What a database does for limits.

One method does the work: `append` puts an entry at the end, stamps it with the log's own time, and gives back everything since
the number that the caller has seen, its own entry last. That is one round trip. Instants never go back, whatever clock is behind.

The log has a `generation`, an id that is made with it. A log that was emptied, or went back to an older state, is told from the
one that a caller knows by this and by its length; `Forgotten` then asks those who still know to `restore` it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

VERSION: Final = 1
"""Of the operations and of the engine. Processes of another version keep a log of their own."""

KEEP_EVERY: Final = 1000
"""Entries after which a snapshot is kept; as many more stay readable for those who lag behind."""

Instants: TypeAlias = Callable[[], tuple[int, int]]
"""Microseconds of a steady clock, and of the wall clock (Unix time): where not the database's own clock is to count."""


class Stamped(NamedTuple):
    """One entry. `now_us` never goes back; `wall_us` is Unix time."""

    now_us: int
    wall_us: int
    body: bytes


class Stretch(NamedTuple):
    """What `append` gave: the entries after number `after`, the caller's own last.

    Where `generation` and `after` are not what the caller said, it begins anew: from `snapshot`, from nothing without one.
    """

    generation: str
    after: int
    entries: Sequence[Stamped]
    snapshot: bytes | None


class Forgotten(Exception):
    """The log is not the one that the caller knows, and it is shorter: it lost its memory."""


class Sequencer(Protocol):
    """See above. Every method raises StoreFailed when the database does not do its part."""

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        """Append `body`; what came after number `since` of `generation` ("" for nothing is known)."""
        ...

    async def keep(self, generation: str, number: int, snapshot: bytes) -> None:
        """Keep the state after entry `number`, unless a later one is kept; let go of what is older by KEEP_EVERY entries."""
        ...

    async def restore(self, generation: str, number: int, snapshot: bytes, now_us: int) -> None:
        """After Forgotten: give the log this state, unless somebody gave a longer one. Idempotent."""
        ...

    async def aclose(self) -> None:
        """Release the database. Idempotent."""
        ...

"""Record: what a simulated provider saw and what it bills for: the oracle that every proof is held against.

One `Entry` for each attempt that reached the provider, kept by the provider alone: nothing of the library under test writes it.
The bill follows the customs of real providers: what was produced is billed, whether or not anybody received it; a refusal is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

Ending: TypeAlias = Literal["open", "complete", "refused", "lost", "dropped"]
"""`lost`: worked for, and the answer did not arrive whole. `dropped`: the caller left."""


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """One attempt, from the provider's side. Times are seconds of the loop's clock; `output_tokens` counts up as they are made.

    `is_early`: the provider had told this very request to come back later. `is_repeat`: this attempt id was here before.
    """

    at: float
    attempt_id: str
    model: str
    input_tokens: int
    output_tokens: int = 0
    ended: float | None = None
    outcome: Ending = "open"
    status: int = 200
    fault: str = ""
    is_early: bool = False
    is_repeat: bool = False


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Integer nano-dollars for one token: 3,000 is three dollars per million."""

    input: int = 3_000
    output: int = 15_000


class Log:
    """The entries in the order of their arrival, and the sums that proofs ask for."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self.entries: list[Entry] = []
        self._seen: set[str] = set()

    def add(self, entry: Entry) -> None:
        """An attempt arrived."""
        entry.is_repeat = entry.attempt_id in self._seen
        self._seen.add(entry.attempt_id)
        self.entries.append(entry)

    def forget(self) -> None:
        """Drop all entries, and what is known of them."""
        self.entries.clear()
        self._seen.clear()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def cost(self, entry: Entry) -> int:
        """Nano-dollars that `entry` is billed at."""
        if entry.outcome == "refused":
            return 0
        return entry.input_tokens * self.prices.input + entry.output_tokens * self.prices.output

    def bill(self) -> dict[str, int]:
        """Nano-dollars by attempt id; an attempt that was refused stands in it at 0."""
        bill: dict[str, int] = {}
        for entry in self.entries:
            bill[entry.attempt_id] = bill.get(entry.attempt_id, 0) + self.cost(entry)
        return bill

    def total(self) -> int:
        """Nano-dollars of all entries."""
        return sum(map(self.cost, self.entries))

    def early(self) -> int:
        """Attempts that came before the instant that the provider had named."""
        return sum(entry.is_early for entry in self.entries)

    def digest(self) -> str:
        """A hash of all that was seen, in order: equal for equal runs."""
        return hashlib.sha256(msgspec.json.encode(self.entries)).hexdigest()


class NoLog(Log):
    """Keeps nothing: for runs that are longer than memory, whose sums are taken elsewhere."""

    def add(self, entry: Entry) -> None:
        """Not kept."""

"""Book: a ledger that keeps sums in place of rows, so that a simulation of any length books every attempt and grows by none.

It stands where the client's ledger stands, behind the real Bookkeeping: what it sums is what the ledger of a real run would hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from backstay.ledger.base import Ticket
from backstay.ledger.row import Reservation, Row, Settlement
from backstay.sim.sketch import Timeline


class _Durable:
    """A ticket that is good from the start: there is no disk."""

    __slots__ = ()

    def __await__(self) -> Iterator[None]:
        return iter(())


DURABLE: Ticket = _Durable()  # type: ignore[assignment]


class TargetSums:
    """What one target was asked and answered. Money in nano-dollars; `estimated` is the part of `cost` that is an estimate."""

    __slots__ = ("attempts", "complete", "cost", "errors", "estimated", "input_tokens", "output_tokens", "unpriced")

    def __init__(self) -> None:
        self.attempts = self.complete = self.cost = self.estimated = self.unpriced = 0
        self.input_tokens = self.output_tokens = 0
        self.errors: Counter[str] = Counter()


class Book:
    """A Ledger. `now` tells the seconds since the beginning, for the money over time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._open: dict[str, TargetSums] = {}
        self.targets: dict[str, TargetSums] = {}
        self.attempts = self.retries = self.hits = self.saved = 0
        self.money = Timeline()

    def reserve(self, entry: Reservation) -> Ticket:
        if entry.number == 0:  # the booking of a cache's hit
            return DURABLE
        self.attempts += 1
        self.retries += entry.number > 1
        target = f"{entry.provider}:{entry.model}"
        sums = self.targets.get(target)
        if sums is None:
            sums = self.targets[target] = TargetSums()
        sums.attempts += 1
        self._open[entry.attempt_id] = sums
        return DURABLE

    def post(self, entry: Settlement) -> Ticket:
        if entry.is_cached:
            self.hits += 1
            self.saved += entry.saved_nano_usd or 0
            return DURABLE
        sums = self._open.pop(entry.attempt_id)
        sums.input_tokens += entry.input_tokens or 0
        sums.output_tokens += entry.output_tokens or 0
        if entry.outcome == "complete":
            sums.complete += 1
        else:
            sums.errors[entry.error or "dropped"] += 1
        if entry.cost_nano_usd is None:
            sums.unpriced += 1
        else:
            sums.cost += entry.cost_nano_usd
            sums.estimated += entry.cost_nano_usd if entry.is_estimate else 0
            self.money.add(self._now(), entry.cost_nano_usd / 1e9)
        return DURABLE

    def void(self, attempt_id: str, settled_ns: int, reason: str) -> Ticket:
        self._open.pop(attempt_id).errors[reason] += 1
        return DURABLE

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Row]:
        """None: there are sums and no rows."""
        return iter(())

    async def aclose(self) -> None:
        """Nothing to close."""

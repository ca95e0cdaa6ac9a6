"""Meter: what a client used: its catalogue, its ledger, and the running sum of its calls."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from backstay.catalog.catalog import Catalog
from backstay.config import Loaded
from backstay.ledger.base import Ledger
from backstay.ledger.memory import MemoryLedger
from backstay.ports import World
from backstay.types import Response

KEPT_ROWS = 10_000
"""Rows that a client with `ledger.mode = "off"` keeps in memory."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A client's own sums since it was made. `estimated_cost_usd` leaves out the `unpriced` calls; latency is in milliseconds."""

    call_count: int = 0
    failure_count: int = 0
    total_tokens: int = 0
    estimated_cost_usd: Decimal = Decimal(0)
    avg_latency_ms: float = 0.0
    unpriced: int = 0


class Meter:
    """Counts what passes; opens the ledger at its first entry, so a client that is never used leaves no file."""

    def __init__(self, *, catalog: Catalog, ledger: Ledger | None, world: World, loaded: Loaded | None = None) -> None:
        """Without a `ledger`, the one that `loaded` describes is opened when it is first needed."""
        self.catalog = catalog
        self._ledger = ledger
        self._owns_ledger = ledger is None
        self._loaded = loaded
        self._world = world
        self._calls = self._failures = self._tokens = self._nano = self._unpriced = 0
        self._latency = 0.0

    @classmethod
    def open(cls, loaded: Loaded, ledger: Ledger | None, world: World) -> Meter:
        """The meter that the settings describe; `ledger` wins over them."""
        config = loaded.config
        return cls(
            catalog=Catalog.load(config.catalog.path),
            ledger=ledger,
            loaded=loaded,
            world=world,
        )

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened when it is first asked for. Raises ConfigurationError where it cannot be."""
        if self._ledger is None:
            self._ledger = self._open()
        return self._ledger

    @property
    def place(self) -> Literal["memory", "sqlite", "postgres"]:
        """Where the rows go: into memory, where the caller keeps them or the settings want none on disk."""
        if not self._owns_ledger or self._loaded is None or self._loaded.config.ledger.mode == "off":
            return "memory"
        return self._loaded.config.ledger.store

    def _open(self) -> Ledger:
        owner = self._world.ids.new()
        if self._loaded is None or self._loaded.config.ledger.mode == "off":
            return MemoryLedger(owner=owner, max_rows=KEPT_ROWS)
        mode = self._loaded.config.ledger.mode
        if self.place == "postgres":
            from backstay.ledger.postgres import PostgresLedger

            return PostgresLedger(self._loaded.address("postgres"), owner=owner, mode=mode)
        from backstay.ledger.sqlite import SQLiteLedger

        return SQLiteLedger(ledger_path(self._loaded), owner=owner, mode=mode)

    def count(self, response: Response) -> None:
        """An attempt was answered."""
        self._calls += 1
        self._tokens += response.usage.total_tokens or 0
        self._latency += response.latency or 0.0
        if response.cost is None:
            self._unpriced += 1
        else:
            self._nano += response.cost.nano_usd

    def count_failure(self) -> None:
        """An attempt failed or was left."""
        self._failures += 1

    def summary(self) -> Summary:
        """The sums so far."""
        return Summary(
            call_count=self._calls,
            failure_count=self._failures,
            total_tokens=self._tokens,
            estimated_cost_usd=Decimal(self._nano).scaleb(-9),
            avg_latency_ms=1000 * self._latency / self._calls if self._calls else 0.0,
            unpriced=self._unpriced,
        )

    async def aclose(self) -> None:
        """Close the ledger that this meter opened. Idempotent."""
        if self._ledger is not None and self._owns_ledger:
            await self._ledger.aclose()
            self._ledger = None


def ledger_path(loaded: Loaded) -> Path:
    """The ledger's file: the configured one, else `ledger.db` in the user's data folder."""
    if loaded.config.ledger.path is not None:
        return Path(loaded.config.ledger.path).expanduser()
    import platformdirs

    return platformdirs.user_data_path("backstay", appauthor=False) / "ledger.db"

"""Guarded: a store that is asked in such a way that it cannot fail, delay for long, or answer for another.

What a layer or a tool needs of a cache is less than what a store can do wrong. Here a fault of the store is a miss that is
counted and told once in the log; what it gives is checked (checksum, key, tenant, time) before anybody sees it, and deleted
where it is wrong; a store that does not answer within `patience` rests for a while. What is over is swept now and then, on the
way of a `keep`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

import msgspec

from backstay.ports import Clock
from backstay.stores.cache import CacheStore, Entry, StoreStats, entry_of

log = logging.getLogger("backstay")
P = ParamSpec("P")
T = TypeVar("T")

PATIENCE: Final = 0.5
"""Seconds: a store that takes longer has lost its point, and most calls take longer than that."""

REST: Final = 10.0
"""Seconds for which a store that did not answer in time is not asked, so that a hung one does not slow every call."""

SWEEP_NS: Final = 60 * 10**9


class Tally(msgspec.Struct, gc=False):
    """What happened at a cache, counted. `errors` are faults of the store, `damaged` entries that did not pass the checks."""

    hits: int = 0
    stale_hits: int = 0
    misses: int = 0
    bypasses: int = 0
    stores: int = 0
    refused: int = 0
    errors: int = 0
    damaged: int = 0
    saved_nano_usd: int = 0


class CacheStats(msgspec.Struct, frozen=True, kw_only=True):
    """A cache's statistics since it was made.

    `stale_hits` are misses that a stale answer stood in for, `bypasses` calls that were not looked up, `refused` answers that
    may not be stored. `entries` and `bytes` are what the store holds now, None where it cannot tell. `saved_nano_usd` is what
    the answers that were served had cost, as far as that is known.
    """

    hits: int
    stale_hits: int
    misses: int
    bypasses: int
    stores: int
    refused: int
    errors: int
    damaged: int
    saved_nano_usd: int
    evictions: int
    expired: int
    entries: int | None
    bytes: int | None

    @property
    def hit_rate(self) -> float:
        """Hits over look-ups, 0.0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class StoreHung(Exception):
    """A store did not answer in time."""


class Guarded:
    """A store behind its guard; one for each cache layer, with a `tally` of its own."""

    def __init__(self, store: CacheStore, *, clock: Clock, patience: float = PATIENCE) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience
        self._is_instant = getattr(store, "is_instant", False)
        self._is_failing = False
        self._rests_until: float | None = None
        self._swept_ns = clock.wall_ns()
        self.tally = Tally()

    def now_ns(self) -> int:
        """Unix time in nanoseconds."""
        return self._clock.wall_ns()

    async def find(self, key: str, *, tenant: str | None) -> Entry | None:
        """The living entry, checked; None where there is none, it is wrong, or the store fails."""
        now = self._clock.wall_ns()
        if self._is_resting():
            return None
        try:
            asked = self._store.get(key, tenant=tenant, now_ns=now)
            entry = await (asked if self._is_instant else self._in_time(asked))
        except Exception as error:  # noqa: BLE001 - a store may be anybody's; whatever it raises is a miss
            self._failed(error)
            return None
        self._is_failing = False
        if entry is None or not entry.is_alive(now):
            return None
        if not entry.is_sound(key, tenant):
            await self.spoilt(key, tenant=tenant)
            return None
        return entry

    async def spoilt(self, key: str, *, tenant: str | None) -> None:
        """Count an entry that cannot be used, and delete it."""
        self.tally.damaged += 1
        log.warning("cache: the entry %s is damaged and was deleted", key[:12])
        await self._asked(self._store.delete, key, tenant=tenant)

    async def keep(self, key: str, payload: bytes, *, tenant: str | None, ttl: float, stale_ttl: float = 0.0) -> bool:
        """Store `payload` for `ttl` seconds, and `stale_ttl` more for the case that nothing newer can be had.

        False where the store failed.
        """
        now = self._clock.wall_ns()
        entry = entry_of(
            key, payload, tenant=tenant, now_ns=now, ttl_ns=round(ttl * 1e9), stale_ttl_ns=round(stale_ttl * 1e9)
        )
        is_kept = False
        if not self._is_resting():
            try:
                asked = self._store.put(entry, now_ns=now)
                await (asked if self._is_instant else self._in_time(asked))
                is_kept = True
                self.tally.stores += 1
                self._is_failing = False
            except Exception as error:  # noqa: BLE001 - as in `find`
                self._failed(error)
        if not 0 <= now - self._swept_ns < SWEEP_NS:
            self._swept_ns = now
            await self._asked(self._store.sweep, now_ns=now)
        return is_kept

    async def _asked(self, ask: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What the store answers; None where it raises or takes too long, which is counted, and while it rests.

        `find` and `keep`, which every call needs, do the same in their own place: one coroutine less on the way.
        """
        if self._is_resting():
            return None
        try:
            asked = ask(*args, **kwargs)
            result = await (asked if self._is_instant else self._in_time(asked))
        except Exception as error:  # noqa: BLE001 - as in `find`
            self._failed(error)
            return None
        self._is_failing = False
        return result

    def _is_resting(self) -> bool:
        return self._rests_until is not None and self._clock.monotonic() < self._rests_until

    def _failed(self, error: Exception) -> None:
        self._rests_until = self._clock.monotonic() + REST if isinstance(error, StoreHung) else None
        self.fault(error)

    async def _in_time(self, asked: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._patience) as scope:
                return await asked
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise StoreHung(f"no answer within {self._patience:g} s") from error

    def fault(self, error: Exception) -> None:
        """Count a fault of the store; the first one of a row is told in the log."""
        self.tally.errors += 1
        if not self._is_failing:
            log.warning("cache: the store fails (%s: %s); calls go on without it", type(error).__name__, error)
        self._is_failing = True

    async def stats(self) -> CacheStats:
        """The counts, and what the store says of itself."""
        told = await self._asked(self._store.stats) or StoreStats(entries=None, bytes=None)
        return CacheStats(**msgspec.structs.asdict(self.tally), **msgspec.structs.asdict(told))

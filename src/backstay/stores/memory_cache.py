"""The cache in memory: one ordered dict, least recently used first, bounded by entries and by bytes.

It may be shared by threads and by event loops: nothing in it waits.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from backstay.errors import ConfigurationError
from backstay.stores.cache import CacheFailed, Entry, StoreStats

MAX_ENTRIES = 1000
MAX_BYTES = 64 * 2**20


class MemoryCache:
    """A CacheStore that lives as long as the program. Raises ConfigurationError for a bound below 1."""

    is_instant = True
    """It answers without waiting, so no time-out is needed, and none could interrupt it."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        check_bounds(max_entries, max_bytes)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[str | None, str], Entry] = OrderedDict()
        self._bytes = 0
        self._evictions = 0
        self._expired = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def _check_open(self) -> None:
        if self._is_closed:
            raise CacheFailed("the cache is closed")

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        self._check_open()
        place = (tenant, key)
        with self._lock:
            entry = self._entries.get(place)
            if entry is None:
                return None
            if not entry.is_alive(now_ns):
                self._drop(place)
                self._expired += 1
                return None
            self._entries.move_to_end(place)
            return entry

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        self._check_open()
        place, size, entries = (entry.tenant, entry.key), entry.size, self._entries
        with self._lock:
            if place in entries:
                self._drop(place)
            if size > self._max_bytes or not entry.is_alive(now_ns):
                return
            entries[place] = entry
            self._bytes += size
            while self._bytes > self._max_bytes or len(entries) > self._max_entries:
                _, oldest = entries.popitem(last=False)
                self._bytes -= oldest.size
                self._evictions += 1

    async def delete(self, key: str, *, tenant: str | None) -> None:
        self._check_open()
        with self._lock:
            self._drop((tenant, key))

    async def clear(self) -> None:
        self._check_open()
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    async def sweep(self, *, now_ns: int) -> int:
        self._check_open()
        with self._lock:
            dead = [place for place, entry in self._entries.items() if not entry.is_alive(now_ns)]
            for place in dead:
                self._drop(place)
            self._expired += len(dead)
            return len(dead)

    async def stats(self) -> StoreStats:
        self._check_open()
        with self._lock:
            return StoreStats(
                entries=len(self._entries), bytes=self._bytes, evictions=self._evictions, expired=self._expired
            )

    async def aclose(self) -> None:
        self._is_closed = True
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _drop(self, place: tuple[str | None, str]) -> None:
        entry = self._entries.pop(place, None)
        if entry is not None:
            self._bytes -= entry.size


def check_bounds(max_entries: int, max_bytes: int) -> None:
    """Raise ConfigurationError with every bound that leaves no room."""
    bounds = {"cache.max_entries": max_entries, "cache.max_bytes": max_bytes}
    faults = [f"{name} = {bound}: must be 1 or more" for name, bound in bounds.items() if bound < 1]
    if faults:
        raise ConfigurationError(*faults)

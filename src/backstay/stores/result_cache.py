"""ResultCache: bytes by name for a while, for whoever computes something dear: a tool's results, a document's pages.

The same stores and the same guard as the cache of answers: a fault is a miss, a tenant sees its own only, damage is found.
The caller decides what may be kept; what it puts in it gets back, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.canonical import digest
from backstay.ports import Clock
from backstay.stores.cache import CacheStore
from backstay.stores.guarded import CacheStats, Guarded

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class ResultCache:
    """Keeps bytes under keys in `store`, for `ttl` seconds unless told otherwise."""

    def __init__(self, store: CacheStore, *, clock: Clock, ttl: float = 300.0) -> None:
        self._guarded = Guarded(store, clock=clock)
        self._ttl = ttl

    async def get(self, key: str, *, tenant: str | None = None) -> bytes | None:
        """What was put under `key` for `tenant`, None where it is not there any more."""
        entry = await self._guarded.find(digest("result", key), tenant=tenant)
        tally = self._guarded.tally
        if entry is None:
            tally.misses += 1
            return None
        tally.hits += 1
        return entry.payload

    async def put(self, key: str, value: bytes, *, tenant: str | None = None, ttl: float | None = None) -> None:
        """Keep `value` under `key` for `ttl` seconds. Never raises for a store that fails."""
        await self._guarded.keep(digest("result", key), value, tenant=tenant, ttl=self._ttl if ttl is None else ttl)

    async def stats(self) -> CacheStats:
        """Hits, misses, faults, and what the store holds."""
        return await self._guarded.stats()


def result_key(name: str, arguments: Mapping[str, Any], *, version: str = "") -> str:
    """The key of what `name` (a tool) gives for `arguments`, in whatever order they stand; `version` names the tool's own.

    Raises TypeError or ValueError where an argument has no JSON form.
    """
    return digest("call", name, version, _ENCODER.encode(arguments))

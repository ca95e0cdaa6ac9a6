"""RedisCache: answers that many machines share, in Redis or Valkey. One script an operation, one round trip.

A field is a digest of the tenant and the key together; what comes back is checked once more, for its tenant, its key and its
checksum (`Entry.is_sound`), so neither a mix-up nor a flipped bit gives another's answer: it gives a miss, and the entry is
forgotten. Values are data, never objects.

Entries, their order of use and their ends are in five keys, bounded by `max_entries` and `max_bytes`. They are gone 63 days
after the last write, whatever happens. Time is the caller's wall clock.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from backstay.secret import Secret
from backstay.stores.cache import CacheFailed, CacheStore, Entry, StoreStats, pack, unpack
from backstay.stores.failure import StoreFailed
from backstay.stores.redis import Redis, Script

VERSION: Final = 1
KEYS: Final = [f":cache:{VERSION}:{name}" for name in ("data", "use", "end", "size", "meta")]
LIFE_MS: Final = 63 * 24 * 3600 * 1000


class RedisCache(CacheStore):
    """A CacheStore under `{name}` on the server at `url`. A call takes at most `timeout` seconds, then it is CacheFailed."""

    def __init__(
        self,
        url: str | Secret,
        *,
        name: str = "backstay",
        max_entries: int = 100_000,
        max_bytes: int = 256 * 2**20,
        timeout: float = 0.25,
    ) -> None:
        self._redis = Redis(url, name=name, timeout=timeout)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._is_closed = False
        self._evictions = self._expired = 0
        names = ("get", "put", "delete", "sweep")
        self._scripts = {name: Script.read("cache.lua", f"cache_{name}.lua") for name in names}

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        data, expired = await self._run("get", field_of(key, tenant), now_ns // 1000)
        self._expired += expired
        if data is None:
            return None
        entry = unpack(data)
        if entry is None or not entry.is_sound(key, tenant):
            await self.delete(key, tenant=tenant)
            return None
        return entry if entry.is_alive(now_ns) else None

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        ends_us = -(-entry.expires_ns // 1000)
        bounds = (self._max_entries, self._max_bytes, LIFE_MS)
        field = field_of(entry.key, entry.tenant)
        evicted, expired = await self._run("put", field, pack(entry), entry.size, ends_us, now_ns // 1000, *bounds)
        self._evictions += evicted
        self._expired += expired

    async def delete(self, key: str, *, tenant: str | None) -> None:
        await self._run("delete", field_of(key, tenant))

    async def clear(self) -> None:
        await self._command("DEL", *(self._redis.prefix + key for key in KEYS))

    async def sweep(self, *, now_ns: int) -> int:
        swept = 0
        while True:
            found: int = await self._run("sweep", now_ns // 1000)
            swept += found
            self._expired += found
            if not found:
                return swept

    async def stats(self) -> StoreStats:
        entries = await self._command("ZCARD", self._redis.prefix + KEYS[1])
        size = await self._command("HGET", self._redis.prefix + KEYS[4], "bytes")
        return StoreStats(entries=entries, bytes=int(size or 0), evictions=self._evictions, expired=self._expired)

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            await self._redis.aclose()

    async def _run(self, name: str, *arguments: str | bytes | int) -> Any:
        self._check_open()
        try:
            return await self._redis.run(self._scripts[name], KEYS, list(arguments))
        except StoreFailed as error:
            raise CacheFailed(str(error)) from error

    async def _command(self, *parts: str) -> Any:
        self._check_open()
        try:
            return await self._redis.command(*parts)
        except StoreFailed as error:
            raise CacheFailed(str(error)) from error

    def _check_open(self) -> None:
        if self._is_closed:
            raise CacheFailed("the cache is closed")


def field_of(key: str, tenant: str | None) -> str:
    """The field of an entry: a digest of the tenant and the key, each with its length, so no two pairs share one."""
    text = f"{'-' if tenant is None else len(tenant)}:{tenant or ''}{len(key)}:{key}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()

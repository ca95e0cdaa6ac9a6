"""The cache in Redis does what every cache does, and takes nothing from the server on trust."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from tests.servers import Server

from backstay.stores.cache import CacheFailed, Entry, unpack
from backstay.stores.redis import Redis
from backstay.stores.redis_cache import KEYS, RedisCache, field_of

from .cache_conformance import CHECKS, NOW, Check, held, key, made

pytestmark = pytest.mark.server


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_redis_conforms(check: Check, valkey: Server) -> None:
    """The list of checks holds."""

    def open_store(*, max_entries: int = 1000, max_bytes: int = 1 << 20) -> RedisCache:
        name = f"t{secrets.token_hex(6)}"
        return RedisCache(valkey.url, name=name, max_entries=max_entries, max_bytes=max_bytes)

    await check(open_store)


class Trusting(RedisCache):
    """The broken variant: hands out what the server has under the field."""

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        data, _ = await self._run("get", field_of(key, tenant), now_ns // 1000)
        return None if data is None else unpack(data)


async def swapped(cache: RedisCache, valkey: Server) -> bytes | None:
    """What `north` gets after the server put what is `south`'s under its field."""
    await cache.put(made(1, tenant="north", payload=b"mine"), now_ns=NOW)
    await cache.put(made(1, tenant="south", payload=b"theirs"), now_ns=NOW)
    redis = Redis(valkey.url)
    data = cache._redis.prefix + KEYS[0]
    theirs = await redis.command("HGET", data, field_of(key(1), "south"))
    await redis.command("HSET", data, field_of(key(1), "north"), theirs)
    await redis.aclose()
    entry = await cache.get(key(1), tenant="north", now_ns=NOW)
    await cache.aclose()
    return None if entry is None else entry.payload


async def test_a_mixed_up_server_gives_a_miss(valkey: Server) -> None:
    """Another tenant's entry under our field is not handed out; the trusting variant does hand it out."""
    assert await swapped(RedisCache(valkey.url, name="swap1"), valkey) is None
    assert await swapped(Trusting(valkey.url, name="swap2"), valkey) == b"theirs"


async def test_every_flipped_bit_is_a_miss(valkey: Server) -> None:
    """One bit of the stored value at a time: never a changed answer."""
    cache = RedisCache(valkey.url, name="flip")
    redis = Redis(valkey.url)
    await cache.put(made(1), now_ns=NOW)
    data, field = cache._redis.prefix + KEYS[0], field_of(key(1), "north")
    good: bytes = await redis.command("HGET", data, field)
    for place in range(0, len(good) * 8, 5):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        await cache.put(made(1), now_ns=NOW)
        await redis.command("HSET", data, field, bytes(bad))
        assert await held(cache, 1) is None
    await cache.put(made(1), now_ns=NOW)
    assert await held(cache, 1) == b"answer"
    await redis.aclose()
    await cache.aclose()


async def test_an_operation_is_one_command(valkey: Server) -> None:
    """get and put are one round trip each once the scripts are known, and every key has an end."""
    cache = RedisCache(valkey.url, name="count")
    await cache.put(made(1), now_ns=NOW)
    await held(cache, 1)
    before = cache._redis.commands
    await cache.put(made(2), now_ns=NOW)
    await held(cache, 2)
    assert cache._redis.commands == before + 2
    lives = [await cache._redis.command("PTTL", cache._redis.prefix + key) for key in KEYS]
    assert min(lives) > 0
    await cache.aclose()


async def test_a_server_that_is_away_is_a_failed_cache() -> None:
    """CacheFailed, which the layer takes for a miss."""
    cache: Any = RedisCache("unix:///nowhere/socket")
    with pytest.raises(CacheFailed, match="cannot be reached"):
        await cache.get(key(1), tenant=None, now_ns=NOW)
    await cache.aclose()

"""ResultCache: bytes by key for a while, a tenant's own, whatever the store does."""

from __future__ import annotations

import pytest

from backstay.sim.world import SimClock
from backstay.stores.memory_cache import MemoryCache
from backstay.stores.result_cache import ResultCache, result_key


async def test_a_result_is_kept_for_its_time() -> None:
    """The store's own time, or the one that it was put with."""
    clock = SimClock()
    results = ResultCache(MemoryCache(), clock=clock, ttl=10)
    await results.put("a", b"one")
    await results.put("b", b"two", ttl=100)
    assert (await results.get("a"), await results.get("b"), await results.get("c")) == (b"one", b"two", None)
    clock.step(11)
    assert (await results.get("a"), await results.get("b")) == (None, b"two")
    stats = await results.stats()
    assert (stats.hits, stats.misses, stats.stores, stats.hit_rate) == (3, 2, 2, 0.6)


async def test_a_tenant_sees_its_own_results_only() -> None:
    """Of the same key."""
    results = ResultCache(MemoryCache(), clock=SimClock())
    await results.put("k", b"north", tenant="north")
    assert await results.get("k", tenant="south") is None
    assert await results.get("k") is None
    assert await results.get("k", tenant="north") == b"north"


async def test_what_is_over_is_swept_on_the_way() -> None:
    """A cache that is only written to does not keep the dead."""
    clock, store = SimClock(), MemoryCache()
    results = ResultCache(store, clock=clock, ttl=10)
    for number in range(20):
        await results.put(str(number), b"x")
    clock.step(100)
    await results.put("new", b"x")
    stats = await results.stats()
    assert (stats.entries, stats.expired) == (1, 20)


async def test_a_closed_store_is_a_miss() -> None:
    """A fault of the store's is counted and no error."""
    store = MemoryCache()
    results = ResultCache(store, clock=SimClock())
    await store.aclose()
    await results.put("k", b"x")
    assert await results.get("k") is None
    assert (await results.stats()).errors == 3


def test_the_key_of_a_call_does_not_hang_on_the_order_of_its_arguments() -> None:
    """But on the tool, its version and every value."""
    assert result_key("t", {"a": 1, "b": [2]}) == result_key("t", {"b": [2], "a": 1})
    others = [result_key("t", {}), result_key("t", {"a": 1, "b": [3]}), result_key("u", {"a": 1, "b": [2]})]
    others += [result_key("t", {"a": 1, "b": [2]}, version="2"), result_key("t", {"a": "1", "b": [2]})]
    assert len({*others, result_key("t", {"a": 1, "b": [2]})}) == 6
    with pytest.raises(TypeError):
        result_key("t", {"a": object()})

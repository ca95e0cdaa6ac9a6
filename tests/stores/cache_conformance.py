"""What every CacheStore promises, as a list of checks: `CHECKS` runs on each backend.

A check takes `open_store(max_entries=..., max_bytes=...)`, which gives a new and empty store, and uses times from `NOW` on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from backstay.stores.cache import CacheFailed, CacheStore, Entry, entry_of

NOW = 1_795_000_000 * 10**9
SECOND = 10**9
TTL = 300 * SECOND


class OpenStore(Protocol):
    """Opens a store of the backend under test, empty, with these bounds."""

    def __call__(self, *, max_entries: int = 1000, max_bytes: int = 1 << 20) -> CacheStore: ...


Check = Callable[[OpenStore], Awaitable[None]]


def key(number: int) -> str:
    return f"{number:064x}"


def made(
    number: int, *, tenant: str | None = "north", payload: bytes = b"answer", now_ns: int = NOW, ttl_ns: int = TTL
) -> Entry:
    return entry_of(key(number), payload, tenant=tenant, now_ns=now_ns, ttl_ns=ttl_ns)


async def held(store: CacheStore, number: int, *, tenant: str | None = "north", now_ns: int = NOW) -> bytes | None:
    """The payload under a number, checked as every reader checks it."""
    entry = await store.get(key(number), tenant=tenant, now_ns=now_ns)
    if entry is None:
        return None
    assert entry.is_sound(key(number), tenant)
    assert entry.is_alive(now_ns)
    return entry.payload


async def what_was_put_is_got(open_store: OpenStore) -> None:
    """The same entry, field for field, whatever bytes it holds; and nothing under another key."""
    store = open_store()
    for number, payload in enumerate([b"", b"\0", bytes(range(256)) * 40, "é\u2028".encode()]):
        entry = made(number, payload=payload)
        await store.put(entry, now_ns=NOW)
        assert await store.get(key(number), tenant="north", now_ns=NOW) == entry
    assert await held(store, 99) is None
    await store.aclose()


async def a_later_entry_replaces(open_store: OpenStore) -> None:
    """One key, one entry: the last one."""
    store = open_store()
    await store.put(made(1, payload=b"first"), now_ns=NOW)
    await store.put(made(1, payload=b"second, and longer"), now_ns=NOW)
    assert await held(store, 1) == b"second, and longer"
    assert (await store.stats()).entries in (1, None)
    await store.aclose()


async def tenants_are_apart(open_store: OpenStore) -> None:
    """The same key of several tenants are several entries, and nobody is not the empty name; deleting one leaves the rest."""
    store = open_store()
    tenants = ("north", "south", "", None, "north:", ":north", "nor\0th", "*", "é")
    for tenant in tenants:
        assert await held(store, 1, tenant=tenant) is None
        await store.put(made(1, tenant=tenant, payload=repr(tenant).encode()), now_ns=NOW)
    for tenant in tenants:
        assert await held(store, 1, tenant=tenant) == repr(tenant).encode()
    await store.delete(key(1), tenant="north")
    for tenant in tenants:
        assert await held(store, 1, tenant=tenant) == (None if tenant == "north" else repr(tenant).encode())
    await store.aclose()


async def an_entry_dies_at_its_end(open_store: OpenStore) -> None:
    """It lives in [created, expires), to the nanosecond, and dead before a clock that was set back by hours."""
    store = open_store()
    await store.put(made(1), now_ns=NOW)
    assert await held(store, 1, now_ns=NOW + TTL - 1) == b"answer"
    assert await held(store, 1, now_ns=NOW + TTL) is None
    await store.put(made(2), now_ns=NOW)
    assert await held(store, 2, now_ns=NOW - 3600 * SECOND) is None
    await store.aclose()


async def a_stale_entry_is_kept_to_its_end(open_store: OpenStore) -> None:
    """Staleness is the reader's affair; a store keeps an entry until it expires."""
    store = open_store()
    entry = entry_of(key(1), b"old", tenant=None, now_ns=NOW, ttl_ns=SECOND, stale_ttl_ns=10 * SECOND)
    await store.put(entry, now_ns=NOW)
    later = NOW + 5 * SECOND
    assert await held(store, 1, tenant=None, now_ns=later) == b"old"
    assert not entry.is_fresh(later)
    assert await held(store, 1, tenant=None, now_ns=NOW + 11 * SECOND) is None
    await store.aclose()


async def the_least_recently_used_goes_first(open_store: OpenStore) -> None:
    """Reading an entry, or writing it again, saves it; the one that nobody touched for longest goes."""
    store = open_store(max_entries=3)
    for number in (1, 2, 3):
        await store.put(made(number), now_ns=NOW + number)
    assert await held(store, 1, now_ns=NOW + 10) == b"answer"
    await store.put(made(4), now_ns=NOW + 11)
    present = [number for number in (1, 2, 3, 4) if await held(store, number, now_ns=NOW + 12) is not None]
    assert present == [1, 3, 4]
    stats = await store.stats()
    assert stats.entries in (3, None)
    assert stats.evictions == 1
    await store.aclose()


async def bytes_are_bounded(open_store: OpenStore) -> None:
    """The sizes of what is held never pass `max_bytes`; one entry larger than that is not kept, and takes none with it."""
    store = open_store(max_bytes=10_000)
    for number in range(20):
        await store.put(made(number, payload=bytes(1_000)), now_ns=NOW + number)
        stats = await store.stats()
        assert stats.bytes is None or stats.bytes <= 10_000
    assert await held(store, 19, now_ns=NOW + 30) == bytes(1_000)
    assert await held(store, 0, now_ns=NOW + 30) is None
    await store.put(made(19, payload=bytes(20_000)), now_ns=NOW + 31)
    assert await held(store, 19, now_ns=NOW + 31) is None
    assert await held(store, 18, now_ns=NOW + 32) == bytes(1_000)
    await store.aclose()


async def a_sweep_throws_out_the_dead_only(open_store: OpenStore) -> None:
    """It says how many there were; the living stay. A backend that lets them go by itself may find fewer."""
    store = open_store()
    for number in range(6):
        await store.put(made(number, ttl_ns=(number + 1) * SECOND), now_ns=NOW)
    now = NOW + 3 * SECOND
    swept = await store.sweep(now_ns=now)
    assert swept <= 3
    assert [await held(store, number, now_ns=now) is not None for number in range(6)] == [False] * 3 + [True] * 3
    assert (await store.stats()).entries in (3, None)
    assert await store.sweep(now_ns=now) == 0
    await store.aclose()


async def a_deleted_entry_is_gone(open_store: OpenStore) -> None:
    """And deleting what is not there is no fault; `clear` deletes all."""
    store = open_store()
    for number in (1, 2, 3):
        await store.put(made(number), now_ns=NOW)
    await store.delete(key(1), tenant="north")
    await store.delete(key(1), tenant="north")
    assert [await held(store, number) for number in (1, 2)] == [None, b"answer"]
    await store.clear()
    assert [await held(store, number) for number in (1, 2, 3)] == [None] * 3
    assert (await store.stats()).entries in (0, None)
    await store.aclose()


async def a_closed_store_says_so(open_store: OpenStore) -> None:
    """Closing twice is no fault; using it afterwards is CacheFailed."""
    store = open_store()
    await store.put(made(1), now_ns=NOW)
    await store.aclose()
    await store.aclose()
    with pytest.raises(CacheFailed):
        await store.get(key(1), tenant="north", now_ns=NOW)
    with pytest.raises(CacheFailed):
        await store.put(made(1), now_ns=NOW)


CHECKS: tuple[Check, ...] = (
    what_was_put_is_got,
    a_later_entry_replaces,
    tenants_are_apart,
    an_entry_dies_at_its_end,
    a_stale_entry_is_kept_to_its_end,
    the_least_recently_used_goes_first,
    bytes_are_bounded,
    a_sweep_throws_out_the_dead_only,
    a_deleted_entry_is_gone,
    a_closed_store_says_so,
)

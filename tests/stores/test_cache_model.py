"""The stores of the cache against a model: whatever is done to one in whatever order, it holds what the model holds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backstay.stores.cache import MAX_SKEW_NS, CacheStore, Entry, entry_of
from backstay.stores.memory_cache import MemoryCache
from backstay.stores.sqlite_cache import SQLiteCache

SECOND = 10**9
MAX_ENTRIES = 4
MAX_BYTES = 2_500

TENANTS = st.sampled_from([None, "", "a", "b"])
KEYS = st.sampled_from(["1", "2", "3", "11"])
SIZES = st.sampled_from([0, 1, 300, 900, 3_000])
STEPS = st.sampled_from([1, SECOND, 7 * SECOND, 300 * SECOND, -SECOND, -2 * MAX_SKEW_NS])


def now_run(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a local store waited")


class Model(RuleBasedStateMachine):
    """The plainest thing that keeps the promises: a list in the order of use, searched from the front."""

    def __init__(self) -> None:
        super().__init__()
        self.store = self.opened()
        self.held: OrderedDict[tuple[str | None, str], Entry] = OrderedDict()
        self.now = 1_795_000_000 * SECOND
        self.number = 0
        self.evictions = 0

    def opened(self) -> CacheStore:
        return MemoryCache(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)

    @rule(step=STEPS)
    def time_passes(self, step: int) -> None:
        self.now += step

    @rule(tenant=TENANTS, key=KEYS, size=SIZES, ttl=st.integers(1, 10), stale=st.integers(0, 5))
    def put(self, tenant: str | None, key: str, size: int, ttl: int, stale: int) -> None:
        self.number += 1
        payload = self.number.to_bytes(4, "big") * (size // 4 + 1)
        entry = entry_of(key, payload, tenant=tenant, now_ns=self.now, ttl_ns=ttl * SECOND, stale_ttl_ns=stale * SECOND)
        now_run(self.store.put(entry, now_ns=self.now))
        self.held.pop((tenant, key), None)
        if entry.size > MAX_BYTES:
            return
        self.held[(tenant, key)] = entry
        while len(self.held) > MAX_ENTRIES or sum(one.size for one in self.held.values()) > MAX_BYTES:
            self.held.popitem(last=False)
            self.evictions += 1

    @rule(tenant=TENANTS, key=KEYS)
    def get(self, tenant: str | None, key: str) -> None:
        found = now_run(self.store.get(key, tenant=tenant, now_ns=self.now))
        known = self.held.get((tenant, key))
        if known is not None and not alive(known, self.now):
            del self.held[(tenant, key)]
            known = None
        if known is not None:
            self.held.move_to_end((tenant, key))
        assert found == known
        assert found is None or found.is_sound(key, tenant)

    @rule(tenant=TENANTS, key=KEYS)
    def delete(self, tenant: str | None, key: str) -> None:
        now_run(self.store.delete(key, tenant=tenant))
        self.held.pop((tenant, key), None)

    @rule()
    def sweep(self) -> None:
        dead = [place for place, entry in self.held.items() if not alive(entry, self.now)]
        assert now_run(self.store.sweep(now_ns=self.now)) == len(dead)
        for place in dead:
            del self.held[place]

    @invariant()
    def the_totals_are_true(self) -> None:
        stats = now_run(self.store.stats())
        assert (stats.entries, stats.bytes) == (len(self.held), sum(entry.size for entry in self.held.values()))
        assert stats.evictions == self.evictions
        assert stats.entries <= MAX_ENTRIES
        assert stats.bytes <= MAX_BYTES

    def teardown(self) -> None:
        now_run(self.store.aclose())


def alive(entry: Entry, now: int) -> bool:
    return entry.created_ns - MAX_SKEW_NS <= now < entry.expires_ns


class InSQLite(Model):
    """The same on a file, with a second opening of it by which all is read now and then."""

    def opened(self) -> CacheStore:
        self.folder = TemporaryDirectory()
        return SQLiteCache(f"{self.folder.name}/cache.db", max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class Hoarder(MemoryCache):
    """Broken on purpose: forgets to count what an entry that is replaced had counted for."""

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        self._entries.pop((entry.tenant, entry.key), None)
        await super().put(entry, now_ns=now_ns)


class Broken(Model):
    def opened(self) -> CacheStore:
        return Hoarder(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)


def test_memory_is_as_the_model() -> None:
    """Least recently used, times and totals."""
    run_state_machine_as_test(Model, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


def test_sqlite_is_as_the_model() -> None:
    """The same rules on a file."""
    run_state_machine_as_test(InSQLite, settings=settings(max_examples=15, stateful_step_count=30, deadline=None))


def test_the_model_finds_a_broken_store() -> None:
    """The broken variant."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Broken, settings=settings(max_examples=60, deadline=None, database=None, phases=[Phase.generate])
        )


async def test_tasks_share_a_store(tmp_path: Any) -> None:
    """A thousand tasks that put and get at once get what was put under their key, or nothing."""
    for store in (MemoryCache(max_entries=50), SQLiteCache(tmp_path / "cache.db", max_entries=50)):
        opened: CacheStore = store

        async def work(number: int, store: CacheStore = opened) -> None:
            key, now = str(number % 80), 1_795_000_000 * SECOND + number
            await store.put(entry_of(key, key.encode(), tenant="t", now_ns=now, ttl_ns=SECOND), now_ns=now)
            await asyncio.sleep(0)
            found = await store.get(key, tenant="t", now_ns=now)
            assert found is None or found.payload == key.encode()

        await asyncio.gather(*(work(number) for number in range(1000)))
        assert (await opened.stats()).entries == 50
        await opened.aclose()

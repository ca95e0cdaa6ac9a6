"""The stores of the cache: one list of promises on each, and what is particular to the file."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay.errors import ConfigurationError
from backstay.stores.cache import CacheFailed, CacheStore, entry_of, pack, unpack
from backstay.stores.memory_cache import MemoryCache
from backstay.stores.sqlite_cache import SQLiteCache

from .cache_conformance import CHECKS, NOW, TTL, Check, OpenStore, held, key, made


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    numbers = itertools.count()

    def opened(**bounds: int) -> CacheStore:
        if request.param == "memory":
            return MemoryCache(**bounds)
        return SQLiteCache(tmp_path / f"{next(numbers)}.db", **bounds)

    return opened


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_every_store_keeps_its_promises(check: Check, open_store: OpenStore) -> None:
    """The list of `cache_conformance.py`."""
    await check(open_store)


class Forgetful(MemoryCache):
    """Broken on purpose: takes all tenants for one."""

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Any:
        return await super().get(key, tenant="north", now_ns=now_ns)


class Immortal(MemoryCache):
    """Broken on purpose: knows no time."""

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Any:
        return await super().get(key, tenant=tenant, now_ns=NOW)


class FirstInFirstOut(MemoryCache):
    """Broken on purpose: a use does not save an entry."""

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Any:
        return self._entries.get((tenant, key))


@pytest.mark.parametrize("broken", [Forgetful, Immortal, FirstInFirstOut])
async def test_the_list_finds_a_broken_store(broken: Callable[..., MemoryCache]) -> None:
    """The broken variants: at least one check fails on each."""
    failed = 0
    for check in CHECKS:
        try:
            await check(broken)
        except (AssertionError, pytest.fail.Exception):
            failed += 1
    assert failed


@pytest.mark.parametrize("bounds", [{"max_entries": 0}, {"max_bytes": 0}])
async def test_a_bound_below_one_is_refused(bounds: dict[str, int], open_store: OpenStore) -> None:
    """A cache without room is a mistake in the settings."""
    with pytest.raises(ConfigurationError, match="must be 1 or more"):
        open_store(**bounds)


def test_no_changed_bit_passes() -> None:
    """Whichever bit of a packed entry flips, it is unreadable or unsound: 100 in 100 (and all of a short one's)."""
    entry = made(1, payload=b"the answer")
    data = pack(entry)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        found = unpack(bytes(damaged))
        assert found is None or not found.is_sound(entry.key, entry.tenant)
    assert unpack(data) == entry
    assert entry.is_sound(entry.key, entry.tenant)


def test_an_entry_is_sound_for_its_own_tenant_and_key_only() -> None:
    """A row that came back under another name is not the answer."""
    entry = made(1, tenant="north")
    assert not entry.is_sound(key(2), "north")
    assert not entry.is_sound(key(1), "south")
    assert not entry.is_sound(key(1), None)
    assert not made(1, tenant=None).is_sound(key(1), "None")


async def test_a_file_outlives_its_program(tmp_path: Path) -> None:
    """What one opening wrote the next one reads, with its uses; the file is nobody else's to read."""
    path = tmp_path / "deep" / "cache.db"
    first = SQLiteCache(path, max_entries=2)
    for number in (1, 2):
        await first.put(made(number), now_ns=NOW + number)
    await held(first, 1, now_ns=NOW + 5)
    await first.aclose()
    second = SQLiteCache(path, max_entries=2)
    await second.put(made(3), now_ns=NOW + 6)
    assert [await held(second, number) is not None for number in (1, 2, 3)] == [True, False, True]
    assert path.stat().st_mode & 0o777 == 0o600
    await second.aclose()


async def test_two_openings_share_one_file(tmp_path: Path) -> None:
    """As two processes do: each sees the other's entries, deletions and totals."""
    one, other = (SQLiteCache(tmp_path / "cache.db", max_entries=3) for _ in range(2))
    await one.put(made(1), now_ns=NOW)
    assert await held(other, 1) == b"answer"
    for number in (2, 3, 4):
        await other.put(made(number), now_ns=NOW + number)
    assert await held(one, 1) is None
    assert (await one.stats()).entries == 3
    await other.delete(key(4), tenant="north")
    assert await held(one, 4) is None
    await one.aclose()
    await other.aclose()


def smash_all(path: Path) -> None:
    path.write_bytes(b"no database at all, whatever it was before" * 200)


def smash_the_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)
    path.write_bytes(data)


def smash_the_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def smash_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


DAMAGES = [smash_all, smash_the_header, smash_the_pages, smash_the_end]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_begins_anew(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damage before the opening costs misses and a warning; the old file is set aside, and the cache works."""
    path = tmp_path / "cache.db"
    store = SQLiteCache(path)
    for number in range(50):
        await store.put(made(number, payload=bytes(2000)), now_ns=NOW)
    await store.aclose()
    damage(path)
    with caplog.at_level(logging.WARNING):
        store = SQLiteCache(path)
        for number in range(50):
            assert await held(store, number) in (None, bytes(2000))
        await store.put(made(1, payload=b"new"), now_ns=NOW)
        assert await held(store, 1) == b"new"
    assert "is damaged" in caplog.text
    assert (tmp_path / "cache.db.damaged").exists()
    await store.aclose()


async def test_damage_under_an_open_store_begins_anew(tmp_path: Path) -> None:
    """The file breaks while it is in use: no call raises, and what is written afterwards is read."""
    path = tmp_path / "cache.db"
    store = SQLiteCache(path)
    for number in range(200):
        await store.put(made(number, payload=bytes(2000)), now_ns=NOW)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    smash_the_pages(path)
    for number in range(200):
        assert await held(store, number) in (None, bytes(2000))
        await store.put(made(number, payload=b"new"), now_ns=NOW)
    assert await held(store, 199) == b"new"
    await store.aclose()


async def test_a_row_that_was_changed_is_a_miss(tmp_path: Path) -> None:
    """A payload that is not what was written does not come back as sound, nor does another's row under one's own name."""
    path = tmp_path / "cache.db"
    store = SQLiteCache(path)
    await store.put(made(1, tenant="north", payload=b"the answer of north"), now_ns=NOW)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE entry SET owner = ?", (b"=south",))
    other.close()
    entry = await store.get(key(1), tenant="south", now_ns=NOW)
    assert entry is not None
    assert not entry.is_sound(key(1), "south")
    await store.aclose()


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """A wrong path is a mistake in the settings, and costs nobody data."""
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE t (x)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="another program"):
        SQLiteCache(path)
    assert path.read_bytes() == before


async def test_a_cache_of_another_version_is_emptied(tmp_path: Path) -> None:
    """An older or newer form is thrown away: it is a cache."""
    path = tmp_path / "cache.db"
    store = SQLiteCache(path)
    await store.put(made(1), now_ns=NOW)
    await store.aclose()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    store = SQLiteCache(path)
    assert await held(store, 1) is None
    await store.aclose()


async def test_a_locked_file_is_a_fault_and_not_a_wait(tmp_path: Path) -> None:
    """Another writer that does not let go costs 50 ms and a CacheFailed; reading goes on."""
    path = tmp_path / "cache.db"
    store = SQLiteCache(path)
    await store.put(made(1), now_ns=NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheFailed, match="locked"):
        await store.put(made(2), now_ns=NOW)
    assert await held(store, 1) == b"answer"
    other.execute("ROLLBACK")
    other.close()
    await store.put(made(2), now_ns=NOW)
    assert await held(store, 2) == b"answer"
    await store.aclose()


async def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """With the remedy."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match=r"cache\.path"):
        SQLiteCache(tmp_path / "file" / "cache.db")


def test_a_store_serves_one_loop_after_another(open_store: OpenStore) -> None:
    """It hangs on no event loop."""
    store = open_store()
    asyncio.run(store.put(made(1), now_ns=NOW))
    assert asyncio.run(held(store, 1)) == b"answer"
    asyncio.run(store.aclose())


def test_sizes_count_the_entry_and_its_place() -> None:
    """So a million empty answers are not free."""
    assert entry_of(key(1), b"", tenant=None, now_ns=NOW, ttl_ns=TTL).size > 100

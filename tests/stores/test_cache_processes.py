"""The SQLite cache under several processes at once: nothing wrong is read, the bounds hold, nobody waits for ever."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from backstay.stores.sqlite_cache import SQLiteCache

from .cache_conformance import NOW, held

WORKER = """
import asyncio, sys
from backstay.stores.cache import CacheFailed, entry_of
from backstay.stores.sqlite_cache import SQLiteCache

async def main(path, name, now):
    store = SQLiteCache(path, max_entries=30)
    wrong = busy = 0
    for number in range(300):
        key = f"{(number * 7) % 60:064x}"
        payload = f"{key} by {name} in {number}".encode()
        try:
            await store.put(entry_of(key, payload, tenant="north", now_ns=now, ttl_ns=10**12), now_ns=now)
            found = await store.get(key, tenant="north", now_ns=now)
        except CacheFailed:
            busy += 1
            continue
        wrong += found is not None and not (found.is_sound(key, "north") and found.payload.startswith(key.encode()))
    await store.aclose()
    print(wrong, busy)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.slow
def test_processes_share_a_file(tmp_path: Path) -> None:
    """Four start at once on no file at all; each reads what some process wrote under that key, and the bound is kept."""
    path = tmp_path / "cache.db"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), str(number), str(NOW)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for worker in workers:
        out, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors
        wrong, busy = map(int, out.split())
        assert wrong == 0
        assert busy < 150
    store = SQLiteCache(path, max_entries=30)
    stats = asyncio.run(store.stats())
    assert stats.entries == 30
    assert sum(asyncio.run(held(store, number)) is not None for number in range(60)) == 30
    asyncio.run(store.aclose())

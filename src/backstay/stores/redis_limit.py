"""The log of limits in Redis or Valkey: one script an append, one round trip, exact between machines.

The server's clock gives the instants. Three keys hold all of it: a head, the entries since the last snapshot, the snapshot. They
live for 63 days after the last operation, which is longer than a month's budget.

A server that lost its memory (FLUSHALL, a restart without its files) is told from a new one: its generation is not the one that
the processes know. They give it back what they know. For one second whoever knows most wins and nothing is granted; then all go
on from there. What the others had not heard of by then, the last operations of a process that is silent for that second, is lost.
The server must not evict (`maxmemory-policy noeviction`) and should write a log (`appendonly yes`).
"""

from __future__ import annotations

import hashlib
from typing import Final

from backstay.ports import Ids, TimeOrderedIds
from backstay.secret import Secret
from backstay.stores.failure import StoreFailed
from backstay.stores.limit import MAX_WAITING
from backstay.stores.redis import Redis, Script
from backstay.stores.sequence import KEEP_EVERY, VERSION, Forgotten, Instants, Stamped, Stretch
from backstay.stores.shared_limit import SharedLimits

KEYS: Final = [f":limits:{VERSION}:{name}" for name in ("head", "log", "snapshot")]
LIFE_MS: Final = 63 * 24 * 3600 * 1000
GRACE_US: Final = 1_000_000
"""How long the processes may argue who knows most after the server forgot."""


def redis_limits(
    url: str | Secret,
    *,
    name: str = "backstay",
    timeout: float = 1.0,
    instants: Instants | None = None,
    max_waiting: int = MAX_WAITING,
) -> SharedLimits:
    """Limits under `{name}` on the server at `url`; it is asked for the first time when something is reserved."""
    redis = Redis(url, name=name, max_connections=1, timeout=timeout)
    return SharedLimits(RedisLog(redis, instants=instants), max_waiting=max_waiting)


class RedisLog:
    """A Sequencer on `redis`, which it closes. `instants` take the place of the server's clock."""

    def __init__(self, redis: Redis, *, instants: Instants | None = None, ids: Ids | None = None) -> None:
        self._redis = redis
        self._instants = instants
        self._ids = ids or TimeOrderedIds()
        self._latest = ("", 0, "")
        self._append = Script.read("limit.lua", "limit_append.lua")
        self._keep = Script.read("limit.lua", "limit_keep.lua")
        self._restore = Script.read("limit.lua", "limit_restore.lua")

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        now_us, wall_us = ("", "") if self._instants is None else self._instants()
        known = self._latest[2] if self._latest[:2] == (generation, since) else ""
        arguments: list[str | bytes | int] = [generation, since, body, now_us, wall_us, self._ids.new(), LIFE_MS, known]
        verdict, *facts = await self._redis.run(self._append, KEYS, arguments)
        if verdict == b"lost":
            raise Forgotten
        if verdict == b"wait":
            raise StoreFailed(f"Redis lost its memory and gets it back in {int(facts[0]) / 1e6:.1f} s")
        stands, after, entries, snapshot = facts
        last = hashlib.sha1(entries[-1], usedforsecurity=False).hexdigest()
        self._latest = (stands.decode(), int(after) + len(entries), last)
        return Stretch(stands.decode(), int(after), [_stamped(entry) for entry in entries], snapshot or None)

    async def keep(self, generation: str, number: int, snapshot: bytes) -> None:
        await self._redis.run(self._keep, KEYS, [generation, number, snapshot, KEEP_EVERY, LIFE_MS])

    async def restore(self, generation: str, number: int, snapshot: bytes, now_us: int) -> None:
        arguments: list[str | bytes | int] = [generation, number, snapshot, now_us, self._ids.new(), GRACE_US, LIFE_MS]
        await self._redis.run(self._restore, KEYS, arguments)

    async def aclose(self) -> None:
        await self._redis.aclose()


def _stamped(entry: bytes) -> Stamped:
    now_us, wall_us, body = entry.split(b":", 2)
    return Stamped(int(now_us), int(wall_us), body)

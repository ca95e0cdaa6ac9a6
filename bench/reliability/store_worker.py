"""One process of the goals about shared stores: it makes calls against a store of limits and writes down what it was granted.

    python -m bench.reliability.store_worker '{"kind": "redis", ...}'

It prints one line of JSON at its end. With `journal` it also appends a line at every grant and every end to that file, with the
instants of the machine's monotonic clock before and after it asked: what a killed process did can then still be counted.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

import msgspec

from backstay.errors import Refused
from backstay.layers.lease import Place, Waiters, acquire
from backstay.ports import SystemClock, TimeOrderedIds
from backstay.stores.failure import StoreFailed
from backstay.stores.limit import Algorithm, Claim, Dimension, Entry, LimitStore, Rule, claim_of
from backstay.stores.memory_limit import MemoryLimits
from backstay.stores.outage import OutageLimits
from backstay.stores.postgres_limit import postgres_limits
from backstay.stores.redis import Redis
from backstay.stores.redis_limit import redis_limits
from backstay.stores.sqlite import sqlite_limits

SCOPES = ("client", "task=report", "tenant=acme")


class Job(msgspec.Struct, kw_only=True):
    """What a process does: `calls` in all or for `seconds`, `concurrency` at once."""

    kind: str
    url: str
    number: int = 0
    calls: int = 0
    seconds: float = 0.0
    concurrency: int = 1
    budget: int = 0
    most: int = 0
    rate: int = 0
    window: float = 1.0
    inside: int = 0
    hold: float = 0.0
    ttl: float = 900.0
    max_wait: float = 0.0
    processes: int = 0
    timeout: float = 0.0
    skew: float = 0.0
    journal: str = ""


class Done(msgspec.Struct, kw_only=True):
    """What came of it. Milliseconds of asking: `latencies` by the clock, `own` less those in which there was no core for us."""

    granted: int = 0
    refused: int = 0
    failed: int = 0
    posted: int = 0
    shared: int = 0
    latencies: list[float] = []
    own: list[float] = []
    seconds: float = 0.0


class Naive(MemoryLimits):
    """The broken store: looks at a counter, acts, counts afterwards; windows by the client's own clock."""

    def __init__(self, job: Job) -> None:
        super().__init__(SystemClock())
        self._redis = Redis(job.url, name="naive")
        self._job = job
        self._ends: set[asyncio.Task[int]] = set()

    async def reserve(self, claim: Claim) -> object:  # type: ignore[override]
        from backstay.stores.limit import Granted
        from backstay.stores.limit import Refused as NoRoom

        for entry in claim.entries:
            rule = entry.rule
            if rule.algorithm == "calendar":
                spent = int(await self._redis.command("GET", rule.key) or 0)
                if spent + entry.amount > rule.capacity:
                    return NoRoom(rule.key, None, "full")
            if rule.algorithm == "strict":
                window = int((time.time() + self._job.skew) / self._job.window)
                if int(await self._redis.command("INCR", f"{rule.key}:{window}")) > rule.capacity:
                    return NoRoom(rule.key, None, "full")
        return Granted()

    def settle(self, lease_id: str, actual: dict[str, int]) -> asyncio.Task[int]:  # type: ignore[override]
        async def end() -> int:
            for scope in SCOPES:
                await self._redis.command("INCRBY", f"{scope}/day_budget", actual.get("nano_usd", 0))
            return 0

        task = asyncio.ensure_future(end())
        self._ends.add(task)
        return task


class Open(OutageLimits):
    """The broken outage: money goes on as well, with the whole limit in each process."""

    async def reserve(self, claim: Claim) -> object:  # type: ignore[override]
        try:
            return await super().reserve(claim)
        except StoreFailed:
            self._local_leases.add(claim.lease_id)
            return await self._local.reserve(claim)


def opened(job: Job) -> LimitStore:
    """The store of `job`, with the wrapper for outages where it has a time-out."""
    makers = {
        "sqlite": lambda: sqlite_limits(job.url),
        "postgres": lambda: postgres_limits(job.url, timeout=2.0 if job.timeout else 10.0),
        "redis": lambda: redis_limits(job.url, timeout=1.0 if job.timeout else 10.0),
        "naive": lambda: Naive(job),
        "open": lambda: redis_limits(job.url, timeout=1.0),
    }
    store: LimitStore = makers[job.kind]()  # type: ignore[no-untyped-call]
    if not job.timeout:
        return store
    kind = Open if job.kind == "open" else OutageLimits
    return kind(store, SystemClock(), processes=job.processes, timeout=job.timeout, retry_after=0.5)


def rules(job: Job) -> list[Rule]:
    """The limits: a budget in three scopes, a rate, a gauge, as far as the job has them."""
    found = []
    if job.budget:
        found += [
            Rule(
                scope=scope,
                name="day_budget",
                dimension="nano_usd",
                capacity=job.budget + number,
                algorithm="calendar",
                span="month",
            )
            for number, scope in enumerate(SCOPES)
        ]
    if job.rate:
        found.append(_rule("requests", job.rate, "strict", window_us=round(job.window * 1e6)))
    if job.inside:
        found.append(_rule("concurrency", job.inside, "gauge"))
    return found


def _rule(dimension: Dimension, capacity: int, algorithm: Algorithm, window_us: int = 0) -> Rule:
    return Rule(
        scope="client",
        name=dimension,
        dimension=dimension,
        capacity=capacity,
        algorithm=algorithm,
        window_us=window_us,
    )


def coreless() -> float:
    """Seconds that this process was ready to run and had no core, ever; 0 where the system does not tell (Linux does)."""
    try:
        return int(Path("/proc/self/schedstat").read_bytes().split()[1]) / 1e9
    except OSError:
        return 0.0


class Worker:
    """Makes the calls of one process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = Done()
        self._rng = random.Random(job.number)
        self._rules = rules(job)
        self._ids = TimeOrderedIds()
        self._waiters = Waiters()
        self._clock = SystemClock()
        self._made = 0
        self._began = time.monotonic()
        self._journal = os.open(job.journal, os.O_APPEND | os.O_WRONLY | os.O_CREAT) if job.journal else -1

    async def run(self) -> Done:
        """All calls, then the end of the store."""
        store = opened(self.job)
        await asyncio.gather(*(self._lane(store) for _ in range(self.job.concurrency)))
        if isinstance(store, OutageLimits):
            self.done.shared = store.health().shared
        if isinstance(store, Naive):
            await asyncio.gather(*store._ends)
        await store.aclose()
        self.done.seconds = time.monotonic() - self._began
        return self.done

    def _has_more(self) -> bool:
        if self.job.calls:
            self._made += 1
            return self._made <= self.job.calls
        return time.monotonic() < self._began + self.job.seconds

    async def _lane(self, store: LimitStore) -> None:
        while self._has_more():
            await self._call(store)

    async def _call(self, store: LimitStore) -> None:
        amount = self._rng.randint(1, self.job.most) if self.job.most else 0
        is_free = bool(self.job.processes) and self._rng.random() < 0.5
        entries = [
            Entry(rule, amount if rule.dimension == "nano_usd" else 1)
            for rule in self._rules
            if not (is_free and rule.dimension == "nano_usd")
        ]
        lease_id = self._ids.new()
        claim = claim_of(lease_id, entries, max_wait=self.job.max_wait, ttl=self.job.ttl)
        place = Place(lease_id=lease_id, call_id="", target="", tenant=None, task=None, since=0.0)
        before, idle = time.monotonic(), coreless()
        try:
            await acquire(store, claim, clock=self._clock, waiters=self._waiters, place=place)
        except Refused:
            self.done.refused += 1
            self._note(before, idle)
            if not self.job.calls:
                await asyncio.sleep(0.002)
            return
        except StoreFailed:
            self.done.failed += 1
            self._note(before, idle)
            await asyncio.sleep(0.01)
            return
        self._note(before, idle)
        self._write(f"g {lease_id} {before!r} {time.monotonic()!r}")
        self.done.granted += 1
        if self.job.hold:
            await asyncio.sleep(self.job.hold)
        actual = self._rng.randint(0, amount)
        self._write(f"e {lease_id} {time.monotonic()!r}")
        self.done.posted += 0 if is_free else actual
        ticket = store.settle(lease_id, {"nano_usd": actual, "requests": 1})
        try:
            await ticket
        except StoreFailed:
            return  # it is owed, and was counted: the store hears of it when it is back

    def _note(self, before: float, idle: float) -> None:
        if self.job.timeout:
            took, waited = time.monotonic() - before, coreless() - idle
            self.done.latencies.append(round(took * 1000, 2))
            self.done.own.append(round((took - waited) * 1000, 2))

    def _write(self, line: str) -> None:
        if self._journal >= 0:
            os.write(self._journal, f"{line}\n".encode())


if __name__ == "__main__":
    worker = Worker(msgspec.json.decode(sys.argv[1], type=Job))
    sys.stdout.write(msgspec.json.encode(asyncio.run(worker.run())).decode() + "\n")

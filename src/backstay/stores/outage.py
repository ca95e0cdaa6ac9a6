"""Outage: what happens to limits while the store that keeps them is away. Money stops, rates go on at a share.

A claim that reserves money is refused (StoreFailed) while nobody can say what is spent. Any other claim is decided by this
process alone, against its share of each limit: the limit divided by the number of processes, rounded down. So all of them
together keep the limits, as far as `processes` is true. (With the whole limit in each, they would allow it as many times.)

A call waits at most `timeout` seconds for the store. After a failure nobody waits at all: a task asks the store every
`retry_after` seconds, and calls go to it again once it has answered. What was granted locally ends locally. It is not told to the
store when that is back, so in the window after an outage a rate may be counted from nothing once; money never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import msgspec

from backstay.ports import Clock
from backstay.stores.failure import StoreFailed
from backstay.stores.limit import Alert, Answer, Claim, Entry, LimitStore, Refused, Rule, Standing
from backstay.stores.memory_limit import MemoryLimits

T = TypeVar("T")


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the store is. `down_for` is seconds since its first failure, None while it is up; `reason` is the last failure's.

    `refused` and `shared` count the claims that were refused for money and those that were decided by the share, ever; `outages`
    how often it went away.
    """

    is_up: bool
    down_for: float | None
    reason: str | None
    refused: int
    shared: int
    outages: int


class OutageLimits(LimitStore):
    """A LimitStore that goes on while `store` is away. It closes `store`."""

    def __init__(
        self,
        store: LimitStore,
        clock: Clock,
        *,
        processes: int = 1,
        timeout: float = 0.25,
        retry_after: float = 1.0,
    ) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}: the number of processes that share the store, 1 or more")
        self._store = store
        self._clock = clock
        self._processes = processes
        self._timeout = timeout
        self._retry_after = retry_after
        self._local = MemoryLimits(clock)
        self._local_leases: set[str] = set()
        self._down_since: float | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._is_closed = False
        self._reason: str | None = None
        self._refused = self._shared = self._outages = 0

    def health(self) -> Health:
        """How the store is now."""
        since = self._down_since
        return Health(
            is_up=since is None,
            down_for=None if since is None else self._clock.monotonic() - since,
            reason=self._reason,
            refused=self._refused,
            shared=self._shared,
            outages=self._outages,
        )

    async def reserve(self, claim: Claim) -> Answer:
        if claim.lease_id not in self._local_leases and self._is_asked():
            try:
                return await self._bounded(self._store.reserve(claim))
            except StoreFailed:
                self._store.release(claim.lease_id)  # should it have been taken: done when the store is back
        if any(entry.rule.dimension == "nano_usd" for entry in claim.entries):
            self._refused += 1
            raise StoreFailed(f"the store of budgets is away, so nothing is spent: {self._reason}")
        self._shared += 1
        answer = await self._local.reserve(self._share(claim))
        if not isinstance(answer, Refused):
            self._local_leases.add(claim.lease_id)
        return answer

    async def check(self, lease_id: str) -> Answer:
        if lease_id in self._local_leases:
            return await self._local.check(lease_id)
        return await self._bounded(self._store.check(lease_id))

    async def pause(self, lease_id: str, seconds: float) -> None:
        store = self._local if lease_id in self._local_leases else self._store
        await store.pause(lease_id, seconds)

    def settle(self, lease_id: str, actual: Mapping[str, int]) -> Awaitable[int]:
        return self._owner(lease_id).settle(lease_id, actual)

    def release(self, lease_id: str) -> Awaitable[int]:
        return self._owner(lease_id).release(lease_id)

    def _owner(self, lease_id: str) -> LimitStore:
        """Where the lease is; its end is at hand."""
        if lease_id not in self._local_leases:
            return self._store
        self._local_leases.discard(lease_id)
        return self._local

    def tighten(self, rule: Rule, room: int, seconds: float) -> Awaitable[int]:
        """What a provider said counts for both."""
        self._local.tighten(self._shared_rule(rule), room // self._processes, seconds)
        return self._store.tighten(rule, room, seconds)

    async def standings(self, scope: str | None = None) -> Sequence[Standing]:
        """The store's; while it is away, those of this process's share."""
        if self._is_asked():
            try:
                return await self._bounded(self._store.standings(scope))
            except StoreFailed:
                pass  # told by `health`, and by the shares
        return await self._local.standings(scope)

    async def due_alerts(self, seconds: float) -> Sequence[Alert]:
        return await self._bounded(self._store.due_alerts(seconds))

    def delivered(self, alert: Alert) -> Awaitable[int]:
        return self._store.delivered(alert)

    async def aclose(self) -> None:
        """Close the store; a store that is away is closed without what it owes."""
        self._is_closed = True
        if self._watch is not None and self._is_watched():
            self._stop.set()
            await self._watch
        try:
            await self._store.aclose()
        except StoreFailed as error:
            self._fell(error)

    def _is_asked(self) -> bool:
        """Whether calls go to the store: while it is up, and where nobody looks after it, since its loop is gone."""
        return self._down_since is None or not self._is_watched()

    def _is_watched(self) -> bool:
        watch = self._watch
        return watch is not None and not watch.done() and watch.get_loop() is asyncio.get_running_loop()

    async def _watched(self, stop: asyncio.Event) -> None:
        """Ask the store again and again until it answers."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(self._retry_after):
                    await stop.wait()
            except TimeoutError:
                try:
                    await self._bounded(self._store.standings(""))
                    return
                except StoreFailed:
                    continue  # told by `health`

    async def _bounded(self, work: Awaitable[T]) -> T:
        """What the store says, in time."""
        try:
            async with asyncio.timeout(self._timeout):
                answer = await work
        except TimeoutError as error:
            failure = StoreFailed(f"no answer within {self._timeout:g} s", is_uncertain=True)
            self._fell(failure)
            raise failure from error
        except StoreFailed as error:
            self._fell(error)
            raise
        self._down_since = None
        return answer

    def _fell(self, error: StoreFailed) -> None:
        now = self._clock.monotonic()
        if self._down_since is None:
            self._down_since = now
            self._outages += 1
        self._reason = str(error)
        if not self._is_closed and not self._is_watched():
            self._stop = asyncio.Event()
            self._watch = asyncio.ensure_future(self._watched(self._stop))

    def _share(self, claim: Claim) -> Claim:
        entries = tuple(Entry(self._shared_rule(entry.rule), entry.amount) for entry in claim.entries)
        return msgspec.structs.replace(claim, entries=entries)

    def _shared_rule(self, rule: Rule) -> Rule:
        """This process's part of `rule`. A bucket is never smaller than one unit."""
        capacity = rule.capacity // self._processes
        if rule.algorithm == "bucket":
            return msgspec.structs.replace(rule, capacity=max(capacity, 1), burst=max(rule.burst // self._processes, 1))
        return msgspec.structs.replace(rule, capacity=capacity)

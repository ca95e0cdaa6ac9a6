"""While the store of limits is away: money stops, rates go on at a share, nobody waits long, and it is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backstay.sim import SimLoop
from backstay.stores.failure import StoreFailed
from backstay.stores.limit import Claim, Granted, Refused
from backstay.stores.memory_limit import MemoryLimits
from backstay.stores.outage import OutageLimits
from backstay.stores.sequence import Stretch
from backstay.stores.shared_limit import SharedLimits

from .limit_conformance import CHECKS, MAX_WAITING, Check, ManualClock, gauge, money, requests, standing, take


class Moody(MemoryLimits):
    """A store that is away while it is told to be, or says nothing at all."""

    mood = "up"

    async def reserve(self, claim: Claim) -> Any:
        await self._say()
        return await super().reserve(claim)

    async def standings(self, scope: str | None = None) -> Any:
        await self._say()
        return await super().standings(scope)

    async def _say(self) -> None:
        if self.mood == "down":
            raise StoreFailed("away")
        if self.mood == "silent":
            await asyncio.get_running_loop().create_future()


def opened(clock: ManualClock, processes: int = 4) -> tuple[Moody, OutageLimits]:
    store = Moody(clock)
    return store, OutageLimits(store, clock, processes=processes, timeout=0.05, retry_after=1.0)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_is_the_store_while_that_is_up(check: Check) -> None:
    """The list of checks holds through it."""
    clock = ManualClock()
    await check(OutageLimits(MemoryLimits(clock, max_waiting=MAX_WAITING), clock), clock)


async def test_money_stops() -> None:
    """Nothing is reserved that nobody can count, also together with other rules."""
    clock = ManualClock()
    store, limits = opened(clock)
    store.mood = "down"
    for number in range(3):
        with pytest.raises(StoreFailed, match="nothing is spent"):
            await take(limits, f"a{number}", (money(100), 1), (requests(10), 1))
    assert (limits.health().is_up, limits.health().refused, limits.health().outages) == (False, 3, 1)
    assert await limits.standings() == []


async def test_rates_go_on_at_a_share() -> None:
    """A quarter of 10 a minute for one of four processes is 2; what is too large for a share is refused."""
    clock = ManualClock()
    store, limits = opened(clock)
    store.mood = "down"
    granted = [await take(limits, f"a{number}", (requests(10), 1), max_wait=0.0) == Granted() for number in range(5)]
    assert granted == [True, True, False, False, False]
    assert isinstance(await take(limits, "b", (requests(10), 3)), Refused)
    assert limits.health().shared == 6


async def test_the_share_of_all_processes_is_within_the_limit() -> None:
    """Whatever the number of processes, their shares add up to the limit at most; the whole limit each would not."""
    for processes in (1, 2, 3, 7, 11):
        clock = ManualClock()
        granted = 0
        for _ in range(processes):
            store, limits = opened(clock, processes)
            store.mood = "down"
            granted += sum(
                [await take(limits, f"a{n}", (requests(10), 1), max_wait=0.0) == Granted() for n in range(12)]
            )
        assert granted <= 10


async def waits(limits: OutageLimits) -> list[float]:
    """How long each of ten calls waited, one every 0.3 seconds."""
    loop = asyncio.get_running_loop()
    took = []
    for number in range(10):
        before = loop.time()
        await take(limits, f"a{number}", (requests(100), 1))
        took.append(round(loop.time() - before, 3))
        await asyncio.sleep(0.3)
    return took


class Trying(OutageLimits):
    """The broken variant: while the store is away calls look after it themselves."""

    def _is_watched(self) -> bool:
        return False


async def test_a_silent_store_costs_its_time_once() -> None:
    """The first call waits for the time-out, no other one ever: who looks after the store is no call."""
    store, limits = opened(ManualClock(), 1)
    store.mood = "silent"
    assert await waits(limits) == [0.05, *[0.0] * 9]
    clock = ManualClock()
    broken = Moody(clock)
    broken.mood = "silent"
    assert await waits(Trying(broken, clock, timeout=0.05)) == [0.05] * 10


async def test_it_is_looked_after_until_it_answers() -> None:
    """Its return is noticed within a second where nobody calls, and by who closes; a look that fails is followed by the next."""
    store, limits = opened(ManualClock(), 1)
    store.mood = "silent"
    await take(limits, "a", (requests(100), 1))
    await asyncio.sleep(3)
    assert not limits.health().is_up
    store.mood = "up"
    await asyncio.sleep(1.1)
    assert limits.health().is_up
    store.mood = "down"
    await take(limits, "b", (requests(100), 1))
    assert (limits.health().is_up, limits.health().outages) == (False, 2)
    await limits.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_another_loop_looks_for_itself() -> None:
    """Where the loop is gone that was to look after the store, the next call asks it."""
    store, limits = opened(ManualClock(), 1)
    store.mood = "down"
    for mood, is_up in (("down", False), ("up", True)):
        store.mood = mood
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            runner.run(take(limits, mood, (requests(100), 1)))
        assert limits.health().is_up == is_up


async def test_it_comes_back() -> None:
    """What was granted locally ends locally; the next claims are the store's again."""
    clock = ManualClock()
    store, limits = opened(clock, 1)
    store.mood = "down"
    assert await take(limits, "a", (gauge(1), 1)) == Granted()
    assert await limits.check("a") == Granted()
    store.mood = "up"
    await asyncio.sleep(1.1)
    assert await take(limits, "b", (gauge(1), 1)) == Granted()
    assert limits.health().is_up
    await limits.settle("a", {})
    assert (await standing(store, "client/concurrency")).used == 1
    await limits.release("b")
    assert (await standing(store, "client/concurrency")).used == 0
    await limits.aclose()


class Hanging:
    """A Sequencer that takes every entry and answers none of them until it is let go."""

    def __init__(self) -> None:
        self.gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        await self.gate
        raise StoreFailed("gone", is_uncertain=True)

    async def keep(self, *_: object) -> None: ...
    async def restore(self, *_: object) -> None: ...
    async def aclose(self) -> None: ...


async def test_a_caller_that_left_owes_nothing_twice() -> None:
    """A reservation that timed out and its release stay in one order, and are owed when the store fails."""
    clock = ManualClock()
    log = Hanging()
    shared = SharedLimits(log)
    limits = OutageLimits(shared, clock, timeout=0.05)
    assert await take(limits, "a", (requests(10), 1)) == Granted()
    log.gate.set_result(None)
    await asyncio.sleep(0)
    await limits.aclose()
    assert shared.owed == 2

"""Limits that processes share do what every store of limits does: one list, run on each database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.servers import Server

from backstay.stores.failure import StoreFailed
from backstay.stores.limit import Granted, Waiting
from backstay.stores.operation import Operation, Result, encode
from backstay.stores.postgres_limit import postgres_limits
from backstay.stores.redis import Redis
from backstay.stores.redis_limit import RedisLog, redis_limits
from backstay.stores.sequence import KEEP_EVERY, Forgotten, Stretch
from backstay.stores.shared_limit import SLICE, SharedLimits
from backstay.stores.sqlite import SQLiteLog, sqlite_limits
from backstay.stores.state import dump, load

from .limit_conformance import CHECKS, MAX_WAITING, Check, ManualClock, gauge, money, standing, take, tokens

pytestmark = pytest.mark.server


def instants(clock: ManualClock) -> Callable[[], tuple[int, int]]:
    return lambda: (round(clock.monotonic() * 1e6), clock.wall_ns() // 1000)


Make = Callable[[ManualClock], SharedLimits]


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the store of one database; the same one when called again."""
    name = f"t{secrets.token_hex(6)}"
    if request.param == "sqlite":
        return lambda clock: sqlite_limits(tmp_path / "limits.db", instants=instants(clock), max_waiting=MAX_WAITING)
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url
        return lambda clock: postgres_limits(url, schema=name, instants=instants(clock), max_waiting=MAX_WAITING)
    url = request.getfixturevalue("valkey").url
    return lambda clock: redis_limits(url, name=name, instants=instants(clock), max_waiting=MAX_WAITING)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_shared_limits_conform(check: Check, make: Make) -> None:
    """The list of checks holds."""
    clock = ManualClock()
    store = make(clock)
    await check(store, clock)
    await store.aclose()


class Reloading(SharedLimits):
    """Writes its whole state down and reads it back after every entry."""

    async def _applied(self, stretch: Stretch, slice_: int = SLICE) -> list[Result | Exception]:
        results = await super()._applied(stretch, slice_)
        self._engine = load(dump(self._engine), self._instant, max_waiting=self._max_waiting)
        return results


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_state_that_was_read_back_goes_on(check: Check, tmp_path: Path) -> None:
    """The list holds for an engine that is replaced by its own copy at every step."""
    clock = ManualClock()
    log = SQLiteLog(tmp_path / "limits.db", instants=instants(clock))
    store = Reloading(log, max_waiting=MAX_WAITING)
    await check(store, clock)
    await store.aclose()


class Turns(SharedLimits):
    """Many processes as one store: each lease is asked for by a process of its own choosing, all over one log."""

    def __init__(self, stores: list[SharedLimits]) -> None:
        super().__init__(stores[0]._sequencer)
        self._stores = stores

    def _ask(self, operation: Operation) -> asyncio.Future[Any]:
        name = getattr(operation, "lease_id", None) or getattr(getattr(operation, "claim", None), "lease_id", "")
        return self._stores[sum(map(ord, name)) % len(self._stores)]._ask(operation)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_processes_are_one_store(check: Check, make: Make) -> None:
    """The list holds when three processes ask in turn."""
    clock = ManualClock()
    stores = [make(clock) for _ in range(3)]
    await check(Turns(stores), clock)
    assert await same_state(stores)
    await asyncio.gather(*(store.aclose() for store in stores))


@pytest.mark.slow
async def test_replicas_hold_the_same_state(make: Make) -> None:
    """After the same entries, three processes have the same state to the byte, also the one that began from a snapshot."""
    clock = ManualClock()
    first, second = make(clock), make(clock)
    for number in range(KEEP_EVERY * 2 + 50):
        store = (first, second)[number % 7 < 3]
        await take(store, f"a{number}", (tokens(500), number % 9), (money(10**6), number), max_wait=0.0)
        clock.advance(0.5)
        if number % 3:
            await store.settle(f"a{number - number % 5}", {"nano_usd": number // 2})
    third = make(clock)
    assert await same_state([first, second, third])
    assert third._number > KEEP_EVERY * 2
    await asyncio.gather(first.aclose(), second.aclose(), third.aclose())


async def same_state(stores: list[SharedLimits]) -> bool:
    """Bring all to the end of the log, without adding operations to it, and compare."""
    states = set()
    for store in stores:
        await store._applied(await store._sequencer.append(store._generation, store._number, encode([])))
        states.add(dump(store._engine))
    return len(states) == 1


async def test_an_operation_is_one_command(valkey: Server) -> None:
    """Granted, settled, checked: one command each, after the script is known; what is asked together is one command."""
    redis = Redis(valkey.url, name=f"t{secrets.token_hex(6)}")
    store = SharedLimits(RedisLog(redis))
    await take(store, "a", (money(100), 10))
    before = redis.commands
    await take(store, "b", (money(100), 10), (tokens(100), 5), (gauge(9), 1))
    await store.settle("b", {"nano_usd": 5})
    await store.check("a")
    assert redis.commands == before + 3
    await asyncio.gather(*(take(store, f"c{number}", (money(100), 1)) for number in range(20)))
    assert redis.commands == before + 4
    await store.aclose()


async def test_a_server_that_forgot_is_told_again(valkey: Server) -> None:
    """After FLUSHALL eight processes race to give it back: whoever knew most wins, and nothing is granted meanwhile."""
    name = f"t{secrets.token_hex(6)}"
    stores = [redis_limits(valkey.url, name=name) for _ in range(8)]
    for number, store in enumerate(stores):
        assert await take(store, f"a{number}", (money(100), 10)) == Granted()
    redis = Redis(valkey.url)
    await redis.command("FLUSHALL")
    answers = await asyncio.gather(*(take(store, "b", (money(100), 10)) for store in stores), return_exceptions=True)
    assert all(isinstance(answer, StoreFailed) for answer in answers)
    stranger = redis_limits(valkey.url, name=name)
    for store in (*stores, stranger):
        with pytest.raises(StoreFailed, match="lost its memory"):
            await store.check("a0")
    await redis.command("HSET", f"{{{name}}}:limits:1:head", "grace", "0")
    for store in (*stores, stranger):
        assert await store.check("a7") == Granted()
        assert (await standing(store, "client/day_budget")).used == 80
    await asyncio.gather(*(store.aclose() for store in (*stores, stranger, redis)))


class Unmarked(RedisLog):
    """The broken variant: an entry is known by its number alone."""

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        self._latest = ("", 0, "")
        return await super().append(generation, since, body)


@pytest.mark.parametrize(("kind", "is_one"), [(RedisLog, True), (Unmarked, False)])
async def test_a_server_that_lost_its_last_entries_leaves_one_state(
    valkey: Server, kind: type[RedisLog], is_one: bool
) -> None:
    """Killed before it wrote two grants, and given others under their numbers: who knew the lost ones begins anew."""
    name = f"t{secrets.token_hex(6)}"
    stores = [SharedLimits(kind(Redis(valkey.url, name=name))) for _ in range(2)]
    for place, store in enumerate(stores):
        await take(store, f"a{place}", (money(100), 10))
    await stores[1].check("a0")
    for number in range(2):
        await take(stores[0], f"lost{number}", (money(100), 20))
    redis = Redis(valkey.url)
    await redis.command("RPOP", f"{{{name}}}:limits:1:log", "2")
    await redis.command("HINCRBY", f"{{{name}}}:limits:1:head", "last", "-2")
    for number in range(3):
        await take(stores[1], f"new{number}", (money(100), 5))
    used = [(await standing(store, "client/day_budget")).reserved for store in stores]
    assert used[1] == 35
    assert (used[0] == used[1]) is is_one
    await asyncio.gather(*(store.aclose() for store in (*stores, redis)))


class Trusting(RedisLog):
    """The broken variant: an empty server is taken for a new one."""

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        try:
            return await super().append(generation, since, body)
        except Forgotten:
            return await super().append("", 0, body)


async def test_the_broken_variant_forgets_what_was_spent(valkey: Server) -> None:
    """It grants the budget again, which is what the test above would see."""
    redis = Redis(valkey.url, name=f"t{secrets.token_hex(6)}")
    store = SharedLimits(Trusting(redis))
    assert await take(store, "a", (money(100), 80)) == Granted()
    await redis.command("FLUSHALL")
    assert await take(store, "b", (money(100), 80)) == Granted()
    await store.aclose()


async def test_what_the_store_did_not_take_is_owed(tmp_path: Path) -> None:
    """A settlement that failed is done when the store is back; a reservation that may have been taken is released then."""
    clock = ManualClock()
    log = Broken(SQLiteLog(tmp_path / "limits.db", instants=instants(clock)))
    store = SharedLimits(log)
    await take(store, "a", (money(100), 60))
    log.is_down = True
    with pytest.raises(StoreFailed):
        await store.settle("a", {"nano_usd": 10})
    with pytest.raises(StoreFailed):
        await take(store, "b", (money(100), 20))
    assert store.owed == 2
    log.is_down = False
    assert (await standing(store, "client/day_budget")).used == 10
    assert store.owed == 0
    await store.aclose()


class Broken:
    """A Sequencer that does what it is asked, and while it is down says that it did not."""

    def __init__(self, inner: SQLiteLog) -> None:
        self._inner = inner
        self.is_down = False

    async def append(self, generation: str, since: int, body: bytes) -> Stretch:
        if self.is_down:
            await self._inner.append(generation, since, body)
            raise StoreFailed("broke before the answer", is_uncertain=True)
        return await self._inner.append(generation, since, body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_waiter_hears_of_another_process(make: Make) -> None:
    """Who waits here goes on when a lease ends there, without asking in a loop."""
    clock = ManualClock()
    here, there = make(clock), make(clock)
    await take(there, "a", (gauge(1), 1))
    assert isinstance(await take(here, "b", (gauge(1), 1)), Waiting)
    paused = asyncio.ensure_future(here.pause("b", 30.0))
    await there.settle("a", {})
    await asyncio.wait_for(paused, 5)
    assert await here.check("b") == Granted()
    await asyncio.gather(here.aclose(), there.aclose())


async def longest_turn(slice_: int, path: Path) -> int:
    """The most entries that a process applied in one go when it came back after 200 of another one."""
    clock = ManualClock()
    here, there = (sqlite_limits(path, instants=instants(clock)) for _ in range(2))
    for number in range(200):
        await take(there, f"a{number}", (money(10**6), 1))
    turns: list[int] = []

    async def tick() -> None:
        while True:
            turns.append(here._number)
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    await here._applied(await here._sequencer.append("", 0, encode([])), slice_)
    ticking.cancel()
    await asyncio.gather(here.aclose(), there.aclose())
    return max(after - before for before, after in zip([0, *turns], [*turns, here._number], strict=True))


async def test_a_long_stretch_holds_nobody(tmp_path: Path) -> None:
    """Other tasks run between the entries of a process that catches up; all of them in one go would let nobody in."""
    assert await longest_turn(SLICE, tmp_path / "limits.db") <= SLICE
    assert await longest_turn(10**6, tmp_path / "broken.db") > 5 * SLICE


async def test_what_another_version_wrote_is_told(tmp_path: Path) -> None:
    """An entry that cannot be read is StoreFailed, and nothing is granted on a state that nobody knows."""
    clock = ManualClock()
    store = SharedLimits(SQLiteLog(tmp_path / "limits.db", instants=instants(clock)))
    await take(store, "a", (gauge(1), 1))
    later = SQLiteLog(tmp_path / "limits.db", instants=instants(clock))
    await later.append("", 0, b"no operation")
    await later.aclose()
    for _ in range(2):
        with pytest.raises(StoreFailed, match="another version"):
            await take(store, "b", (gauge(1), 1))
    await store._sequencer.aclose()

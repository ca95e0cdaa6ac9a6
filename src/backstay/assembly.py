"""Assembly: the layers of a client, made from its settings, in the order that `docs/layers.md` gives reasons for.

    Telemetry(call) > Journal > Cache > SemanticCache > Join > Queue > Failover > Spread
        > [per target: Check > Retry > Hedge > Telemetry(attempt) > Breaker > Admission > Bookkeeping > Timeout > Provider]

What is shared by all targets of a client (retry budget, breakers, limits, cache, health) lives here for as long as the client.
A provider that answers inside this process has no circuit, no limits and no hedge: there is nobody to protect from us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from backstay.board import Board
from backstay.canonical import digest, request_key
from backstay.config import Loaded
from backstay.config.reliability import Cache as CacheSettings
from backstay.config.reliability import SemanticCache as SemanticSettings
from backstay.errors import ConfigurationError
from backstay.estimate import Estimator
from backstay.layers.admission import Admission
from backstay.layers.admission_plan import Plan
from backstay.layers.admission_policy import BudgetPolicy, LimitPolicy, Quota
from backstay.layers.alert import Alerts, Channel, log_channel
from backstay.layers.bookkeeping import Bookkeeping
from backstay.layers.breaker import Breakers, CircuitStatus
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.budget_watch import BudgetWatch
from backstay.layers.cache import Cache, CachePolicy
from backstay.layers.check import Check
from backstay.layers.failover import Failover
from backstay.layers.failover_fact import CatalogFacts
from backstay.layers.failover_rule import Link, rules_of
from backstay.layers.health import Health, HealthPolicy, HealthReport
from backstay.layers.hedge import Hedge, HedgePolicy
from backstay.layers.hit_booking import booker
from backstay.layers.join import Join, JoinStats
from backstay.layers.lease import Waiters
from backstay.layers.queue import Queue, QueueStats
from backstay.layers.queue_policy import QueuePolicy
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.layers.semantic_cache import Embed, SemanticCache, SemanticPolicy
from backstay.layers.spread import Group, MemberLoad, Spread
from backstay.layers.telemetry import Listener, Telemetry
from backstay.layers.timeout import Timeout
from backstay.ports import World
from backstay.recent import Recent
from backstay.replay.booking import Booking
from backstay.replay.layer import JournalLayer
from backstay.service import Layer
from backstay.stores.cache import CacheStore
from backstay.stores.guarded import CacheStats
from backstay.stores.limit import LimitStore, Standing
from backstay.stores.memory_cache import MemoryCache
from backstay.stores.memory_limit import MemoryLimits
from backstay.stores.outage import OutageLimits
from backstay.target import parse_model
from backstay.transport.base import Timeouts
from backstay.types import Request
from backstay.usage import Meter, ledger_path

OWN_HOSTS: Final = ("127.0.0.1", "localhost", "::1")
"""Where a model server of one's own runs; its calls cost nothing."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a client's layers stand at this moment. `limits` are those that are in use; `cache` is None where there is none."""

    queue: QueueStats
    join: JoinStats
    cache: CacheStats | None
    circuits: tuple[CircuitStatus, ...]
    health: HealthReport
    loads: tuple[MemberLoad, ...]
    limits: tuple[Standing, ...]


class Assembly:
    """The layers of one client. `limits` and `cache` are stores of the caller's own, which it closes itself; without them the
    settings decide. `channels` hear of budget alerts. Raises ConfigurationError with the faults of the first bad section."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        meter: Meter,
        world: World,
        listener: Listener | None = None,
        limits: LimitStore | None = None,
        cache: CacheStore | None = None,
        channels: Sequence[Channel] = (log_channel,),
        embed: Embed | None = None,
    ) -> None:
        config = loaded.config
        self._loaded, self._meter, self._world, self._listener = loaded, meter, world, listener
        self._owned: list[LimitStore | CacheStore] = []
        self._is_paced: Callable[[str], bool] = lambda _: True
        self.retry_budget = RetryBudget(capacity=config.retry.budget_capacity, ratio=config.retry.budget_ratio)
        self._board = self._make_board()
        tell = None if self._board is None else self._board.post
        self.breakers = Breakers(
            policy_of(BreakerPolicy, config.breaker),
            world=world,
            slow_after=config.breaker.slow_after_of,
            listener=tell,
        )
        self.queue = Queue(policy_of(QueuePolicy, config.queue), clock=world.clock)
        self._key = Recent(partial(request_key, version=addresses_of(loaded)))
        self.join = Join(lambda call: _named(self._key, call.request), promote=self.queue.promote)
        self.limits = limits if limits is not None else self._own(open_limits(loaded, meter, world))
        self.alerts = Alerts(self.limits, channels, world=world)
        self._waiters = Waiters()
        self._limit_policy = policy_of(LimitPolicy, config.limits)
        self._budget_policy = policy_of(BudgetPolicy, config.budget)
        self._quotas = tuple(policy_of(Quota, quota) for quota in config.quotas.values())
        self._hedge_policy = policy_of(HedgePolicy, config.hedge)
        self.cache = self._make_cache(config.cache, cache)
        self.semantic_cache = self._make_semantic_cache(config.semantic_cache, embed)
        self.health = Health(policy_of(HealthPolicy, config.failover), clock=world.clock, listener=tell)
        groups = {name: policy_of(Group, group) for name, group in config.groups.items()}
        self.spread = Spread(groups, world=world, is_available=self.breakers.is_available)
        self._watch = BudgetWatch(
            lambda request: self.admission(request.model).standings(request),
            clock=world.clock,
            cheaper_at=config.failover.cheaper_at,
        )
        self.failover = self._make_failover()

    def _own(self, store: Any) -> Any:
        self._owned.append(store)
        return store

    def _make_board(self) -> Board | None:
        """Where this client's circuits can be seen from outside: beside its ledger, if that is on a disk."""
        if self._meter.place == "memory":
            return None
        return Board(ledger_path(self._loaded), self._world, lambda: (self.breakers.status(), self.health.report()))

    def _make_cache(self, settings: CacheSettings, store: CacheStore | None) -> Cache | None:
        if store is None and settings.store == "off":
            return None
        return Cache(
            store if store is not None else self._own(open_cache(settings, self._loaded)),
            clock=self._world.clock,
            policy=policy_of(CachePolicy, settings),
            key=self._key,
            listener=booker(self._meter, self._world),
        )

    def _make_semantic_cache(self, settings: SemanticSettings, embed: Embed | None) -> SemanticCache | None:
        if settings.model is None or embed is None:
            return None
        return SemanticCache(
            self._own(MemoryCache(max_entries=settings.max_entries)),
            embed,
            clock=self._world.clock,
            policy=policy_of(SemanticPolicy, settings),
            version=addresses_of(self._loaded),
        )

    def _make_failover(self) -> Failover:
        settings = self._loaded.config.failover
        degraded = set(settings.degraded)
        if unknown := sorted(degraded - set(settings.targets)):
            raise ConfigurationError(f"failover.degraded: {', '.join(unknown)} is not among failover.targets")
        return Failover(
            [Link.of(model, is_degraded=model in degraded) for model in settings.targets],
            world=self._world,
            rules=rules_of(settings.rules),
            facts=CatalogFacts(self._meter.catalog, left=self._watch.left),
            health=self.health,
            members=self.spread.order,
            is_budget_low=self._watch.is_low,
            share=settings.share,
        )

    def exempt(self, is_inside: Callable[[str], bool]) -> None:
        """Leave the providers for which `is_inside` is true without circuit, limits and hedge: they answer in this process."""
        self._is_paced = lambda provider: not is_inside(provider)

    def call_layers(self) -> tuple[Layer, ...]:
        """The layers around all targets, outer to inner."""
        journal = JournalLayer(self._world, booking=Booking(self._meter, world=self._world))
        cached = tuple(one for one in (self.cache, self.semantic_cache) if one is not None)
        return (*self._telemetry("call", ""), journal, *cached, self.join, self.queue, self.failover, self.spread)

    def target_layers(self, target: str) -> tuple[Layer, ...]:
        """The layers of one target, outer to inner."""
        is_paced = self._is_paced(parse_model(target)[0])
        hedge = (self._hedge(),) if is_paced and self._loaded.config.hedge.on else ()
        estimator = Estimator(self._meter.catalog.find(*parse_model(target)))
        guards = (self.breakers.of(target), self.admission(target, estimator)) if is_paced else ()
        return (
            Check(target, self._meter.catalog),
            self._retry(target),
            *hedge,
            *self._telemetry("attempt", target),
            *guards,
            Bookkeeping(self._meter, world=self._world, target=target, estimator=estimator),
            Timeout(policy_of(Timeouts, self._loaded.config.timeouts)),
        )

    def count_layers(self, target: str) -> tuple[Layer, ...]:
        """The layers around a free count of tokens: it is recorded, retried and timed, and neither booked nor limited."""
        return (
            JournalLayer(self._world),
            self._retry(target),
            Timeout(policy_of(Timeouts, self._loaded.config.timeouts)),
        )

    def _retry(self, target: str) -> Retry:
        policy = policy_of(RetryPolicy, self._loaded.config.retry)
        return Retry(policy, world=self._world, budget=self.retry_budget, target=target)

    def _hedge(self) -> Hedge:
        return Hedge(self._hedge_policy, clock=self._world.clock, budget=self.retry_budget)

    def admission(self, target: str, estimator: Estimator | None = None) -> Admission:
        """The Admission of one target; all share one store, one line of waiters and one deliverer of alerts."""
        plan = Plan(
            target,
            limits=self._limit_policy,
            budget=self._budget_policy,
            quotas=self._quotas,
            is_free=is_own(self._loaded, parse_model(target)[0]),
        )
        return Admission(
            plan,
            self.limits,
            world=self._world,
            model=self._meter.catalog.find(*parse_model(target)),
            estimator=estimator,
            max_wait=self._limit_policy.max_wait,
            waiters=self._waiters,
            alerts=self.alerts,
        )

    def _telemetry(self, level: Literal["call", "attempt"], target: str) -> tuple[Layer, ...]:
        if self._listener is None:
            return ()
        return (Telemetry(self._listener, level=level, clock=self._world.clock, target=target),)

    async def status(self) -> Status:
        """Queue, cache, circuits, health, load and limits as they stand now. Raises LLMError where a shared store is silent."""
        return Status(
            queue=self.queue.stats(),
            join=self.join.stats(),
            cache=None if self.cache is None else await self.cache.stats(),
            circuits=self.breakers.status(),
            health=self.health.report(),
            loads=self.spread.loads(),
            limits=tuple(await self.limits.standings()),
        )

    async def aclose(self) -> None:
        """Deliver what alerts are under way, and close the stores that were made here. Idempotent."""
        await self._watch.aclose()
        await self.alerts.aclose()
        if self._board is not None:
            self._board.close()
        for store in self._owned:
            await store.aclose()
        self._owned.clear()


def _named(key: Callable[[Request], str], request: Request) -> str | None:
    """The key of a request; None for one that has no canonical form, and so is joined to none."""
    try:
        return key(request)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def policy_of(kind: Any, settings: msgspec.Struct) -> Any:
    """The policy `kind` made of the settings that have its names."""
    names = set(kind.__struct_fields__)
    return kind(**{name: value for name, value in msgspec.structs.asdict(settings).items() if name in names})


def is_own(loaded: Loaded, provider: str) -> bool:
    """True for a model server that runs on this very machine, whose calls cost nothing."""
    from backstay.codecs.registry import default_registry

    row = next((row for row in default_registry().providers() if row.name == provider), None)
    if row is None or not row.is_local:
        return False
    return urlsplit(loaded.provider(provider).base_url or row.base_url).hostname in OWN_HOSTS


def addresses_of(loaded: Loaded) -> str:
    """What tells two configurations apart that call different servers by one name: a part of the cache's keys."""
    rows = sorted(loaded.config.providers.items())
    return digest(*(f"{name}|{one.base_url}|{one.dialect}" for name, one in rows)) if rows else ""


def open_limits(loaded: Loaded, meter: Meter, world: World) -> LimitStore:
    """The store of limits and budgets that the settings name; a shared one bounds its own outages."""
    settings = loaded.config.stores
    kind = meter.place if settings.limits == "auto" else settings.limits
    if kind == "memory":
        return MemoryLimits(world.clock)
    store: LimitStore
    if kind == "postgres":
        from backstay.stores.postgres_limit import postgres_limits

        store = postgres_limits(loaded.address("postgres"))
    elif kind == "redis":
        from backstay.stores.redis_limit import redis_limits

        store = redis_limits(loaded.address("redis"))
    else:
        from backstay.stores.sqlite import sqlite_limits

        path = Path(settings.path).expanduser() if settings.path else ledger_path(loaded).with_name("limits.db")
        store = sqlite_limits(path)
    return OutageLimits(store, world.clock, processes=settings.processes, timeout=settings.timeout)


def open_cache(settings: CacheSettings, loaded: Loaded) -> CacheStore:
    """The store of answers that the settings name."""
    if settings.store == "sqlite":
        from backstay.stores.sqlite_cache import SQLiteCache

        path = Path(settings.path).expanduser() if settings.path else ledger_path(loaded).with_name("cache.db")
        return SQLiteCache(path, max_entries=settings.max_entries, max_bytes=settings.max_bytes)
    if settings.store == "redis":
        from backstay.stores.redis_cache import RedisCache

        return RedisCache(loaded.address("redis"), max_entries=settings.max_entries, max_bytes=settings.max_bytes)
    return MemoryCache(max_entries=settings.max_entries, max_bytes=settings.max_bytes)

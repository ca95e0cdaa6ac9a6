"""Admission: an attempt goes out once all its limits and budgets have room for the most that it may use.

One reservation over requests, tokens, concurrency and money, all or nothing, made before any sleep (`stores/limit.py`), settled
without a suspension point at the attempt's one outcome. It stands inside Retry, because every attempt is paced and paid, and
outside the ledger, because what was not admitted is not an attempt.

    complete    settled with the provider's usage and the exact cost; what it did not say stays as reserved
    failed      released when nothing was sent; a request and nothing else when the provider refused it (429, 4xx);
                else unknown: it stays as reserved
    dropped     exact when the whole answer was there; else unknown: it stays as reserved, the concurrency is freed

What the provider says about its own limits only tightens: a Retry-After closes the target for all callers, whoever was told;
a nearly used-up window (`remaining` below a fifth) becomes a gate until its reset.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence

from backstay.catalog.model import Model
from backstay.errors import ConfigurationError, DeadlineExceeded, LLMError, StatusError
from backstay.estimate import Estimator
from backstay.layers.admission_plan import Plan
from backstay.layers.admission_state import explain
from backstay.layers.alert import Alerts
from backstay.layers.bookkeeping import is_unbilled
from backstay.layers.lease import Place, Waiters, acquire
from backstay.ledger.base import LedgerFailed
from backstay.ports import World
from backstay.service import Call, Observer, Outcome, Reply, Service
from backstay.stores.limit import RANK, Answer, Claim, Granted, LimitStore, Standing
from backstay.types import Limit, Request, Response

DEFAULT_TTL = 900.0
"""Seconds after which a lease ends by itself where the call has no deadline; the longest call lasts 600."""

GRACE = 60.0
"""Seconds that a lease outlives its call's deadline, so that only a dead owner loses one."""

NEARLY_USED = 5
"""A gate is put when less than this part (a fifth) of a provider's limit remains: above it, our own limits do."""

LONGEST_GATE = 86_400.0


class Admission:
    """The layer for one target. `store` and `waiters` are shared by all targets of a client."""

    def __init__(
        self,
        plan: Plan,
        store: LimitStore,
        *,
        world: World,
        model: Model | None,
        estimator: Estimator | None = None,
        max_wait: float = 60.0,
        waiters: Waiters | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        """`model` is the catalogue's row of the target, None where there is none. `max_wait` 0 never waits."""
        self._plan = plan
        self._store = store
        self._world = world
        self._estimator = estimator or Estimator(model)
        self._max_wait = max_wait
        self._waiters = waiters or Waiters()
        self._alerts = alerts

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        claim = self._claim(call)
        if not claim.entries:
            return await inner(call)
        try:
            try:
                answer = await self._store.reserve(claim)
            except BaseException:
                self._store.release(claim.lease_id)
                raise
            if not isinstance(answer, Granted):
                await self._wait(call, claim, answer)
        except LLMError:
            if self._alerts is not None:
                self._alerts.look()  # the refusal may be the one that a budget's stop tells of
            raise
        try:
            reply = await inner(call)
        except BaseException as error:
            self._settle(claim, _of_failure(error))
            self._heed(error)
            raise
        reply.observe(self._observer(claim, reply))
        return reply

    def _observer(self, claim: Claim, reply: Reply) -> Observer:
        def observe(outcome: Outcome) -> None:
            if isinstance(outcome, Response):
                self._settle(claim, _of_response(outcome))
                if outcome.provenance.limits:
                    self._tighten(outcome.provenance.limits)
            else:
                self._settle(claim, _of_response(reply.partial()) if reply.is_whole else {})
                self._heed(outcome)

        return observe

    def _claim(self, call: Call) -> Claim:
        clock = self._world.clock
        entries = self._plan.entries(call.request, self._estimator, clock.wall_ns() // 10**9)
        max_wait, ttl = self._max_wait, DEFAULT_TTL
        if call.deadline is not None:
            left = call.deadline - clock.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"{self._plan.target}: the deadline passed before the attempt was admitted")
            if left < max_wait:
                max_wait = left
            ttl = math.ceil((left + GRACE) / 60.0) * 60.0  # in whole minutes: stores keep leases of one length together
        priority = call.request.metadata.priority
        if priority not in RANK:
            raise ValueError(f"priority {priority!r} is none of {', '.join(RANK)}")
        return Claim(lease_id=self._world.ids.new(), entries=entries, priority=priority, max_wait=max_wait, ttl=ttl)

    async def _wait(self, call: Call, claim: Claim, answer: Answer) -> None:
        """Returns once the lease is granted that was not granted at once."""
        about, clock = call.request.metadata, self._world.clock
        place = Place(
            lease_id=claim.lease_id,
            call_id=call.request.id,
            target=self._plan.target,
            tenant=about.tenant,
            task=about.task,
            since=clock.monotonic(),
        )
        await acquire(self._store, claim, clock=clock, waiters=self._waiters, place=place, answer=answer)

    def _settle(self, claim: Claim, actual: dict[str, int] | None) -> None:
        """Settle with `actual`; None means that the lease was not used."""
        ticket = self._store.release(claim.lease_id) if actual is None else self._store.settle(claim.lease_id, actual)
        if self._alerts is not None and actual is not None:
            self._alerts.note(ticket)

    def _heed(self, error: object) -> None:
        """What a failure says of the provider's limits."""
        if (
            isinstance(error, StatusError)
            and error.retryable
            and error.retry_after is not None
            and error.retry_after > 0
        ):
            self._store.tighten(self._plan.observe("requests"), 0, min(error.retry_after, LONGEST_GATE))
        if isinstance(error, LLMError):
            self._tighten(error.limits)

    def _tighten(self, limits: Iterable[Limit]) -> None:
        for each in limits:
            if each.remaining is None or each.reset is None or each.reset <= 0:
                continue
            if each.remaining == 0 or each.limit is None or each.remaining * NEARLY_USED < each.limit:
                rule = self._plan.observe(each.dimension)
                self._store.tighten(rule, max(each.remaining, 0), min(each.reset, LONGEST_GATE))

    async def standings(self, request: Request) -> Sequence[Standing]:
        """How the rules stand that `request` falls under, those that have state."""
        keys = {rule.key for rule in self._plan.rules(request)}
        return [standing for standing in await self._store.standings() if standing.rule.key in keys]

    async def explain(self, request: Request) -> list[str]:
        """Why `request` would wait or be refused now: a sentence for each rule that is in the way; empty if nothing is."""
        second = self._world.clock.wall_ns() // 10**9
        return explain(self._plan.entries(request, self._estimator, second), await self.standings(request))


def _of_response(response: Response) -> dict[str, int]:
    """What an answer used, by dimension; what it does not say is left out, and so stays as reserved."""
    given, written, cost = response.usage.input_tokens, response.usage.output_tokens, response.cost
    used = {"requests": 1}
    if given is not None and given >= 0:
        used["input_tokens"] = given
        if written is not None and written >= 0:
            used["tokens"] = given + written
    if written is not None and written >= 0:
        used["output_tokens"] = written
    if cost is not None and cost.nano_usd >= 0:
        used["nano_usd"] = cost.nano_usd
    return used


def _of_failure(error: BaseException) -> dict[str, int] | None:
    """What an attempt used that raised; None where nothing was sent."""
    if isinstance(error, asyncio.CancelledError):
        return {}
    if isinstance(error, StatusError) and is_unbilled(error):
        return {"requests": 1, "tokens": 0, "input_tokens": 0, "output_tokens": 0, "nano_usd": 0}
    if is_unbilled(error) or isinstance(error, (ConfigurationError, LedgerFailed)):
        return None
    return {}

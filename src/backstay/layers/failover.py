"""Failover: the same question to the next target, where the first one cannot answer it.

A layer around the service that finds a target by `request.model`. It asks each target of a chain once, each through that
target's own stack with its own retries, under the one deadline of the call. What follows from which error is data
(`failover_rule.py`). Before a target is asked everything is checked again for it: window, abilities, answer format, money
(`failover_fact.py`).

- Nothing is asked again once a reply was handed out: after the commit point the consumer has seen a part of the answer.
- A target that hangs does not eat the time of the next one: it has a share of what is left while others wait behind it.
- Attempts are numbered on over all targets, so each has an id of its own in the ledger.
- Whose answer it is, why not an earlier target's, and whether it is less than what was asked for stand in its provenance.

Outcomes of the reply: complete and failed count for the target's health; dropped for nothing. What is raised in the end is
the one error where one target was tried, else `AllTargetsFailed` with all of them in order. A bug and a cancellation pass as
they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from backstay.codecs.embedding import EmbeddingRequest
from backstay.errors import ConfigurationError, TimedOut
from backstay.layers.failover_rule import (
    DEFAULT_RULES,
    Action,
    Condition,
    Facts,
    Link,
    cheapest_first,
    condition_of,
    limit_of,
    objection,
)
from backstay.layers.failover_trip import Trip
from backstay.layers.health import Health
from backstay.layers.spread import PREFIX
from backstay.ports import World
from backstay.service import Call, Outcome, Reply, Service, failed_attempt
from backstay.types import Attempt, Request, Response

GRACE = 0.25
"""Seconds, and no more than half of what is kept for later targets, in which a target's own time-out may speak before ours."""

REMEMBERED = 1000
"""Chains that are kept, one for each model that was asked for."""

Members: TypeAlias = Callable[[str, Request], Sequence[str]]


class Unknown:
    """Facts where there is no catalogue: nothing is known, so nothing is forbidden."""

    def fits(self, model: str, request: Request, /) -> Sequence[str]:
        return ()

    def window(self, model: str, /) -> int | None:
        return None

    def price(self, model: str, request: Request, /) -> int | None:
        return None


class Failover:
    """The layer. `links` is the chain behind the target that a request names; that one is always asked first.

    `members` gives, for a target that is a group, its members in the order to try. `is_budget_low` says, of a request, that the
    money that pays for it nears its end: then the cheapest target is asked first. `share` is the part of the time left that a
    target may use while others wait behind it.
    """

    def __init__(
        self,
        links: Sequence[Link],
        *,
        world: World,
        rules: Mapping[Condition, Action] = DEFAULT_RULES,
        facts: Facts | None = None,
        health: Health | None = None,
        members: Members | None = None,
        is_budget_low: Callable[[Request], bool] = lambda _: False,
        share: float = 0.5,
    ) -> None:
        if not 0 < share <= 1:
            raise ConfigurationError(f"failover.share = {share}: must be above 0 and up to 1")
        self._links = tuple(links)
        self._world = world
        self._rules = {**DEFAULT_RULES, **rules}
        self._facts: Facts = facts or Unknown()
        self._health = health
        self._members = members
        self._chains: dict[str, tuple[tuple[Link, ...], bool]] = {}
        self._is_budget_low = is_budget_low
        self._share = share

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if isinstance(call.request, EmbeddingRequest):  # vectors of two models do not mix: an embedding has one target
            return await inner(call)
        trip, chain = Trip(call), self._chain(call.request)
        is_for_model = not chain[0].is_degraded
        plan = self._plan(trip, chain) if is_for_model and len(chain) > 1 else chain
        for index, link in enumerate(plan):
            if (trip.bans or link.model != call.request.model) and (reason := self._reason_to_skip(link, trip)):
                trip.skip(link, reason)
                continue
            if trip.errors and self._is_late(trip):
                break
            started = self._world.clock.monotonic()
            try:
                reply = await self._ask(trip, link, plan[index + 1 :], inner, started)
            except Exception as error:
                condition = condition_of(error)
                if condition is None:
                    raise
                if self._is_final(trip, link, error, condition, self._world.clock.monotonic() - started):
                    break
                continue
            self._attach(reply, link, trip, is_for_model=is_for_model, started=started)
            return reply
        if self._health is not None and is_for_model and trip.errors and not trip.is_stopped:
            self._health.ended(has_model_answer=False)
        verdict = trip.verdict()
        try:
            raise verdict from verdict.__cause__
        finally:
            del verdict  # or error, traceback and frame would keep one another alive

    def _chain(self, request: Request) -> Sequence[Link]:
        """The target that was asked for, then the others of the chain, groups replaced by their members."""
        known = self._chains.get(request.model)
        if known is None:
            if len(self._chains) >= REMEMBERED:
                self._chains.clear()
            head = next((link for link in self._links if link.model == request.model), None) or Link.of(request.model)
            links = (head, *(link for link in self._links if link.model != request.model))
            has_group = any(link.model.startswith(PREFIX) for link in links)
            known = self._chains[request.model] = links, has_group
        links, has_group = known
        return self._expanded(links, request, self._members) if has_group and self._members is not None else links

    @staticmethod
    def _expanded(links: Sequence[Link], request: Request, members: Members) -> list[Link]:
        found: dict[str, Link] = {}
        for link in links:
            for model in members(link.model, request):
                if model == link.model:
                    found.setdefault(model, link)
                else:
                    found.setdefault(model, Link.of(model, is_degraded=link.is_degraded))
        return list(found.values())

    def _plan(self, trip: Trip, chain: Sequence[Link]) -> Sequence[Link]:
        """The chain in the order of asking: by price where money is short, then by health."""
        request, links = trip.call.request, chain
        if self._is_budget_low(request):
            links = cheapest_first(links, request, self._facts)
            if links[0] is not chain[0]:
                trip.note(f"failover: the budget nears its end, so {links[0].model} was preferred to {chain[0].model}")
        if self._health is None:
            return links
        first = links[0]
        links, passed = self._health.arrange(links)
        for link in passed:
            trip.skip(link, f"it is unhealthy{self._why(link)}, and the client is in degraded mode")
        if links[0] is not first and first not in passed:
            trip.note(f"failover: {first.model} is unhealthy{self._why(first)}, so it comes after the healthy targets")
        return links

    def _why(self, link: Link) -> str:
        """What the target failed with last, by its class alone: a key that was refused must not be hidden by the mode."""
        error = "" if self._health is None else self._health.last_error(link.model)
        return f" (it failed with {error})" if error else ""

    def _reason_to_skip(self, link: Link, trip: Trip) -> str:
        request = trip.call.request
        for action, failed in trip.bans:
            if reason := objection(action, failed, link, request, self._facts):
                return reason
        if link.model == request.model:  # what was asked for is checked by its own stack
            return ""
        return "; ".join(self._facts.fits(link.model, request))

    def _is_late(self, trip: Trip) -> bool:
        deadline = trip.call.deadline
        if deadline is None or self._world.clock.monotonic() < deadline:
            return False
        trip.end = "the deadline passed before the next target could be asked"
        return True

    def _ask(self, trip: Trip, link: Link, later: Sequence[Link], inner: Service, now: float) -> Awaitable[Reply]:
        """The call of `link`, which may take its share of the time and no more."""
        call = trip.call
        limit = limit_of(now, call.deadline, later, self._share)
        if call.request.model != link.model or call.attempt != trip.number or limit != call.deadline:
            call = msgspec.structs.replace(
                call,
                request=msgspec.structs.replace(call.request, model=link.model),
                attempt=trip.number,
                # a stream that has begun may use all the time that there is, so its limit holds until then only
                deadline=call.deadline if call.stream else limit,
            )
        if limit is None or limit == trip.call.deadline or trip.call.deadline is None:
            return inner(call)
        grace = min(GRACE, (trip.call.deadline - limit) / 2)
        return _within(limit + grace, inner(call), f"no answer within {limit - now:.1f} s, its share of the time")

    def _is_final(self, trip: Trip, link: Link, error: Exception, condition: Condition, elapsed: float) -> bool:
        """Take in what happened; True where no further target is to be asked."""
        if self._health is not None and not link.is_degraded:
            self._health.fail(link.model, error, elapsed)
        trip.fail(link, error, self._attempts(trip, link, error, elapsed))
        action = self._rules[condition]
        if action == "stop":
            trip.end = f"stopped there, by the rule for {condition}"
        elif action != "next":
            trip.bans += ((action, link),)
        trip.is_stopped = action == "stop"
        return trip.is_stopped

    def _attempts(self, trip: Trip, link: Link, error: Exception, elapsed: float) -> tuple[Attempt, ...]:
        """What the target's own stack says of its attempts; without a Retry in it, one. A refused request was no attempt."""
        told = tuple(one for one in getattr(error, "attempts", ()) if one.number >= trip.number)
        if told or isinstance(error, ConfigurationError):
            return told
        call = msgspec.structs.replace(trip.call, attempt=trip.number)
        began = self._world.clock.wall_ns() / 1e9 - elapsed
        return (failed_attempt(call, target=link.model, started_at=began, duration=elapsed, error=error),)

    def _attach(self, reply: Reply, link: Link, trip: Trip, *, is_for_model: bool, started: float) -> None:
        trip.errors = ()  # their tracebacks hold this call's frame, which holds the trip
        if trip.notes or link.is_degraded:
            reply.amend(lambda response: trip.label(response, link))
        if self._health is None or not is_for_model:
            return
        reply.observe(partial(self._examine, self._health, link, started))

    def _examine(self, health: Health, link: Link, started: float, outcome: Outcome) -> None:
        """What the end of a reply says of its target and of the client."""
        if isinstance(outcome, Response):
            if not link.is_degraded:
                health.succeed(link.model)
            health.ended(has_model_answer=not outcome.provenance.degraded)
        elif isinstance(outcome, BaseException) and not link.is_degraded:
            elapsed = self._world.clock.monotonic() - started
            if health.fail(link.model, outcome, elapsed):
                health.ended(has_model_answer=False)


async def _within(limit: float, asking: Awaitable[Reply], text: str) -> Reply:
    """What `asking` gives; TimedOut with `text` where it takes beyond `limit`."""
    try:
        async with asyncio.timeout_at(limit) as scope:
            return await asking
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise TimedOut(text, phase="total", sent=True) from error

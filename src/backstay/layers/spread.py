"""Spread: one name for several equal targets, and a fair way to choose among them.

A group is the same model at several providers, keys or regions, asked as `group:NAME`. The layer stands around the service that
finds a target by `request.model`; it puts a member's name in the group's place and counts what each member is doing. To choose:

    least_loaded    the member with the fewest calls in flight for its weight
    latency         of two members drawn by lot the one with the shorter expected wait: recent time to first content times calls
                    in flight (power of two choices, Mitzenmacher 2001; the average is Finagle's peak EWMA, which forgets with
                    time, so that a member that was slow once is tried again)
    weighted        by lot, in proportion to the weights

With `sticky` the calls of one session (`metadata.tags["session"]`) or one user go to one member as long as it is there, which
keeps a provider's prompt cache warm: rendezvous hashing, so a member that leaves moves its own sessions and nobody else's.

A failure counts as a long wait, because a member that fails at once looks fast and would draw everything (the "black hole").
Members whose circuit is open come last, and are chosen only where no other is left. Outcomes: complete, failed and dropped all
end a call's being in flight; complete and dropped say nothing more, a failure after the commit point adds its wait.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError, LLMError
from backstay.layers.breaker_policy import is_target_fault
from backstay.ports import World
from backstay.service import Call, Outcome, Reply, Service
from backstay.target import parse_model
from backstay.types import Request

Strategy: TypeAlias = Literal["least_loaded", "latency", "weighted"]
Sticky: TypeAlias = Literal["none", "session", "user"]

GROUP = "group"
PREFIX = f"{GROUP}:"
FAILURE_WAIT = 10.0
"""Seconds that a failure counts for: as slow as the slowest member that one would still want."""
MEMORY = 30.0
"""Seconds in which what is known of a member's speed fades to a third."""
UNKNOWN_WAIT = 0.001
"""Seconds expected of a member that was never asked: it is tried soon, and by no more callers than its share."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Equal targets under one name. `members` are "provider:model" with their weights, which are more than 0.

    Raises ConfigurationError with every fault.
    """

    members: Mapping[str, float]
    strategy: Strategy = "least_loaded"
    sticky: Sticky = "none"

    def __post_init__(self) -> None:
        faults = [] if self.members else ["group.members: must name at least one target"]
        for member, weight in self.members.items():
            if parse_model(member)[0] == GROUP:
                faults.append(f"group.members: {member!r} is a group; name targets")
            if not 0 < weight < math.inf:
                faults.append(f"group.members.{member} = {weight}: must be more than 0")
        if faults:
            raise ConfigurationError(*faults)


class MemberLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What a member is doing: its calls in flight, how often it was asked, and the seconds that it is expected to take."""

    member: str
    in_flight: int
    calls: int
    expected_wait: float


class _Member:
    __slots__ = ("calls", "in_flight", "seen_at", "wait")

    def __init__(self) -> None:
        self.calls = 0
        self.in_flight = 0
        self.wait = 0.0
        self.seen_at = -math.inf

    def expected(self, now: float) -> float:
        """Seconds to the first content, fading with time."""
        if self.wait == 0.0:
            return UNKNOWN_WAIT
        return max(self.wait * math.exp(min(self.seen_at - now, 0.0) / MEMORY), UNKNOWN_WAIT)

    def learn(self, wait: float, now: float) -> None:
        """Take in a wait: a longer one at once, a shorter one by and by."""
        known = self.expected(now)
        self.wait = wait if wait >= known else known + (wait - known) * 0.3
        self.seen_at = now


class Spread:
    """The layer. `is_available` says whether a target's circuit would let a call through."""

    def __init__(
        self, groups: Mapping[str, Group], *, world: World, is_available: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._groups = {PREFIX + name: group for name, group in groups.items()}
        self._members = {member: _Member() for group in groups.values() for member in group.members}
        self._world = world
        self._is_available = is_available

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        model = call.request.model
        if model.startswith(PREFIX):
            model = self.order(model, call.request)[0]
            call = msgspec.structs.replace(call, request=msgspec.structs.replace(call.request, model=model))
        member = self._members.get(model)
        if member is None:
            return await inner(call)
        return await self._counted(member, call, inner)

    def order(self, model: str, request: Request) -> tuple[str, ...]:
        """The members of "group:NAME", the one to ask first in front; a model that is no group stands for itself.

        Raises ConfigurationError for a group that there is not.
        """
        group = self._groups.get(model)
        if group is None:
            if model.startswith(PREFIX):
                known = ", ".join(sorted(self._groups)) or "none"
                raise ConfigurationError(f"model {model!r}: there is no such group; there are: {known}")
            return (model,)
        key = _key(group, request)
        ranked = self._by_hash(group, key) if key else self._ranked(group)
        return tuple(sorted(ranked, key=lambda member: not self._is_available(member)))

    def _ranked(self, group: Group) -> list[str]:
        draw, members = self._world.rng.random, list(group.members)
        if group.strategy == "weighted":  # Efraimidis and Spirakis 2006: a whole order by weight from one draw each
            return sorted(members, key=lambda name: -math.log(1 - draw()) / group.members[name])
        if group.strategy == "least_loaded":
            return sorted(members, key=lambda name: (self._load(group, name), draw()))
        now = self._world.clock.monotonic()
        lot = sorted(members, key=lambda name: draw())
        two = [name for name in lot if self._is_available(name)][:2]
        two.sort(key=lambda name: self._load(group, name) * self._members[name].expected(now))
        return [*two, *(name for name in lot if name not in two)]

    def _load(self, group: Group, member: str) -> float:
        return (self._members[member].in_flight + 1) / group.members[member]

    def _by_hash(self, group: Group, key: str) -> list[str]:
        """Weighted rendezvous hashing: every member bids for the key, the highest bid has it."""

        def bid(member: str) -> float:
            digest = hashlib.blake2b(f"{len(key)}:{key}{member}".encode(), digest_size=7).digest()
            return -group.members[member] / math.log((int.from_bytes(digest, "big") + 1) / (2**56 + 1))

        return sorted(group.members, key=bid, reverse=True)

    async def _counted(self, member: _Member, call: Call, inner: Service) -> Reply:
        clock = self._world.clock
        started = clock.monotonic()
        member.calls += 1
        member.in_flight += 1
        try:
            reply = await inner(call)
        except BaseException as error:
            member.in_flight -= 1
            self._blame(member, error, started)
            raise
        if call.stream:  # a whole answer's time is mostly its length
            member.learn(clock.monotonic() - started, clock.monotonic())

        def observe(outcome: Outcome) -> None:
            member.in_flight -= 1
            if isinstance(outcome, BaseException):
                self._blame(member, outcome, started)

        reply.observe(observe)
        return reply

    def _blame(self, member: _Member, error: BaseException, started: float) -> None:
        now = self._world.clock.monotonic()
        if is_target_fault(error, now - started, 0.0) or (isinstance(error, LLMError) and error.retryable):
            member.learn(max(now - started, FAILURE_WAIT), now)

    def loads(self) -> tuple[MemberLoad, ...]:
        """What every member is doing now, by name."""
        now = self._world.clock.monotonic()
        return tuple(
            MemberLoad(member=name, in_flight=one.in_flight, calls=one.calls, expected_wait=one.expected(now))
            for name, one in sorted(self._members.items())
        )


def _key(group: Group, request: Request) -> str | None:
    """What the calls that belong together have in common; None where this call has no such thing."""
    if group.sticky == "session":
        return request.metadata.tags.get("session")
    return request.metadata.user if group.sticky == "user" else None


def names_of(groups: Mapping[str, Group]) -> Sequence[str]:
    """The models that the groups are asked as."""
    return [PREFIX + name for name in groups]

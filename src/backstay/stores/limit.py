"""Limits as data, and the protocol of the stores that keep them: one semantics in memory, SQLite, PostgreSQL and Redis.

A lease is one reservation over several rules at once: all of it is granted, or nothing is touched. Amounts, capacities and
instants are integers below 2^53 (instants are microseconds), so every backend computes the same figures.

What a rule allows, by its `algorithm`; `used` counts granted amounts, as reserved until settled, as settled afterwards:

    strict     a log of (granted at, amount): used in [now - window, now] + amount <= capacity, so any window keeps the limit
    bucket     GCRA: a bucket of `burst` units refilled with `capacity` a window; any window holds <= capacity + burst.
               With unit = window / capacity, cost = ceil(amount * unit), depth = floor(burst * unit), in microseconds, and `tat`
               the instant at which the bucket is full again (at first: long ago):
                 cost <= depth: granted when max(tat, now) + cost - now <= depth, then tat = max(tat, now) + cost
                 cost >  depth: granted when now - tat >= cost - depth, then tat = now + cost: a request larger than the
                                bucket waits for as long as the bucket was too small, and leaves a debt
    calendar   spent + reserved + amount <= capacity within the period [start, end) that holds the wall clock's now. Each
               period has a count of its own, kept under its start; a clock that jumps back finds the old count again
    gauge      the amounts of the leases that are granted and not yet ended <= capacity (concurrency)
    open       no limit of its own: a place for gates

A gate (`tighten`) is what a provider said: until an instant, at most `room` more units are granted on a rule, whatever the
rule itself allows. Grants use it up and nothing gives back. The last observation stands, except that a closed gate (room 0) is
not opened before its time, only prolonged.

The line. A claim that finds no room waits with a place, which is taken before anybody sleeps. Places are ordered by
(arrival + rank * RANK_DELAY, sequence), rank 0, 1, 2 for high, medium, low: FIFO within a priority, and a low one is
overtaken by what comes up to 40 seconds later, by no more. A *pass* first ends the leases whose time is up, then goes through
the line in this order with a set of held rules, at first empty:

    a lease all of whose rules have room, and none of which is held, is granted, at now
    any other waits on, and each of its rules without room becomes held: nobody behind takes from it

So a large request is not overtaken in what it lacks, and a tenant at its own limit does not hold up the others. Where scopes
nest (all claims with a common rule share the wider ones) nobody starves. Leases with the same set of rules are a *group*: once
one of them waits on in a pass, all behind it in its group do, unexamined: they hold nothing in that pass. Every reserve, check,
settle, release and tighten makes a pass.

Predictions. The time until a rule has room for `need` units, if nothing is settled meanwhile; the longest over the rules counts:

    strict     n = ceil(need / capacity) - 1 times window + 1, and the time until used <= capacity - (need - n * capacity)
    bucket     base + cost(need) - depth - now, base = max(tat, now); base = tat for an amount above depth that nobody is before
    calendar   until the period's end; unknown where spent + need <= capacity, for what is reserved may come back
    gauge      unknown
    a gate     what is left of it, where its room is less than need

Rounding. Instants are a clock's, rounded to microseconds, so two of them are nearer in truth by up to one than their difference
says. Hence the closed window of a strict rule: its places are free a microsecond after the window and not with its end, and no
window of the true clock holds more than the limit, however it lies. (A bucket may let go a microsecond's refill early: less
than a unit below 60 million a minute.) A predicted wait above `max_wait` by up to SLACK_US is as good as within it.

Instants. Windows, buckets, gates, arrivals and lifetimes go by a clock that never goes back (in memory the monotonic clock; in
a shared store the server's, raised to the latest instant ever seen); periods go by the wall clock (of the server). Backends
take a `backstay.ports.Clock` for tests, which then stands for both, and `max_waiting`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from backstay.types import Priority

Algorithm: TypeAlias = Literal["strict", "bucket", "calendar", "gauge", "open"]
Dimension: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrency", "nano_usd"]
Span: TypeAlias = Literal["hour", "day", "month"]
Reason: TypeAlias = Literal["never", "full", "line", "gone"]

LARGEST: Final = 2**53 - 1
"""The largest integer that every backend holds exactly (a Lua number is a double); 9 million dollars in nano-dollars."""

RANK: Final[dict[Priority, int]] = {"high": 0, "medium": 1, "low": 2}
RANK_DELAY: Final = 20_000_000
"""Microseconds by which each lower priority stands as if it had come later."""

SLACK_US: Final = 10
"""Microseconds by which a predicted wait may exceed the longest: as many windows in line, each with its rounding."""

MAX_WAITING: Final = 10_000
"""Leases that may wait in one store; a list without a bound is a way to fill the memory."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: `capacity` units of `dimension` for `scope` ("client", "tenant=acme", "target=openai:gpt-5").

    strict and bucket need `window_us`, bucket also `burst` (units; 1 or more), calendar `span` and `zone`. `alert_at` are shares
    of the capacity in per cent at which a calendar rule raises an alert. `key` is "scope/name": what state is kept under, so the
    scope's own text must not change while its state is to be kept. Raises ValueError with the fault.
    """

    scope: str
    name: str
    dimension: Dimension
    capacity: int
    algorithm: Algorithm
    window_us: int = 0
    burst: int = 0
    span: Span | None = None
    zone: str = "UTC"
    alert_at: tuple[int, ...] = ()
    key: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.capacity <= LARGEST:
            raise ValueError(f"{self.scope}/{self.name}: capacity {self.capacity} is not between 0 and {LARGEST}")
        if (self.algorithm in ("strict", "bucket")) != (self.window_us > 0):
            raise ValueError(f"{self.scope}/{self.name}: {self.algorithm} with a window of {self.window_us} us")
        if self.algorithm == "bucket" and (self.burst < 1 or self.capacity < 1):
            raise ValueError(f"{self.scope}/{self.name}: a bucket needs a capacity and a burst of 1 or more")
        if (self.algorithm == "calendar") != (self.span is not None):
            raise ValueError(f"{self.scope}/{self.name}: {self.algorithm} with the period {self.span}")
        if self.alert_at and self.algorithm != "calendar":
            raise ValueError(f"{self.scope}/{self.name}: alerts belong to a calendar rule, which has periods")
        msgspec.structs.force_setattr(self, "key", f"{self.scope}/{self.name}")

    @property
    def most(self) -> int:
        """The largest amount that this rule can ever grant."""
        return LARGEST if self.algorithm == "open" else self.capacity


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An amount (0 or more) under a rule. In one claim, all entries of one dimension have the same amount."""

    rule: Rule
    amount: int


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one attempt asks for. `entries` are sorted by their rule's key, no key twice (`claim_of` makes them so).

    Seconds: `max_wait`, the longest predicted wait that it stands in line for (0: now or not at all); `ttl`, after which a
    granted lease that nobody ended is ended as if settled with nothing known; `patience`, after which a waiting lease that
    nobody checked has left the line.
    """

    lease_id: str
    entries: tuple[Entry, ...]
    priority: Priority = "medium"
    max_wait: float = 60.0
    ttl: float = 900.0
    patience: float = 30.0


class Granted(msgspec.Struct, frozen=True):
    """The lease holds all that it asked for."""


class Waiting(msgspec.Struct, frozen=True):
    """In line. `place` counts from 1 within its group. `wait` is the predicted time to its grant in seconds, 0.0 if unknown.

    At reserve, `need` is its amount and those of all leases before it that share the rule; at check, its own amount. It is a
    prediction, not a promise. `rule` is the key of the rule with the longest one, else of the first that lacks room or is held.
    """

    place: int
    wait: float
    rule: str


class Refused(msgspec.Struct, frozen=True):
    """Nothing is held. `rule` is the key of the rule that said no, `retry_after` the predicted wait in seconds, None if unknown.

    `reason`: "never", the amount is above the rule's capacity and no waiting helps; "full", `max_wait` is 0 or the predicted wait
    is longer; "line", MAX_WAITING leases wait already; "gone", no such lease is alive (`rule` is "").
    """

    rule: str
    retry_after: float | None
    reason: Reason


Answer: TypeAlias = Granted | Waiting | Refused


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A calendar rule reached `percent` of its capacity in the period that began at `start` (Unix seconds) and ends at `end`.

    Unique by (rule, start, percent) for ever. `spent` and `capacity` are in the rule's units, as they were at that moment.
    100 is also reached by the first claim of the period that the rule refuses as "full".
    """

    rule: str
    dimension: Dimension
    start: int
    end: int
    percent: int
    spent: int
    capacity: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a rule stands now. `used` includes `reserved`, what is granted and not settled; `waiting` leases stand in line for it.

    `overdraft` is the sum by which settlements exceeded their reservations (of the period, where there is one). `start` and
    `end` (Unix seconds) are a calendar rule's period. `gate_room` and `gate_seconds` are what is left of a gate, None without.
    """

    rule: Rule
    used: int
    reserved: int
    waiting: int = 0
    overdraft: int = 0
    start: int | None = None
    end: int | None = None
    gate_room: int | None = None
    gate_seconds: float | None = None


class Told:
    """A ticket that is good already: for a store that has done what was asked before it returns."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __await__(self) -> Generator[None, None, int]:
        return self.value
        yield


class LimitStore(Protocol):
    """Keeps leases. Every method is atomic. What is asked of one lease is done in the order of asking, also when the asker
    stopped waiting: a `release` after a cancelled `reserve` leaves nothing behind."""

    async def reserve(self, claim: Claim) -> Answer:
        """Granted, Waiting or Refused. The same `lease_id` again is a `check`: it never takes twice."""

    async def check(self, lease_id: str) -> Answer:
        """How the lease stands now. Asking keeps a waiting lease in line for another `patience`."""

    async def pause(self, lease_id: str, seconds: float) -> None:
        """Wait until there may be news of a waiting lease, at most `seconds`; at once where there is news already.

        The store knows how: an event in memory, a listening connection, or asking again after a while. `check` says the news.
        """

    def settle(self, lease_id: str, actual: Mapping[str, int]) -> Awaitable[int]:
        """The lease ended and used `actual`, by dimension; a dimension that is absent is unknown and stays as reserved.

        The difference is given back, or charged on top (overdraft), where it was taken: the log's entry if it is still in the
        window, the bucket no further than full (tat = max(tat - cost(difference), min(tat, now))), the count of the very
        period. A gauge is freed. Idempotent: a lease that is gone changes nothing; one that still waits is released. It takes
        effect without being awaited; the ticket tells how many alerts it raised.
        """

    def release(self, lease_id: str) -> Awaitable[int]:
        """The lease was not used: all of it is given back, as by `settle` with zeros, or its place in line. Idempotent."""

    def tighten(self, rule: Rule, room: int, seconds: float) -> Awaitable[int]:
        """Put a gate around `rule`: at most `room` more units in the next `seconds`."""

    async def standings(self, scope: str | None = None) -> Sequence[Standing]:
        """Every rule that has state, or those of one scope, sorted by key."""

    async def due_alerts(self, seconds: float) -> Sequence[Alert]:
        """The alerts that nobody delivered, oldest first; they are due again in `seconds` unless `delivered` by then."""

    def delivered(self, alert: Alert) -> Awaitable[int]:
        """The alert was delivered: it is never due again, and its key stays taken. Idempotent."""

    async def aclose(self) -> None:
        """Finish what is under way and close. Idempotent."""


def claim_of(lease_id: str, entries: Sequence[Entry], **facts: object) -> Claim:
    """The Claim over `entries`, sorted by key: locks are taken in one order everywhere. `facts` are its other fields.

    Raises ValueError for a rule named twice, a negative amount, or two amounts of one dimension.
    """
    ordered = tuple(sorted(entries, key=lambda entry: entry.rule.key))
    amounts: dict[str, int] = {}
    for before, entry in zip((None, *ordered), ordered, strict=False):
        if before is not None and before.rule.key == entry.rule.key:
            raise ValueError(f"{entry.rule.key}: twice in one claim")
        if not 0 <= entry.amount <= LARGEST or amounts.setdefault(entry.rule.dimension, entry.amount) != entry.amount:
            raise ValueError(f"{entry.rule.key}: amount {entry.amount}; one amount of 0 or more for each dimension")
    return msgspec.convert({"lease_id": lease_id, "entries": ordered, **facts}, Claim)


def crossed(rule: Rule, before: int, after: int) -> tuple[int, ...]:
    """The shares in per cent that a calendar rule's spending passed on its way from `before` to `after`."""
    return tuple(share for share in rule.alert_at if before * 100 < rule.capacity * share <= after * 100)

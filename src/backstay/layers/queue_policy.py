"""The queue's rules, pure: who may start, who waits, who is refused, and who is next.

A fixed number of calls runs; the others wait in three lines, one a priority. What the rules promise:

- HIGH first, then MEDIUM, then LOW; but MEDIUM and LOW have a guaranteed share of the starts while they wait. Strict priority
  alone starves LOW for as long as HIGH keeps the callers busy; weights alone delay HIGH as soon as its demand exceeds its
  weight. Strict with a guaranteed minimum does neither.
- Inside a line the tenants take turns, and each tenant's calls are first in, first out. With one tenant that is plain FIFO.
- No place is free: a newcomer gets the place of the youngest waiter with less right to it, or is refused. Less right has who
  is of a lower class (where all lines together are full), and in the same class a tenant with at least two places more. So
  LOW cannot keep HIGH out, nor one tenant the others, and no place stands empty for it.
- Who cannot start in time is refused at once: the wait is predicted from the observed time that a call runs.

Every step is O(1) but for a full line and a prediction, which look at each tenant of a line once. Source: failsafe-go's
prioritizer, Netflix's partitions, buffer stealing of the longest queue from fair queueing (McKenney 1990).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal, get_args

import msgspec

from backstay.errors import ConfigurationError
from backstay.types import Priority

PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""From the first to the last: high, medium, low."""

WHOLE: Final = 1000
"""Shares are counted in thousandths, as integers, so that no rounding adds up."""

SMOOTHING: Final = 0.125
"""The weight of the latest call in the mean time that a call runs: the one of TCP's round trip (RFC 6298)."""


class QueuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls run and wait. `size` bounds all lines together; time-outs in seconds; shares from 0 to 1 of the starts.

    Raises ConfigurationError listing every bad setting at once.
    """

    running: int = 64
    size: int = 15
    high_size: int = 5
    medium_size: int = 3
    low_size: int = 10
    high_timeout: float = 3.0
    medium_timeout: float = 10.0
    low_timeout: float = 5.0
    medium_share: float = 0.2
    low_share: float = 0.1

    def __post_init__(self) -> None:
        sizes = ("size", "high_size", "medium_size", "low_size")
        times = ("high_timeout", "medium_timeout", "low_timeout")
        checks = [
            (self.running >= 1, "running", "at least 1"),
            *((getattr(self, name) >= 0, name, "0 or more; 0 means that nobody waits") for name in sizes),
            *((getattr(self, name) > 0, name, "more than 0 seconds") for name in times),
            *(
                (0 <= getattr(self, name) < 1, name, "a share from 0, below 1")
                for name in ("medium_share", "low_share")
            ),
            (
                self.medium_share + self.low_share < 1,
                "low_share",
                "such that it and medium_share leave something to HIGH",
            ),
        ]
        faults = [f"queue.{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)


class Place:
    """One call that waits, or is about to: what the rules know of it. `expires_at` is the end of its patience."""

    __slots__ = ("call_id", "deadline", "expires_at", "joined_at", "priority", "tenant")

    def __init__(
        self, priority: Priority, *, tenant: str | None = None, call_id: str = "", deadline: float | None = None
    ) -> None:
        self.priority: Priority = priority
        self.tenant = tenant
        self.call_id = call_id
        self.deadline = deadline
        self.joined_at = 0.0
        self.expires_at = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a newcomer. `displaced` lost its place to it; `retry_after` (seconds) tells whom is refused when to return.

    `late` is a refusal because the call's own deadline comes first; `full` any other.
    """

    kind: Literal["wait", "full", "late"]
    reason: str = ""
    retry_after: float | None = None
    displaced: Place | None = None


WAIT: Final = Verdict("wait")


class Line:
    """The waiters of one priority: a turn for each tenant, first in, first out for the calls of one."""

    __slots__ = ("credit", "length", "share", "size", "tenants", "timeout")

    def __init__(self, *, size: int, timeout: float, share: float) -> None:
        self.size = size
        self.timeout = timeout
        self.share = round(share * WHOLE)
        self.credit = 0
        self.length = 0
        self.tenants: OrderedDict[str | None, OrderedDict[Place, None]] = OrderedDict()

    def append(self, place: Place) -> None:
        """Stand at the end of the tenant's own line; a new tenant is the last to have its turn."""
        self.tenants.setdefault(place.tenant, OrderedDict())[place] = None
        self.length += 1

    def take(self) -> Place:
        """The next one: the oldest of the tenant whose turn it is, who is then the last in turn."""
        tenant, places = next(iter(self.tenants.items()))
        place, _ = places.popitem(last=False)
        self.length -= 1
        if places:
            self.tenants.move_to_end(tenant)
        else:
            del self.tenants[tenant]
        return place

    def remove(self, place: Place) -> bool:
        """Leave the line; False where `place` is not in it."""
        places = self.tenants.get(place.tenant)
        if places is None or place not in places:
            return False
        del places[place]
        self.length -= 1
        if not places:
            del self.tenants[place.tenant]
        return True

    def count(self, tenant: str | None) -> int:
        """The places that `tenant` has."""
        return len(self.tenants.get(tenant, ()))

    def ahead_of(self, tenant: str | None) -> int:
        """How many go before a newcomer of `tenant`: all of its own, and of each other one as many turns as it has to wait."""
        mine = self.count(tenant)
        others = (len(places) for name, places in self.tenants.items() if name != tenant)
        return mine + sum(min(length, mine + 1) for length in others)

    def weakest(self) -> Place:
        """The youngest of the tenant with the most places."""
        places = max(self.tenants.values(), key=len)
        return next(reversed(places))


class Lines:
    """The state: who runs (a number), who waits (the lines), how long a call runs (a mean)."""

    def __init__(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.running = 0
        self.waiting = 0
        self.mean_run: float | None = None
        self._lines = {
            "high": Line(size=policy.high_size, timeout=policy.high_timeout, share=0.0),
            "medium": Line(size=policy.medium_size, timeout=policy.medium_timeout, share=policy.medium_share),
            "low": Line(size=policy.low_size, timeout=policy.low_timeout, share=policy.low_share),
        }
        self._guaranteed = [line for line in self._lines.values() if line.share]

    def line(self, priority: Priority) -> Line:
        """The line of a class."""
        return self._lines[priority]

    def start(self) -> bool:
        """Start a call that nobody is before; False where it has to wait."""
        if self.running >= self.policy.running or self.waiting:
            return False
        self.running += 1
        return True

    def enter(self, place: Place, now: float) -> Verdict:
        """Put `place` in line, or refuse it. Who may start at once has no need of a place."""
        line = self._lines[place.priority]
        place.joined_at = now
        place.expires_at = self._patience(place, now)
        refusal = self._hopeless(place, now)
        if refusal is not None:
            return refusal
        if line.length < line.size and self.waiting < self.policy.size:
            verdict = WAIT
        else:
            victim = self._victim(place)
            if victim is None:
                return self._full(place)
            self.remove(victim)
            verdict = Verdict("wait", displaced=victim)
        line.append(place)
        self.waiting += 1
        return verdict

    def _patience(self, place: Place, now: float) -> float:
        end = now + self._lines[place.priority].timeout
        return end if place.deadline is None else min(end, place.deadline)

    def _hopeless(self, place: Place, now: float) -> Verdict | None:
        """The refusal of a call that could not start in time; None where it may, or where nothing is known yet."""
        if place.deadline is not None and place.deadline <= now:
            return Verdict("late", "its deadline has passed")
        wait = self.eta(place.priority, place.tenant)
        if wait is None or now + wait <= place.expires_at:
            return None
        is_late = place.expires_at == place.deadline
        reason = f"it would wait about {wait:.1f} s, and has {place.expires_at - now:.1f} s"
        return Verdict("late" if is_late else "full", reason, now + wait - place.expires_at)

    def _victim(self, place: Place) -> Place | None:
        """Who has to make room for `place`; None: it has no better right than anybody."""
        line = self._lines[place.priority]
        if line.length < line.size:
            for priority in reversed(PRIORITIES[PRIORITIES.index(place.priority) + 1 :]):
                if self._lines[priority].length:
                    return self._lines[priority].weakest()
        if not line.length:
            return None
        weakest = line.weakest()
        return weakest if line.count(weakest.tenant) >= line.count(place.tenant) + 2 else None

    def _full(self, place: Place) -> Verdict:
        line = self._lines[place.priority]
        what = f"all {line.size} places of class {place.priority}" if line.length >= line.size else "all places"
        more = f"queue.{place.priority}_size" if line.length >= line.size else "queue.size"
        message = f"{what} are taken; raise {more} to let more wait, queue.running to let more run"
        return Verdict("full", message, self.retry_after(place.priority))

    def retry_after(self, priority: Priority) -> float:
        """Seconds until those who wait now are gone: predicted, or the class's time-out, when they are gone for certain."""
        wait = self.eta(priority)
        return self._lines[priority].timeout if wait is None else wait

    def eta(self, priority: Priority, tenant: str | None = None) -> float | None:
        """Seconds that a newcomer would wait; None while there are calls before it and none has ended yet.

        Counted in starts, of which there are `running` in the mean time that a call runs. Who comes later is not foreseen.
        """
        if self.running < self.policy.running and not self.waiting:
            return 0.0
        if self.mean_run is None:
            return None
        return self._starts_until(priority, tenant) * self.mean_run / self.policy.running

    def _starts_until(self, priority: Priority, tenant: str | None) -> float:
        rank = PRIORITIES.index(priority)
        line = self._lines[priority]
        own = line.ahead_of(tenant) + 1
        starts: float = own + sum(self._lines[name].length for name in PRIORITIES[:rank])
        if line.share:
            starts = min(starts, own * WHOLE / line.share)
        lower = [below for below in (self._lines[name] for name in PRIORITIES[rank + 1 :]) if below.length]
        share = sum(below.share for below in lower)
        return starts + min(sum(below.length for below in lower), starts * share / (WHOLE - share))

    def remove(self, place: Place) -> bool:
        """Take a waiter out (it timed out, was cancelled or displaced); False where it waits no more."""
        if not self._lines[place.priority].remove(place):
            return False
        self.waiting -= 1
        return True

    def promote(self, place: Place, priority: Priority, now: float) -> bool:
        """Move a waiter to a higher class, with that class's patience on top; False where that has no place for it."""
        line = self._lines[priority]
        if PRIORITIES.index(priority) >= PRIORITIES.index(place.priority) or line.length >= line.size:
            return False
        if not self._lines[place.priority].remove(place):
            return False
        place.priority = priority
        place.expires_at = max(place.expires_at, self._patience(place, now))
        line.append(place)
        return True

    def finish(self, run: float | None) -> None:
        """A call ended after `run` seconds; None where it never began, which teaches nothing."""
        self.running -= 1
        if run is not None:
            mean = self.mean_run
            self.mean_run = run if mean is None else mean + SMOOTHING * (run - mean)

    def next(self, now: float) -> tuple[Place | None, list[Place]]:
        """Who starts now, and those before it whose patience was over when their turn came."""
        late: list[Place] = []
        while self.waiting and self.running < self.policy.running:
            line = self._choose()
            place = line.take()
            self.waiting -= 1
            if place.expires_at <= now:
                late.append(place)
                continue
            self._charge(line)
            self.running += 1
            return place, late
        return None, late

    def _choose(self) -> Line:
        """The line that is due a guaranteed start, the one with most credit first; else the first that has a waiter."""
        due = [line for line in self._guaranteed if line.length and line.credit >= WHOLE]
        if due:
            return max(due, key=lambda line: line.credit)
        return next(line for line in self._lines.values() if line.length)

    def _charge(self, served: Line) -> None:
        """Each start earns the classes that wait their share of one, up to one start in hand; the class served pays one."""
        for line in self._guaranteed:
            if line is served:
                line.credit = max(0, line.credit + line.share - WHOLE)
            elif line.length:
                line.credit = min(2 * WHOLE, line.credit + line.share)

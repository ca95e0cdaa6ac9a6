"""Circuit: the state machine of one target. Pure: every step takes `now`.

    closed      every call passes; enough failures, or a window too full of failures or slow calls, open it
    open        no call passes until its time is over; each opening without a closing in between lasts longer
    half_open   at most `probes` calls at once are let through; that many successes close it, one failure opens it

Two ideas keep it honest under concurrency. Each state has a *generation*; a permit carries it, and a result that comes back in
another generation is dropped, so that a slow success of yesterday closes nothing today (gobreaker's rule). A probe's permit is a
*lease*: one that is lost (crash, cancellation, a reader who never comes back) holds its place no longer than that, so a circuit
cannot stay half open for ever (resilience4j #935, #1389).

Source of the states: Nygard, "Release It!" (2007); of the windows: resilience4j.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from backstay.layers.breaker_policy import BreakerPolicy

State: TypeAlias = Literal["closed", "open", "half_open"]
Result: TypeAlias = Literal["success", "slow", "failure"]
Tell: TypeAlias = Callable[[State, State, str], None]

FORGOTTEN_PROBES = 16
"""Lost probes that are remembered, times `probes`: their late results still count, and no more memory is spent on them."""


class Window:
    """The last `size` results that are no older than `age` seconds, and how many of them failed or were slow."""

    __slots__ = ("_age", "_ring", "_size", "failures", "slow")

    def __init__(self, size: int, age: float | None) -> None:
        self._size = size
        self._age = age
        self._ring: deque[tuple[float, Result]] = deque()
        self.failures = 0
        self.slow = 0

    def __len__(self) -> int:
        return len(self._ring)

    def add(self, result: Result, now: float) -> None:
        """Take in a result; the one that it pushes out and those that are too old leave."""
        ring = self._ring
        ring.append((now, result))
        if result != "success":
            self._count(result, 1)
        if len(ring) > self._size and (oldest := ring.popleft()[1]) != "success":
            self._count(oldest, -1)
        if self._age is not None and ring[0][0] < now - self._age:
            self.expire(now)

    def expire(self, now: float) -> None:
        """Let go of what is too old."""
        if self._age is not None:
            oldest = now - self._age
            while self._ring and self._ring[0][0] < oldest:
                self._count(self._ring.popleft()[1], -1)

    def clear(self) -> None:
        """Forget everything."""
        self._ring.clear()
        self.failures = self.slow = 0

    def _count(self, result: Result, step: int) -> None:
        if result == "failure":
            self.failures += step
        elif result == "slow":
            self.slow += step


class Permit(NamedTuple):
    """Leave to make one call: the generation that gave it, and the probe's number (0: no probe)."""

    generation: int
    probe: int = 0


class Circuit:
    """The state machine of one target. Synchronous and without a suspension point, so exact under any concurrency of one loop.

    `try_acquire` gives a Permit or None; each Permit goes back once, to `record` with a result or to `release` without one.
    `draw` gives a number in [0, 1) for the jitter; `tell(before, after, reason)` hears of every change of state.
    """

    def __init__(self, policy: BreakerPolicy, *, draw: Callable[[], float], tell: Tell = lambda *_: None) -> None:
        self.policy = policy
        self.state: State = "closed"
        self.generation = 1
        self.is_forced = False
        self.consecutive = 0
        self.openings = 0
        self.refused = 0
        self.stale = 0
        self.open_until = 0.0
        self.window = Window(policy.window_calls, policy.window_time)
        self._draw = draw
        self._tell = tell
        self._shared = Permit(1)
        self._probes: dict[int, float] = {}
        self._last_probe = 0
        self._successes = 0

    def try_acquire(self, now: float) -> Permit | None:
        """Leave to make a call, or None. The first caller after an opening's end makes it half open."""
        if self.state == "closed":
            return self._shared
        if self.state == "open" and not self.is_forced and now >= self.open_until:
            self._change("half_open", "its time is over")
        if self.state == "half_open" and self.in_flight(now) + self._successes < self.policy.probes:
            return self._probe(now)
        self.refused += 1
        return None

    def record(self, permit: Permit, result: Result, now: float) -> None:
        """Give a permit back with what became of its call. One of another generation is dropped, and counted as stale."""
        if permit.generation != self.generation:
            self.stale += 1
        elif self.state == "closed":
            self._counted(result, now)
        elif self._probes.pop(permit.probe, None) is None:
            self.stale += 1
        else:
            self._probed(result, now)

    def release(self, permit: Permit) -> None:
        """Give a permit back with no result: the call says nothing about the target."""
        if permit.generation == self.generation:
            self._probes.pop(permit.probe, None)

    def in_flight(self, now: float) -> int:
        """Probes that are out and whose lease holds."""
        return sum(end > now for end in self._probes.values())

    def retry_after(self, now: float) -> float | None:
        """Seconds until a call has a chance; 0.0 where it has one now, None where only an operator can open the way."""
        if self.state == "closed":
            return 0.0
        if self.state == "open":
            return None if self.is_forced else max(self.open_until - now, 0.0)
        if self.in_flight(now) + self._successes < self.policy.probes:
            return 0.0
        return min(end for end in self._probes.values() if end > now) - now

    def force_open(self) -> None:
        """Refuse every call until `force_close`."""
        self.is_forced = True
        self._change("open", "forced by the operator")

    def force_close(self) -> None:
        """Close now, with nothing held against the target; from here on it is judged as ever."""
        self.is_forced = False
        self.openings = 0
        self._change("closed", "forced by the operator")

    def _probe(self, now: float) -> Permit:
        if len(self._probes) >= FORGOTTEN_PROBES * self.policy.probes:
            del self._probes[next(iter(self._probes))]
        self._last_probe += 1
        self._probes[self._last_probe] = now + self.policy.probe_lease
        return Permit(self.generation, self._last_probe)

    def _counted(self, result: Result, now: float) -> None:
        self.consecutive = self.consecutive + 1 if result == "failure" else 0
        window = self.window
        window.add(result, now)
        if (window.failures or window.slow) and (reason := self._fault()):
            self._open(reason, now)

    def _fault(self) -> str:
        """Why the circuit must open; empty where it need not."""
        policy, window = self.policy, self.window
        if policy.consecutive_failures is not None and self.consecutive >= policy.consecutive_failures:
            return f"{self.consecutive} failures in a row"
        calls = len(window)
        if calls < policy.min_calls:
            return ""
        if policy.failure_rate is not None and window.failures and window.failures >= policy.failure_rate * calls:
            return f"{window.failures} of the last {calls} calls failed"
        if policy.slow_rate is not None and window.slow and window.slow >= policy.slow_rate * calls:
            return f"{window.slow} of the last {calls} calls were slow"
        return ""

    def _probed(self, result: Result, now: float) -> None:
        if result == "failure" or (result == "slow" and self.policy.slow_rate is not None):
            self._open("a probe failed" if result == "failure" else "a probe was slow", now)
            return
        self._successes += 1
        if self._successes >= self.policy.probes:
            self.openings = 0
            self._change("closed", f"{self._successes} probe(s) succeeded")

    def _open(self, reason: str, now: float) -> None:
        self.openings += 1
        self.open_until = now + self.policy.open_for(self.openings, self._draw())
        self._change("open", reason)

    def _change(self, state: State, reason: str) -> None:
        """Enter `state`, even if it is the present one: a new generation, in which nothing has been counted yet."""
        before, self.state = self.state, state
        self.generation += 1
        self._shared = Permit(self.generation)
        self.consecutive = 0
        self._successes = 0
        self._probes.clear()
        self.window.clear()
        self._tell(before, state, reason)

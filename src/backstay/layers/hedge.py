"""Hedge: a second request where the first is unusually slow to begin; the first answer wins, the loser is cancelled and paid.

By choice, because it costs money to save time. What it promises:

- At most one hedge a call, and only for its first attempt: a call that is already being retried is in other trouble than bad
  luck. At most a `share` of all calls, counted exactly: each call earns that part of a hedge, and a hedge spends a whole one.
- Only before the first content. After it the call is committed, and nothing could take the words back.
- The delay is fixed, or a percentile of the observed time to the first content. A loser that was cancelled counts with the time
  it had taken until then; without it the slow ones would vanish from the percentile, and the delay sink with every hedge.
- An error that may pass fires the hedge at once. One that says that the provider has too much to do never does, and a
  `retry_after` stops all hedges for so long. A fatal error of either ends both.

It stands inside Retry and outside Telemetry, the breaker, Admission and Bookkeeping. Outside Retry it could not see the
provider's push-back, and would hedge a call that only sleeps between two tries. Inside them, a hedge would go unseen, unpaced
and unpaid; so each of the two has a reservation, a row and an outcome of its own, under `HEDGE_NUMBER` plus its number.

    complete    the winner's answer; it says so where there was a hedge. Its end waits until the loser is settled
    failed      both failed: the first one's error, which tells of the other in a note
    dropped     both are cancelled before the call ends
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from backstay.errors import ConfigurationError, LLMError, Overloaded, RateLimited, Refused
from backstay.layers.retry import RetryBudget
from backstay.ports import Clock
from backstay.service import Call, Reply, Service
from backstay.types import Attempt, Response

HEDGE_NUMBER: Final = 1000
"""A hedge's attempt has the number of the first plus this, which no retry reaches, so that their ids differ."""

UNIT: Final = 1_000_000
"""One hedge, in the integers that the purse is counted in."""

KEPT_TIMES: Final = 256
"""The latest times to first content that the percentile is made of."""


class HedgePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to hedge. `delay` in seconds; None takes the `percentile` of the observed times, once there are `min_samples`.

    Raises ConfigurationError listing every bad setting at once.
    """

    delay: float | None = None
    percentile: float = 0.95
    min_samples: int = 20
    share: float = 0.05
    burst: int = 5

    def __post_init__(self) -> None:
        checks = (
            (self.delay is None or self.delay >= 0, "delay", "0 or more seconds"),
            (0 < self.percentile < 1, "percentile", "between 0 and 1"),
            (1 <= self.min_samples <= KEPT_TIMES, "min_samples", f"from 1 to {KEPT_TIMES}"),
            (0 <= self.share <= 1, "share", "a share from 0 to 1"),
            (self.burst >= 1, "burst", "at least 1"),
        )
        faults = [f"hedge.{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)


class HedgePurse:
    """The right to hedge, pure: each call earns `share` of a hedge, up to `burst` of them, beginning with none."""

    def __init__(self, share: float, burst: int) -> None:
        self._earning = int(share * UNIT + 1e-6)  # rounded down: never more than the share
        self._capacity = burst * UNIT
        self._balance = 0

    @property
    def is_ready(self) -> bool:
        """True when it holds a whole hedge."""
        return self._balance >= UNIT

    def earn(self) -> None:
        """A call came."""
        self._balance = min(self._capacity, self._balance + self._earning)

    def spend(self) -> bool:
        """Pay for one hedge; False, and nothing is paid, when the purse holds less."""
        if not self.is_ready:
            return False
        self._balance -= UNIT
        return True


class Latency:
    """The latest times to first content, pure, and a percentile of them that is made anew every eighth time."""

    def __init__(self, percentile: float, min_samples: int) -> None:
        self._percentile = percentile
        self._min_samples = min_samples
        self._times: deque[float] = deque(maxlen=KEPT_TIMES)
        self._fresh = 0
        self._value: float | None = None

    def add(self, seconds: float) -> None:
        """One more observation."""
        self._times.append(seconds)
        self._fresh += 1

    def delay(self) -> float | None:
        """The percentile in seconds; None while too little is known."""
        if len(self._times) >= self._min_samples and (self._value is None or self._fresh >= 8):
            ranked = sorted(self._times)
            self._value = ranked[min(len(ranked) - 1, int(len(ranked) * self._percentile))]
            self._fresh = 0
        return self._value


class HedgeStats(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that came, hedges that were sent, and hedges that answered first."""

    calls: int
    hedged: int
    won: int


class _Try(NamedTuple):
    """One of the two requests, on its way in a task."""

    call: Call
    task: asyncio.Task[Reply]
    started: float
    wall: float

    def error(self) -> BaseException | None:
        """How it failed; None where it did not, or has not yet."""
        if not self.task.done():
            return None
        return asyncio.CancelledError() if self.task.cancelled() else self.task.exception()


class Hedge:
    """The layer for one target. `budget` is the client's purse of retries, which a hedge draws on as a retry does."""

    def __init__(self, policy: HedgePolicy, *, clock: Clock, budget: RetryBudget | None = None) -> None:
        self._policy = policy
        self._clock = clock
        self._budget = budget
        self._purse = HedgePurse(policy.share, policy.burst)
        self._latencies = {is_stream: Latency(policy.percentile, policy.min_samples) for is_stream in (True, False)}
        self._held_until = float("-inf")
        self._endings: set[asyncio.Task[None]] = set()
        self._calls = self._hedged = self._won = 0

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if call.delay_before > 0:  # a retry: it has waited, and the target is under stress
            return await self._single(call, inner)
        self._calls += 1
        self._purse.earn()
        delay = self._latencies[call.stream].delay() if self._policy.delay is None else self._policy.delay
        if delay is None or not self._purse.is_ready:
            return await self._single(call, inner)
        tries = [self._start(call, inner)]
        try:
            winner = await self._race(tries, delay, inner)
        except BaseException:
            await _ended(self._end(tries))
            raise
        return self._hand_out(winner, tries)

    async def _single(self, call: Call, inner: Service) -> Reply:
        started = self._clock.monotonic()
        try:
            reply = await inner(call)
        except LLMError as error:
            self._heed(error)
            raise
        self._latencies[call.stream].add(self._clock.monotonic() - started)
        return reply

    def _start(self, call: Call, inner: Service) -> _Try:
        task = asyncio.get_running_loop().create_task(_ask(inner, call))
        return _Try(call, task, self._clock.monotonic(), self._clock.wall_ns() / 1e9)

    async def _race(self, tries: list[_Try], delay: float, inner: Service) -> _Try:
        """The try that answered first. Raises a fatal error of either, or the first one's error when both failed."""
        first = tries[0]
        await asyncio.wait((first.task,), timeout=delay)
        if not first.task.done():
            self._fire(tries, inner)
        errors: dict[int, BaseException] = {}
        while running := [one for one in tries if one.call.attempt not in errors]:
            await asyncio.wait([one.task for one in running], return_when=asyncio.FIRST_COMPLETED)
            ended = [one for one in running if one.task.done()]
            for one in ended:
                if (error := one.error()) is None:
                    return one
                errors[one.call.attempt] = error
            for one in ended:
                self._judge(errors[one.call.attempt], one is first and len(tries) == 1, tries, inner)
        error = errors.pop(first.call.attempt)
        for other in errors.values():
            error.add_note(f"hedge: the second request failed too: {type(other).__name__}: {other}")
        raise error

    def _judge(self, error: BaseException, is_alone: bool, tries: list[_Try], inner: Service) -> None:
        """A try failed: raise what no other try can cure; fire the hedge where it may."""
        self._heed(error)
        if isinstance(error, Refused):
            return
        if not getattr(error, "retryable", False):
            raise error
        if is_alone and not isinstance(error, (RateLimited, Overloaded)):
            self._fire(tries, inner)

    def _heed(self, error: BaseException) -> None:
        """Remember for how long the provider wants to be left alone."""
        after = getattr(error, "retry_after", None)
        if after is not None and not isinstance(error, Refused):
            self._held_until = max(self._held_until, self._clock.monotonic() + after)

    def _fire(self, tries: list[_Try], inner: Service) -> None:
        """Send the hedge, where the provider has not asked for rest and both purses can pay."""
        if self._clock.monotonic() < self._held_until or not self._purse.is_ready:
            return
        if self._budget is not None and not self._budget.spend():
            return
        self._purse.spend()
        self._hedged += 1
        call = tries[0].call
        hedge = msgspec.structs.replace(call, attempt=call.attempt + HEDGE_NUMBER, delay_before=0.0)
        tries.append(self._start(hedge, inner))

    def _hand_out(self, winner: _Try, tries: list[_Try]) -> Reply:
        reply = winner.task.result()
        now = self._clock.monotonic()
        for one in tries:
            if one.error() is None:
                self._latencies[one.call.stream].add(now - one.started)
        if len(tries) == 1:
            return reply
        has_won = winner is tries[1]
        self._won += has_won
        record = _record(tries[1], "complete" if has_won else "dropped", now)
        ending = self._end([one for one in tries if one is not winner])
        reply.hold(lambda: _ended(ending))
        reply.amend(lambda response: _told(response, record, has_won))
        return reply

    def _end(self, tries: Iterable[_Try]) -> asyncio.Task[None]:
        """Cancel `tries` now; the task ends when they have let go of everything, whether or not anybody waits for it."""
        tasks = [one.task for one in tries]
        for task in tasks:
            task.cancel()
        ending = asyncio.get_running_loop().create_task(_settled(tasks))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return ending

    def stats(self) -> HedgeStats:
        """What was asked, hedged and won so far."""
        return HedgeStats(calls=self._calls, hedged=self._hedged, won=self._won)


async def _ask(inner: Service, call: Call) -> Reply:
    return await inner(call)


async def _ended(ending: asyncio.Task[None]) -> None:
    await asyncio.wait((ending,))  # unlike the task itself, it is not cancelled with whoever waits


async def _settled(tasks: Sequence[asyncio.Task[Reply]]) -> None:
    """Wait for the cancelled `tasks`; close the reply of one that had answered in the same instant."""
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            await task.result().aclose()


def _record(hedge: _Try, outcome: Literal["complete", "dropped"], now: float) -> Attempt:
    error = hedge.error()
    return Attempt(
        number=hedge.call.attempt,
        started_at=hedge.wall,
        duration=now - hedge.started,
        outcome=outcome if error is None else "failed",
        error=None if error is None else f"{type(error).__name__}: {error}",
    )


def _told(response: Response, record: Attempt, has_won: bool) -> Response:
    about = response.provenance
    note = f"hedged: the {'second' if has_won else 'first'} of two requests answered first"
    return msgspec.structs.replace(
        response,
        provenance=msgspec.structs.replace(about, attempts=(*about.attempts, record), notes=(*about.notes, note)),
    )

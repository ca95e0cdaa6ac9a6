"""Retry: try again what may succeed, as soon as is polite, and never as part of a storm.

The policy is pure: an error, the attempt's number and the time left give a `Decision`. Its rules, each with its reason:

- The provider's `retry_after` is a floor that no cap shortens; a retry before it is a sure second refusal. A small positive
  jitter is added, so that callers who were told the same second do not return in the same millisecond.
- When the delay does not fit the deadline or the total time, there is no sleep at all: the error is raised now, while the
  caller can still do something else.
- A budget for the whole client bounds retries: each success earns a fraction of a retry, each retry spends one (gRPC A6). In
  a total outage the budget runs dry and calls fail at once, so a client adds nothing to the load of a provider that is down.
- Only errors that say `retryable` are retried, and only from the call itself: after the commit point nothing is.

Outcomes of the reply: complete earns budget; failed and dropped after the commit point neither earn nor spend.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import msgspec

from backstay.errors import ConfigurationError, LLMError
from backstay.ports import World
from backstay.service import Call, Outcome, Reply, Service, failed_attempt
from backstay.types import Attempt, Response

RETRY_AFTER_JITTER = 0.05
"""A floor is exceeded by up to 5 %: enough to spread callers, too little to matter to one."""


class Decision(msgspec.Struct, frozen=True):
    """What to do with a failure: `retry` after `delay` seconds, or `stop`, with the `reason` in words."""

    kind: Literal["retry", "stop"]
    delay: float = 0.0
    reason: str = ""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to try again. Times in seconds; `jitter` is the share by which a delay varies to either side.

    Raises ConfigurationError listing every bad setting at once.
    """

    max_attempts: int = 3
    first_delay: float = 1.0
    factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.25
    total_time: float = 300.0

    def __post_init__(self) -> None:
        checks = (
            (self.max_attempts >= 1, "max_attempts", "at least 1; 1 means no retry"),
            (self.first_delay >= 0, "first_delay", "0 or more seconds"),
            (self.factor >= 1, "factor", "1 or more; below 1 the delays would shrink"),
            (self.max_delay >= self.first_delay, "max_delay", "no less than first_delay"),
            (0 <= self.jitter <= 1, "jitter", "a share from 0 to 1"),
            (self.total_time > 0, "total_time", "more than 0 seconds"),
        )
        faults = [f"retry.{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)

    def backoff(self, attempt: int, draw: float) -> float:
        """Seconds to wait after `attempt` failed, from `draw` in [0, 1): exponential, capped, then jittered."""
        exponent = min(attempt - 1, 64)
        delay = min(self.first_delay * self.factor**exponent, self.max_delay)
        return delay * (1 + self.jitter * (2 * draw - 1))

    def decide(
        self, error: BaseException, *, attempt: int, elapsed: float, time_left: float | None, draw: float
    ) -> Decision:
        """The decision on `error` after `attempt`; `elapsed` since the first try, `time_left` until the deadline."""
        if not getattr(error, "retryable", False):
            return Decision("stop", reason="not retryable")
        if attempt >= self.max_attempts:
            return Decision("stop", reason=f"attempt {attempt} of {self.max_attempts} was the last")
        delay = self.backoff(attempt, draw)
        floor = getattr(error, "retry_after", None)
        if floor is not None and floor > 0:
            delay = max(delay, floor * (1 + RETRY_AFTER_JITTER * draw))
        if elapsed + delay > self.total_time:
            return Decision(
                "stop", reason=f"a delay of {delay:.1f} s does not fit the total time of {self.total_time:g} s"
            )
        if time_left is not None and delay >= time_left:
            return Decision("stop", reason=f"a delay of {delay:.1f} s does not fit the {max(time_left, 0):.1f} s left")
        return Decision("retry", delay=delay)


class RetryBudget:
    """A purse of retries shared by all calls of a client: `earn()` on success, `spend()` before a retry.

    It starts full with `capacity` retries, and each success earns `ratio` of one. With none left, `spend()` is False.
    Synchronous and without a suspension point, so it is exact under any concurrency of one event loop.
    """

    def __init__(self, *, capacity: float = 20.0, ratio: float = 0.1) -> None:
        faults = [
            f"retry.budget_{name} = {value}: must be 0 or more"
            for name, value in (("capacity", capacity), ("ratio", ratio))
            if not value >= 0
        ]
        if faults:
            raise ConfigurationError(*faults)
        self.capacity = capacity
        self.ratio = ratio
        self.balance = capacity

    def earn(self) -> None:
        """A call succeeded."""
        balance = self.balance + self.ratio
        self.balance = balance if balance < self.capacity else self.capacity

    def hear(self, outcome: Outcome) -> None:
        """A call ended: earn where it is complete."""
        if isinstance(outcome, Response):
            self.earn()

    def spend(self) -> bool:
        """Pay for one retry; False, and nothing is paid, when the purse holds less than one."""
        if self.balance < 1:
            return False
        self.balance -= 1
        return True


class Retry:
    """The layer. Each try is a Call of its own, with its number and the delay before it; all are kept on the answer or error."""

    def __init__(
        self, policy: RetryPolicy, *, world: World, budget: RetryBudget | None = None, target: str = ""
    ) -> None:
        self._policy = policy
        self._world = world
        self._budget = budget
        self._target = target

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        clock = self._world.clock
        started = first_started = clock.monotonic()
        attempts: tuple[Attempt, ...] = ()
        while True:
            wall = clock.wall_ns() / 1e9
            try:
                reply = await inner(call)
            except BaseException as error:
                duration = clock.monotonic() - started
                attempts += (
                    failed_attempt(call, target=self._target, started_at=wall, duration=duration, error=error),
                )
                if not isinstance(error, LLMError):
                    raise
                decision = self._judge(error, call, len(attempts), clock.monotonic() - first_started)
                if decision.kind == "stop":
                    raise _told(error, attempts, decision, call) from error.__cause__
                await self._world.sleep(decision.delay)
                call = msgspec.structs.replace(call, attempt=call.attempt + 1, delay_before=decision.delay)
                started = clock.monotonic()
                continue
            reply.amend(partial(self._noted, call, attempts, started, wall))
            if self._budget is not None:
                reply.observe(self._budget.hear)
            return reply

    def _judge(self, error: LLMError, call: Call, tries: int, elapsed: float) -> Decision:
        """`tries` counts those of this target; the call's own number goes on over all of them."""
        now = self._world.clock.monotonic()
        decision = self._policy.decide(
            error,
            attempt=tries,
            elapsed=elapsed,
            time_left=None if call.deadline is None else call.deadline - now,
            draw=self._world.rng.random(),
        )
        if decision.kind == "retry" and self._budget is not None and not self._budget.spend():
            return Decision("stop", reason="the client's retry budget is spent")
        return decision

    def _noted(
        self, call: Call, failed: tuple[Attempt, ...], started: float, wall: float, response: Response
    ) -> Response:
        """The answer with every attempt that it took, this one last."""
        last = Attempt(
            number=call.attempt,
            target=self._target,
            started_at=wall,
            duration=self._world.clock.monotonic() - started,
            delay_before=call.delay_before,
        )
        about = response.provenance
        provenance = msgspec.structs.replace(about, attempts=(*failed, last, *about.attempts))
        return msgspec.structs.replace(response, provenance=provenance)


def _told(error: LLMError, attempts: tuple[Attempt, ...], decision: Decision, call: Call) -> LLMError:
    """The error with its history: every attempt as data, and one note for whoever reads the traceback."""
    error.attempts = (*attempts, *error.attempts)
    error.call_id = error.call_id or call.request.id
    if len(attempts) > 1 or getattr(error, "retryable", False):
        error.add_note(f"retry: gave up after {len(attempts)} attempt(s): {decision.reason}")
    return error

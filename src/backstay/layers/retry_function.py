"""Retry for any function: the same policy as a decorator, for sync and async functions that are no LLM calls.

    @retry(on=(ConnectionError, TimeoutError))
    async def fetch(): ...

An error is retried when it is an instance of `on`, when `on(error)` is true, or when it carries `retryable = True` as every
`LLMError` does. What is raised in the end is the last error itself, with a note; the attempts are in `error.attempts`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from backstay.layers.retry import Decision, RetryPolicy
from backstay.ports import World, blocking_sleep
from backstay.types import Attempt

P = ParamSpec("P")
T = TypeVar("T")
RetryOn: TypeAlias = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]


class _Retryable(Exception):
    """Carries what the policy looks at, for errors that know nothing of it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.retryable = True
        self.retry_after = getattr(error, "retry_after", None)


def _is_match(error: BaseException, on: RetryOn) -> bool:
    if getattr(error, "retryable", None) is not None:
        return bool(error.retryable)  # type: ignore[attr-defined]
    return isinstance(error, on) if isinstance(on, (type, tuple)) else on(error)


class _Trial:
    """The bookkeeping of one decorated call, shared by the sync and the async wrapper."""

    def __init__(self, policy: RetryPolicy, on: RetryOn, world: World) -> None:
        self.policy, self.on, self.world = policy, on, world
        self.began = self.started = world.clock.monotonic()
        self.attempts: list[Attempt] = []
        self.delay = 0.0

    def failed(self, error: Exception) -> float:
        """Seconds to wait before the next try; raises `error` when there is none."""
        now = self.world.clock.monotonic()
        number = len(self.attempts) + 1
        self.attempts.append(
            Attempt(
                number=number,
                started_at=self.world.clock.wall_ns() / 1e9 - (now - self.started),
                duration=now - self.started,
                outcome="failed",
                error=f"{type(error).__name__}: {error}",
                delay_before=self.delay,
            )
        )
        decision = self._decide(error, number, now)
        if decision.kind == "stop":
            error.attempts = tuple(self.attempts)  # type: ignore[attr-defined]
            error.add_note(f"retry: gave up after {number} attempt(s): {decision.reason}")
            raise error
        self.delay = decision.delay
        return decision.delay

    def _decide(self, error: Exception, number: int, now: float) -> Decision:
        if not _is_match(error, self.on):
            return Decision("stop", reason="not retryable")
        draw = self.world.rng.random()
        return self.policy.decide(
            _Retryable(error), attempt=number, elapsed=now - self.began, time_left=None, draw=draw
        )


def retry(
    *,
    on: RetryOn = (ConnectionError, TimeoutError),
    policy: RetryPolicy | None = None,
    world: World | None = None,
    pause: Callable[[float], None] = blocking_sleep,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator that retries a sync or async function by `policy` (the default one of SPEC: 3 attempts, 1 s, factor 2).

    Raises ConfigurationError for a bad policy, TypeError when used on something that is no function or on a generator.
    """
    rules, place = policy or RetryPolicy(), world or World.real()

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "retry works on functions: a generator that failed half-way has delivered something already"
            )
        if inspect.iscoroutinefunction(function):
            return cast(Callable[P, T], _asynchronous(function, rules, on, place))
        return _synchronous(function, rules, on, place, pause)

    return decorate


def _asynchronous(function: Callable[..., Any], policy: RetryPolicy, on: RetryOn, world: World) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        trial = _Trial(policy, on, world)
        while True:
            trial.started = world.clock.monotonic()
            try:
                return await function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - `failed` raises whatever the policy does not retry
                delay = trial.failed(error)
            await world.sleep(delay)

    return call


def _synchronous(
    function: Callable[P, T], policy: RetryPolicy, on: RetryOn, world: World, sleep: Callable[[float], None]
) -> Callable[P, T]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        trial = _Trial(policy, on, world)
        while True:
            trial.started = world.clock.monotonic()
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - `failed` raises whatever the policy does not retry
                delay = trial.failed(error)
            sleep(delay)

    return call

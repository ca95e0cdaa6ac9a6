"""Breaker: stops asking a target that keeps failing, and finds out carefully when it is well again.

One circuit for each target (provider, model and key), inside Retry, so that every attempt counts, and outside whatever reserves
or pays, so that a refused call costs nothing. The rules are in `circuit.py` and `breaker_policy.py`. Outcomes:

    complete    a success; slow where the first content of a stream came late
    failed      a failure where the error speaks against the target (before or after the commit point), else nothing
    dropped     nothing: the permit goes back, no result is recorded; a cancellation is the same

Not counted, on purpose: 4xx, 429 (the limiter's affair) and a refused key, which is answered at once, costs nothing, and must
work again the moment that it is mended; `health.py` is what moves such a target to the end of a chain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import msgspec

from backstay.errors import CircuitOpen, ConfigurationError
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.circuit import Circuit, Permit, State
from backstay.layers.spread import GROUP
from backstay.ports import World
from backstay.service import Call, Outcome, Reply, Service
from backstay.target import parse_model
from backstay.types import Response

log = logging.getLogger("backstay")


class CircuitChange(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit changed its state: whose, when (Unix seconds), from what to what, why, and the seconds to the next probe."""

    target: str
    at: float
    before: State
    after: State
    reason: str
    retry_after: float | None = None


CircuitListener: TypeAlias = Callable[[CircuitChange], None]


class CircuitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit as it stands: `calls`, `failures` and `slow` are those of its window, the others are sums since the start.

    `openings` are those in a row without a closing; `reason` is why it changed last; `retry_after` is None where it was forced
    open.
    """

    target: str
    state: State
    is_forced: bool
    generation: int
    reason: str
    retry_after: float | None
    consecutive_failures: int
    calls: int
    failures: int
    slow: int
    probes_in_flight: int
    openings: int
    refused: int
    stale: int


class Breaker:
    """The layer for one target. `listener` hears of every change; it must be quick, and a fault in it is logged."""

    def __init__(
        self, policy: BreakerPolicy, *, world: World, target: str = "", listener: CircuitListener | None = None
    ) -> None:
        self._target = target
        self._clock = world.clock
        self._listener = listener
        self._policy = policy
        self._last_error = ""
        self._reason = ""
        self._circuit = Circuit(policy, draw=world.rng.random, tell=self._changed)

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        started = self._clock.monotonic()
        permit = self._circuit.try_acquire(started)
        if permit is None:
            raise self._refusal(started)
        try:
            reply = await inner(call)
        except BaseException as error:
            self._failed(permit, error, started)
            raise
        is_slow = not reply.is_whole and self._policy.is_slow(self._clock.monotonic() - started)
        reply.observe(partial(self._ended, permit, started, is_slow))
        return reply

    def _ended(self, permit: Permit, started: float, is_slow: bool, outcome: Outcome) -> None:
        if isinstance(outcome, Response):
            self._circuit.record(permit, "slow" if is_slow else "success", self._clock.monotonic())
        elif isinstance(outcome, BaseException):
            self._failed(permit, outcome, started)
        else:
            self._circuit.release(permit)

    def _failed(self, permit: Permit, error: BaseException, started: float) -> None:
        now = self._clock.monotonic()
        if self._policy.counts(error, now - started):
            self._last_error = type(error).__name__
            self._circuit.record(permit, "failure", now)
        else:
            self._circuit.release(permit)

    def _refusal(self, now: float) -> CircuitOpen:
        wait = self._circuit.retry_after(now)
        when = "until an operator closes it" if wait is None else f"a probe may pass in {wait:.1f} s"
        last = f"; last: {self._last_error}" if self._last_error else ""
        name = f"the circuit of {self._target}" if self._target else "the circuit"
        state = "half open, its probes are out" if self._circuit.state == "half_open" else "open"
        return CircuitOpen(f"{name} is {state} ({self._reason}{last}): {when}", retry_after=wait)

    def _changed(self, before: State, after: State, reason: str) -> None:
        self._reason = reason
        if after == "closed":
            self._last_error = ""
        if self._listener is None:
            return
        change = CircuitChange(
            target=self._target,
            at=self._clock.wall_ns() / 1e9,
            before=before,
            after=after,
            reason=reason,
            retry_after=self._circuit.retry_after(self._clock.monotonic()),
        )
        try:
            self._listener(change)
        except Exception:
            log.exception("a listener failed when the circuit of %s became %s", self._target, after)

    def force_open(self) -> None:
        """Refuse every call until `force_close`; what is in flight goes on, and its results are dropped."""
        self._circuit.force_open()

    def force_close(self) -> None:
        """Close now, with nothing held against the target."""
        self._circuit.force_close()

    @property
    def is_available(self) -> bool:
        """True when a call that came now would be let through."""
        return self._circuit.retry_after(self._clock.monotonic()) == 0.0

    def status(self) -> CircuitStatus:
        """How the circuit stands now."""
        circuit, now = self._circuit, self._clock.monotonic()
        circuit.window.expire(now)
        return CircuitStatus(
            target=self._target,
            state=circuit.state,
            is_forced=circuit.is_forced,
            generation=circuit.generation,
            reason=self._reason,
            retry_after=circuit.retry_after(now),
            consecutive_failures=circuit.consecutive,
            calls=len(circuit.window),
            failures=circuit.window.failures,
            slow=circuit.window.slow,
            probes_in_flight=circuit.in_flight(now),
            openings=circuit.openings,
            refused=circuit.refused,
            stale=circuit.stale,
        )


class Breakers:
    """The breakers of a client, one for each target, made when first asked for and shared by all stacks of that target.

    `slow_after` sets the threshold of single targets, by their "provider:model". Raises ConfigurationError with its faults.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        world: World,
        slow_after: Mapping[str, float] | None = None,
        listener: CircuitListener | None = None,
    ) -> None:
        self._policy = policy
        self._world = world
        self._own = _own_policies(policy, slow_after or {})
        self._listener = listener
        self._breakers: dict[str, Breaker] = {}

    def of(self, target: str) -> Breaker:
        """The breaker of "provider:model"."""
        found = self._breakers.get(target)
        if found is None:
            policy = self._own.get(target, self._policy)
            found = self._breakers[target] = Breaker(policy, world=self._world, target=target, listener=self._listener)
        return found

    def is_available(self, target: str) -> bool:
        """True when a call to `target` would be let through; a target that was never asked is."""
        found = self._breakers.get(target)
        return found is None or found.is_available

    def status(self) -> tuple[CircuitStatus, ...]:
        """Every circuit as it stands, by target."""
        return tuple(self._breakers[target].status() for target in sorted(self._breakers))


def _own_policies(policy: BreakerPolicy, slow_after: Mapping[str, float]) -> dict[str, BreakerPolicy]:
    """The policies of the targets that have a threshold of their own."""
    faults: list[str] = []
    for target, seconds in slow_after.items():
        place = f"breaker.slow_after_of.{target}"
        if not seconds > 0:
            faults.append(f"{place} = {seconds}: must be more than 0 seconds")
        try:
            if parse_model(target)[0] == GROUP:
                faults.append(f"{place}: is a group, and circuits are of targets; name its members")
        except ConfigurationError as error:
            faults.append(f"{place}: {error}")
    if faults:
        raise ConfigurationError(*faults)
    return {target: msgspec.structs.replace(policy, slow_after=seconds) for target, seconds in slow_after.items()}

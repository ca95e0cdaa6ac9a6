"""Health: which targets of a chain to ask first, and when the whole client is down to what it can say by itself.

A target becomes unhealthy after several failures in a row and healthy again after several successes: two thresholds, so that one
lucky answer changes nothing. An unhealthy target is asked after the healthy ones, but for one probe every so often, which is how
it gets its chance. Nothing is ever ejected: where all are unhealthy all are still asked, the best first.

The client itself is *degraded* after three calls in a row without an answer from a model that was asked for. As long as it is,
unhealthy targets without a probe due are passed over in favour of the degraded link at the chain's end (`offline:rules`), so
that a caller does not wait for what is known to be down. The probes go on, and two good answers in a row end it.

What counts: whatever speaks against the target (`breaker_policy.is_target_fault`), and what makes it useless for the time
being: a refused key, a missing model, a spent quota. Rate limits, refusals of our own, cancellations and dropped replies count
for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from backstay.errors import AuthenticationFailed, ConfigurationError, NotFound, PermissionDenied, QuotaExhausted
from backstay.layers.breaker_policy import is_target_fault
from backstay.layers.failover_rule import Link
from backstay.ports import Clock

log = logging.getLogger("backstay")

USELESS = (AuthenticationFailed, PermissionDenied, NotFound, QuotaExhausted)
"""Errors after which the next call to the same target will end the same way."""

Condition: TypeAlias = Literal["healthy", "unhealthy", "normal", "degraded"]


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How many failures in a row make a target unhealthy and how many successes healthy; `probe_every` in seconds.

    `degraded_after` calls in a row without a model's answer degrade the client. `weight` is the last result's share in the
    score, `patience` as in BreakerPolicy. Raises ConfigurationError with every fault.
    """

    unhealthy_after: int = 3
    healthy_after: int = 2
    degraded_after: int = 3
    probe_every: float = 30.0
    weight: float = 0.2
    patience: float = 30.0

    def __post_init__(self) -> None:
        checks = (
            (self.unhealthy_after >= 1, "unhealthy_after", "1 or more"),
            (self.healthy_after >= 1, "healthy_after", "1 or more"),
            (self.degraded_after >= 1, "degraded_after", "1 or more"),
            (self.probe_every > 0, "probe_every", "more than 0 seconds"),
            (0 < self.weight <= 1, "weight", "a share above 0 and up to 1"),
            (self.patience >= 0, "patience", "0 or more seconds"),
        )
        faults = [f"health.{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)


class HealthChange(msgspec.Struct, frozen=True, kw_only=True):
    """A target, or with an empty `target` the client, came into another condition at `at` (Unix seconds)."""

    target: str
    condition: Condition
    at: float
    reason: str = ""


HealthListener: TypeAlias = Callable[[HealthChange], None]


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A target as it stands: `score` from 0 to 1, its last results in a row, the seconds to its next probe."""

    target: str
    is_healthy: bool
    score: float
    failures_in_row: int
    successes_in_row: int
    last_error: str = ""
    next_probe: float | None = None


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """The client as it stands. `calls_in_row` counts the calls without a model's answer, or while degraded those with one."""

    is_degraded: bool
    calls_in_row: int
    targets: tuple[TargetHealth, ...]


class _Patient:
    """What is known of one target."""

    __slots__ = ("failures", "is_healthy", "last_error", "next_probe", "score", "successes")

    def __init__(self) -> None:
        self.is_healthy = True
        self.score = 1.0
        self.failures = 0
        self.successes = 0
        self.last_error = ""
        self.next_probe = 0.0


class Health:
    """The health of a client and its targets. Synchronous; `listener` must be quick, and a fault in it is logged."""

    def __init__(self, policy: HealthPolicy, *, clock: Clock, listener: HealthListener | None = None) -> None:
        self._policy = policy
        self._clock = clock
        self._listener = listener
        self._patients: dict[str, _Patient] = {}
        self._ill = 0
        self._in_row = 0
        self.is_degraded = False

    def arrange(self, links: Sequence[Link]) -> tuple[Sequence[Link], Sequence[Link]]:
        """The links to ask, in their order, and those that are passed over.

        Healthy ones and those whose probe is due keep their order, then come unhealthy ones by score, then degraded ones. The
        probe is taken by this call: the next one is due a while later. Never leaves nothing to ask.
        """
        if not self._ill and not self.is_degraded:
            return links, ()
        now = self._clock.monotonic()
        kept: list[Link] = []
        ill: list[Link] = []
        for link in links:
            if not link.is_degraded:
                (kept if self._is_up(link.model, now) else ill).append(link)
        last = [link for link in links if link.is_degraded]
        if self.is_degraded and last:
            return (*kept, *last), ill
        ill.sort(key=lambda link: -self._patients[link.model].score)
        return (*kept, *ill, *last), ()

    def _is_up(self, target: str, now: float) -> bool:
        patient = self._patients.get(target)
        if patient is None or patient.is_healthy:
            return True
        if now < patient.next_probe:
            return False
        patient.next_probe = now + self._policy.probe_every
        return True

    def is_healthy(self, target: str) -> bool:
        """True unless the target has failed too often lately."""
        patient = self._patients.get(target)
        return patient is None or patient.is_healthy

    def last_error(self, target: str) -> str:
        """The class of the target's last failure that counted; empty where there was none."""
        patient = self._patients.get(target)
        return "" if patient is None else patient.last_error

    def succeed(self, target: str) -> None:
        """The target gave a whole answer."""
        patient = self._patients.get(target)
        if patient is None:
            patient = self._patients[target] = _Patient()
        patient.failures = 0
        patient.successes += 1
        patient.score += self._policy.weight * (1 - patient.score)
        if patient.is_healthy:
            return
        patient.next_probe = self._clock.monotonic()  # it answered: let the next call ask it too
        if patient.successes >= self._policy.healthy_after:
            patient.is_healthy = True
            self._ill -= 1
            self._tell(target, "healthy", f"{patient.successes} answers in a row")

    def fail(self, target: str, error: BaseException, elapsed: float) -> bool:
        """The target failed after `elapsed` seconds; True where that counts against it."""
        if not (is_target_fault(error, elapsed, self._policy.patience) or isinstance(error, USELESS)):
            return False
        patient = self._patients.setdefault(target, _Patient())
        patient.successes = 0
        patient.failures += 1
        patient.score -= self._policy.weight * patient.score
        patient.last_error = type(error).__name__
        if not patient.is_healthy:
            patient.next_probe = self._clock.monotonic() + self._policy.probe_every
        elif patient.failures >= self._policy.unhealthy_after:
            patient.is_healthy = False
            self._ill += 1
            patient.next_probe = self._clock.monotonic() + self._policy.probe_every
            self._tell(target, "unhealthy", f"{patient.failures} failures in a row, last {patient.last_error}")
        return True

    def ended(self, *, has_model_answer: bool) -> None:
        """A call that was meant for a model ended with a model's answer, or without one."""
        if has_model_answer is self.is_degraded:
            self._in_row += 1
        else:
            self._in_row = 0
        limit = self._policy.healthy_after if self.is_degraded else self._policy.degraded_after
        if self._in_row >= limit:
            self.is_degraded, self._in_row = not self.is_degraded, 0
            answers = "without" if self.is_degraded else "with"
            self._tell("", "degraded" if self.is_degraded else "normal", f"{limit} calls {answers} a model's answer")

    def report(self) -> HealthReport:
        """How everything stands now, by target."""
        now = self._clock.monotonic()
        return HealthReport(
            is_degraded=self.is_degraded,
            calls_in_row=self._in_row,
            targets=tuple(self._of(target, now) for target in sorted(self._patients)),
        )

    def _of(self, target: str, now: float) -> TargetHealth:
        patient = self._patients[target]
        return TargetHealth(
            target=target,
            is_healthy=patient.is_healthy,
            score=patient.score,
            failures_in_row=patient.failures,
            successes_in_row=patient.successes,
            last_error=patient.last_error,
            next_probe=None if patient.is_healthy else max(patient.next_probe - now, 0.0),
        )

    def _tell(self, target: str, condition: Condition, reason: str) -> None:
        if self._listener is None:
            return
        change = HealthChange(target=target, condition=condition, at=self._clock.wall_ns() / 1e9, reason=reason)
        try:
            self._listener(change)
        except Exception:
            log.exception("a listener failed when %s became %s", target or "the client", condition)

"""Breaker policy: the settings of a circuit, and which errors speak against a target. Pure; the states are in `circuit.py`."""

from __future__ import annotations

import msgspec

from backstay.errors import ConfigurationError, ProtocolError, ServerFault, TimedOut, TransportError


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to open, for how long, and how to come back. Times in seconds; None switches a condition off.

    The window holds the last `window_calls` results that are no older than `window_time`; its rates are judged from `min_calls`
    results on. `slow_after` is the time to the first content from which a stream counts as slow. `patience` is how long a
    target must have been given before a caller's own deadline counts against it. Raises ConfigurationError with every fault.
    """

    consecutive_failures: int | None = 5
    failure_rate: float | None = 0.5
    slow_rate: float | None = 0.8
    slow_after: float | None = None
    window_calls: int = 100
    window_time: float | None = 60.0
    min_calls: int = 20
    open_time: float = 60.0
    open_factor: float = 2.0
    max_open_time: float = 600.0
    jitter: float = 0.1
    probes: int = 3
    probe_lease: float = 120.0
    patience: float = 30.0

    def __post_init__(self) -> None:
        failures, failure_rate, slow_rate = self.consecutive_failures, self.failure_rate, self.slow_rate
        checks = (
            (failures is None or failures >= 1, "consecutive_failures", "1 or more, or none"),
            (failure_rate is None or 0 < failure_rate <= 1, "failure_rate", "a share above 0 and up to 1, or none"),
            (slow_rate is None or 0 < slow_rate <= 1, "slow_rate", "a share above 0 and up to 1, or none"),
            (self.slow_after is None or self.slow_after > 0, "slow_after", "more than 0 seconds, or none"),
            (self.window_calls >= 1, "window_calls", "1 or more"),
            (self.window_time is None or self.window_time > 0, "window_time", "more than 0 seconds, or none"),
            (
                1 <= self.min_calls <= self.window_calls,
                "min_calls",
                "from 1 to window_calls, or no rate is ever judged",
            ),
            (self.open_time > 0, "open_time", "more than 0 seconds"),
            (self.open_factor >= 1, "open_factor", "1 or more; below 1 the openings would shrink"),
            (self.max_open_time >= self.open_time, "max_open_time", "no less than open_time"),
            (0 <= self.jitter <= 1, "jitter", "a share from 0 to 1"),
            (self.probes >= 1, "probes", "1 or more; without one nothing ever closes"),
            (self.probe_lease > 0, "probe_lease", "more than 0 seconds"),
            (self.patience >= 0, "patience", "0 or more seconds"),
        )
        faults = [f"breaker.{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)

    def open_for(self, times: int, draw: float) -> float:
        """Seconds that the circuit stays open when it opens for the `times`-th time in a row; `draw` in [0, 1) adds jitter."""
        exponent = min(times - 1, 64)
        return min(self.open_time * self.open_factor**exponent, self.max_open_time) * (1 + self.jitter * draw)

    def counts(self, error: BaseException, elapsed: float) -> bool:
        """True when `error`, after an attempt of `elapsed` seconds, speaks against the target."""
        return is_target_fault(error, elapsed, self.patience)

    def is_slow(self, elapsed: float) -> bool:
        """True when the first content after `elapsed` seconds came too late."""
        return self.slow_after is not None and elapsed > self.slow_after


def is_target_fault(error: BaseException, elapsed: float, patience: float) -> bool:
    """True when `error`, after an attempt of `elapsed` seconds, speaks against the target.

    Broken connections, time-outs, 5xx and answers that are no answers do; a caller's own deadline does once the target had
    been given `patience` seconds. What the caller did wrong (4xx, a refused key), a rate limit (429 is the limiter's affair), a
    refusal of our own, a bug and a cancellation do not.
    """
    cause = error.__cause__
    timed_out = error if isinstance(error, TimedOut) else cause if isinstance(cause, TimedOut) else None
    if timed_out is not None and timed_out.phase == "total":
        return elapsed >= patience
    return isinstance(error, (TransportError, ServerFault, ProtocolError, ConnectionError, TimeoutError))

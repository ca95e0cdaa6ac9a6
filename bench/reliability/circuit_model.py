"""A circuit breaker written the long way round: the model that `backstay.layers.circuit` is compared with, step by step.

It keeps every result since the last change of state in a plain list and recounts it each time, and every permit that it ever gave
in a plain dict. Slow, obvious, and sharing no line with what it checks.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.circuit import Circuit, Permit


class Given(NamedTuple):
    """A permit that was given: in which era, whether as a probe, and until when its lease holds."""

    era: int
    is_probe: bool
    end: float


class Model:
    """The same face as Circuit's, but for permits, which are named by a number of the caller's."""

    def __init__(self, policy: BreakerPolicy, draw: Any) -> None:
        self.policy = policy
        self.draw = draw
        self.state = "closed"
        self.era = 1
        self.is_forced = False
        self.results: list[tuple[float, str]] = []
        self.given: dict[int, Given] = {}
        self.openings = 0
        self.until = 0.0

    def in_flight(self, now: float) -> int:
        return sum(one.is_probe and one.era == self.era and one.end > now for one in self.given.values())

    def enter(self, state: str) -> None:
        self.state = state
        self.era += 1
        self.results = []

    def acquire(self, name: int, now: float) -> bool:
        if self.state == "open" and not self.is_forced and now >= self.until:
            self.enter("half_open")
        if self.state == "closed":
            self.given[name] = Given(self.era, False, 0.0)
            return True
        if self.state == "half_open" and self.in_flight(now) + len(self.results) < self.policy.probes:
            self.given[name] = Given(self.era, True, now + self.policy.probe_lease)
            return True
        return False

    def release(self, name: int) -> None:
        self.given.pop(name)

    def record(self, name: int, result: str, now: float) -> None:
        if self.given.pop(name).era != self.era:
            return
        self.results.append((now, result))
        if self.state == "half_open":
            if result == "failure" or (result == "slow" and self.policy.slow_rate is not None):
                self.open(now)
            elif len(self.results) >= self.policy.probes:
                self.openings = 0
                self.enter("closed")
        elif self.is_bad(now):
            self.open(now)

    def open(self, now: float) -> None:
        self.openings += 1
        policy, length = self.policy, self.policy.open_time
        for _ in range(self.openings - 1):
            length = min(length * policy.open_factor, policy.max_open_time)
        self.until = now + min(length, policy.max_open_time) * (1 + policy.jitter * self.draw())
        self.enter("open")

    def is_bad(self, now: float) -> bool:
        policy, all_results = self.policy, [result for _, result in self.results]
        limit = policy.consecutive_failures
        if limit is not None and len(all_results) >= limit and set(all_results[-limit:]) == {"failure"}:
            return True
        age = policy.window_time
        kept = [result for at, result in self.results[-policy.window_calls :] if age is None or at >= now - age]
        if len(kept) < policy.min_calls:
            return False
        shares = ((policy.failure_rate, kept.count("failure")), (policy.slow_rate, kept.count("slow")))
        return any(rate is not None and count > 0 and count >= rate * len(kept) for rate, count in shares)

    def force(self, state: str) -> None:
        self.is_forced = state == "open"
        if state == "closed":
            self.openings = 0
        self.enter(state)


class Pair:
    """A circuit and its model, driven together; `differs()` names what they disagree in."""

    def __init__(self, policy: BreakerPolicy, *, kind: type[Circuit] = Circuit, seed: int = 0) -> None:
        self.circuit = kind(policy, draw=random.Random(seed).random)
        self.model = Model(policy, random.Random(seed).random)
        self.permits: dict[int, Permit] = {}
        self.now = 0.0
        self.made = 0
        self.disagreement = ""

    def acquire(self) -> None:
        self.made += 1
        permit = self.circuit.try_acquire(self.now)
        if (permit is not None) != self.model.acquire(self.made, self.now):
            self.disagreement = f"a permit at {self.now}: {permit}"
        elif permit is not None:
            self.permits[self.made] = permit

    def record(self, name: int, result: Any) -> None:
        self.circuit.record(self.permits.pop(name), result, self.now)
        self.model.record(name, result, self.now)

    def release(self, name: int) -> None:
        self.circuit.release(self.permits.pop(name))
        self.model.release(name)

    def force(self, state: str) -> None:
        (self.circuit.force_open if state == "open" else self.circuit.force_close)()
        self.model.force(state)

    def differs(self) -> str:
        circuit, model = self.circuit, self.model
        seen = (circuit.state, circuit.generation, circuit.in_flight(self.now), circuit.openings, circuit.open_until)
        meant = (model.state, model.era, model.in_flight(self.now), model.openings, model.until)
        return self.disagreement or ("" if seen == meant else f"{seen} is not {meant} at {self.now}")

    def step(self, rng: random.Random, trouble: float) -> None:
        """One random step: time passes, a call begins, ends or is lost, an operator steps in."""
        self.now += rng.choice((0.0, 0.0, 0.01, 0.5, 3.0, 20.0))
        draw = rng.random()
        if draw < 0.5 and len(self.permits) < 12:
            self.acquire()
        elif self.permits and draw < 0.97:
            name = rng.choice(tuple(self.permits))
            if rng.random() < 0.1:
                self.release(name)
            else:
                self.record(name, rng.choices(("success", "slow", "failure"), (1 - trouble, trouble / 2, trouble))[0])
        elif draw > 0.998:
            self.force("open")
        elif draw > 0.99:
            self.force("closed")


POLICIES = (
    BreakerPolicy(),
    BreakerPolicy(probes=1, consecutive_failures=2, open_time=5.0, probe_lease=4.0),
    BreakerPolicy(consecutive_failures=None, window_calls=10, min_calls=4, window_time=30.0, probe_lease=10.0),
    BreakerPolicy(consecutive_failures=None, window_calls=8, min_calls=8, window_time=None, slow_rate=0.5, jitter=0.0),
    BreakerPolicy(
        failure_rate=None, slow_rate=None, consecutive_failures=3, probes=5, open_factor=1.0, probe_lease=8.0
    ),
)


def walk(seed: int, steps: int, *, kind: type[Circuit] = Circuit) -> str:
    """The first disagreement of a random walk of `steps` steps, in words; empty where there is none."""
    rng = random.Random(seed)
    pair = Pair(POLICIES[seed % len(POLICIES)], kind=kind, seed=seed)
    trouble = 0.5
    for number in range(steps):
        if number % 50 == 0:
            trouble = rng.choice((0.02, 0.2, 0.6, 0.95))
        pair.step(rng, trouble)
        if wrong := pair.differs():
            return f"seed {seed}, step {number}: {wrong}"
    return ""

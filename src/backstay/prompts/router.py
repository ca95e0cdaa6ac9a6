"""Router: which of several models a task is given to, learned from what the ledger says they cost and how often they failed.

Off, it takes the first model that was named. On, it takes the one of which a success is expected to cost the least. With a
chance p of success, a price c of an attempt and a loss f for each failure, a success costs

    (c + (1 - p) f) / p        US dollars, over as many attempts as it takes

p is the mean of Beta(successes + 1, failures + 1). To go on learning it explores, in one of two ways: "thompson" draws each p
from that distribution (Thompson 1933), so a model is tried as often as it may be the best; "epsilon" takes any model at random
with a fixed chance. Draws come from the `rng` that is given. Old attempts fade, so a model that got better is found again.

A ledger knows whether an attempt was answered, not whether the answer was right: tell that by `observe`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.ledger.row import Row
from backstay.ports import SystemRandom

Strategy: TypeAlias = Literal["off", "epsilon", "thompson"]

MEMORY: Final = 1_000
"""Attempts of one model at one task after which what was learned counts half."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How to choose. `failure_usd` is what a failure costs beside its price: the wait, the second try, the person who looks.

    Raises ConfigurationError for a share that is none and a loss below 0.
    """

    strategy: Strategy = "off"
    epsilon: float = 0.1
    failure_usd: float = 0.01

    def __post_init__(self) -> None:
        faults = []
        if self.strategy not in ("off", "epsilon", "thompson"):
            faults.append(f"strategy = {self.strategy!r}: must be off, epsilon or thompson")
        if not 0 <= self.epsilon <= 1:
            faults.append(f"epsilon = {self.epsilon}: must lie between 0 and 1")
        if not 0 <= self.failure_usd < float("inf"):
            faults.append(f"failure_usd = {self.failure_usd}: must be 0 or more")
        if faults:
            raise ConfigurationError(*faults)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one model at one task. Faded attempts count in part; `priced` are those of known cost."""

    successes: float = 0.0
    failures: float = 0.0
    priced: float = 0.0
    usd: float = 0.0

    def add(self, is_success: bool, cost_nano_usd: int | None) -> Record:
        """The record after one more attempt."""
        share = 0.5 if self.successes + self.failures >= MEMORY else 1.0
        return Record(
            successes=self.successes * share + is_success,
            failures=self.failures * share + (not is_success),
            priced=self.priced * share + (cost_nano_usd is not None),
            usd=self.usd * share + (cost_nano_usd or 0) / 1e9,
        )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One model in a choice: `expected_usd` per success, from `success` and `attempt_usd`, which may be a guess."""

    model: str
    attempts: float
    success: float
    attempt_usd: float
    is_price_known: bool
    expected_usd: float


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The model that was chosen, why, whether that was to learn, and how all stood, the best first."""

    model: str
    why: str
    is_exploring: bool = False
    standings: tuple[Standing, ...] = ()


class Draws(Protocol):
    """Draws a float in [0, 1): the `rng` of a World."""

    def random(self) -> float: ...


class Router:
    """Chooses among models by task. It is a plain state of one process: `learn` fills it from a ledger."""

    def __init__(self, policy: Policy | None = None, *, rng: Draws | None = None) -> None:
        self.policy = policy or Policy()
        self._draws = _Draws(rng or SystemRandom())
        self._records: dict[tuple[str, str], Record] = {}

    def learn(self, rows: Iterable[Row]) -> int:
        """Take in the attempts of a ledger; how many of them told something.

        Left out are attempts that a model had no part in (from a cache, replayed, by rules), that were never sent, that
        their reader left, and whose end is unknown.
        """
        told = 0
        for row in rows:
            if row.state != "posted" or row.outcome not in ("complete", "failed"):
                continue
            if not (row.is_cached or row.is_replayed or row.is_degraded):
                is_success = row.outcome == "complete"
                self.observe(row.task, f"{row.provider}:{row.model}", is_success, cost_nano_usd=row.cost_nano_usd)
                told += 1
        return told

    def observe(self, task: str | None, model: str, is_success: bool, *, cost_nano_usd: int | None = None) -> None:
        """Take in one attempt: of `model` ("provider:model") at `task`, as its caller judged it."""
        key = (task or "", model)
        self._records[key] = self._records.get(key, Record()).add(is_success, cost_nano_usd)

    def record(self, task: str | None, model: str) -> Record:
        """What is known of `model` at `task`."""
        return self._records.get((task or "", model), Record())

    def choose(self, task: str | None, models: Sequence[str]) -> Choice:
        """One of `models` for `task`. Raises ValueError where there is none to choose from, or one is named twice."""
        if not models or len(set(models)) < len(models):
            raise ValueError("models: name at least one, and each once")
        if self.policy.strategy == "off":
            return Choice(model=models[0], why="routing is off: the first that is named")
        standings = self._standings(task, models, lambda good, bad: (good + 1) / (good + bad + 2))
        best, about = standings[0], f"at {task!r}" if task else "at calls without a task"
        if self.policy.strategy == "thompson":
            drawn = self._standings(task, models, lambda good, bad: self._draws.betavariate(good + 1, bad + 1))[0]
            chosen = next(one for one in standings if one.model == drawn.model)
        else:
            is_random = self._draws.random() < self.policy.epsilon
            chosen = standings[int(self._draws.random() * len(standings))] if is_random else best
        is_exploring = chosen is not best
        end = f"tried to learn: {_said(best)} is the least so far" if is_exploring else f"the least of {len(models)}"
        return Choice(
            model=chosen.model, why=f"{about}, {_said(chosen)}; {end}", is_exploring=is_exploring, standings=standings
        )

    def _standings(
        self, task: str | None, models: Sequence[str], chance: Callable[[float, float], float]
    ) -> tuple[Standing, ...]:
        """All models, the least expected cost first; equals in the order given. An unknown price is the mean of the known."""
        records = [self.record(task, model) for model in models]
        known = [record.usd / record.priced for record in records if record.priced]
        guess = sum(known) / len(known) if known else 0.0
        found = []
        for model, record in zip(models, records, strict=True):
            success = max(chance(record.successes, record.failures), 1e-9)
            usd = record.usd / record.priced if record.priced else guess
            found.append(
                Standing(
                    model=model,
                    attempts=record.successes + record.failures,
                    success=success,
                    attempt_usd=usd,
                    is_price_known=record.priced > 0,
                    expected_usd=(usd + (1 - success) * self.policy.failure_usd) / success,
                )
            )
        return tuple(sorted(found, key=lambda one: one.expected_usd))


class _Draws(random.Random):
    """Distributions over the port's draws. Its own state is never used."""

    def __init__(self, rng: Draws) -> None:
        super().__init__(0)
        self._rng = rng

    def random(self) -> float:
        """The port's next draw."""
        return self._rng.random()


def _said(one: Standing) -> str:
    price = f"{one.attempt_usd:.6f} USD an attempt" if one.is_price_known else "of unknown price"
    return (
        f"{one.model} should succeed in {one.success:.1%} of its attempts ({one.attempts:.0f} seen), {price}: "
        f"{one.expected_usd:.6f} USD a success"
    )

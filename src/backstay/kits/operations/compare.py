"""Compare: every policy and every configuration that stands still, over the same arrivals, by the same utility.

A policy goes through the real loop with its validator. A configuration that stands still gets the best of it: it is in place
from the first second.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from backstay.kits.operations.advice import PolicyAdviser
from backstay.kits.operations.loop import ControlLoop, Round
from backstay.kits.operations.predictive import DIMMERS, POLICIES
from backstay.kits.operations.setting import Loop, Tier, Worth
from backstay.kits.operations.system import SimulatedTier
from backstay.kits.operations.tier import Measurement, WebTier
from backstay.kits.operations.utility import score


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run in figures: `utility` in all, periods, those that were late, means over the run."""

    name: str
    utility: float
    periods: int
    late: int
    mean_response_ms: float
    mean_servers: float
    mean_dimmer: float
    is_static: bool = False
    rounds: tuple[Round, ...] = ()


def outcome_of(
    name: str,
    periods: Sequence[Measurement],
    worth: Worth,
    *,
    is_static: bool = False,
    rounds: Iterable[Round] = (),
) -> Outcome:
    """The figures of a run."""
    count = max(len(periods), 1)
    seen = [one.response_time for one in periods if one.response_time is not None]
    late = [one for one in periods if (one.response_time or 0.0) > worth.response_goal]
    return Outcome(
        name=name,
        utility=sum(score(one, worth) for one in periods),
        periods=len(periods),
        late=len(late),
        mean_response_ms=1e3 * sum(seen) / max(len(seen), 1),
        mean_servers=sum(one.mean_servers for one in periods) / count,
        mean_dimmer=sum(one.mean_dimmer for one in periods) / count,
        is_static=is_static,
        rounds=tuple(rounds),
    )


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What runs have in common: the arrivals, the tier, the worth, the loop's bounds, and the seed of the service times."""

    deltas: Sequence[float]
    tier: Tier = Tier()
    worth: Worth = Worth()
    loop: Loop = Loop()
    seed: int = 1

    def open(self, tier: Tier | None = None) -> WebTier:
        """A tier at its beginning."""
        return WebTier(self.deltas, tier or self.tier, seed=self.seed)


async def run_policy(course: Course, name: str) -> Outcome:
    """A run under the policy `name` of `POLICIES`."""
    policy = POLICIES[name](course.tier, course.worth, course.loop.period)
    system = SimulatedTier(course.open(), window=course.loop.period)
    loop = ControlLoop(system, PolicyAdviser(policy, name=name), settings=course.loop, tier=course.tier)
    rounds = [one async for one in loop.rounds()]
    return outcome_of(name, system.periods, course.worth, rounds=rounds)


def run_static(course: Course, servers: int, dimmer: float) -> Outcome:
    """A run in which nothing changes."""
    fixed = msgspec.structs.replace(course.tier, initial_servers=servers, initial_dimmer=dimmer)
    tier = course.open(fixed)
    periods = []
    while not tier.is_over:
        tier.advance(tier.now + course.loop.period)
        periods.append(tier.measure(course.loop.period))
    return outcome_of(f"static, servers {servers}, dimmer {dimmer:g}", periods, course.worth, is_static=True)


POLICY_NAMES: Final = ("predictive", "thresholds", "reactive")


async def compare(course: Course, policies: Iterable[str] = POLICY_NAMES) -> list[Outcome]:
    """All runs, the best first."""
    found = [await run_policy(course, name) for name in policies]
    counts = range(1, course.tier.max_servers + 1)
    found += [run_static(course, servers, dimmer) for servers, dimmer in itertools.product(counts, DIMMERS)]
    return sorted(found, key=lambda one: -one.utility)

"""Workload: who asks how much, and when. A trace, a ledger or a law gives `Arrival`s, one by one, so that none fills memory.

Only counts are needed: what layers decide by is tokens, time and who asks, never words. `Mix` deals out what a trace does not
say (priority, tenant, task), by shares and by a seed of its own, so the same trace is dealt out in the same way every time.

The laws of arrival: `poisson` (independent callers), `constant` (a clock), `bursty` (two states that take turns, exponentially
long, each Poisson: a Markov-modulated Poisson process, Fischer and Meier-Hellstern 1993), because real traffic comes in heaps.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappush, heapreplace
from itertools import accumulate
from typing import Final, Literal, TypeAlias, cast, get_args

import msgspec

from backstay.errors import ConfigurationError
from backstay.sim.law import Law, exponential, lognormal
from backstay.types import Priority

Kind: TypeAlias = Literal["poisson", "constant", "bursty"]

DISORDER: Final = 4096
"""Arrivals that may be out of order by as many places: logs are written when calls end, and by many hands."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call: `at` in seconds from the beginning of the trace. None: the trace does not say.

    `content` names what is asked: arrivals with the same one ask the same, so a cache may answer; "" asks like nobody else.
    """

    at: float
    input_tokens: int
    output_tokens: int
    priority: Priority | None = None
    tenant: str | None = None
    task: str | None = None
    model: str | None = None
    content: str = ""


class Shares:
    """Names with their shares of what is dealt out. Raises ConfigurationError for shares that are none."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        if not shares or min(shares.values()) < 0 or not 0 < sum(shares.values()) < math.inf:
            raise ConfigurationError(f"shares {dict(shares)}: each must be 0 or more, and one above 0")
        self._names = list(shares)
        total = sum(shares.values())
        self._edges = [edge / total for edge in accumulate(shares.values())]

    def at(self, draw: float) -> str:
        """The name that `draw` in [0, 1) falls to."""
        return self._names[min(bisect_right(self._edges, draw), len(self._names) - 1)]


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """What is dealt out to arrivals that do not say it: shares by name. `repeats` is the share of questions that were asked
    before; `questions` is how many different ones come again."""

    priority: Mapping[str, float] = {}
    tenant: Mapping[str, float] = {}
    task: Mapping[str, float] = {}
    repeats: float = 0.0
    questions: int = 100

    def __post_init__(self) -> None:
        faults = [
            f"priority {name!r}: there is {', '.join(PRIORITIES)}" for name in self.priority if name not in PRIORITIES
        ]
        if not 0 <= self.repeats <= 1:
            faults.append(f"repeats {self.repeats}: must be a share from 0 to 1")
        if self.questions < 1:
            faults.append(f"questions {self.questions}: must be 1 or more")
        if faults:
            raise ConfigurationError(*faults)

    def deal(self, arrivals: Iterable[Arrival], seed: int = 0) -> Iterator[Arrival]:
        """`arrivals` with what they lack."""
        draw = random.Random(f"mix {seed}").random
        shares = {name: Shares(getattr(self, name)) for name in ("priority", "tenant", "task") if getattr(self, name)}
        if not shares and not self.repeats:
            yield from arrivals
            return
        for arrival in arrivals:
            facts: dict[str, object] = {name: share.at(draw()) for name, share in shares.items()}
            if self.repeats and draw() < self.repeats:
                facts["content"] = f"asked before: {int(draw() * self.questions)}"
            lacking = {name: value for name, value in facts.items() if not getattr(arrival, name)}
            yield msgspec.structs.replace(arrival, **lacking) if lacking else arrival


PRIORITIES: Final[tuple[str, ...]] = get_args(Priority)


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic made by a law: `rate` calls a second on average for `duration` seconds; tokens by laws of their own.

    bursty: heaps of `burst` seconds on average, at `peak` times the average rate, as often as the average allows; between them
    it is as quiet as that needs. Raises ConfigurationError listing every fault.
    """

    kind: Kind = "poisson"
    rate: float = 1.0
    duration: float = 3600.0
    burst: float = 10.0
    peak: float = 5.0
    input_tokens: Law = lognormal(800, 0.8, most=100_000)
    output_tokens: Law = lognormal(200, 0.7, most=4_096)

    def __post_init__(self) -> None:
        checks = (
            (self.kind in get_args(Kind), "kind", f"one of {', '.join(get_args(Kind))}"),
            (0 < self.rate < math.inf, "rate", "above 0 calls a second"),
            (0 <= self.duration < math.inf, "duration", "0 or more seconds"),
            (0 < self.burst < math.inf, "burst", "above 0 seconds"),
            (1 < self.peak < math.inf, "peak", "above 1: how many times the average rate a burst has"),
        )
        faults = [f"traffic.{name} = {getattr(self, name)}: must be {rule}" for good, name, rule in checks if not good]
        if faults:
            raise ConfigurationError(*faults)

    def arrivals(self, seed: int = 0) -> Iterator[Arrival]:
        """The calls, in their order; one seed, one traffic."""
        draw = random.Random(f"traffic {seed}").random
        for at in _TIMES[self.kind](self, seed):
            if at >= self.duration:
                return
            yield Arrival(
                at=at,
                input_tokens=max(1, round(self.input_tokens.at(draw()))),
                output_tokens=max(1, round(self.output_tokens.at(draw()))),
            )


def _constant(traffic: Traffic, seed: int) -> Iterator[float]:
    number = 0
    while True:
        yield number / traffic.rate
        number += 1


def _poisson(traffic: Traffic, seed: int) -> Iterator[float]:
    draw, gap, at = random.Random(f"times {seed}").random, exponential(1 / traffic.rate), 0.0
    while True:
        at += gap.at(draw())
        yield at


def _bursty(traffic: Traffic, seed: int) -> Iterator[float]:
    """Half of the calls come in bursts, which last the share 0.5 / peak of the time."""
    draw = random.Random(f"times {seed}").random
    share = 0.5 / traffic.peak
    lengths = (exponential(traffic.burst * (1 - share) / share), exponential(traffic.burst))
    gaps = (exponential((1 - share) / (0.5 * traffic.rate)), exponential(1 / (traffic.peak * traffic.rate)))
    state, start = 0, 0.0
    while True:
        end, at = start + lengths[state].at(draw()), start
        while (at := at + gaps[state].at(draw())) < end:  # no memory: what is left over at the end may be drawn anew
            yield at
        state, start = 1 - state, end


_TIMES: Final = {"constant": _constant, "poisson": _poisson, "bursty": _bursty}


def in_order(arrivals: Iterable[Arrival], *, disorder: int = DISORDER) -> Iterator[Arrival]:
    """`arrivals` sorted by time, those of one instant as they stood, the first one at 0.0.

    Looks `disorder` places ahead. Raises ConfigurationError where that is not enough: then the file is not in order at all.
    """
    heap: list[tuple[float, int, Arrival]] = []
    start: float | None = None
    last = -math.inf
    for number, arrival in enumerate(arrivals):
        item = (arrival.at, number, arrival)
        if len(heap) < disorder:
            heappush(heap, item)
            continue
        first = heapreplace(heap, item) if item > heap[0] else item
        start = first[0] if start is None else start
        if first[0] < last:
            raise ConfigurationError(
                f"the trace is not in order: call {number + 1} comes long before those above it; sort it by time"
            )
        last = first[0]
        yield _from(first[2], start)
    for at, _, arrival in sorted(heap, key=lambda item: item[:2]):
        start = at if start is None else start
        yield _from(arrival, start)


def _from(arrival: Arrival, start: float) -> Arrival:
    return arrival if start == 0 else msgspec.structs.replace(arrival, at=arrival.at - start)


def faster(arrivals: Iterable[Arrival], speed: float) -> Iterator[Arrival]:
    """The same calls `speed` times as fast: traffic of twice the rate at 2. Raises ConfigurationError for 0 or less."""
    if not 0 < speed < math.inf:
        raise ConfigurationError(f"speed {speed}: must be above 0")
    for arrival in arrivals:
        yield arrival if speed == 1 else msgspec.structs.replace(arrival, at=arrival.at / speed)


def priority_of(word: str) -> Priority:
    """`word` as a priority. Raises ValueError."""
    if word not in PRIORITIES:
        raise ValueError(f"priority {word!r}: there is {', '.join(PRIORITIES)}")
    return cast(Priority, word)

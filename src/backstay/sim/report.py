"""Report: what came of simulated traffic, in figures: answers, waits, money, limits. A Struct, so it is JSON and nothing else.

Everything is summed while the calls end (`Calls`, `Book`, `Use`); nothing here looks at a single call again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, get_args

import msgspec

from backstay.config import Loaded
from backstay.errors import LimitReached, Refused
from backstay.sim.book import Book, TargetSums
from backstay.sim.gauge import Use
from backstay.sim.sketch import Percentiles, Sketch, Timeline
from backstay.types import Metadata, Priority, Response

MOST_RULES: Final = 200
"""Rules in a report, the fullest first; a quota of each tenant may make as many rules as there are tenants."""


class Class(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one priority. Seconds; waits are those of the calls that came to the end of the line in question."""

    calls: int
    complete: int
    failed: int
    latency: Percentiles
    first_token: Percentiles
    queue_wait: Percentiles
    limit_wait: Percentiles


class TargetReport(msgspec.Struct, frozen=True, kw_only=True):
    """One target's attempts as they were booked. `cost_nano_usd` includes `estimated_nano_usd`; `unpriced` have no
    price, and where nothing else has one the cost is None: unknown."""

    attempts: int
    complete: int
    errors: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    estimated_nano_usd: int
    unpriced: int


class Utilisation(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one limit was used. `mean` and `peak` are shares: over the whole time, and in the fullest window, period or
    instant (above 1 within a burst). `refusals`: claims that it sent away, at once or after a wait in line; the first one after
    `first_refusal` seconds."""

    dimension: str
    capacity: int
    window: str
    used: int
    mean: float | None
    peak: float
    refusals: int
    first_refusal: float | None


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """The run over time: bins of `width` seconds."""

    width: float
    values: tuple[float, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the traffic. `seconds`: from the first call to the last one's end; `traffic_seconds`: to the last arrival.

    `failed` are all calls without an answer, those that our own layers refused (`refused`) among them; `failures` by kind,
    `refused_by` by the rule of a limit that said no. `cost_nano_usd` is None where no attempt that was made has a price.
    `rate_limited`: attempts that a provider answered with 429. `goodput` in answers a second, `token_goodput` in output tokens.
    `budget_end`: seconds after which a budget first refused a call.
    """

    model: str
    calls: int
    complete: int
    failed: int
    refused: int
    degraded: int
    cached: int
    joined: int
    cut: int
    seconds: float
    traffic_seconds: float
    attempts: int
    retries: int
    rate_limited: int
    failures: dict[str, int]
    refused_by: dict[str, int]
    cost_nano_usd: int | None
    estimated_nano_usd: int
    saved_nano_usd: int
    unpriced: int
    goodput: float
    token_goodput: float
    budget_end: float | None
    latency: Percentiles
    first_token: Percentiles
    queue_wait: Percentiles
    limit_wait: Percentiles
    classes: dict[str, Class]
    targets: dict[str, TargetReport]
    limits: dict[str, Utilisation]
    over_time: dict[str, Over]

    @property
    def cost_usd(self) -> float | None:
        """The money in US dollars, for people; None where it is unknown."""
        return None if self.cost_nano_usd is None else self.cost_nano_usd / 1e9


class Line:
    """The calls of one priority, while they are counted."""

    __slots__ = ("calls", "complete", "failed", "first_token", "latency", "limit_wait", "queue_wait")

    def __init__(self) -> None:
        self.calls = self.complete = self.failed = 0
        self.latency, self.first_token, self.queue_wait, self.limit_wait = Sketch(), Sketch(), Sketch(), Sketch()

    def merge(self, other: Line) -> None:
        """Take in the calls of another one."""
        self.calls += other.calls
        self.complete += other.complete
        self.failed += other.failed
        for name in SKETCHES:
            getattr(self, name).merge(getattr(other, name))

    def report(self) -> Class:
        return Class(
            calls=self.calls,
            complete=self.complete,
            failed=self.failed,
            **{name: getattr(self, name).percentiles() for name in SKETCHES},
        )


SKETCHES: Final = ("latency", "first_token", "queue_wait", "limit_wait")


class Calls:
    """The calls, while they are counted: how they ended, how long they took."""

    def __init__(self) -> None:
        self.lines: dict[Priority, Line] = {priority: Line() for priority in get_args(Priority)}
        self.refused = self.degraded = self.cached = self.joined = self.cut = self.output_tokens = 0
        self.failures: Counter[str] = Counter()
        self.refused_by: Counter[str] = Counter()
        self.over = {name: Timeline() for name in ("arrived", "complete", "failed")}

    def begin(self, about: Metadata, now: float) -> Line:
        """A call came; the line that it is counted in."""
        line = self.lines[about.priority]
        line.calls += 1
        self.over["arrived"].add(now)
        return line

    def complete(self, line: Line, response: Response, begun: float, now: float, first: float | None) -> None:
        """It was answered at `now`, its first token there at `first`."""
        line.complete += 1
        line.latency.add(now - begun)
        if first is not None:
            line.first_token.add(first - begun)
        about = response.provenance
        self.degraded += about.degraded
        self.cached += about.cached
        self.joined += about.joined
        self.cut += response.was_truncated
        self.output_tokens += response.usage.output_tokens or 0
        self.over["complete"].add(now)

    def failed(self, line: Line, now: float, error: BaseException) -> None:
        """It failed at `now`."""
        line.failed += 1
        self.refused += isinstance(error, Refused)
        self.failures[type(error).__name__] += 1
        if isinstance(error, LimitReached):
            self.refused_by[error.limit] += 1
        self.over["failed"].add(now)

    def waited(self, line: Line, queue: float | None, limit: float | None) -> None:
        """It stood in the queue, and then for its limits, retries included. None: it did not come so far."""
        if queue is not None:
            line.queue_wait.add(queue)
        if limit is not None:
            line.limit_wait.add(limit)

    def every(self) -> Line:
        """All classes together."""
        every = Line()
        for line in self.lines.values():
            every.merge(line)
        return every


def make_report(
    calls: Calls, book: Book, uses: Mapping[str, Use], *, loaded: Loaded, last: float, end: float
) -> Report:
    """The figures of a run that ended at `end`, whose last call came at `last`."""
    targets = {name: _target(book.targets[name]) for name in sorted(book.targets)}
    limits = {use.rule.key: _utilisation(use, last) for use in _fullest(uses)}
    ends = [use.refused_at for use in uses.values() if use.rule.dimension == "nano_usd" and use.refused_at is not None]
    every = calls.every()
    return Report(
        model=loaded.model,
        calls=every.calls,
        complete=every.complete,
        failed=every.failed,
        refused=calls.refused,
        degraded=calls.degraded,
        cached=calls.cached,
        joined=calls.joined,
        cut=calls.cut,
        seconds=round(end, 6),
        traffic_seconds=round(last, 6),
        attempts=book.attempts,
        retries=book.retries,
        rate_limited=sum(target.errors.get("RateLimited", 0) for target in targets.values()),
        failures=dict(sorted(calls.failures.items())),
        refused_by=dict(sorted(calls.refused_by.items())),
        cost_nano_usd=_known(
            sum(target.cost_nano_usd or 0 for target in targets.values()),
            sum(target.unpriced for target in targets.values()),
        ),
        estimated_nano_usd=sum(target.estimated_nano_usd for target in targets.values()),
        saved_nano_usd=book.saved,
        unpriced=sum(target.unpriced for target in targets.values()),
        goodput=_rate(every.complete - calls.degraded, end),
        token_goodput=_rate(calls.output_tokens, end),
        budget_end=None if not ends else round(min(ends), 6),
        **{name: getattr(every, name).percentiles() for name in SKETCHES},
        classes={name: line.report() for name, line in calls.lines.items() if line.calls},
        targets=targets,
        limits=limits,
        over_time={name: _over(line) for name, line in {**calls.over, "usd": book.money}.items() if line.bins},
    )


def _rate(amount: float, seconds: float) -> float:
    return round(amount / seconds, 6) if seconds > 0 else 0.0


def _target(sums: TargetSums) -> TargetReport:
    errors: dict[str, int] = {}
    for name, count in sorted(sums.errors.items()):
        kind = name.partition("(")[0]
        errors[kind] = errors.get(kind, 0) + count
    return TargetReport(
        attempts=sums.attempts,
        complete=sums.complete,
        errors=errors,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        cost_nano_usd=_known(sums.cost, sums.unpriced),
        estimated_nano_usd=sums.estimated,
        unpriced=sums.unpriced,
    )


def _known(cost: int, unpriced: int) -> int | None:
    """The cost; None where all that there is has no price, because unknown is not zero."""
    return None if unpriced and not cost else cost


def _fullest(uses: Mapping[str, Use]) -> list[Use]:
    """The rules that bound anything, the fullest first, then by name."""
    bounding = [use for use in uses.values() if use.rule.algorithm != "open"]
    return sorted(bounding, key=lambda use: (-_peak(use), use.rule.key))[:MOST_RULES]


def _peak(use: Use) -> float:
    return round(use.fullest() / use.rule.capacity, 6) if use.rule.capacity else 0.0


def _utilisation(use: Use, seconds: float) -> Utilisation:
    rule = use.rule
    windows = max(seconds / (rule.window_us / 1e6), 1.0) if rule.window_us else None
    return Utilisation(
        dimension=rule.dimension,
        capacity=rule.capacity,
        window=rule.span or (f"{rule.window_us / 1e6:g} s" if rule.window_us else "at once"),
        used=use.total,
        mean=None if windows is None or not rule.capacity else round(use.total / (rule.capacity * windows), 6),
        peak=_peak(use),
        refusals=use.refusals,
        first_refusal=None if use.refused_at is None else round(use.refused_at, 6),
    )


def _over(line: Timeline) -> Over:
    return Over(width=line.width, values=tuple(round(value, 9) for value in line.bins))

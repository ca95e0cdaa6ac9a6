"""Anomaly detection in a stream: what lies outside of all that was usual, measured by the width of the usual, and is new.

Two windows are looked at, the value itself and the mean and roughness of the last hour; each is compared with its own past
distribution (between its 1st and 99th percentile is usual). A score is the distance outside of that range, in widths of the
range, so it needs no unit and no model of the series. Three rules keep it quiet: nothing is said until enough was seen; what
happened on several occasions before is a habit and no anomaly; one episode is told once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from backstay.errors import ConfigurationError


class Detection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the detector, in observations where nothing else is said.

    `threshold`: widths of the usual range. `short`: the window of the mean and roughness. `usual`: the share of the past
    below the usual range and above it. `warm_up`: how many are seen before anything is said, a day of five minutes.
    `memory`: how many make up the past. `habit`: occasions after which a thing is usual; `likeness`: how much of an excess
    an occasion must have had; `gap`: what lies closer together is one occasion. `quiet`: an alarm is followed by none until
    so many observations without an excess have passed, half a day of five minutes.
    """

    threshold: float = 0.45
    short: int = 12
    usual: float = 0.01
    warm_up: int = 288
    memory: int = 3_000
    habit: int = 2
    likeness: float = 0.5
    gap: int = 24
    quiet: int = 144

    def __post_init__(self) -> None:
        checks = (
            (self.threshold > 0, "threshold: must be above 0"),
            (self.short >= 2, "short: must be 2 or more"),
            (0 < self.usual < 0.5, "usual: must be above 0 and below 0.5"),
            (self.memory >= LEAST, f"memory: must be {LEAST} or more"),
            (0 <= self.likeness <= 1, "likeness: must be from 0 to 1"),
        )
        if faults := [f"operations.detection.{fault}" for good, fault in checks if not good]:
            raise ConfigurationError(*faults)


LEAST: Final = 50
"""Observations without which there is no distribution."""


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """Something unusual: the observation's number, the `feature` that was outside (value, mean, roughness), and by how much."""

    index: int
    value: float
    feature: str
    side: str
    score: float


class Past:
    """The last values of a feature, sorted, for percentiles in logarithmic search."""

    __slots__ = ("_memory", "_order", "_sorted")

    def __init__(self, memory: int) -> None:
        self._order: deque[float] = deque()
        self._sorted: list[float] = []
        self._memory = memory

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: float) -> None:
        """One more; the oldest is forgotten."""
        self._order.append(value)
        insort(self._sorted, value)
        if len(self._order) > self._memory:
            del self._sorted[bisect_left(self._sorted, self._order.popleft())]

    def at(self, share: float) -> float:
        """The value below which this share of the past lies."""
        return self._sorted[min(int(share * len(self._sorted)), len(self._sorted) - 1)]


class _Occasion(msgspec.Struct, kw_only=True):
    """A time at which a feature was outside its range: how far it went, and when that was last seen."""

    peak: float
    last: int


class Detector:
    """Sees one observation after the other; `see` gives the Anomaly that begins with it, if one does."""

    def __init__(self, settings: Detection | None = None) -> None:
        self._settings = settings or Detection()
        self._count = 0
        self._recent: deque[float] = deque(maxlen=self._settings.short)
        self._past = {name: Past(self._settings.memory) for name in ("value", "mean", "roughness")}
        self._occasions: dict[tuple[str, bool], list[_Occasion]] = {}
        self._last_excess: int | None = None

    def see(self, value: float) -> Anomaly | None:
        """One more observation. One that is no number is no observation."""
        if value != value or value in (float("inf"), float("-inf")):
            return None
        self._recent.append(value)
        found = [self._judge(name, feature) for name, feature in self._features(value)]
        best = max((one for one in found if one is not None), key=lambda one: one.score, default=None)
        self._count += 1
        if best is None or best.score <= self._settings.threshold:
            return None
        before, self._last_excess = self._last_excess, best.index
        is_new = before is None or best.index - before > self._settings.quiet
        return msgspec.structs.replace(best, value=value) if is_new else None

    def _features(self, value: float) -> Iterator[tuple[str, float]]:
        yield "value", value
        recent = self._recent
        if len(recent) == self._settings.short:
            yield "mean", sum(recent) / len(recent)
            steps = [abs(later - sooner) for sooner, later in zip(recent, list(recent)[1:], strict=False)]
            yield "roughness", sum(steps) / len(recent)

    def _judge(self, name: str, value: float) -> Anomaly | None:
        """How far a feature is outside of its past, where that is new; then it becomes part of the past."""
        settings, past = self._settings, self._past[name]
        found = None
        if len(past) >= LEAST:
            low, high = past.at(settings.usual), past.at(1 - settings.usual)
            beyond = max(value - high, low - value, 0.0)
            width = high - low or abs(high) * 0.1 or 1e-9
            score = beyond / width
            if score > settings.threshold / 2:
                is_habit = self._is_habit(name, value, beyond, is_high=value > high)
                if not is_habit and self._count >= settings.warm_up:
                    side = "above" if value > high else "below"
                    found = Anomaly(index=self._count, value=value, feature=name, side=side, score=score)
        past.add(value)
        return found

    def _is_habit(self, name: str, value: float, beyond: float, *, is_high: bool) -> bool:
        """Whether a thing like it was seen on several earlier occasions; notes this one."""
        settings = self._settings
        seen = self._occasions.setdefault((name, is_high), [])
        enough = value - (1 - settings.likeness) * beyond * (1 if is_high else -1)
        earlier = [one for one in seen if self._count - one.last > settings.gap]
        alike = sum(one.peak >= enough if is_high else one.peak <= enough for one in earlier)
        if seen and self._count - seen[-1].last <= settings.gap:
            latest = seen[-1]
            latest.peak = max(latest.peak, value) if is_high else min(latest.peak, value)
            latest.last = self._count
        else:
            seen.append(_Occasion(peak=value, last=self._count))
            del seen[: -settings.memory]
        return alike >= settings.habit


def detect(values: Iterable[float], settings: Detection | None = None) -> list[Anomaly]:
    """All anomalies of a series, in its order; each is found with what came before it only."""
    detector = Detector(settings)
    return [found for value in values if (found := detector.see(value)) is not None]

"""Weight: how much a pattern of the base is worth now, as a Beta law that evidence moves, time fades and a person may overrule.

A pattern begins with its effective confidence, worth `prior_strength` observations. Each time it held or did not adds to one
side, as much as is left of it: evidence counts half after `half_life` days (an exponential window; Raftery and others call it
forgetting). Without news a weight so returns to where it began. A human override replaces it until it is taken back; the law
stays as it is beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from backstay.kits.patterns.calibration import Calibration
from backstay.kits.patterns.gate import is_accepted
from backstay.kits.patterns.pattern import ExtractedPattern
from backstay.kits.patterns.setting import Settings
from backstay.kits.patterns.store import Observation, PatternStore

DAY: Final = 86_400.0


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """Beta(alpha, beta). `override` is what a person set."""

    alpha: float
    beta: float
    override: float | None = None

    @property
    def mean(self) -> float:
        """The law's mean, whatever a person said."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def value(self) -> float:
        """What counts: the override, else the mean."""
        return self.mean if self.override is None else self.override

    @property
    def deviation(self) -> float:
        """The law's standard deviation: how unsure the weight is."""
        total = self.alpha + self.beta
        return float((self.alpha * self.beta / (total * total * (total + 1))) ** 0.5)


def weigh(
    confidence: float,
    observations: Iterable[Observation],
    *,
    now: float,
    settings: Settings,
    override: float | None = None,
) -> Weight:
    """The weight at `now` (Unix seconds) of a pattern with that effective confidence. Observations of the future do not
    count."""
    alpha = settings.prior_strength * confidence
    beta = settings.prior_strength * (1 - confidence)
    for one in observations:
        if one.at <= now:
            left = one.weight * 0.5 ** ((now - one.at) / DAY / settings.half_life)
            alpha, beta = (alpha + left, beta) if one.hit else (alpha, beta + left)
    return Weight(alpha=alpha, beta=beta, override=override)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern of the base with its weight."""

    pattern: ExtractedPattern
    weight: Weight


def pattern_base(
    store: PatternStore, settings: Settings, calibration: Calibration, *, now: float | None = None
) -> list[Known]:
    """The accepted patterns, the weightiest first."""
    at = store.now() if now is None else now
    observations, overrides = store.observations(), store.overrides()
    known = []
    for pattern_id, pattern in store.patterns().items():
        if is_accepted(pattern):
            confidence = pattern.effective_confidence(calibration.of(pattern))
            seen = observations.get(pattern_id, [])
            weight = weigh(confidence, seen, now=at, settings=settings, override=overrides.get(pattern_id))
            known.append(Known(pattern=pattern, weight=weight))
    return sorted(known, key=lambda one: (-one.weight.value, one.pattern.pattern_id))

"""Calibration: what a stated confidence was worth so far, from the patterns that people reviewed.

The layer's own calibration (`backstay.extract.calibrate`) is fitted to (stated confidence, found right), over all types and
apart for a type with fifty reviews and more. With fewer than ten there is nothing to learn from, and a stated confidence
counts 0.85 of itself, the application's default; so no pattern passes the gate by itself before people have looked at ten.

`partial` counts as wrong here: a pattern that has to be corrected must not pass by itself. The multiplicative factor of the
application's first version (share of right ones over the mean confidence) is kept as `method="legacy"`, for comparison: it
cannot mend confidence that is wrong on both sides of one half alike, because its factor is 1 then.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.patterns.pattern import DEFAULT_FACTOR, ExtractedPattern

Method: TypeAlias = Literal["auto", "isotonic", "platt", "beta", "temperature", "histogram", "legacy"]
LEAST: Final = 10
BUCKETS: Final = 10
BUCKET_LEAST: Final = 5
RATABLE: Final = BUCKETS * BUCKET_LEAST
"""Reviews from which the calibration error can be rated: ten buckets of five."""
BANDS: Final = ((0.02, "excellent"), (0.05, "good"), (0.10, "moderate"))
PARTLY: Final = 0.5
"""What a partial pattern counts in the legacy factor."""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One reviewed pattern: what was stated of it and what it was found to be, from 0 (wrong) to 1 (right)."""

    pattern_type: str
    stated: float
    found: float


def reviews(patterns: Iterable[ExtractedPattern]) -> list[Review]:
    """Those that a person has judged; what the gate passed by itself teaches nothing about the gate."""
    worth = {"correct": 1.0, "partial": PARTLY, "incorrect": 0.0}
    return [
        Review(pattern_type=one.pattern_type, stated=one.llm_confidence, found=worth[one.result])
        for one in patterns
        if one.human_validated and one.result in worth
    ]


class Calibration:
    """A map from a stated confidence to a calibrated one, per type where that has enough reviews."""

    def __init__(self, maps: Callable[[str, float], float], *, count: int, method: str) -> None:
        self._map = maps
        self.count = count
        self.method = method

    def of(self, pattern: ExtractedPattern) -> float:
        """The calibrated confidence of a pattern, from 0 to 1."""
        return min(max(self._map(pattern.pattern_type, pattern.llm_confidence), 0.0), 1.0)


def fit(history: Iterable[Review], method: Method = "auto") -> Calibration:
    """The Calibration that the reviews teach. Raises ConfigurationError where numpy is missing and there are ten or more."""
    known = list(history)
    if method == "legacy":
        factors = {kind: factor(known, kind) for kind in {one.pattern_type for one in known}}
        return Calibration(
            lambda kind, stated: stated * factors.get(kind, DEFAULT_FACTOR), count=len(known), method="legacy"
        )
    right = [int(one.found == 1.0) for one in known]
    if len(known) < LEAST or len(set(right)) < 2:
        share = DEFAULT_FACTOR if len(known) < LEAST else (sum(right) + 1) / (len(known) + 2)
        return Calibration(lambda kind, stated: stated * share, count=len(known), method="default")
    history_module = _calibrate()
    labels = [
        history_module.Label(confidence=one.stated, correct=found, task="patterns", kind=one.pattern_type)
        for one, found in zip(known, right, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a group that is too small to fit is left as the whole, which is said in `method`
        fitted = history_module.fit_history(labels, method, name="patterns")
    return Calibration(lambda kind, stated: fitted.of("patterns", kind, stated), count=len(known), method=fitted.method)


def factor(history: Iterable[Review], kind: str) -> float:
    """The legacy factor of a type: share of right ones over the mean stated confidence; 0.85 with fewer than ten reviews."""
    known = [one for one in history if one.pattern_type == kind]
    stated = sum(one.stated for one in known)
    return DEFAULT_FACTOR if len(known) < LEAST or not stated else sum(one.found for one in known) / stated


def calibration_error(pairs: Iterable[tuple[float, bool]]) -> tuple[float | None, str]:
    """The expected calibration error in ten buckets with its word; None and "unknown" for fewer than fifty pairs.

    Buckets with fewer than five are left aside, and the others weigh by their number.
    """
    buckets: dict[int, list[tuple[float, bool]]] = {}
    known = list(pairs)
    for stated, is_right in known:
        buckets.setdefault(min(int(stated * BUCKETS), BUCKETS - 1), []).append((stated, is_right))
    full = [bucket for bucket in buckets.values() if len(bucket) >= BUCKET_LEAST]
    if len(known) < RATABLE or not full:
        return None, "unknown"
    gaps = [abs(sum(stated for stated, _ in one) - sum(right for _, right in one)) for one in full]
    error = sum(gaps) / sum(map(len, full))
    return error, next((word for bound, word in BANDS if error < bound), "poor")


def _calibrate() -> Any:
    try:
        from backstay.extract.calibrate import history
    except ImportError as error:
        raise ConfigurationError(
            "calibration of patterns needs numpy: pip install 'backstay[calibration]', or choose method legacy"
        ) from error
    return history

"""Drift: what no longer is as it was. A pattern's share in the latest events against the earlier ones; the forecasts' errors,
likewise.

Each accepted claim is counted before and after the cut, and the two shares are compared; over all patterns the false
discovery rate is bounded, so that many patterns do not make one drift by chance. With too few chances on a side nothing is
said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from backstay.kits.patterns.claim import Counted, read_claim
from backstay.kits.patterns.event import Event
from backstay.kits.patterns.pattern import ExtractedPattern
from backstay.kits.patterns.setting import Mining
from backstay.kits.patterns.statistic import adjust, band_of, concentration, difference
from backstay.kits.patterns.store import Prediction
from backstay.kits.patterns.unit import Log

LEAST: Final = 10
"""Chances that a side needs."""
SHIFT: Final = 0.1
"""The least change of a share that is told."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern whose share changed: counted before and after, with the corrected p-value."""

    pattern_id: str
    description: str
    before: Counted
    after: Counted
    q_value: float


def drifted(
    patterns: Iterable[ExtractedPattern], events: Sequence[Event], *, cut: float, mining: Mining | None = None
) -> list[Drift]:
    """The patterns whose share changed at `cut` (Unix seconds) by a tenth or more and not by chance, the largest change
    first."""
    bounds = mining or Mining()
    old = Log((one for one in events if one.at < cut), bounds)
    new = Log((one for one in events if one.at >= cut), bounds)
    found: list[Drift] = []
    for pattern in patterns:
        claim = read_claim(pattern.structured_pattern)
        if claim is None or claim.then[0] in ("period", "pace"):  # they are about the span that is looked at
            continue
        before, after = claim.counted(old), claim.counted(new)
        if min(before.total, after.total) >= LEAST:
            chance = difference(before.support, before.total, after.support, after.total)
            found.append(
                Drift(
                    pattern_id=pattern.pattern_id,
                    description=pattern.description,
                    before=before,
                    after=after,
                    q_value=chance,
                )
            )
    adjusted = adjust([one.q_value for one in found])
    kept = [msgspec.structs.replace(one, q_value=q) for one, q in zip(found, adjusted, strict=True)]
    real = [one for one in kept if one.q_value <= bounds.alpha and _change(one) >= SHIFT]
    return sorted(real, key=lambda one: (-_change(one), one.pattern_id))


def _change(one: Drift) -> float:
    return abs(one.after.rate - one.before.rate)


def forecast_drift(predictions: Sequence[Prediction], *, recent: int = 50) -> tuple[float, float] | None:
    """The Brier scores of the resolved predictions before the last `recent` ones, and of these; None with too few."""
    known = sorted((one for one in predictions if one.resolved_at is not None), key=lambda one: one.resolved_at or 0.0)
    errors = [(one.probability - bool(one.outcome)) ** 2 for one in known]
    if len(errors) < recent + LEAST:
        return None
    old, new = errors[:-recent], errors[-recent:]
    return sum(old) / len(old), sum(new) / len(new)


def actor_concentration(events: Iterable[Event]) -> tuple[float, str]:
    """The Herfindahl-Hirschman index of who does the events, with its word: whether a pattern is one actor's habit."""
    counts: dict[str, int] = {}
    for event in events:
        for name in event.who:
            counts[name] = counts.get(name, 0) + 1
    index = concentration(counts.values())
    return index, band_of(index)

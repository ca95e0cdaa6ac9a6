"""Predict: what will be, given what is, from the patterns of the base; and what the outcomes say of them.

Every pattern speaks that claims something of the asked fact for units like this one. Their rates are averaged by weight,
narrower patterns and those with more chances counting more; which ones spoke stands with the prediction. Where none speaks
there is no prediction: the answer is None, and not one half. An outcome is an observation of each pattern that spoke.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Final

from backstay.kits.patterns.calibration import LEAST, calibration_error
from backstay.kits.patterns.claim import Claim, read_claim
from backstay.kits.patterns.store import PatternStore, Prediction
from backstay.kits.patterns.weight import Known
from backstay.ports import Ids, TimeOrderedIds

CHANCES: Final = 10
"""Chances at which a rate counts half of what it would with many."""


def predict(
    base: Sequence[Known],
    given: Mapping[str, str],
    then: tuple[str, str],
    *,
    resolved: Sequence[Prediction] = (),
    ids: Ids | None = None,
) -> Prediction | None:
    """The probability of the fact `then` for a unit with the facts `given`; None where no pattern of the base speaks of it.

    `resolved` are earlier predictions with their outcomes: from ten on, of both kinds, they calibrate this one.
    """
    speaking = [(one, claim) for one in base if (claim := _speaks(one, given, then)) is not None]
    shares = [(_share(one, claim), _rate(one)) for one, claim in speaking]
    total = sum(share for share, _ in shares)
    if not total:
        return None
    raw = sum(share * rate for share, rate in shares) / total
    return Prediction(
        prediction_id=f"pre_{(ids or TimeOrderedIds()).new()}",
        given=dict(given),
        then=then,
        probability=recalibrated(raw, resolved),
        raw=raw,
        pattern_ids=tuple(one.pattern.pattern_id for one, _ in speaking),
    )


def _speaks(one: Known, given: Mapping[str, str], then: tuple[str, str]) -> Claim | None:
    claim = read_claim(one.pattern.structured_pattern)
    if claim is None or claim.then != then or any(given.get(key) != value for key, value in claim.given):
        return None
    return claim


def _rate(one: Known) -> float:
    return float(one.pattern.structured_pattern.get("rate", 0.0))


def _share(one: Known, claim: Claim) -> float:
    """How much it counts: its weight, twice as much for each fact that it is narrower by, less with few chances."""
    total = float(one.pattern.structured_pattern.get("total", 0))
    return one.weight.value * 2.0 ** len(claim.given) * total / (total + CHANCES)


def recalibrated(raw: float, resolved: Sequence[Prediction]) -> float:
    """`raw` as the outcomes of earlier predictions correct it; as it is with fewer than ten, or outcomes of one kind only."""
    known = [one for one in resolved if one.outcome is not None]
    if len(known) < LEAST or len({one.outcome for one in known}) < 2:
        return raw
    from backstay.extract.calibrate import fit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(fit([one.raw for one in known], [int(bool(one.outcome)) for one in known])(raw))


def settle(store: PatternStore, prediction_id: str, *, outcome: bool, by: str) -> Prediction:
    """Write what came true, and count it for every pattern that spoke: for one that says "mostly", a hit is that it was so."""
    found = store.resolve(prediction_id, outcome=outcome, by=by)
    patterns = store.patterns()
    for pattern_id in found.pattern_ids:
        pattern = patterns.get(pattern_id)
        expects = pattern is not None and float(pattern.structured_pattern.get("rate", 0.0)) >= 0.5
        store.observe(pattern_id, hit=outcome == expects, origin=prediction_id)
    return found


def measure(predictions: Sequence[Prediction]) -> dict[str, float | int | str | None]:
    """How good the resolved predictions were: their number, the Brier score, the calibration error and its word."""
    known = [(one.probability, bool(one.outcome)) for one in predictions if one.outcome is not None]
    error, word = calibration_error(known)
    brier = sum((stated - right) ** 2 for stated, right in known) / len(known) if known else None
    return {"made": len(predictions), "resolved": len(known), "brier": brier, "ece": error, "band": word}

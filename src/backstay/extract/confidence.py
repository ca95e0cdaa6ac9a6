"""Confidence: how sure a field is, from everything that is known about it.

    rule        what an offline rule measured for values found in its way
    grounded    the quality of the value's evidence in the document, 0 where there is none
    logprob     the probability of the value's least likely token, where the provider tells
    agreement   the share of samples that say the same, where several were asked for
    stated      what a model says in a validation, 0 where it does not find the value in the text
    valid       1 where every check of the data passed, 0 where one that names this field failed

Signals are combined in log-odds. The weights below are a starting point, chosen so that a model's value with evidence has
0.85 and one without has 0.3; `backstay calibrate` fits them to labelled history, and what comes out is calibrated after
that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

BIAS: Final = "bias"
FEATURES: Final = ("grounded", "ungrounded", "logprob", "agreement", "stated", "valid", "invalid")
WEIGHTS: Final[Mapping[str, float]] = {
    BIAS: 0.405,
    "grounded": 1.33,
    "ungrounded": -1.252,
    "logprob": 0.3,
    "agreement": 0.6,
    "stated": 0.5,
    "valid": 0.3,
    "invalid": -1.5,
}
NEUTRAL: Final[Mapping[str, float]] = {"logprob": 0.95, "agreement": 0.8, "stated": 0.9}
"""The value of a signal that speaks neither for nor against."""
EDGE = 0.02


def log_odds(p: float, edge: float = EDGE) -> float:
    """ln(p / (1 - p)), with `p` kept `edge` away from 0 and 1."""
    kept = min(max(p, edge), 1 - edge)
    return math.log(kept / (1 - kept))


def sigmoid(z: float) -> float:
    """The probability with log-odds `z`."""
    return 1 / (1 + math.exp(-z))


def features(signals: Mapping[str, float]) -> dict[str, float]:
    """The signals as the numbers that are weighed; a signal that is not there is none of them."""
    found: dict[str, float] = {}
    grounded = signals.get("grounded")
    if grounded is not None:
        found["grounded" if grounded > 0 else "ungrounded"] = grounded or 1.0
    for name, neutral in NEUTRAL.items():
        if name in signals:
            found[name] = log_odds(signals[name]) - log_odds(neutral)
    if "valid" in signals:
        found["valid" if signals["valid"] > 0 else "invalid"] = 1.0
    return found


def combine(signals: Mapping[str, float], weights: Mapping[str, float] = WEIGHTS) -> float:
    """The confidence in [0, 1] that `signals` give together. A rule's own confidence takes the place of the bias."""
    if not signals:
        return sigmoid(weights.get(BIAS, 0.0))
    found = features(signals)
    if "rule" in signals:
        if not found:
            return signals["rule"]
        found.pop("grounded", None)  # a rule's confidence has its evidence in it
        base = log_odds(signals["rule"], 1e-3)
    else:
        base = weights.get(BIAS, 0.0)
    return sigmoid(base + sum(weights.get(name, 0.0) * value for name, value in found.items()))

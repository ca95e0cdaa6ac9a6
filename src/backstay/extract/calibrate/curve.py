"""Curves: the maps from stated to true probability, how each is fitted and how it is applied.

Each method is two functions: labels to parameters, and probabilities under parameters to probabilities. All maps are
non-decreasing, because the order of a source's confidences is what it does know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from backstay.extract.calibrate.array import EDGE, Floats, np

Parameters: TypeAlias = dict[str, list[float]]


def log_odds(p: Floats) -> Floats:
    kept = np.clip(p, EDGE, 1 - EDGE)
    return np.log(kept) - np.log1p(-kept)


def sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -60.0, 60.0)))


def logistic(
    features: Floats, right: Floats, *, steps: int = 50, ridge: float = 1e-6, prior: Floats | None = None
) -> Floats:
    """Weights of a logistic regression by Newton's method; `ridge` pulls them toward `prior` (zero) and keeps them finite."""
    center = np.zeros(features.shape[1]) if prior is None else prior
    weights = center.copy()
    for _ in range(steps):
        predicted = sigmoid(features @ weights)
        gradient = features.T @ (predicted - right) + ridge * (weights - center)
        curvature = (features * (predicted * (1 - predicted))[:, None]).T @ features + ridge * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 5.0 / (np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return weights


def _fit_temperature(p: Floats, y: Floats) -> Parameters:
    (scale,) = logistic(log_odds(p)[:, None], y)
    return {"scale": [max(float(scale), 0.0)]}


def _map_temperature(p: Floats, fitted: Parameters) -> Floats:
    return sigmoid(log_odds(p) * fitted["scale"][0])


def _fit_platt(p: Floats, y: Floats) -> Parameters:
    """Platt's own targets, (n+ + 1)/(n+ + 2) and 1/(n- + 2), keep small samples from certainty."""
    positive, negative = y.sum(), len(y) - y.sum()
    target = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    scale, shift = logistic(np.column_stack([log_odds(p), np.ones_like(p)]), target)
    return {"scale": [max(float(scale), 0.0)], "shift": [float(shift)]}


def _map_platt(p: Floats, fitted: Parameters) -> Floats:
    return sigmoid(log_odds(p) * fitted["scale"][0] + fitted["shift"][0])


def _fit_beta(p: Floats, y: Floats) -> Parameters:
    kept = np.clip(p, EDGE, 1 - EDGE)
    columns = [np.log(kept), -np.log1p(-kept), np.ones_like(kept)]
    a, b, c = logistic(np.column_stack(columns), y)
    if a < 0:
        b, c = logistic(np.column_stack(columns[1:]), y)
        a = 0.0
    elif b < 0:
        a, c = logistic(np.column_stack([columns[0], columns[2]]), y)
        b = 0.0
    return {"a": [max(float(a), 0.0)], "b": [max(float(b), 0.0)], "c": [float(c)]}


def _map_beta(p: Floats, fitted: Parameters) -> Floats:
    kept = np.clip(p, EDGE, 1 - EDGE)
    return sigmoid(fitted["a"][0] * np.log(kept) - fitted["b"][0] * np.log1p(-kept) + fitted["c"][0])


def _fit_histogram(p: Floats, y: Floats, bins: int = 10) -> Parameters:
    """Bins of equal count, each with a rule-of-succession share, made non-decreasing."""
    chunks = np.array_split(np.argsort(p, kind="stable"), min(bins, max(1, len(p) // 5)))
    uppers = [float(p[chunk].max()) for chunk in chunks]
    shares = [float((y[chunk].sum() + 1) / (len(chunk) + 2)) for chunk in chunks]
    return {"upper": uppers, "share": list(map(float, np.maximum.accumulate(shares)))}


def _map_histogram(p: Floats, fitted: Parameters) -> Floats:
    shares = np.asarray(fitted["share"])
    return shares[np.minimum(np.searchsorted(fitted["upper"], p, side="left"), len(shares) - 1)]


def pool_adjacent_violators(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing sequence nearest to `values` in weighted squares, in linear time."""
    blocks: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            last, before = blocks.pop(), blocks[-1]
            total = before[1] + last[1]
            before[0] = (before[0] * before[1] + last[0] * last[1]) / total
            before[1], before[2] = total, before[2] + last[2]
    return [block[0] for block in blocks for _ in range(int(block[2]))]


def _fit_isotonic(p: Floats, y: Floats) -> Parameters:
    points, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=y) / counts
    return {"x": points.tolist(), "y": pool_adjacent_violators(means.tolist(), counts.tolist())}


def _map_isotonic(p: Floats, fitted: Parameters) -> Floats:
    return np.interp(p, fitted["x"], fitted["y"])


FITS: dict[str, Callable[[Floats, Floats], Parameters]] = {
    "identity": lambda p, y: {},
    "temperature": _fit_temperature,
    "platt": _fit_platt,
    "beta": _fit_beta,
    "histogram": _fit_histogram,
    "isotonic": _fit_isotonic,
}
MAPS: dict[str, Callable[[Floats, Parameters], Floats]] = {
    "identity": lambda p, fitted: p,
    "temperature": _map_temperature,
    "platt": _map_platt,
    "beta": _map_beta,
    "histogram": _map_histogram,
    "isotonic": _map_isotonic,
}

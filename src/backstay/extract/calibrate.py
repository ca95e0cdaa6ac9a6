"""Calibration: make "90 % sure" mean right in 90 of 100 cases.

A stated confidence is a number that some source made up; labelled history (stated confidence, was it right) tells what it is
worth. `fit` learns a map from stated to true probability:

    identity       no change (fewer than 10 labels: nothing can be learned, and it says so)
    temperature    one parameter: sharpens or softens; keeps 0.5            Guo et al. 2017
    platt          two parameters on the log-odds: also shifts              Platt 1999
    beta           three parameters: bends the two ends differently         Kull, Silva Filho, Flach 2017
    histogram      the share of right answers per bin                       Zadrozny, Elkan 2001
    isotonic       the best non-decreasing step map                         Zadrozny, Elkan 2002
    auto           whichever of these has the least cross-validated log loss

A single multiplicative factor is not among them, because it cannot mend over-confidence that is symmetric: its factor is 1.
Needs numpy (`pip install 'backstay[calibration]'`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError

try:
    import numpy as np
except ImportError as error:  # pragma: no cover - the core installs without numpy
    raise ConfigurationError("calibration needs numpy: pip install 'backstay[calibration]'") from error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats: TypeAlias = NDArray[np.float64]

Method: TypeAlias = Literal["identity", "temperature", "platt", "beta", "histogram", "isotonic"]
METHODS: tuple[Method, ...] = ("temperature", "platt", "beta", "histogram", "isotonic")

FORMAT = 1
MIN_LABELS = 10
EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds end."""


class Calibrator(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted map. Call it with one probability or an array of them; it is non-decreasing and stays in [0, 1].

    `parameters` are those of the method (for step maps: the knots). `count` labels were used; `log_loss` is cross-validated.
    """

    method: Method
    parameters: dict[str, list[float]] = {}
    count: int = 0
    log_loss: float | None = None
    name: str = ""
    format: int = FORMAT

    def __call__(self, probability: ArrayLike) -> Any:
        """Calibrated probabilities, in the shape of `probability`; a plain float for a plain float."""
        given = np.asarray(probability, dtype=np.float64)
        result = np.clip(_MAPS[self.method](_checked(given), self.parameters), 0.0, 1.0)
        return float(result) if result.ndim == 0 else result

    def save(self, path: str | Path) -> None:
        """Write it as JSON, whole or not at all."""
        target = Path(path)
        draft = target.with_name(f".{target.name}.part")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        os.replace(draft, target)


def load(path: str | Path) -> Calibrator:
    """The Calibrator saved at `path`. Raises ConfigurationError where it is missing, damaged or of another format."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=Calibrator)
    except OSError as error:
        raise ConfigurationError(f"calibration {path}: cannot be read ({error.strerror})") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"calibration {path}: is no calibration file ({error})") from error
    if found.format != FORMAT:
        raise ConfigurationError(
            f"calibration {path}: is of format {found.format}, this version reads {FORMAT}: fit it anew"
        )
    return found


def fit(
    probabilities: ArrayLike, outcomes: ArrayLike, method: str = "auto", *, name: str = "", folds: int = 5
) -> Calibrator:
    """The Calibrator that labelled history teaches: `probabilities` stated in [0, 1], `outcomes` 1 for right and 0 for wrong.

    With fewer than 10 labels, or labels of one kind only, it is the identity, with a warning. Raises ValueError for arrays of
    unequal length, values outside their range, or an unknown method.
    """
    stated, right = _labels(probabilities, outcomes)
    if method not in ("auto", "identity", *METHODS):
        raise ValueError(f"method {method!r}: there is auto, identity, {', '.join(METHODS)}")
    if len(stated) < MIN_LABELS or right.min() == right.max():
        warnings.warn(
            f"{len(stated)} label(s), {int(right.sum())} of them right: too few or too alike to calibrate; nothing is changed",
            stacklevel=2,
        )
        return Calibrator(method="identity", count=len(stated), name=name)
    if method == "auto":
        losses = {candidate: cross_validate(stated, right, candidate, folds) for candidate in ("identity", *METHODS)}
        method = min(losses, key=losses.__getitem__)
    chosen: Any = method
    return Calibrator(
        method=chosen,
        parameters=_FITS[chosen](stated, right),
        count=len(stated),
        log_loss=cross_validate(stated, right, method, folds),
        name=name,
    )


def cross_validate(stated: Floats, right: Floats, method: str, folds: int = 5) -> float:
    """Mean log loss of `method` on parts of the labels that it was not fitted on; every `folds`-th label is one part."""
    chosen: Any = method
    order = np.argsort(stated, kind="stable")
    part = np.empty(len(stated), dtype=np.int64)
    part[order] = np.arange(len(stated)) % folds
    total = 0.0
    for fold in range(folds):
        train, test = part != fold, part == fold
        if right[train].min() == right[train].max():
            return float("inf")
        parameters = _FITS[chosen](stated[train], right[train])
        total += log_loss(np.clip(_MAPS[chosen](stated[test], parameters), EDGE, 1 - EDGE), right[test]) * test.sum()
    return float(total / len(stated))


def _labels(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[Floats, Floats]:
    stated = _checked(np.atleast_1d(np.asarray(probabilities, dtype=np.float64)))
    right = np.atleast_1d(np.asarray(outcomes, dtype=np.float64))
    if stated.shape != right.shape or stated.ndim != 1:
        raise ValueError(f"{stated.shape} probabilities and {right.shape} outcomes: must be two lists of one length")
    if not np.isin(right, (0.0, 1.0)).all():
        raise ValueError("outcomes must be 1 (right) or 0 (wrong)")
    return stated, right


def _checked(probabilities: Floats) -> Floats:
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must be numbers from 0 to 1")
    return probabilities


# Measures --------------------------------------------------------------------------------------------------------------------


def ece(p: ArrayLike, y: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error in [0, 1]: the mean gap between confidence and share of right answers over `bins` equal bins."""
    stated, right = _labels(p, y)
    if not len(stated):
        return 0.0
    index = np.minimum((stated * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    gaps = np.abs(np.bincount(index, weights=stated - right, minlength=bins))
    return float(gaps[counts > 0].sum() / len(stated))


def brier(p: ArrayLike, y: ArrayLike) -> float:
    """Brier score in [0, 1]: the mean squared gap between stated probability and outcome; lower is better."""
    stated, right = _labels(p, y)
    return float(np.mean((stated - right) ** 2)) if len(stated) else 0.0


def log_loss(p: ArrayLike, y: ArrayLike) -> float:
    """Mean negative log-likelihood in nats; lower is better. Certainties are cut at 1e-6 from 0 and 1."""
    stated, right = _labels(p, y)
    kept = np.clip(stated, EDGE, 1 - EDGE)
    return float(-np.mean(right * np.log(kept) + (1 - right) * np.log(1 - kept))) if len(kept) else 0.0


def ece_interval(
    p: ArrayLike, y: ArrayLike, *, bins: int = 15, rounds: int = 400, seed: int = 0
) -> tuple[float, float]:
    """The 95 % bootstrap interval of `ece`, from `rounds` resamplings of one seed."""
    stated, right = _labels(p, y)
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(stated), size=(rounds, len(stated)))
    values = [ece(stated[draw], right[draw], bins) for draw in draws]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def accept_threshold(p: ArrayLike, y: ArrayLike, max_error: float) -> float | None:
    """The least confidence from which answers may be accepted so that at most `max_error` of the accepted are wrong.

    Conformal risk control for a monotone loss (Angelopoulos et al. 2022): one extra wrong answer is assumed, so the promise
    holds in expectation for the next case too. None where no threshold keeps it.
    """
    stated, right = _labels(p, y)
    best: float | None = None
    for threshold in np.unique(stated)[::-1]:
        accepted = stated >= threshold
        if ((1 - right[accepted]).sum() + 1) / (accepted.sum() + 1) <= max_error:
            best = float(threshold)
    return best


# Methods ---------------------------------------------------------------------------------------------------------------------

Parameters: TypeAlias = dict[str, list[float]]


def _log_odds(p: Floats) -> Floats:
    kept = np.clip(p, EDGE, 1 - EDGE)
    return np.log(kept) - np.log1p(-kept)


def _sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -60.0, 60.0)))


def _logistic(features: Floats, right: Floats, *, steps: int = 50, ridge: float = 1e-6) -> Floats:
    """Weights of a logistic regression by Newton's method; `ridge` keeps separable labels finite."""
    weights = np.zeros(features.shape[1])
    for _ in range(steps):
        predicted = _sigmoid(features @ weights)
        gradient = features.T @ (predicted - right) + ridge * weights
        curvature = (features * (predicted * (1 - predicted))[:, None]).T @ features + ridge * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 5.0 / (np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return weights


def _fit_temperature(p: Floats, y: Floats) -> Parameters:
    (scale,) = _logistic(_log_odds(p)[:, None], y)
    return {"scale": [max(float(scale), 0.0)]}


def _map_temperature(p: Floats, fitted: Parameters) -> Floats:
    return _sigmoid(_log_odds(p) * fitted["scale"][0])


def _fit_platt(p: Floats, y: Floats) -> Parameters:
    """Platt's own targets, (n+ + 1)/(n+ + 2) and 1/(n- + 2), keep small samples from certainty."""
    positive, negative = y.sum(), len(y) - y.sum()
    target = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    scale, shift = _logistic(np.column_stack([_log_odds(p), np.ones_like(p)]), target)
    return {"scale": [max(float(scale), 0.0)], "shift": [float(shift)]}


def _map_platt(p: Floats, fitted: Parameters) -> Floats:
    return _sigmoid(_log_odds(p) * fitted["scale"][0] + fitted["shift"][0])


def _fit_beta(p: Floats, y: Floats) -> Parameters:
    kept = np.clip(p, EDGE, 1 - EDGE)
    columns = [np.log(kept), -np.log1p(-kept), np.ones_like(kept)]
    a, b, c = _logistic(np.column_stack(columns), y)
    if a < 0:
        b, c = _logistic(np.column_stack(columns[1:]), y)
        a = 0.0
    elif b < 0:
        a, c = _logistic(np.column_stack([columns[0], columns[2]]), y)
        b = 0.0
    return {"a": [max(float(a), 0.0)], "b": [max(float(b), 0.0)], "c": [float(c)]}


def _map_beta(p: Floats, fitted: Parameters) -> Floats:
    kept = np.clip(p, EDGE, 1 - EDGE)
    return _sigmoid(fitted["a"][0] * np.log(kept) - fitted["b"][0] * np.log1p(-kept) + fitted["c"][0])


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


_FITS: dict[str, Callable[[Floats, Floats], Parameters]] = {
    "identity": lambda p, y: {},
    "temperature": _fit_temperature,
    "platt": _fit_platt,
    "beta": _fit_beta,
    "histogram": _fit_histogram,
    "isotonic": _fit_isotonic,
}
_MAPS: dict[str, Callable[[Floats, Parameters], Floats]] = {
    "identity": lambda p, fitted: p,
    "temperature": _map_temperature,
    "platt": _map_platt,
    "beta": _map_beta,
    "histogram": _map_histogram,
    "isotonic": _map_isotonic,
}

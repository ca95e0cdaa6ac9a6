"""Calibrator: a fitted map from stated to true probability, and how it is fitted, saved and loaded."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.extract.calibrate.array import EDGE, ArrayLike, Floats, checked, labels, np
from backstay.extract.calibrate.curve import FITS, MAPS
from backstay.extract.calibrate.score import log_loss

Method: TypeAlias = Literal["identity", "temperature", "platt", "beta", "histogram", "isotonic"]
METHODS: tuple[Method, ...] = ("temperature", "platt", "beta", "histogram", "isotonic")

FORMAT = 1
MIN_LABELS = 10


class Calibrator(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted map. Call it with one probability or an array of them; it is non-decreasing and stays in [0, 1].

    `parameters` are those of the method (for step maps: the knots). `count` labels were used; `log_loss` is
    cross-validated. `groups` holds maps of their own for a task and kind of field ("invoice/date", "invoice/", "/date");
    `weights` are those of the signals (`confidence.py`), where labels brought signals. `version` counts the fits that
    were written to one file, `made_at` is the time of this one.
    """

    method: Method
    parameters: dict[str, list[float]] = {}
    count: int = 0
    log_loss: float | None = None
    name: str = ""
    groups: dict[str, Calibrator] = {}
    weights: dict[str, float] | None = None
    version: int = 1
    made_at: str = ""
    format: int = FORMAT

    def __call__(self, probability: ArrayLike) -> Any:
        """Calibrated probabilities, in the shape of `probability`; a plain float for a plain float."""
        given = np.asarray(probability, dtype=np.float64)
        result = np.clip(MAPS[self.method](checked(given), self.parameters), 0.0, 1.0)
        return float(result) if result.ndim == 0 else result

    def of(self, task: str, kind: str, probability: float) -> float:
        """The calibrated probability of a field of `kind` in `task`, by the most special map that there is."""
        for key in (f"{task}/{kind}", f"{task}/", f"/{kind}"):
            if key in self.groups:
                return float(self.groups[key](probability))
        return float(self(probability))

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
    """The Calibrator that labelled history teaches: `probabilities` stated in [0, 1], `outcomes` 1 for right and 0 for
    wrong.

    With fewer than 10 labels, or labels of one kind only, it is the identity, with a warning. Raises ValueError for arrays of
    unequal length, values outside their range, or an unknown method.
    """
    stated, right = labels(probabilities, outcomes)
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
        parameters=FITS[chosen](stated, right),
        count=len(stated),
        log_loss=cross_validate(stated, right, method, folds),
        name=name,
    )


def cross_validate(stated: Floats, right: Floats, method: str, folds: int = 5) -> float:
    """Mean log loss of `method` on parts of the labels that it was not fitted on; every `folds`-th label is one part.

    Infinite where a part leaves labels of one kind only to fit on.
    """
    predicted = _cross_fitted(stated, right, method, folds)
    return float("inf") if predicted is None else log_loss(np.clip(predicted, EDGE, 1 - EDGE), right)


def cross_fitted(probabilities: ArrayLike, outcomes: ArrayLike, method: str, folds: int = 5) -> Floats:
    """Each probability as a map of `method` gives it that was fitted without it: what calibration does for new answers.

    The probabilities themselves where there are too few labels to fit anything.
    """
    stated, right = labels(probabilities, outcomes)
    if len(stated) < MIN_LABELS:
        return stated
    predicted = _cross_fitted(stated, right, method, folds)
    return stated if predicted is None else predicted


def _cross_fitted(stated: Floats, right: Floats, method: str, folds: int) -> Floats | None:
    """Parts are dealt out in the order of the probabilities, so that each has some of every size; None where one leaves labels
    of one kind only."""
    part = np.empty(len(stated), dtype=np.int64)
    part[np.argsort(stated, kind="stable")] = np.arange(len(stated)) % folds
    predicted = np.empty_like(stated)
    for fold in range(folds):
        train, test = part != fold, part == fold
        if right[train].min() == right[train].max():
            return None
        predicted[test] = np.clip(MAPS[method](stated[test], FITS[method](stated[train], right[train])), 0.0, 1.0)
    return predicted

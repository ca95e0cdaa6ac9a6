"""History: labelled answers from a CSV file, and the calibration that they teach, per task and kind of field.

A label is a line with `confidence` (0 to 1) and `correct` (1/0, true/false, yes/no). Columns `task` and `kind` make
groups; a column that is named like a signal (grounded, logprob, agreement, stated, valid) makes the weights of the
signals be fitted anew, and then the confidence that is calibrated is the one that these weights give. Everything else is
left aside.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from backstay.errors import ConfigurationError
from backstay.extract.calibrate.array import Floats, np
from backstay.extract.calibrate.calibrator import MIN_LABELS, Calibrator, fit
from backstay.extract.calibrate.curve import logistic
from backstay.extract.confidence import BIAS, FEATURES, WEIGHTS, combine, features

SIGNALS = ("grounded", "logprob", "agreement", "stated", "valid")
MIN_GROUP = 50
"""Labels that a task or kind needs for a map of its own; with fewer, what all labels say is the better guess."""
MIN_SIGNALS = 100
"""Labels that new weights need: seven of them, and about ten labels of the rarer outcome for each."""
RIDGE = 1.0
"""Pull of the fitted weights toward the ones that ship, as if each stood for one label."""
_RIGHT = {"1": 1, "true": 1, "yes": 1, "right": 1, "1.0": 1, "0": 0, "false": 0, "no": 0, "wrong": 0, "0.0": 0}


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled answer."""

    confidence: float
    correct: int
    task: str = ""
    kind: str = ""
    signals: dict[str, float] = {}


def read_labels(path: str | Path) -> list[Label]:
    """The labels of a CSV file. Raises ConfigurationError that names the line and column of what cannot be read, up to
    ten at once.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
            if missing := [name for name in ("confidence", "correct") if name not in columns]:
                raise ConfigurationError(f"{path}: has no column {' and no column '.join(missing)}")
            faults: list[str] = []
            found = [_label(row, columns, f"{path}:{rows.line_num}", faults) for row in rows]
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: is no CSV file in UTF-8 ({error})") from error
    if faults:
        raise ConfigurationError(*faults[:10])
    return [label for label in found if label is not None]


def _label(row: dict[str, Any], columns: dict[str, Any], place: str, faults: list[str]) -> Label | None:
    cells = {name: (row.get(column) or "").strip() for name, column in columns.items()}
    correct = _RIGHT.get(cells["correct"].lower())
    confidence = _share(cells["confidence"])
    if correct is None:
        faults.append(f"{place}: correct = {cells['correct']!r}: must be 1 or 0")
    if confidence is None:
        faults.append(f"{place}: confidence = {cells['confidence']!r}: must be a number from 0 to 1")
    signals = {name: value for name in SIGNALS if (value := _share(cells.get(name, ""))) is not None}
    if correct is None or confidence is None:
        return None
    task, kind = cells.get("task", "").removeprefix("extract:"), cells.get("kind", "")
    return Label(confidence=confidence, correct=correct, task=task, kind=kind, signals=signals)


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def fit_history(labels: Sequence[Label], method: str = "auto", *, name: str = "") -> Calibrator:
    """The Calibrator of all labels, with maps of their own for the tasks and kinds that have enough of them."""
    weights = fit_weights(labels)
    stated = confidences(labels, weights)
    right = np.array([label.correct for label in labels], dtype=np.float64)
    whole = fit(stated, right, method, name=name)
    groups = {
        key: fit(stated[chosen], right[chosen], method, name=key)
        for key in sorted({key for label in labels for key in _keys(label)})
        if (chosen := np.array([key in _keys(label) for label in labels])).sum() >= MIN_GROUP
        and right[chosen].min() != right[chosen].max()
    }
    return msgspec.structs.replace(whole, groups=groups, weights=weights)


def _keys(label: Label) -> list[str]:
    keys = [f"{label.task}/"] if label.task else []
    keys += [f"/{label.kind}"] if label.kind else []
    return [*keys, f"{label.task}/{label.kind}"] if label.task and label.kind else keys


def confidences(labels: Iterable[Label], weights: dict[str, float] | None) -> Floats:
    """What is calibrated: the stated confidences, or with `weights` what they make of each label's signals."""
    values = [
        combine(label.signals, weights) if weights is not None and label.signals else label.confidence
        for label in labels
    ]
    return np.array(values, dtype=np.float64)


def fit_weights(labels: Sequence[Label]) -> dict[str, float] | None:
    """The weights of the signals that the labels teach; None where too few of them bring any."""
    known = [label for label in labels if label.signals]
    right = np.array([label.correct for label in known], dtype=np.float64)
    if len(known) < MIN_SIGNALS or min(right.sum(), len(right) - right.sum()) < MIN_LABELS:
        return None
    rows = [[1.0, *(features(label.signals).get(name, 0.0) for name in FEATURES)] for label in known]
    names = (BIAS, *FEATURES)
    prior = np.array([WEIGHTS[name] for name in names])
    found = logistic(np.array(rows), right, ridge=RIDGE, prior=prior)
    return {name: float(weight) for name, weight in zip(names, found, strict=True)}

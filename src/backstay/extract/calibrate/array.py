"""Arrays: the one door to numpy, and the checks of what comes in through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from backstay.errors import ConfigurationError

try:
    import numpy as np
except ImportError as error:  # pragma: no cover - the core installs without numpy
    raise ConfigurationError("calibration needs numpy: pip install 'backstay[calibration]'") from error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike as ArrayLike
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
else:
    ArrayLike = Floats = object

__all__ = ["EDGE", "ArrayLike", "Floats", "checked", "labels", "np"]

EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds end."""


def labels(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[Floats, Floats]:
    """Both as arrays. Raises ValueError where they differ in length or hold what is no probability or no outcome."""
    stated = checked(np.atleast_1d(np.asarray(probabilities, dtype=np.float64)))
    right = np.atleast_1d(np.asarray(outcomes, dtype=np.float64))
    if stated.shape != right.shape or stated.ndim != 1:
        raise ValueError(f"{stated.shape} probabilities and {right.shape} outcomes: must be two lists of one length")
    if not np.isin(right, (0.0, 1.0)).all():
        raise ValueError("outcomes must be 1 (right) or 0 (wrong)")
    return stated, right


def checked(probabilities: Floats) -> Floats:
    """`probabilities` itself; ValueError where one is outside [0, 1] or no number."""
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must be numbers from 0 to 1")
    return probabilities

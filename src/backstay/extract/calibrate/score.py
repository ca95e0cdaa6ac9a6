"""Scores: how good stated probabilities are, given what came true."""

from __future__ import annotations

import msgspec

from backstay.extract.calibrate.array import EDGE, ArrayLike, labels, np


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One bin of a reliability diagram: its bounds, how many answers fell into it, their mean confidence and share of
    right ones."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What accepting from `threshold` on means: the share that is accepted, and the share of right answers among them."""

    threshold: float
    count: int
    share: float
    accuracy: float | None


def reliability(p: ArrayLike, y: ArrayLike, bins: int = 15) -> list[Bin]:
    """The filled bins of equal width."""
    stated, right = labels(p, y)
    index = np.minimum((stated * bins).astype(np.int64), bins - 1)
    return [
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            count=int((index == number).sum()),
            confidence=float(stated[index == number].mean()),
            accuracy=float(right[index == number].mean()),
        )
        for number in range(bins)
        if (index == number).any()
    ]


def acceptances(p: ArrayLike, y: ArrayLike, thresholds: tuple[float, ...] = (0.5, 0.75, 0.9, 0.95)) -> list[Acceptance]:
    """What each threshold would accept, and how much of that is right."""
    stated, right = labels(p, y)
    found = []
    for threshold in thresholds:
        accepted = right[stated >= threshold]
        accuracy = float(accepted.mean()) if len(accepted) else None
        share = len(accepted) / len(right) if len(right) else 0.0
        found.append(Acceptance(threshold=threshold, count=len(accepted), share=share, accuracy=accuracy))
    return found


def ece(p: ArrayLike, y: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error in [0, 1]: the mean gap between confidence and share of right answers over `bins` equal bins."""
    stated, right = labels(p, y)
    if not len(stated):
        return 0.0
    index = np.minimum((stated * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    gaps = np.abs(np.bincount(index, weights=stated - right, minlength=bins))
    return float(gaps[counts > 0].sum() / len(stated))


def brier(p: ArrayLike, y: ArrayLike) -> float:
    """Brier score in [0, 1]: the mean squared gap between stated probability and outcome; lower is better."""
    stated, right = labels(p, y)
    return float(np.mean((stated - right) ** 2)) if len(stated) else 0.0


def log_loss(p: ArrayLike, y: ArrayLike) -> float:
    """Mean negative log-likelihood in nats; lower is better. Certainties are cut at 1e-6 from 0 and 1."""
    stated, right = labels(p, y)
    kept = np.clip(stated, EDGE, 1 - EDGE)
    return float(-np.mean(right * np.log(kept) + (1 - right) * np.log(1 - kept))) if len(kept) else 0.0


def ece_interval(
    p: ArrayLike, y: ArrayLike, *, bins: int = 15, rounds: int = 400, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of `ece`, from `rounds` bootstrap resamplings of one seed.

    Resampling adds noise and so raises the ECE; that shift is taken off, or the interval would lie beside what was measured.
    """
    stated, right = labels(p, y)
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(stated), size=(rounds, len(stated)))
    values = [ece(stated[draw], right[draw], bins) for draw in draws]
    shift = float(np.mean(values)) - ece(stated, right, bins)
    low, high = np.quantile(values, (0.025, 0.975)) - shift
    return max(float(low), 0.0), min(float(high), 1.0)


def accept_threshold(p: ArrayLike, y: ArrayLike, max_error: float) -> float | None:
    """The least confidence from which answers may be accepted so that at most `max_error` of the accepted are wrong.

    As in conformal selection (Jin, Candès 2023) one wrong answer more than was seen is assumed among the accepted, so the
    promise holds on average over new labels and the next answer, where both come from one source. None where no threshold
    keeps it.
    """
    if not 0 < max_error < 1:
        raise ValueError(f"max_error = {max_error}: must lie between 0 and 1")
    stated, right = labels(p, y)
    order = np.argsort(-stated, kind="stable")
    wrong = np.cumsum(1 - right[order])
    counts = np.arange(1, len(order) + 1)
    is_end = np.append(stated[order][1:] != stated[order][:-1], True) if len(order) else np.zeros(0, dtype=bool)
    kept = np.flatnonzero(is_end & ((wrong + 1) / (counts + 1) <= max_error))
    return float(stated[order][kept[-1]]) if len(kept) else None

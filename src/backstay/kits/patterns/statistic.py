"""Statistics of counts, exact and without a numeric library: intervals of a share, tails of a binomial, many tests at once.

Sources: Wilson, "Probable inference, the law of succession, and statistical inference" (1927); Clopper, Pearson (1934) for the
exact tail; Benjamini, Hochberg, "Controlling the false discovery rate" (1995).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

Z95: Final = 1.959963984540054
"""The 97.5 % point of the normal law."""
ENOUGH: Final = 1e-17
"""A further term that is smaller than this part of the sum no longer changes a double."""


def wilson(hits: int, total: int, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of the share behind `hits` of `total`; (0, 1) where there is nothing to go by."""
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total} is no share")
    if not total:
        return 0.0, 1.0
    share, factor = hits / total, z * z / total
    middle = (share + factor / 2) / (1 + factor)
    half = z / (1 + factor) * math.sqrt(share * (1 - share) / total + factor / (4 * total))
    low, high = middle - half, middle + half
    return (0.0 if hits == 0 else max(low, 0.0)), (1.0 if hits == total else min(high, 1.0))


def at_least(hits: int, total: int, rate: float) -> float:
    """The probability of `hits` or more of `total` where each has the probability `rate`."""
    if hits <= 0:
        return 1.0
    if rate <= 0 or hits > total:
        return 0.0
    if rate >= 1:
        return 1.0
    if hits < total * rate:  # the other tail is the shorter sum
        return max(0.0, 1.0 - _tail(total - hits + 1, total, 1 - rate))
    return _tail(hits, total, rate)


def at_most(hits: int, total: int, rate: float) -> float:
    """The probability of `hits` or fewer of `total`."""
    return at_least(total - hits, total, 1 - rate)


def _tail(hits: int, total: int, rate: float) -> float:
    """The sum from `hits` up, each term from the one before."""
    odds = rate / (1 - rate)
    choose = math.lgamma(total + 1) - math.lgamma(hits + 1) - math.lgamma(total - hits + 1)
    term = math.exp(choose + hits * math.log(rate) + (total - hits) * math.log1p(-rate))
    sum_ = 0.0
    for number in range(hits, total + 1):
        sum_ += term
        term *= (total - number) / (number + 1) * odds
        if term < sum_ * ENOUGH:
            break
    return min(sum_, 1.0)


def adjust(values: Sequence[float]) -> list[float]:
    """The p-values of many tests made comparable to a false discovery rate, in the order given."""
    order = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    adjusted = [0.0] * len(values)
    least = 1.0
    for rank, index in enumerate(order):
        least = min(least, values[index] * len(values) / (len(values) - rank))
        adjusted[index] = least
    return adjusted


def difference(hits: int, total: int, other_hits: int, other_total: int) -> float:
    """The two-sided p-value that two shares are one, by the pooled normal approximation; 1 where one of them is empty."""
    if not total or not other_total:
        return 1.0
    pooled = (hits + other_hits) / (total + other_total)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / total + 1 / other_total))
    if spread == 0:
        return 1.0
    return math.erfc(abs(hits / total - other_hits / other_total) / spread / math.sqrt(2))


def median(values: Iterable[float]) -> float:
    """The middle value. Raises ValueError where there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there is no value, so no median")
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def concentration(counts: Iterable[float]) -> float:
    """The Herfindahl-Hirschman index of shares, from 0 to 10,000; 0 where there is nothing."""
    given = [float(one) for one in counts]
    if any(one < 0 for one in given):
        raise ValueError("a count is negative")
    total = sum(given)
    return sum((100 * one / total) ** 2 for one in given) if total else 0.0


def band_of(index: float) -> str:
    """The word for a concentration, by the 2023 merger guidelines of the US agencies: above 1,800 high, above 1,000
    moderate."""
    return "high" if index > 1_800 else "moderate" if index > 1_000 else "low"

"""Law: a distribution given by its inverse, so that one draw in [0, 1) is one value and a seed is a sequence of values.

Waiting times of services are not normal: they are never negative and have a long tail. `lognormal` is the usual fit of a time to
the first token, `exponential` of a gap between independent events, `constant` what a proof wants that must be exact.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import msgspec

_inverse_normal = NormalDist().inv_cdf
_LEAST = 2.0**-60
"""The inverse of the normal distribution has no value at 0."""


class Law(msgspec.Struct, frozen=True):
    """`kind` with its `scale` (the value, the mean, the median) and the `spread` of a lognormal (sigma of its logarithm).

    `most` cuts the tail. Raises ValueError for a scale or a spread below 0.
    """

    kind: Literal["constant", "exponential", "lognormal"]
    scale: float
    spread: float = 0.0
    most: float = math.inf

    def __post_init__(self) -> None:
        if not (self.scale >= 0 and self.spread >= 0 and self.most >= 0):
            raise ValueError(f"a law of scale {self.scale}, spread {self.spread}, most {self.most}: none is below 0")

    def at(self, draw: float) -> float:
        """The value that the share `draw` in [0, 1) of all values lies below."""
        if self.kind == "constant":
            return min(self.scale, self.most)
        if self.kind == "exponential":
            return min(-self.scale * math.log1p(-draw), self.most)
        return min(self.scale * math.exp(self.spread * _inverse_normal(max(draw, _LEAST))), self.most)


def constant(value: float) -> Law:
    """Always `value`."""
    return Law("constant", value)


def exponential(mean: float, *, most: float = math.inf) -> Law:
    """Gaps between independent events, `mean` on average."""
    return Law("exponential", mean, most=most)


def lognormal(median: float, spread: float = 0.5, *, most: float = math.inf) -> Law:
    """Half of the values below `median`, with a long tail above: at spread 0.5 the 99th percentile is 3.2 times the median."""
    return Law("lognormal", median, spread, most)

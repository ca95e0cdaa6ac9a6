"""Forecast of a rate: level and damped trend, smoothed exponentially, with the spread of its own past errors.

Holt's method with a damped trend (Gardner and McKenzie 1985), on the rate itself. The spread is learned for each horizon's first
step and grows with the root of the horizon.
"""

from __future__ import annotations

import math

import msgspec


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned so far. `seen(rate)` gives the next one; `at(steps)` the mean and spread some steps ahead."""

    level: float = 0.0
    trend: float = 0.0
    spread: float = 0.0
    count: int = 0
    alpha: float = 0.8
    beta: float = 0.3
    damping: float = 0.85
    gamma: float = 0.15

    def seen(self, rate: float) -> Forecast:
        """With one more observation."""
        if self.count == 0:
            return msgspec.structs.replace(self, level=rate, spread=0.1 * rate, count=1)
        expected = self.level + self.damping * self.trend
        level = expected + self.alpha * (rate - expected)
        trend = self.beta * (level - self.level) + (1 - self.beta) * self.damping * self.trend
        error = abs(rate - expected) * math.sqrt(math.pi / 2)
        spread = self.spread + self.gamma * (error - self.spread)
        return msgspec.structs.replace(self, level=level, trend=trend, spread=spread, count=self.count + 1)

    def at(self, steps: int) -> tuple[float, float]:
        """Mean and standard deviation of the rate `steps` observations ahead."""
        ahead = sum(self.damping**step for step in range(1, steps + 1))
        return max(self.level + self.trend * ahead, 0.0), self.spread * math.sqrt(steps)

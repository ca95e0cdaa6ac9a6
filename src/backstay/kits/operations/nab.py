"""The score of the Numenta Anomaly Benchmark: early finds in labelled windows count most, false alarms cost, misses cost more.

After Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark" (ICMLA 2015): a
scaled sigmoid over the position in a window, the first find of a window counts, the first 15 % of a series are not judged,
weights of the standard profile. 0 is a detector that says nothing, 100 one that finds every window at its beginning and
nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

FALSE_ALARM, MISS = 0.11, 1.0
"""The standard profile; a find weighs 1."""

PROBATION: Final = 0.15
MOST_PROBATION: Final = 5_000
"""Observations of which the probation is taken at most."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over series: raw points, windows and those found, false alarms."""

    points: float = 0.0
    windows: int = 0
    found: int = 0
    false_alarms: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            points=self.points + other.points,
            windows=self.windows + other.windows,
            found=self.found + other.found,
            false_alarms=self.false_alarms + other.false_alarms,
        )

    @property
    def normalised(self) -> float | None:
        """From silence (0) to perfection (100); below 0 where silence were better; None where there is no window."""
        silent = -MISS * self.windows
        return 100 * (self.points - silent) / (self.windows - silent) if self.windows else None


def sigmoid(position: float) -> float:
    """1 at the beginning of a window (-1), 0 at its end (0), towards -1 behind it."""
    if position > 3:
        return -1.0
    return 2 / (1 + math.exp(5 * position)) - 1


def judge(length: int, alarms: Sequence[int], windows: Sequence[tuple[int, int]]) -> Score:
    """The score of one series: `alarms` as positions, `windows` as first and last position."""
    probation = min(int(PROBATION * length), int(PROBATION * MOST_PROBATION))
    points, found, false_alarms = 0.0, set(), 0
    for alarm in sorted(one for one in alarms if one >= probation):
        inside = next((window for window in windows if window[0] <= alarm <= window[1]), None)
        if inside is None:
            false_alarms += 1
            points += FALSE_ALARM * _behind(alarm, windows)
        elif inside not in found:
            found.add(inside)
            wide = inside[1] - inside[0] + 1
            points += sigmoid(-(inside[1] - alarm + 1) / wide) / sigmoid(-1.0)
    points -= MISS * (len(windows) - len(found))
    return Score(points=points, windows=len(windows), found=len(found), false_alarms=false_alarms)


def _behind(alarm: int, windows: Sequence[tuple[int, int]]) -> float:
    """From 0 just behind a window to -1 far from it, or before any."""
    before = [window for window in windows if window[1] < alarm]
    if not before:
        return -1.0
    start, end = max(before, key=lambda window: window[1])
    return sigmoid((alarm - end) / max(end - start, 1))

"""Dice: random numbers from one integer, so that a saved game goes on with the draws that it would have had.

SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the state is a counter, so a
position is all that is to be saved. Not for secrets.
"""

from __future__ import annotations

import hashlib
from typing import Final

from backstay.ports import World
from backstay.replay.run import Run

MASK: Final = (1 << 64) - 1
STEP: Final = 0x9E3779B97F4A7C15


class Dice:
    """Draws floats in [0, 1), 53 bits each. `position` may be read, kept and given again."""

    def __init__(self, position: int) -> None:
        self.position = position & MASK

    def random(self) -> float:
        """The next draw."""
        self.position = (self.position + STEP) & MASK
        mixed = self.position
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        mixed ^= mixed >> 31
        return (mixed >> 11) / (1 << 53)


def seed_of(*pieces: str | int) -> int:
    """63 bits that depend on all `pieces`: a seed for one question of one game."""
    data = "|".join(map(str, pieces)).encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 1


def dice_world(dice: Dice) -> World:
    """The machine's world with `dice` for its random numbers: what a run draws from."""
    real = World.real()
    return World(clock=real.clock, rng=dice, ids=real.ids, sleep=real.sleep)


def happens(run: Run, system: str, name: str, permille: int) -> bool:
    """True in `permille` of a thousand draws. It draws in any case, so that the sequence does not hang on the odds."""
    return run.random(system, name) * 1000 < permille


def choose(run: Run, system: str, name: str, count: int) -> int:
    """A number from 0 to `count` - 1."""
    return min(count - 1, int(run.random(system, name) * count))

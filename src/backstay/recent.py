"""Recent: what was just worked out for an object, for whoever asks for the same object again.

A request passes several layers that need the same fact of it: its canonical key, its upper bounds. Each asks a `Recent` that they
share, and the fact is worked out once. Objects are told apart by identity and held while they are remembered, so an address that
is used again cannot be mistaken; a few dozen are kept, which is more than are on their way between two layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

KEPT: Final = 64


class Recent(Generic[S, T]):
    """A function of one frozen object, with a short memory. What the function raises is raised and not remembered."""

    __slots__ = ("_make", "_seen")

    def __init__(self, make: Callable[[S], T]) -> None:
        self._make = make
        self._seen: dict[int, tuple[S, T]] = {}

    def __call__(self, subject: S) -> T:
        found = self._seen.get(id(subject))
        if found is not None:
            return found[1]
        result = self._make(subject)
        if len(self._seen) >= KEPT:
            del self._seen[next(iter(self._seen))]
        self._seen[id(subject)] = (subject, result)
        return result

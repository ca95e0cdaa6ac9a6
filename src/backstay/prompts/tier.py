"""Tier: which class of model a task needs, by its complexity and the length of its input (SPEC of the invoice application).

BASIC for simple tasks with less than 1,000 characters, PREMIUM for complex ones or more than 5,000, ADVANCED for the rest. Which
model a tier is stands in the configuration.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Tier: TypeAlias = Literal["BASIC", "ADVANCED", "PREMIUM"]
Complexity: TypeAlias = Literal["simple", "medium", "complex"]

SHORT: Final = 1_000
LONG: Final = 5_000
"""Characters."""


def choose_tier(text: str | int, complexity: Complexity = "medium") -> Tier:
    """The tier for an input, given as text or as its number of characters. Raises ValueError for another complexity."""
    if complexity not in ("simple", "medium", "complex"):
        raise ValueError(f"complexity = {complexity!r}: must be simple, medium or complex")
    length = text if isinstance(text, int) else len(text)
    if complexity == "complex" or length > LONG:
        return "PREMIUM"
    return "BASIC" if complexity == "simple" and length < SHORT else "ADVANCED"

"""Tier: which class of model a task needs, by its complexity and the length of its input.

BASIC for simple tasks with less than 1,000 characters, PREMIUM for complex ones or more than 5,000, ADVANCED for the rest. Which
model a tier is stands in the configuration, under `[tiers]`. A tier that is not set there is the next better one that is, for a
weaker model than was asked for is a wrong answer, and a stronger one a dearer answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from backstay.config.reliability import Tiers

Tier: TypeAlias = Literal["BASIC", "ADVANCED", "PREMIUM"]
Complexity: TypeAlias = Literal["simple", "medium", "complex"]

ORDER: Final[tuple[Tier, ...]] = ("BASIC", "ADVANCED", "PREMIUM")


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


def model_of(tier: Tier | None, models: Tiers) -> str:
    """The model for `tier`, "provider:model"; empty, which means the client's own, where neither it nor a better one is set.

    It fits in where a prompt is asked: `rendered.request(model_of(rendered.tier, loaded.config.tiers))`.
    """
    better = () if tier is None else ORDER[ORDER.index(tier) :]
    return next((model for one in better if (model := getattr(models, one))), "")

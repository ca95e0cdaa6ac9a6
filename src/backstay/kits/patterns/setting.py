"""The kit's numbers, each with where it comes from: the legal-intelligence application, or the usual choice of its field."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError

PatternType: TypeAlias = Literal[
    "preference", "procedural", "outcome", "behavioral", "temporal", "contextual", "anomaly"
]
TYPES: Final[tuple[PatternType, ...]] = (
    "preference", "procedural", "outcome", "behavioral", "temporal", "contextual", "anomaly",
)  # fmt: skip
Role: TypeAlias = Literal["admin", "expert", "standard", "trainee"]
Decision: TypeAlias = Literal["auto_pass", "review", "escalated", "blocked", "rejected"]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `auto_pass` on nobody is asked; from `review` on any reviewer; from `block` on an expert; below it is blocked."""

    auto_pass: float
    review: float
    block: float

    def __post_init__(self) -> None:
        if not 0 <= self.block <= self.review <= self.auto_pass <= 1:
            raise ConfigurationError("patterns.domains: thresholds must hold 0 <= block <= review <= auto_pass <= 1")


DOMAINS: Final = {
    "judicial": Thresholds(auto_pass=0.95, review=0.70, block=0.50),
    "market": Thresholds(auto_pass=0.90, review=0.65, block=0.40),
    "compliance": Thresholds(auto_pass=0.92, review=0.70, block=0.50),
}
"""The application's own, for its three domains."""


class Mining(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as a pattern.

    `least_support` units must show it (one is none); `alpha` is the false discovery rate that is borne (Benjamini, Hochberg
    1995); what is `rare` happens in at most that share of at least `rare_total` chances. A gap is long above `long_gap`
    robust deviations (median absolute deviation of its logarithm); `burst` times the usual rate within `burst_window` seconds
    is a burst. `most` patterns of a type are given, the surest first.
    """

    least_support: int = 5
    alpha: float = 0.05
    rare: float = 0.05
    rare_total: int = 20
    long_gap: float = 6.0
    burst: float = 10.0
    burst_window: float = 60.0
    most: int = 25

    def __post_init__(self) -> None:
        checks = (
            (self.least_support >= 2, "least_support: must be 2 or more; one event is no pattern"),
            (0 < self.alpha < 1, "alpha: must be between 0 and 1"),
            (0 < self.rare < 0.5, "rare: must be above 0 and below 0.5"),
            (self.rare_total >= 2, "rare_total: must be 2 or more"),
            (self.long_gap > 0, "long_gap: must be above 0"),
            (self.burst > 1, "burst: must be above 1"),
            (self.burst_window > 0, "burst_window: must be above 0"),
            (self.most >= 1, "most: must be 1 or more"),
        )
        if faults := [f"patterns.mining.{fault}" for good, fault in checks if not good]:
            raise ConfigurationError(*faults)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `[patterns]`.

    Thresholds by domain, `strictest` for any other; `high_stakes` is added to each. Evidence counts half after `half_life`
    days. A prior weighs as much as `prior_strength` observations. `batch` events stand in one question to a model, which may
    cost `timeout` seconds; with fewer than `few` events of evidence, no confidence is above `few_confidence`.
    In the domains of `people` the names in `who` are persons, and the forms of one name count as one.
    """

    people: tuple[str, ...] = ("judicial",)
    domains: dict[str, Thresholds] = msgspec.field(default_factory=lambda: dict(DOMAINS))
    strictest: Thresholds = DOMAINS["judicial"]
    high_stakes: float = 0.1
    large_position: float = 100_000
    mining: Mining = Mining()
    half_life: float = 180.0
    prior_strength: float = 4.0
    batch: int = 60
    timeout: float = 120.0
    few: int = 5
    few_confidence: float = 0.6

    def __post_init__(self) -> None:
        checks = (
            (0 <= self.high_stakes <= 1, "high_stakes: must be from 0 to 1"),
            (self.half_life > 0, "half_life: must be above 0"),
            (self.prior_strength > 0, "prior_strength: must be above 0"),
            (self.batch >= 2, "batch: must be 2 or more"),
            (self.few >= 2, "few: must be 2 or more"),
            (0 <= self.few_confidence <= 1, "few_confidence: must be from 0 to 1"),
        )
        if faults := [f"patterns.{fault}" for good, fault in checks if not good]:
            raise ConfigurationError(*faults)

    def thresholds(self, domain: str, *, is_high_stakes: bool = False) -> Thresholds:
        """Those of `domain`; high stakes raise each, so that above 0.9 nothing passes by itself any more."""
        found = self.domains.get(domain, self.strictest)
        if not is_high_stakes:
            return found
        raised = (min(one + self.high_stakes, 1.0) for one in (found.auto_pass, found.review, found.block))
        return Thresholds(**dict(zip(("auto_pass", "review", "block"), raised, strict=True)))

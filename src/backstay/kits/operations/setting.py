"""The kit's numbers, each with where it comes from: thresholds, bounds of the loop, the web tier, what its service is worth."""

from __future__ import annotations

import msgspec

from backstay.errors import ConfigurationError


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The threshold policy: response times in milliseconds, utilisation as a share. Defaults are the application's."""

    critical_response_ms: float = 1_000.0
    critical_utilisation: float = 0.95
    high_response_ms: float = 500.0
    high_utilisation: float = 0.85
    low_utilisation: float = 0.50
    idle_utilisation: float = 0.40
    dimmer_step: float = 0.1
    critical_dimmer_step: float = 0.25


class Loop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the loop: `period` seconds between observations; an action needs `least_confidence`, and the risk above
    `most_risk` is not taken. `max_tool_calls` bounds one round of agentic reasoning, `most_simulations` what a model may have
    done in a round, since each action is simulated first."""

    period: float = 60.0
    least_confidence: float = 0.5
    most_risk: str = "medium"
    max_tool_calls: int = 5
    most_simulations: int = 3
    stabilisation: float = 10.0
    history: int = 1_000

    def __post_init__(self) -> None:
        checks = (
            (self.period > 0, "period: must be above 0"),
            (0 <= self.least_confidence <= 1, "least_confidence: must be from 0 to 1"),
            (self.most_risk in ("low", "medium", "high"), "most_risk: must be low, medium or high"),
            (self.max_tool_calls >= 0, "max_tool_calls: must be 0 or more"),
            (self.most_simulations >= 0, "most_simulations: must be 0 or more"),
        )
        if faults := [f"operations.{fault}" for good, fault in checks if not good]:
            raise ConfigurationError(*faults)


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated web tier, with the numbers of SWIM's published configuration (cps-sei/swim, swim.ini).

    Service times are normal, drawn again below zero: `service` for requests with optional content, `basic` without. Times are
    seconds. `boot_delay` is SWIM's second choice; it publishes runs from 0 to 240.
    """

    max_servers: int = 3
    initial_servers: int = 3
    initial_dimmer: float = 0.9
    boot_delay: float = 60.0
    threads: int = 100
    timeout: float = 10.0
    service: tuple[float, float] = (0.030, 0.030)
    basic: tuple[float, float] = (0.001, 0.001)

    def __post_init__(self) -> None:
        checks = (
            (self.max_servers >= 1, "max_servers: must be 1 or more"),
            (1 <= self.initial_servers <= self.max_servers, "initial_servers: must be from 1 to max_servers"),
            (0 <= self.initial_dimmer <= 1, "initial_dimmer: must be from 0 to 1"),
            (self.boot_delay >= 0, "boot_delay: must be 0 or more"),
            (self.threads >= 1, "threads: must be 1 or more"),
            (self.timeout > 0, "timeout: must be above 0"),
            (all(mean > 0 and spread >= 0 for mean, spread in (self.service, self.basic)), "service: mean above 0"),
        )
        if faults := [f"operations.tier.{fault}" for good, fault in checks if not good]:
            raise ConfigurationError(*faults)


class Worth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a period is worth: the utility that SWIM's papers report (Moreno et al., "Comparing Model-Based Predictive
    Approaches to Self-Adaptation: CobRA and PLA", SEAMS 2017, and SWIM's plotResults). Revenue is per request and second,
    `server_credit` per server that is not used; `response_goal` in seconds."""

    response_goal: float = 0.75
    basic_revenue: float = 1.0
    optional_revenue: float = 1.5
    server_credit: float = 10.0
    service_rate: float = 1 / 0.04452713
    """Requests per second and server by which a late period is judged."""

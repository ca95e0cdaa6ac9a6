"""Policies: what may be used, as the user says it: per target, by the whole client, and by a scope of either.

`LimitPolicy` bounds each target, as providers do. `BudgetPolicy` bounds the money of the whole client. A `Quota` bounds what a
scope may use of either: a tenant, a task, a user, a model, or each one of them ("*").

Burst: `burst = 1.2` means that no window holds more than 1.2 times the limit. It is a bucket of 0.2 times the limit, refilled
evenly with one limit a window; 2.0 is the classical bucket that may be emptied at once. "strict" keeps the limit in any window.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias
from urllib.parse import quote

import msgspec

from backstay.errors import ConfigurationError
from backstay.stores.limit import LARGEST, Dimension, Span
from backstay.stores.period import zone_of

Mode: TypeAlias = Literal["bucket", "strict"]
EACH: Final = "*"

FIGURES: Final[tuple[tuple[str, Dimension], ...]] = (
    ("requests_per_minute", "requests"),
    ("tokens_per_minute", "tokens"),
    ("requests_per_day", "requests"),
    ("tokens_per_day", "tokens"),
    ("concurrency", "concurrency"),
)
MONEY: Final[tuple[tuple[str, Span], ...]] = (
    ("usd_per_hour", "hour"),
    ("usd_per_day", "day"),
    ("usd_per_month", "month"),
)


def stars(quota: Quota) -> int:
    return (quota.tenant, quota.task, quota.user, quota.model).count(EACH)


def _small(policy: LimitPolicy | Quota) -> list[tuple[str, int]]:
    values = [(name, getattr(policy, name)) for name, _ in FIGURES]
    return [(name, value) for name, value in values if value is not None and not 1 <= value <= LARGEST]


def _negative(policy: BudgetPolicy | Quota) -> list[tuple[str, float]]:
    names = [name for name, _ in MONEY] + (["unknown_usd"] if isinstance(policy, BudgetPolicy) else [])
    values = [(name, getattr(policy, name)) for name in names]
    return [(name, value) for name, value in values if value is not None and not 0 <= value <= LARGEST / 1e9]


class LimitPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of each target; None for no limit. `max_wait` in seconds. Raises ConfigurationError listing every fault."""

    requests_per_minute: int | None = 50
    tokens_per_minute: int | None = 80_000
    requests_per_day: int | None = 10_000
    tokens_per_day: int | None = 2_000_000
    concurrency: int | None = None
    burst: float = 1.2
    mode: Mode = "bucket"
    zone: str = "UTC"
    max_wait: float = 60.0

    def __post_init__(self) -> None:
        faults = [f"limits.{name} = {value}: must be 1 or more; none for no limit" for name, value in _small(self)]
        if not self.burst > 1:
            faults.append(
                f"limits.burst = {self.burst}: must be above 1; for no burst at all set limits.mode to strict"
            )
        if not self.max_wait >= 0:
            faults.append(f"limits.max_wait = {self.max_wait}: must be 0 or more seconds; 0 never waits")
        if faults:
            raise ConfigurationError(*faults)
        zone_of(self.zone)


class BudgetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The money of the client, in US dollars; None for no bound. A period begins at midnight in `zone`.

    `alert_at` are shares of a budget at which an alert is raised. `unknown_usd` is what a call of unknown price counts as, None
    where such a call is to be refused. Raises ConfigurationError listing every fault.
    """

    usd_per_hour: float | None = None
    usd_per_day: float | None = 100.0
    usd_per_month: float | None = None
    alert_at: tuple[float, ...] = (0.8, 1.0)
    unknown_usd: float | None = 1.0
    zone: str = "UTC"

    def __post_init__(self) -> None:
        faults = [f"budget.{name} = {value}: must be 0 or more US dollars" for name, value in _negative(self)]
        faults += [
            f"budget.alert_at: {share} is not a share above 0 and up to 1"
            for share in self.alert_at
            if not 0 < share <= 1
        ]
        if faults:
            raise ConfigurationError(*faults)
        zone_of(self.zone)


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What one scope may use. `tenant`, `task`, `user`, `model`: a value that the request must have, "*" for each alone.

    `model` is "provider:model". A request that does not have what the quota names does not fall under it. Where two quotas say
    the same figure of the same scope, the one with fewer "*" counts.
    """

    tenant: str | None = None
    task: str | None = None
    user: str | None = None
    model: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    concurrency: int | None = None
    usd_per_hour: float | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None

    def __post_init__(self) -> None:
        faults = [f"quota.{name} = {value}: must be 1 or more" for name, value in _small(self)]
        faults += [f"quota.{name} = {value}: must be 0 or more US dollars" for name, value in _negative(self)]
        if not any((self.tenant, self.task, self.user, self.model)):
            faults.append(
                "a quota needs a tenant, a task, a user or a model; bounds of everything are [limits] and [budget]"
            )
        if faults:
            raise ConfigurationError(*faults)

    def scope(self, facts: dict[str, str | None]) -> str | None:
        """The scope's text for a request with `facts`, values quoted so that no name can pose as two; None if it is not meant."""
        words = []
        for name in ("tenant", "task", "user", "model"):
            wanted = getattr(self, name)
            if wanted is None:
                continue
            value = facts[name]
            if value is None or wanted not in (EACH, value):
                return None
            words.append(f"{name}={quote(value, safe=':.@-_')}")
        return " ".join(words)


NO_LIMITS: Final = LimitPolicy(
    requests_per_minute=None, tokens_per_minute=None, requests_per_day=None, tokens_per_day=None
)
"""For what runs in this process or on this machine: nothing is bounded but by quotas."""

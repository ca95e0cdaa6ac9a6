"""Settings of the invoices kit. The thresholds are those of the application: accept at 0.75, check below 0.90 or with fewer
than 5 fields, accept a checked one at 0.95; 100 US dollars a day with an alert at 80 %."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from backstay.errors import ConfigurationError
from backstay.prompts.tier import Complexity


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`max_age_days`: an invoice older than this is looked at by a person; None for any age. `complexity` chooses the tier of
    model, with the length. `concurrency` documents are under way at once.

    Raises ConfigurationError with every fault.
    """

    accept_at: float = 0.75
    validate_below: float = 0.90
    validate_fields: int = 5
    auto_validate_at: float = 0.95
    complexity: Complexity = "medium"
    max_age_days: int | None = None
    concurrency: int = 4
    usd_per_day: float = 100.0
    alert_at: float = 0.8

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(*(f"invoices: {fault}" for fault in faults))


def _faults(settings: Settings) -> Iterator[str]:
    for name in ("accept_at", "validate_below", "auto_validate_at", "alert_at"):
        value = getattr(settings, name)
        if not 0 <= value <= 1:
            yield f"{name} = {value}: must be from 0 to 1"
    if settings.concurrency < 1:
        yield f"concurrency = {settings.concurrency}: must be 1 or more"
    if settings.usd_per_day < 0:
        yield f"usd_per_day = {settings.usd_per_day}: must be 0 or more"

"""Settings of the invoices kit. The thresholds are those of the application: accept at 0.75, check below 0.90 or with fewer
than 5 fields, accept a checked one at 0.95; 100 US dollars a day with an alert at 80 %."""

from __future__ import annotations

import msgspec

from backstay.prompts.tier import Complexity


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`max_age_days`: an invoice older than this is looked at by a person; None for any age. `complexity` chooses the tier of
    model, with the length. `concurrency` documents are under way at once."""

    accept_at: float = 0.75
    validate_below: float = 0.90
    validate_fields: int = 5
    auto_validate_at: float = 0.95
    complexity: Complexity = "medium"
    max_age_days: int | None = None
    concurrency: int = 4
    usd_per_day: float = 100.0
    alert_at: float = 0.8

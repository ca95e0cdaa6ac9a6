"""The numbers of the kit, each with where it comes from."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Mode: TypeAlias = Literal["fast", "verified"]

FEW_DAYS: Final = 14
"""A deadline this near makes a case urgent: two weeks are what it takes to get records and a clinician's letter."""

DISCLAIMERS: Final = (
    "This is help with paperwork. It is not medical advice and not legal advice.",
    "It rests on the documents that were read; check every date and number against the originals before you rely on it.",
    "Nobody can promise how an appeal ends.",
)
UNVERIFIED: Final = "Plan-specific coverage not verified: no plan document was read."
LANGUAGE: Final = "en"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a case is worked on.

    `mode` verified reads plan documents and cites them. A document goes out `days_before` the deadline at the latest. Facts under
    `doubtful` are flagged for a person, a case needs one when a fact that counts is under `sure`. `is_short` asks a small model
    for the dozen facts that matter most.
    """

    mode: Mode = "fast"
    days_before: int = 5
    sure: float = 0.8
    doubtful: float = 0.5
    is_short: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.days_before <= 60:
            raise ValueError(f"days_before = {self.days_before}: must be from 0 to 60")
        if not 0 <= self.doubtful <= self.sure <= 1:
            raise ValueError(f"doubtful = {self.doubtful}, sure = {self.sure}: must be 0 <= doubtful <= sure <= 1")

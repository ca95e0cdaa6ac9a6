"""Event and Source: what happened, who says so, and how far that is to be believed.

An event is a fact of its source and never changes; what changes is how well it is verified, and what it is linked with, and
both keep their history (`store.py`). Two reports with the same content hash are one event. A record of a log may repeat
itself to the second and still be another event, so it brings `record`, its place in its source, which then belongs to the
hash.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

VerificationStatus: TypeAlias = Literal["verified", "high", "medium", "low", "unverified", "disputed"]
SourceType: TypeAlias = Literal["official", "journalism", "academic", "practitioner", "social", "internal"]

INDEPENDENT: Final = 3
"""Sources that say the same without an official one among them, for an event to count as verified."""
REPUTABLE: Final = 0.8
"""From this reliability on, one source is enough for `high`."""
MEDIUM: Final = 0.5
TRACK_RECORD: Final = 10
"""Events of a source before its record counts."""
BASE_RELIABILITY: Final[dict[SourceType, float]] = {
    "official": 0.95, "academic": 0.85, "journalism": 0.75, "practitioner": 0.7, "internal": 0.7, "social": 0.4,
}  # fmt: skip
"""What a source is believed before anything is known of it: a starting point, replaced by its own record."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `when` is ISO 8601 text, taken as UTC where it names no zone; `case_id` says which run of a process, which
    request, which dispute; `attributes` are the further columns of its source."""

    what: str
    when: str
    who: tuple[str, ...] = ()
    where: str = ""
    why: str | None = None
    how: str | None = None
    source_id: str = "unknown"
    source_url: str | None = None
    raw_text: str = ""
    verification_status: VerificationStatus = "unverified"
    verification_notes: str = ""
    domain: str = "general"
    event_type: str = "event"
    created_at: str = ""
    related_events: tuple[str, ...] = ()
    case_id: str = ""
    record: str = ""
    attributes: dict[str, str] = {}
    event_id: str = ""

    def __post_init__(self) -> None:
        faults = [f"{name}: is empty" for name in ("what", "when") if not getattr(self, name).strip()]
        if self.when.strip() and moment(self.when) is None:
            faults.append(f"when = {self.when!r}: is no ISO 8601 time")
        if faults:
            raise ValueError("event: " + "; ".join(faults))

    @property
    def content_hash(self) -> str:
        """16 hex digits of SHA-256 over what, when, where and the sorted names; and the place in the source, where it brings
        one."""
        parts = [self.what, self.when, self.where, ",".join(sorted(self.who))]
        parts += [self.source_id, self.record] if self.record else []
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]

    @property
    def id(self) -> str:
        """`event_id`, or one made of the content: the same event has the same id wherever it is read."""
        return self.event_id or f"evt_{self.content_hash}"

    @property
    def at(self) -> float:
        """Unix seconds."""
        found = moment(self.when)
        assert found is not None, "checked when the event was made"
        return found.timestamp()


def moment(text: str) -> dt.datetime | None:
    """The instant of an ISO 8601 text, UTC where it names no zone; None where it is none."""
    try:
        found = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Who reports. `confirmed` and `refuted` count its events that were verified or disputed later."""

    source_id: str
    name: str = ""
    source_type: SourceType = "internal"
    base_reliability: float | None = None
    confirmed: int = 0
    refuted: int = 0

    def __post_init__(self) -> None:
        if self.base_reliability is not None and not 0 <= self.base_reliability <= 1:
            raise ValueError(f"source {self.source_id}: base_reliability must be from 0 to 1")

    @property
    def effective_reliability(self) -> float:
        """From 0 to 1: its base until ten events were judged, then blended with its record, which weighs min(0.5, n/100)."""
        given = self.base_reliability
        base = BASE_RELIABILITY[self.source_type] if given is None else given
        judged = self.confirmed + self.refuted
        if judged < TRACK_RECORD:
            return base
        weight = min(0.5, judged / 100)
        return (1 - weight) * base + weight * self.confirmed / judged


def status_of(sources: Iterable[Source], *, is_disputed: bool = False) -> VerificationStatus:
    """How well an event is verified that these sources report: by an official one or three independent ones it is
    `verified`."""
    known = {one.source_id: one for one in sources}
    if is_disputed:
        return "disputed"
    if not known:
        return "unverified"
    best = max(one.effective_reliability for one in known.values())
    if len(known) >= INDEPENDENT or any(one.source_type == "official" for one in known.values()):
        return "verified"
    if len(known) >= 2 or best >= REPUTABLE:
        return "high"
    return "medium" if best >= MEDIUM else "low"

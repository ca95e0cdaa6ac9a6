"""PatternStore: events, patterns, rulings, weights and predictions, all append-only, over any `Rows`.

What holds now is the fold of what was written: an event's verification is its last change, a pattern's body its last
proposal, its standing its last ruling. So the past can be read as it was, and nobody can rewrite it.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.patterns.event import Event, Source, VerificationStatus
from backstay.kits.patterns.pattern import ExtractedPattern, Result
from backstay.kits.patterns.rows import Rows, open_rows
from backstay.kits.patterns.setting import Decision, Role
from backstay.ports import Clock, SystemClock

CONFIRMING: Final = ("verified", "high")
AT_ONCE: Final = 200
"""Events that go to the database in one statement: a server on the network is asked once for all of them."""


class Added(NamedTuple):
    """How many events were new, and how many the store had already."""

    new: int
    doubles: int


class Change(NamedTuple):
    """One line of a verification history."""

    old: str
    new: str
    reason: str
    by: str
    at: str


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate or a person decided of a pattern. `by` is empty for the gate."""

    pattern_id: str
    decision: Decision
    result: Result | None = None
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    correction: str | None = None
    by: str = ""
    role: Role | None = None
    at: str = ""

    @property
    def is_final(self) -> bool:
        """Whether a person said what the pattern is worth. A trainee's word is an opinion."""
        return bool(self.by) and self.result is not None and self.role != "trainee"


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """A stated probability with the patterns it rests on. `outcome` is known once it is resolved."""

    prediction_id: str
    given: dict[str, str]
    then: tuple[str, str]
    probability: float
    raw: float
    pattern_ids: tuple[str, ...] = ()
    made_at: str = ""
    outcome: bool | None = None
    resolved_at: float | None = None


class Observation(NamedTuple):
    """That a pattern held or did not, once: how much it counts and when it was (Unix seconds)."""

    hit: bool
    weight: float
    at: float


class PatternStore:
    """The kit's memory. Its clock says when things were written. Use it as a context manager, or call `close()`."""

    def __init__(self, rows: Rows, *, clock: Clock | None = None) -> None:
        self._rows = rows
        self._clock = clock or SystemClock()

    def now(self) -> float:
        """Unix seconds of the store's clock."""
        return self._clock.wall_ns() / 1e9

    def stamp(self) -> str:
        """Now, as ISO 8601 text."""
        return dt.datetime.fromtimestamp(self._clock.wall_ns() // 10**9, dt.UTC).isoformat()

    # Events and sources

    def add_source(self, source: Source) -> None:
        """Put a source in, or what is known of it in the place of what was."""
        self._rows.fetch(
            "INSERT INTO source VALUES (?, ?) ON CONFLICT (source_id) DO UPDATE SET body = excluded.body",
            source.source_id,
            _json(source),
        )

    def sources(self) -> dict[str, Source]:
        """All sources, with how many of their events were confirmed and refuted since."""
        found = [msgspec.json.decode(body, type=Source) for (body,) in self._rows.fetch("SELECT body FROM source")]
        judged: dict[str, list[str]] = defaultdict(list)
        last = "SELECT max(seq) FROM verification GROUP BY event_id"
        for source_id, new in self._rows.fetch(
            f"SELECT e.source_id, v.new FROM verification v JOIN event e ON e.event_id = v.event_id WHERE v.seq IN ({last})"
        ):
            judged[source_id].append(new)
        return {
            one.source_id: msgspec.structs.replace(
                one,
                confirmed=one.confirmed + sum(new in CONFIRMING for new in judged[one.source_id]),
                refuted=one.refuted + judged[one.source_id].count("disputed"),
            )
            for one in sorted(found, key=lambda one: one.source_id)
        }

    def add_events(self, events: Iterable[Event]) -> Added:
        """Add what is new, all or nothing. A double by content or by id is counted and left as it was."""
        new = count = 0
        stamp = self.stamp()
        with self._rows.transaction():
            rest = iter(events)
            while several := list(itertools.islice(rest, AT_ONCE)):
                count += len(several)
                values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(several))
                new += len(
                    self._rows.fetch(
                        "INSERT INTO event (event_id, content_hash, at, source_id, domain, body) "
                        f"VALUES {values} ON CONFLICT DO NOTHING RETURNING seq",
                        *(value for event in several for value in _columns(event, stamp)),
                    )
                )
        return Added(new, count - new)

    def events(
        self, *, domain: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[Event]:
        """The events of a domain from `since` to before `until` (Unix seconds), as they were added, as they are verified
        now."""
        wanted = [("domain = ?", domain), ("at >= ?", since), ("at < ?", until)]
        bounds = [(words, value) for words, value in wanted if value is not None]
        where = " WHERE " + " AND ".join(words for words, _ in bounds) if bounds else ""
        rows = self._rows.fetch(f"SELECT body FROM event{where} ORDER BY seq", *(value for _, value in bounds))
        status = dict(self._rows.fetch("SELECT event_id, new FROM verification ORDER BY seq"))
        notes = dict(self._rows.fetch("SELECT event_id, reason FROM verification ORDER BY seq"))
        links = self._links()
        return [_standing(msgspec.json.decode(body, type=Event), status, notes, links) for (body,) in rows]

    def _links(self) -> dict[str, list[str]]:
        links: dict[str, list[str]] = defaultdict(list)
        for one, other in self._rows.fetch("SELECT event1, event2 FROM event_link ORDER BY seq"):
            links[one].append(other)
            links[other].append(one)
        return links

    def _status(self, event_id: str) -> str:
        rows = self._rows.fetch("SELECT body FROM event WHERE event_id = ?", event_id)
        if not rows:
            raise ConfigurationError(f"event {event_id}: there is none")
        last = self._rows.fetch("SELECT new FROM verification WHERE event_id = ? ORDER BY seq DESC LIMIT 1", event_id)
        return str(last[0][0]) if last else msgspec.json.decode(rows[0][0], type=Event).verification_status

    def verify(self, event_id: str, status: VerificationStatus, *, reason: str, by: str) -> None:
        """Set an event's verification; what it was stays in its history. Raises ConfigurationError for an unknown event."""
        with self._rows.transaction():
            self._rows.fetch(
                "INSERT INTO verification (event_id, old, new, reason, changed_by, changed_at) VALUES (?, ?, ?, ?, ?, ?)",
                event_id, self._status(event_id), status, reason, by, self.stamp(),
            )  # fmt: skip

    def history(self, event_id: str) -> list[Change]:
        """The verification history of an event, oldest first."""
        return [
            Change(*row)
            for row in self._rows.fetch(
                "SELECT old, new, reason, changed_by, changed_at FROM verification WHERE event_id = ? ORDER BY seq",
                event_id,
            )
        ]

    def link(self, event1: str, event2: str, link_type: str, *, confidence: float = 1.0, by: str) -> bool:
        """Link two events; False where they were linked so already."""
        if not 0 <= confidence <= 1 or event1 == event2:
            raise ValueError("a link is between two events, with a confidence from 0 to 1")
        for one in (event1, event2):
            self._status(one)  # raises where there is none
        return bool(
            self._rows.fetch(
                "INSERT INTO event_link (event1, event2, link_type, confidence, created_by, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq",
                event1, event2, link_type, confidence, by, self.stamp(),
            )
        )  # fmt: skip

    # Patterns and rulings

    def propose(self, patterns: Iterable[ExtractedPattern]) -> Added:
        """Write proposals. One that says what the last of its pattern said is a double; new figures are a new proposal."""
        last = self._proposals()
        new = count = 0
        with self._rows.transaction():
            for pattern in patterns:
                count += 1
                kept = msgspec.structs.replace(pattern, created_at="", human_validated=False, result=None)
                if last.get(kept.pattern_id) != kept:
                    last[kept.pattern_id] = kept
                    new += 1
                    self._rows.fetch(
                        "INSERT INTO proposal (pattern_id, made_at, body) VALUES (?, ?, ?)",
                        kept.pattern_id, self.stamp(), _json(kept),
                    )  # fmt: skip
        return Added(new, count - new)

    def _proposals(self) -> dict[str, ExtractedPattern]:
        rows = self._rows.fetch("SELECT pattern_id, body FROM proposal ORDER BY seq")
        return {pattern_id: msgspec.json.decode(body, type=ExtractedPattern) for pattern_id, body in dict(rows).items()}

    def patterns(self) -> dict[str, ExtractedPattern]:
        """Each pattern as it was proposed last, with what a person or the gate said of it."""
        rulings = self.rulings()
        return {
            pattern_id: _reviewed(pattern, rulings.get(pattern_id, []))
            for pattern_id, pattern in self._proposals().items()
        }

    def rule(self, ruling: Ruling) -> Ruling:
        """Write a ruling with its time. Raises ConfigurationError for a pattern that there is none of."""
        if not self._rows.fetch("SELECT 1 FROM proposal WHERE pattern_id = ? LIMIT 1", ruling.pattern_id):
            raise ConfigurationError(
                f"pattern {ruling.pattern_id}: there is none; `backstay patterns review` lists them"
            )
        kept = msgspec.structs.replace(ruling, at=self.stamp())
        self._rows.fetch("INSERT INTO ruling (pattern_id, body) VALUES (?, ?)", kept.pattern_id, _json(kept))
        return kept

    def rulings(self) -> dict[str, list[Ruling]]:
        """All rulings by pattern, oldest first."""
        found: dict[str, list[Ruling]] = defaultdict(list)
        for pattern_id, body in self._rows.fetch("SELECT pattern_id, body FROM ruling ORDER BY seq"):
            found[pattern_id].append(msgspec.json.decode(body, type=Ruling))
        return dict(found)

    # Weights

    def observe(self, pattern_id: str, *, hit: bool, origin: str, weight: float = 1.0) -> bool:
        """Count that a pattern held or not; False where `origin` (a prediction, a batch) was counted before."""
        return bool(
            self._rows.fetch(
                "INSERT INTO observation (pattern_id, hit, weight, origin, at) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING RETURNING seq",
                pattern_id, int(hit), weight, origin, self.now(),
            )
        )  # fmt: skip

    def observations(self) -> dict[str, list[Observation]]:
        """All observations by pattern, oldest first."""
        found: dict[str, list[Observation]] = defaultdict(list)
        for pattern_id, hit, weight, at in self._rows.fetch(
            "SELECT pattern_id, hit, weight, at FROM observation ORDER BY seq"
        ):
            found[pattern_id].append(Observation(bool(hit), weight, at))
        return dict(found)

    def override(self, pattern_id: str, weight: float | None, *, by: str, reason: str) -> None:
        """Set a pattern's weight by hand; None takes that back. Both stay on record."""
        if weight is not None and not 0 <= weight <= 1:
            raise ValueError(f"weight = {weight}: must be from 0 to 1")
        self._rows.fetch(
            "INSERT INTO override (pattern_id, weight, made_by, reason, made_at) VALUES (?, ?, ?, ?, ?)",
            pattern_id, weight, by, reason, self.stamp(),
        )  # fmt: skip

    def overrides(self) -> dict[str, float]:
        """The weights that are set by hand now."""
        rows = self._rows.fetch("SELECT pattern_id, weight FROM override ORDER BY seq")
        return {pattern_id: weight for pattern_id, weight in dict(rows).items() if weight is not None}

    # Predictions

    def predict(self, prediction: Prediction) -> Prediction:
        """Write a prediction with its time."""
        kept = msgspec.structs.replace(prediction, made_at=self.stamp())
        self._rows.fetch("INSERT INTO prediction (prediction_id, body) VALUES (?, ?)", kept.prediction_id, _json(kept))
        return kept

    def resolve(self, prediction_id: str, *, outcome: bool, by: str) -> Prediction:
        """Write what came true. Raises ConfigurationError where there is no such prediction, or it is resolved already."""
        found = {one.prediction_id: one for one in self.predictions()}.get(prediction_id)
        if found is None or found.outcome is not None:
            fault = "there is none" if found is None else "is resolved already, and stays so"
            raise ConfigurationError(f"prediction {prediction_id}: {fault}")
        at = self.now()
        self._rows.fetch(
            "INSERT INTO resolution (prediction_id, outcome, made_by, at) VALUES (?, ?, ?, ?)",
            prediction_id, int(outcome), by, at,
        )  # fmt: skip
        return msgspec.structs.replace(found, outcome=outcome, resolved_at=at)

    def predictions(self) -> list[Prediction]:
        """All predictions in their order, with their outcomes where they are known."""
        known = {
            prediction_id: (bool(outcome), at)
            for prediction_id, outcome, at in self._rows.fetch("SELECT prediction_id, outcome, at FROM resolution")
        }
        made = [
            msgspec.json.decode(body, type=Prediction)
            for (body,) in self._rows.fetch("SELECT body FROM prediction ORDER BY seq")
        ]
        return [
            msgspec.structs.replace(one, outcome=known[one.prediction_id][0], resolved_at=known[one.prediction_id][1])
            if one.prediction_id in known
            else one
            for one in made
        ]

    def close(self) -> None:
        """Close the database. Idempotent."""
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> Literal[False]:
        self.close()
        return False


def open_store(place: str | Path, *, clock: Clock | None = None, is_made: bool = True) -> PatternStore:
    """The store at `place`: a path, ":memory:", or a postgresql:// address. A file is made where there is none; without
    `is_made` that raises ConfigurationError instead."""
    return PatternStore(open_rows(place, is_made=is_made), clock=clock)


def _columns(event: Event, stamp: str) -> tuple[Any, ...]:
    """An event as a row, with its id and the time of its coming."""
    kept = msgspec.structs.replace(event, event_id=event.id, created_at=event.created_at or stamp)
    return kept.id, kept.content_hash, kept.at, kept.source_id, kept.domain, _json(kept)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _standing(event: Event, status: dict[str, Any], notes: dict[str, str], links: dict[str, list[str]]) -> Event:
    """An event with its last verification, and all that it is linked with."""
    related = (*event.related_events, *(one for one in links.get(event.id, ()) if one not in event.related_events))
    if event.id in status:
        event = msgspec.structs.replace(event, verification_status=status[event.id], verification_notes=notes[event.id])
    return msgspec.structs.replace(event, related_events=related) if related else event


def _reviewed(pattern: ExtractedPattern, rulings: Sequence[Ruling]) -> ExtractedPattern:
    """A pattern with the last word on it: a person's over the gate's."""
    final = next((one for one in reversed(rulings) if one.is_final), None)
    if final is not None:
        return msgspec.structs.replace(
            pattern,
            human_validated=True,
            result=final.result,
            correction=final.correction,
            validator=final.by,
            validated_at=final.at,
            extraction_source="llm_reviewed" if pattern.extraction_source == "llm_auto" else pattern.extraction_source,
        )
    passed = rulings[-1] if rulings else None
    if passed is not None and passed.decision == "auto_pass":
        return msgspec.structs.replace(pattern, result="auto_validated", validated_at=passed.at)
    return pattern

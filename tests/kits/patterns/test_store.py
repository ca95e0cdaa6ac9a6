"""The store keeps what was written: append-only, without doubles, with its history; the same on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest
from tests.servers import PostgresServer, Unavailable, running

from backstay.errors import ConfigurationError
from backstay.kits.patterns import Event, ExtractedPattern, PatternStore, Source, open_store
from backstay.kits.patterns.event import status_of
from backstay.kits.patterns.rows import PostgresRows, Rows, SQLiteRows
from backstay.kits.patterns.store import Prediction, Ruling
from backstay.stores.failure import StoreFailed

from .conftest import StandingClock, event, orders

RULE = ExtractedPattern(pattern_type="outcome", subject="x", description="x holds", source_event_ids=("a", "b"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL for this folder's session."""
    context: AbstractContextManager[object] = running(PostgresServer)
    try:
        server = context.__enter__()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield server.url  # type: ignore[attr-defined]
    context.__exit__(None, None, None)


def sqlite_rows(tmp_path: Path, request: pytest.FixtureRequest) -> Rows:
    return SQLiteRows(tmp_path / "patterns.db")


def postgres_rows(tmp_path: Path, request: pytest.FixtureRequest) -> Rows:
    schema = f"p{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    return PostgresRows(request.getfixturevalue("postgres"), schema=schema)


@pytest.fixture(params=[sqlite_rows, pytest.param(postgres_rows, marks=[pytest.mark.server, pytest.mark.slow])])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rows]:
    make: Callable[[Path, pytest.FixtureRequest], Rows] = request.param
    opened = make(tmp_path, request)
    yield opened
    opened.close()


@pytest.fixture
def kept(rows: Rows, clock: StandingClock) -> PatternStore:
    return PatternStore(rows, clock=clock)


def test_events_come_back_as_they_were_added_and_doubles_do_not(kept: PatternStore) -> None:
    """Adding a file twice changes nothing; a new event beside known ones is added."""
    events = orders(3)
    assert kept.add_events(events) == (len(events), 0)
    assert kept.add_events([*events, event("more", 9_999)]) == (1, len(events))
    back = kept.events()
    assert [one.what for one in back] == [one.what for one in (*events, event("more", 9_999))]
    assert [one.id for one in back[:3]] == [one.id for one in events[:3]]
    assert [one.what for one in kept.events(since=event("x", 9_000).at)] == ["more"]


def test_what_is_written_can_not_be_changed_or_removed(kept: PatternStore, rows: Rows) -> None:
    """The database itself refuses, for every table but that of sources."""
    kept.add_events(orders(1))
    kept.propose([RULE])
    for statement in (
        "UPDATE event SET body = '{}'", "DELETE FROM event", "UPDATE proposal SET body = '{}'", "DELETE FROM proposal",
    ):  # fmt: skip
        with pytest.raises(StoreFailed, match="append-only"):
            rows.fetch(statement)
    assert len(kept.events()) == len(orders(1))


def test_a_table_without_its_guard_would_be_changed(tmp_path: Path) -> None:
    """The broken variant: without the trigger the same statement goes through."""
    rows = SQLiteRows(tmp_path / "patterns.db")
    PatternStore(rows).add_events(orders(1))
    rows.fetch("DROP TRIGGER event_delete")
    rows.fetch("DELETE FROM event")
    assert rows.fetch("SELECT count(*) FROM event") == [(0,)]
    rows.close()


def test_all_or_nothing(kept: PatternStore, rows: Rows) -> None:
    """A fault in the middle of a file leaves none of it."""

    def broken() -> Iterator[Event]:
        yield event("one")
        raise RuntimeError("the reader failed")

    with pytest.raises(RuntimeError):
        kept.add_events(broken())
    assert kept.events() == []


def test_verification_keeps_its_history(kept: PatternStore, clock: StandingClock) -> None:
    """What it was, what it became, why, by whom and when; the event itself is the same."""
    (one, *_) = orders(1)
    kept.add_events([one])
    kept.verify(one.id, "high", reason="two papers", by="Ada")
    clock.seconds += 60
    kept.verify(one.id, "disputed", reason="a denial", by="Ben")
    history = kept.history(one.id)
    assert [(step.old, step.new, step.by) for step in history] == [
        ("unverified", "high", "Ada"),
        ("high", "disputed", "Ben"),
    ]
    assert history[0].at < history[1].at
    (back,) = kept.events()
    assert (back.verification_status, back.verification_notes) == ("disputed", "a denial")
    assert msgspec.structs.replace(back, verification_status="unverified", verification_notes="", created_at="",
                                   event_id="") == one  # fmt: skip
    with pytest.raises(ConfigurationError, match="there is none"):
        kept.verify("evt_nowhere", "high", reason="", by="Ada")


def test_links_are_kept_once_and_seen_from_both_sides(kept: PatternStore) -> None:
    """A link has a type, a confidence and an author."""
    one, other, *_ = orders(1)
    kept.add_events([one, other])
    assert kept.link(one.id, other.id, "follows", confidence=0.9, by="Ada")
    assert not kept.link(one.id, other.id, "follows", by="Ben")
    assert [back.related_events for back in kept.events()] == [(other.id,), (one.id,)]
    with pytest.raises(ValueError, match="between two events"):
        kept.link(one.id, one.id, "is", by="Ada")


def test_a_source_is_believed_by_its_record(kept: PatternStore) -> None:
    """Ten judged events and more move its reliability, by at most a half."""
    kept.add_source(Source(source_id="paper", source_type="journalism"))
    events = [event("seen", minute, source_id="paper") for minute in range(20)]
    kept.add_events(events)
    assert kept.sources()["paper"].effective_reliability == 0.75
    for one in events:
        kept.verify(one.id, "verified", reason="checked", by="Ada")
    known = kept.sources()["paper"]
    assert known.confirmed == 20
    assert known.effective_reliability == pytest.approx(0.8 * 0.75 + 0.2 * 1.0)
    kept.verify(events[0].id, "disputed", reason="it was wrong", by="Ada")
    assert (kept.sources()["paper"].confirmed, kept.sources()["paper"].refuted) == (19, 1)


def test_proposals_rulings_and_predictions_are_read_back(kept: PatternStore) -> None:
    """A pattern said again is a double; a person's word is the last; a prediction is resolved once."""
    assert kept.propose([RULE, RULE]) == (1, 1)
    newer = msgspec.structs.replace(RULE, llm_confidence=0.7)
    assert kept.propose([newer]) == (1, 0)
    kept.rule(Ruling(pattern_id=RULE.pattern_id, decision="auto_pass", result="auto_validated"))
    assert kept.patterns()[RULE.pattern_id].result == "auto_validated"
    kept.rule(Ruling(pattern_id=RULE.pattern_id, decision="rejected", result="incorrect", by="Ada", role="expert"))
    found = kept.patterns()[RULE.pattern_id]
    assert (found.result, found.validator, found.llm_confidence) == ("incorrect", "Ada", 0.7)
    with pytest.raises(ConfigurationError, match="there is none"):
        kept.rule(Ruling(pattern_id="pat_none", decision="review"))
    kept.predict(Prediction(prediction_id="p1", given={}, then=("what", "x"), probability=0.5, raw=0.5))
    assert kept.resolve("p1", outcome=True, by="Ada").outcome is True
    with pytest.raises(ConfigurationError, match="resolved already"):
        kept.resolve("p1", outcome=False, by="Ada")
    assert [one.outcome for one in kept.predictions()] == [True]


def test_observations_count_once_and_overrides_can_be_taken_back(kept: PatternStore) -> None:
    """The same origin is one observation."""
    assert kept.observe("pat_a", hit=True, origin="p1")
    assert not kept.observe("pat_a", hit=False, origin="p1")
    assert [one.hit for one in kept.observations()["pat_a"]] == [True]
    kept.override("pat_a", 0.2, by="Ada", reason="I know better")
    assert kept.overrides() == {"pat_a": 0.2}
    kept.override("pat_a", None, by="Ada", reason="I did not")
    assert kept.overrides() == {}


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    """Neither a database of somebody else nor a text is taken over."""
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    (tmp_path / "text.db").write_text("this is no database, but a longer line of text than a header\n" * 50)
    for name in ("other.db", "text.db"):
        with pytest.raises(ConfigurationError, match=r"another program|no database"):
            open_store(tmp_path / name)


def test_the_hash_is_the_one_that_was_promised() -> None:
    """16 hex digits of SHA-256 over what|when|where|sorted who, and nothing more where there is no record."""
    one = Event(what="granted", when="2026-01-02", where="Court", who=("B", "A"))
    assert one.content_hash == hashlib.sha256(b"granted|2026-01-02|Court|A,B").hexdigest()[:16]
    assert one.content_hash != msgspec.structs.replace(one, record="2").content_hash


def test_verification_by_sources() -> None:
    """One official or three independent sources verify; a dispute outweighs them."""
    papers = [Source(source_id=name, source_type="journalism") for name in "abc"]
    assert status_of(papers) == "verified"
    assert status_of(papers[:2]) == "high"
    assert status_of(papers[:1]) == "medium"
    assert status_of([papers[0], papers[0], papers[0]]) == "medium"
    assert status_of([Source(source_id="o", source_type="official")]) == "verified"
    assert status_of([Source(source_id="s", source_type="social")]) == "low"
    assert status_of(papers, is_disputed=True) == "disputed"
    assert status_of([]) == "unverified"

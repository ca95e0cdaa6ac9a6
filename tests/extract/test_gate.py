"""Gates, confidence and validators: each rule of theirs decides something, and no other does."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.config.setting import Extract as Limits
from backstay.extract.agreement import vote
from backstay.extract.confidence import combine
from backstay.extract.extraction import Field
from backstay.extract.gate import judge
from backstay.extract.validator import adds_up, check_all, in_order, items_add_up

SCHEMA: dict[str, Any] = {"properties": {}, "required": ["a"]}


def fields(*confidences: float, grounded: bool = True) -> dict[str, Field]:
    names = "abcdefghij"
    return {
        name: Field(value="x", confidence=confidence, grounded=grounded)
        for name, confidence in zip(names, confidences, strict=False)
    }


@pytest.mark.parametrize(
    ("confidences", "decision"),
    [
        ((0.95,) * 6, "accept"),
        ((0.9,) * 5, "accept"),
        ((0.89,) * 6, "validate"),
        ((0.75,) * 6, "validate"),
        ((0.74,) * 6, "review"),
        ((0.99,) * 4, "validate"),
        ((0.99, 0.2, 0.2), "review"),
    ],
)
def test_the_thresholds(confidences: tuple[float, ...], decision: str) -> None:
    """Accept at 0.75 or more; validate when under 0.90 or with fewer than five fields; else review."""
    gate = judge("complete", fields(*confidences), SCHEMA)
    assert gate.decision == decision
    assert gate.reasons
    assert gate.field_count == len(confidences)


def test_the_settings_move_the_thresholds() -> None:
    """What the configuration says holds."""
    limits = Limits(accept_at=0.5, validate_below=0.6, validate_fields=0)
    assert judge("complete", fields(0.61, 0.61), SCHEMA, limits=limits).decision == "accept"
    assert judge("complete", fields(0.55, 0.55), SCHEMA, limits=limits).decision == "validate"


@pytest.mark.parametrize(("confidence", "decision"), [(0.96, "accept"), (0.95, "accept"), (0.94, "review")])
def test_a_check_passes_at_its_own_threshold(confidence: float, decision: str) -> None:
    """After a validation there is no third one: it passed at 0.95, or a person looks."""
    assert judge("complete", fields(confidence, confidence), SCHEMA, is_checked=True).decision == decision


def test_what_is_rejected_and_why() -> None:
    """Failed, empty, or nothing of it in the document."""
    good = fields(*(0.99,) * 6)
    assert judge("failed", good, SCHEMA).decision == "reject"
    assert judge("empty", {"a": Field(value=None, confidence=0.6)}, SCHEMA).decision == "reject"
    assert judge("complete", fields(*(0.99,) * 6, grounded=False), SCHEMA).decision == "reject"


def test_evidence_that_nobody_looked_for_decides_nothing() -> None:
    """Neither rejected nor sent to a person for want of it; truth values have none and are no reason either."""
    made_up = fields(*(0.99,) * 6, grounded=False)
    assert judge("complete", made_up, SCHEMA, has_evidence=False).decision == "accept"
    truths = {"a": Field(value=True, confidence=0.8)}
    assert judge("complete", truths, SCHEMA).decision == "validate"


def test_a_required_field_that_is_missing_or_made_up_wants_a_person() -> None:
    """However sure the rest is."""
    good = fields(*(0.99,) * 6)
    missing = judge("partial", {**good, "a": Field(value=None, confidence=0.99)}, SCHEMA)
    made_up = judge("complete", {**good, "a": Field(value="x", confidence=0.99)}, SCHEMA)
    assert missing.decision == made_up.decision == "review"
    assert "a is required and missing" in missing.reasons
    assert judge("complete", {**good, "b": Field(value="x", confidence=0.99)}, SCHEMA).decision == "accept"


def test_signals_move_confidence_in_their_direction() -> None:
    """Evidence, likely tokens, agreement, a sure validation and passed checks raise it; their opposites lower it."""
    base = combine({"grounded": 1.0})
    assert base == pytest.approx(0.85, abs=0.005)
    assert combine({"grounded": 0.0}) == pytest.approx(0.3, abs=0.005)
    for name in ("logprob", "agreement", "stated", "valid"):
        assert combine({"grounded": 1.0, name: 1.0}) > base > combine({"grounded": 1.0, name: 0.0})
    assert combine({"rule": 0.92}) == 0.92
    assert combine({"rule": 0.92, "valid": 0.0}) < 0.92 < combine({"rule": 0.92, "valid": 1.0})


def test_the_vote_takes_a_whole_answer() -> None:
    """The answer that agrees best wins as a whole; spacing and case are no disagreement."""
    answers = [{"a": "x", "b": 1}, {"a": "X ", "b": 2.0}, {"a": "x", "b": 2}]
    best, shares = vote(answers)
    assert answers[best]["b"] == 2
    assert shares == {"a": 1.0, "b": pytest.approx(2 / 3)}


def test_sums_and_orders_are_checked() -> None:
    """In order is 1, a doubt is 0 with words, and what is not there is not judged."""
    checks = (adds_up(("net", "tax"), "gross"), items_add_up("rows", "sum", "net"), in_order("from", "to"))
    good = {"net": "100.00", "tax": "19.00", "gross": "119.00", "rows": [{"sum": "60"}, {"sum": "40.01"}]}
    valid, doubts = check_all(checks, {**good, "from": "2026-01-01", "to": "2026-01-02"})
    assert set(valid.values()) == {1.0}
    assert doubts == []
    valid, doubts = check_all(checks, {**good, "gross": "120.00", "from": "2026-01-03", "to": "2026-01-02"})
    assert valid["gross"] == valid["net"] == valid["to"] == 0.0
    assert valid["rows[0].sum"] == 1.0
    assert len(doubts) == 2
    assert check_all(checks, {"net": "1", "rows": [{"sum": None}], "from": None}) == ({}, [])

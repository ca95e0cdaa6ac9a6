"""The reviewer of verified mode: it can drop a model's text, cannot clear one, and counts only where it quotes the text."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.document.document import Document
from backstay.extract.grounding import STRICT, check
from backstay.kits.denials.setting import Settings
from backstay.kits.denials.workflow import Pack

from .conftest import ROOT, Work, text_of
from .test_pack import FACTS, LETTER, PLAN, body

FINE: dict[str, Any] = {"findings": []}
VERIFIED = Settings(mode="verified")


def plan_document() -> Document:
    """The plan document of the examples."""
    text = (ROOT / "examples" / "denials" / "greystone_plan.txt").read_text(encoding="utf-8")
    return Document(source="greystone_plan.txt", text=text, media_type="text/plain", pages=(0,))


async def worked(work: Work, appeal: str, verdict: dict[str, Any], *more: Any) -> Pack:
    """A case in verified mode whose appeal letter and the review of it are given."""
    others = [one for text in ("[NOTES].", "Ask.", "About: a decision.") for one in (body(text), FINE)]
    answers = (FACTS, PLAN, FINE, "Acorn did not pay.", FINE, body(appeal), verdict, *more, *others)
    return await work(LETTER, *answers, plan_documents=[plan_document()], settings=VERIFIED)


def objection(statement: str) -> dict[str, Any]:
    return {"findings": [{"statement": statement, "verdict": "unsupported", "reason": "no source speaks of it"}]}


async def test_a_statement_without_a_form_is_dropped_by_the_reviewer(work: Work) -> None:
    """A sentence that no rule can check: the reviewer objects, the rules' letter stands in its place, the case says so."""
    pack = await worked(work, "My doctor tried other drugs.", objection("tried other drugs"), FINE)
    (verdict,) = pack.blocked
    assert [one.statement for one in verdict.objections] == ["tried other drugs"]
    appeal = next(one for one in pack.papers if one.name == "appeal_letter")
    assert "other drugs" not in appeal.text
    assert pack.writers["appeal_letter"] == "rules"
    assert pack.reviewed_by == "scripted"


async def test_an_objection_that_quotes_nothing_does_not_count(work: Work) -> None:
    """Words that the text does not hold: the text stays, and a note tells."""
    pack = await worked(work, "I ask you to look again.", objection("denied claim A-71"))
    assert pack.blocked == ()
    assert pack.writers["appeal_letter"] == "scripted"
    assert any("quote nothing" in note for note in pack.notes)


async def test_a_reviewer_cannot_clear_what_rules_block(work: Work) -> None:
    """An amount that nobody stated is blocked before anybody is asked."""
    pack = await worked(work, "I ask for $9,999.00.", FINE)
    assert [item.text for item in pack.blocked[0].ungrounded] == ["$9,999.00"]


async def test_an_objection_to_the_rules_text_is_told_to_a_person(work: Work) -> None:
    """The rules' text restates facts: it stays, and what the reviewer says stands under what a person should look at."""
    pack = await worked(
        work, "My doctor tried other drugs.", objection("tried other drugs"), objection("Reverse the denial")
    )
    assert any(one.name == "appeal_letter" for one in pack.papers)
    assert any("'Reverse the denial'" in one for one in pack.needs_person)


async def test_a_reviewer_that_fails_is_noted(work: Work) -> None:
    """Words instead of JSON: the rules' check stands alone, and a note says so."""
    pack = await work(
        LETTER, FACTS, PLAN, "no", "Acorn.", *["no"] * 20, plan_documents=[plan_document()], settings=VERIFIED
    )
    assert any("not reviewed beyond the rules" in note for note in pack.notes)


@pytest.mark.parametrize("name", ["knee_mri", "tabular_header"])
async def test_offline_the_reviewer_is_rules(name: str, work: Work) -> None:
    """Without a model the same prompt is answered by rules, which find nothing and are named."""
    pack = await work(text_of(name), plan_documents=[plan_document()], settings=VERIFIED)
    assert (pack.blocked, pack.reviewed_by) == ((), "rules")


async def test_fast_mode_asks_no_reviewer(work: Work) -> None:
    """One question less for each text."""
    assert (await work(text_of("knee_mri"))).reviewed_by is None


def test_the_rule_of_the_reviewer_can_object() -> None:
    """The check that answers the prompt offline is not passed by everything."""
    assert check("We denied it on May 5, 2026.", "Denied on 2026-05-04.", kinds=STRICT).ungrounded

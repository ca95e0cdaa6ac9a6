"""Action plan: what to do, who does it, until when and with which papers; made from facts, a route and rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.kits.denials.coverage import Rule, relevant
from backstay.kits.denials.deadline import Timeline, make_timeline
from backstay.kits.denials.fact import Facts
from backstay.kits.denials.route import APPEAL, AUTHORIZATION, CORRECTION, NAMES, Route
from backstay.kits.denials.rows import (
    EVIDENCE,
    PACK,
    QUESTIONS,
    STEPS,
    UNROUTED,
    UNROUTED_PACK,
    EvidenceRow,
    Importance,
    Party,
    StepRow,
)
from backstay.kits.denials.setting import DISCLAIMERS, UNVERIFIED, Settings

Likelihood: TypeAlias = Literal["low", "medium", "high", "unknown"]
DATED: Final = ("deadline", "submission")


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The case in three sentences. `success_likelihood` is unknown unless a fact decides it; the factors say what would."""

    situation: str
    recommendation: str
    success_likelihood: Likelihood
    success_factors: tuple[str, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the plan; `deadline` is ISO or None, and `deadline_source` says where it comes from."""

    step_number: int
    action: str
    description: str
    responsible_party: Party
    deadline: str | None
    deadline_source: str
    documents_needed: tuple[str, ...] = ()
    templates_available: tuple[str, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for a fact that the documents lack."""

    question: str
    field: str
    importance: Importance


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """A claim with the words that it rests on and where they stand."""

    claim: str
    source: str
    quote: str


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken to be so, what depends on it, and how to make sure."""

    assumption: str
    impact: str
    how_to_verify: str


class ActionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole plan of a case."""

    summary: Summary
    steps: tuple[Step, ...]
    timeline: Timeline
    evidence_checklist: tuple[EvidenceRow, ...]
    missing_info_requests: tuple[Question, ...]
    generated_documents: tuple[str, ...]
    citations: tuple[Citation, ...]
    assumptions: tuple[Assumption, ...]
    disclaimers: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """The plan as JSON data."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def make_plan(
    facts: Facts, route: Route, *, today: dt.date, settings: Settings, rules: tuple[Rule, ...] = ()
) -> ActionPlan:
    """The ActionPlan of a case on the day `today`."""
    timeline = make_timeline(facts, today=today, days_before=settings.days_before)
    rows = STEPS[route.route] if route.route else UNROUTED
    return ActionPlan(
        summary=_summary(facts, route, timeline),
        steps=tuple(_step(number, row, facts, timeline, route) for number, row in enumerate(rows, 1)),
        timeline=timeline,
        evidence_checklist=EVIDENCE[route.route] if route.route else (),
        missing_info_requests=tuple(
            Question(question=question, field=field, importance=importance)
            for field, question, importance in QUESTIONS
            if facts[field] is None and not (field == "service.cpt_codes[0]" and facts.codes("CPT", "HCPCS"))
        ),
        generated_documents=PACK[route.route] if route.route else UNROUTED_PACK,
        citations=_citations(facts, rules, route),
        assumptions=_assumptions(facts, timeline),
        disclaimers=DISCLAIMERS if rules else (*DISCLAIMERS, UNVERIFIED),
    )


def fill(text: str, facts: Facts) -> str:
    """`text` with its places filled from the facts, or with what a person calls it."""
    named = {
        "payer": facts["payer.name"] or "the health plan",
        "provider": facts["service.provider_name"] or facts["service.facility_name"] or "the provider",
    }
    for name, value in named.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def _step(number: int, row: StepRow, facts: Facts, timeline: Timeline, route: Route) -> Step:
    deadline, source = None, "as soon as you can"
    if row.when == "deadline" and timeline.appeal_deadline and not timeline.is_past:
        deadline, source = timeline.appeal_deadline, f"appeal deadline, {timeline.source}"
    elif row.when == "submission" and timeline.recommended_submission_date:
        deadline, source = timeline.recommended_submission_date, "some days before the appeal deadline"
    elif row.when in DATED and timeline.is_past:
        source = "the printed deadline has passed; ask the plan at once whether it accepts a late filing for good cause"
    elif row.when in DATED:
        source = f"unknown: {timeline.source}"
    if route.urgency != "standard" and number == 1:
        source = "today: the letter speaks of an expedited review"
    return Step(
        step_number=number,
        action=fill(row.action, facts),
        description=fill(row.description, facts),
        responsible_party=row.party,
        deadline=deadline,
        deadline_source=source,
        documents_needed=row.needs,
        templates_available=row.templates,
    )


def _summary(facts: Facts, route: Route, timeline: Timeline) -> Summary:
    who = facts["payer.name"] or "The health plan"
    what = facts["service.description"] or "the service"
    reason = str(facts["denial_reason"] or "").rstrip(".")
    situation = f"{who} denied {what}" + (f"; the stated reason is: {reason}." if reason else "; no reason was found.")
    if route.route is None:
        recommendation = f"No way is recommended: {route.declined}."
    else:
        recommendation = f"Recommended: {NAMES[route.route]}."
        if timeline.is_past:
            recommendation += (
                " The deadline that the letter gives has passed; ask at once about late filing for good cause."
            )
    return Summary(
        situation=situation,
        recommendation=recommendation,
        success_likelihood="unknown",
        success_factors=_factors(facts, route),
    )


def _factors(facts: Facts, route: Route) -> tuple[str, ...]:
    """What would decide the case, for the way that was chosen."""
    by_way: dict[str | None, tuple[str, ...]] = {
        APPEAL: (
            "a clinician's letter that answers the stated reason point by point",
            "records that show each criterion of the plan as met",
        ),
        AUTHORIZATION: (
            "an authorization that was given and not matched to the claim",
            "care that was an emergency, or a plan that authorizes after the fact",
        ),
        CORRECTION: (
            "an error that the billing office can find and correct",
            "a corrected claim inside the plan's filing limit",
        ),
    }
    found = by_way.get(route.route, ())
    if facts["prior_authorization.auth_number"]:
        found = (f"the authorization number {facts['prior_authorization.auth_number']} that the letter prints", *found)
    return (*found, "filing in time, with proof of it")


def _citations(facts: Facts, rules: tuple[Rule, ...], route: Route) -> tuple[Citation, ...]:
    claims = (
        ("the reason for the denial", "denial_reason"),
        ("how to appeal", "raw_text_snippets.appeal_instructions"),
    )
    own = [
        Citation(
            claim=claim,
            source=f"{Path(facts.get(path).source).name}, page {facts.get(path).page}",
            quote=str(facts.get(path).quote),
        )
        for claim, path in claims
        if facts.get(path).quote
    ]
    cited = [
        Citation(
            claim=f"what the plan says of {rule.topic.replace('_', ' ')}",
            source=f"{rule.source}, page {rule.page}" + (f", {rule.section}" if rule.section else ""),
            quote=rule.quote,
        )
        for rule in relevant(rules, route.route)
    ]
    return (*own, *cited)


def _assumptions(facts: Facts, timeline: Timeline) -> tuple[Assumption, ...]:
    found = []
    if timeline.appeal_deadline and timeline.base:
        found.append(
            Assumption(
                assumption=f"The days to appeal count from {timeline.base}, the date of the letter.",
                impact="The deadline moves with it.",
                how_to_verify="Ask the plan from which day it counts.",
            )
        )
    found += [
        Assumption(
            assumption=f"{one.field}: {one.values[0]} is right, though {' and '.join(one.values[1:])} is printed as well.",
            impact="Dates and letters use the first value.",
            how_to_verify="Ask the plan which one is right before anything is sent.",
        )
        for one in facts.conflicts
        if len(one.values) > 1 and one.note is None
    ]
    return tuple(found)

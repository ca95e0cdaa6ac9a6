"""Papers and plans as Markdown. Values come from documents, so what Markdown would read as markup is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from backstay.kits.denials.deadline import days_left
from backstay.kits.denials.paper import Paper
from backstay.kits.denials.plan import ActionPlan, Step

_MARKS: Final = re.compile(r"([\\`*_<>#|])")


def escape(text: str) -> str:
    """`text` on one line, as itself in Markdown."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def paper_to_markdown(paper: Paper) -> str:
    """The paper as a Markdown page."""
    return "\n\n".join(_blocks(paper)) + "\n"


def _blocks(paper: Paper) -> Iterator[str]:
    is_letter = paper.form == "letter"
    if not is_letter:
        yield f"# {escape(paper.title)}"
    for lines in (paper.sender, paper.recipient, (paper.day,) if paper.day else ()):
        if lines:
            yield _lines(lines)
    if is_letter:
        yield f"# {escape(paper.title)}"
    if paper.references:
        yield "\n".join(["| | |", "|---|---|", *(f"| {escape(a)} | {escape(b)} |" for a, b in paper.references)])
    if paper.salutation:
        yield escape(paper.salutation)
    mark = "- [ ]" if paper.form == "checklist" else "-"
    for section in paper.sections:
        if section.heading:
            yield f"## {escape(section.heading)}"
        yield from map(escape, section.paragraphs)
        if section.items:
            yield "\n".join(f"{mark} {escape(item)}" for item in section.items)
    if paper.closing:
        yield _lines(paper.closing)
    if paper.footer:
        yield "---"
        yield from (f"*{escape(line)}*" for line in paper.footer)


def _lines(lines: Iterable[str]) -> str:
    return "  \n".join(escape(line) for line in lines)


def plan_to_markdown(plan: ActionPlan) -> str:
    """The action plan as a Markdown page."""
    timeline = plan.timeline
    left = "" if timeline.days_remaining is None else f" ({days_left(timeline.days_remaining)})"
    parts = [
        "# Action plan",
        escape(plan.summary.situation),
        f"**{escape(plan.summary.recommendation)}**",
        f"Appeal deadline: **{timeline.appeal_deadline or 'unknown'}**{left}, {escape(timeline.source)}.",
        "## Steps",
        *(_step(step) for step in plan.steps),
    ]
    if plan.evidence_checklist:
        rows = [
            f"- [ ] {escape(row.item)} ({row.priority}; from {row.source}): {row.purpose}"
            for row in plan.evidence_checklist
        ]
        parts += ["## Evidence", "\n".join(rows)]
    if plan.missing_info_requests:
        rows = [f"- {escape(one.question)} ({one.importance.replace('_', ' ')})" for one in plan.missing_info_requests]
        parts += ["## Still to find out", "\n".join(rows)]
    parts += ["## What helps", "\n".join(f"- {escape(one)}" for one in plan.summary.success_factors)]
    if plan.citations:
        rows = [f'- {escape(one.claim)}: "{escape(one.quote)}" ({escape(one.source)})' for one in plan.citations]
        parts += ["## Where it stands", "\n".join(rows)]
    if plan.assumptions:
        rows = [f"- {escape(one.assumption)} {one.impact} {one.how_to_verify}" for one in plan.assumptions]
        parts += ["## Taken to be so", "\n".join(rows)]
    parts.append("\n".join(f"- *{escape(line)}*" for line in plan.disclaimers))
    return "\n\n".join(parts) + "\n"


def _step(step: Step) -> str:
    until = f"by {step.deadline} ({escape(step.deadline_source)})" if step.deadline else escape(step.deadline_source)
    needs = f" Needs: {', '.join(step.documents_needed)}." if step.documents_needed else ""
    who = step.responsible_party.replace("_", " ")
    return f"{step.step_number}. **{escape(step.action)}** ({who}; {until}). {escape(step.description)}{needs}"

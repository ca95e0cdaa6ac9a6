"""The kit's offline rules: one for each of its prompts, reading the prompt's own data and answering in the prompt's own shape."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.extract.grounding import STRICT, check
from backstay.kits.denials.body import BODIES, Case
from backstay.kits.denials.story import tell
from backstay.offline.provider import Answer, Rule, question
from backstay.prompts.escape import enclosed
from backstay.types import Request


def _data(request: Request, name: str) -> dict[str, Any] | None:
    """The JSON object of a variable of the rendered prompt."""
    text = enclosed(question(request), name)
    try:
        found = None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None


def answer_document(request: Request) -> Answer | None:
    """The body of a document."""
    write = BODIES.get(request.metadata.task or "")
    facts = _data(request, "facts")
    if write is None or facts is None:
        return None
    sections = msgspec.to_builtins(write(Case(facts, _data(request, "plan") or {})))
    return Answer(text=msgspec.json.encode({"sections": sections}).decode())


def answer_summary(request: Request) -> Answer | None:
    """The situation in plain words."""
    facts = _data(request, "facts")
    if request.metadata.task != "situation_summary" or facts is None:
        return None
    return Answer(text=tell(Case(facts, _data(request, "plan") or {})))


def answer_plan(request: Request) -> Answer | None:
    """The plan's own words, unchanged: rules have nothing to add to rules."""
    plan = _data(request, "plan")
    if request.metadata.task != "action_plan" or plan is None:
        return None
    summary = plan.get("summary") or {}
    kept = {name: summary.get(name) for name in ("situation", "recommendation", "success_factors")}
    return Answer(text=msgspec.json.encode(kept).decode())


def answer_review(request: Request) -> Answer | None:
    """What has a form and stands in no source: all that rules can see."""
    document, sources = (enclosed(question(request), name) for name in ("document", "sources"))
    if request.metadata.task != "grounding_validation" or document is None or sources is None:
        return None
    found = [
        {"statement": item.text, "verdict": "unsupported", "reason": f"no source has this {item.kind}"}
        for item in check(document, sources, kinds=STRICT).ungrounded
    ]
    return Answer(text=msgspec.json.encode({"findings": found}).decode())


RULES: Final = (
    Rule("denial_documents", answer_document),
    Rule("denial_summary", answer_summary),
    Rule("denial_plan", answer_plan),
    Rule("denial_review", answer_review),
)
"""Before the shipped rules: `Client(services={"offline": Offline((*RULES, *SHIPPED))})`."""

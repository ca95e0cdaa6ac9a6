"""Desk: where texts are asked for, checked, reviewed, and replaced by the rules' text where they do not hold.

Every text is checked by rules for codes, dates, amounts, contacts and numbers (`check.py`). In verified mode it is then read by a
reviewer, the prompt `grounding_validation`, who is a model where there is one: it can see what has no form. A model can only
add a fault, never clear one, and an objection counts only if the words that it objects to stand in the text. A model's text
with an objection is dropped; the rules' text restates facts, so there an objection is told to a person and the text stays.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.client import Client
from backstay.errors import LLMError
from backstay.kits.denials.body import BODIES, Body, Case, Section
from backstay.kits.denials.check import Objection, Sources, Verdict
from backstay.kits.denials.paper import Paper, make_paper
from backstay.kits.denials.plan import ActionPlan
from backstay.kits.denials.story import tell
from backstay.prompts.library import PromptLibrary

SUMMARY: Final = "situation_summary"
PLAN: Final = "action_plan"
REVIEW: Final = "grounding_validation"
RULE_WRITER: Final = "rules"
NO_SUMMARY: Final = "The situation could not be told from the facts alone; read the letter and the action plan."


class Desk:
    """The texts of one case. `is_reviewed` has every text read by the reviewer as well."""

    def __init__(
        self,
        client: Client,
        prompts: PromptLibrary,
        sources: Sources,
        *,
        facts: dict[str, Any],
        plan: ActionPlan,
        is_reviewed: bool = False,
    ) -> None:
        self._client = client
        self._prompts = prompts
        self._sources = sources
        self._facts = facts
        self._plan = plan
        self.writers: dict[str, str] = {}
        self.blocked: list[Verdict] = []
        self.verdicts: list[Verdict] = []
        self.notes: list[str] = []
        self.objections: list[str] = []
        self.reviewer: str | None = None
        self._is_reviewed = is_reviewed

    @property
    def case(self) -> Case:
        """Facts and plan as the rules read them."""
        return Case(self._facts, self._plan.data())

    async def word_plan(self) -> ActionPlan:
        """The plan with its summary in a model's words, where there is a model and its words hold."""
        said = await self._ask_json(PLAN)
        own = self._plan.summary
        if said is None:
            return self._plan
        worded = msgspec.structs.replace(
            own,
            situation=str(said["situation"]),
            recommendation=str(said["recommendation"]),
            success_factors=tuple(map(str, said["success_factors"])),
        )
        text = "\n".join((worded.situation, worded.recommendation, *worded.success_factors))
        if not await self._holds(PLAN, text, is_last=worded == own):
            worded = own
        self._plan = msgspec.structs.replace(self._plan, summary=worded)
        return self._plan

    async def summary(self) -> str:
        """The situation in plain words."""
        rendered = self._prompts.render(SUMMARY, facts=self._facts, plan=self._plan.data())
        written = None
        try:
            response = await self._client.generate(rendered.request())
            written = response.text.strip()
            self.writers[SUMMARY] = _writer(response.provenance)
        except LLMError as error:
            self._fall_back(SUMMARY, str(error))
        own = tell(self.case)
        for text in dict.fromkeys(one for one in (written, own) if one):
            if await self._holds(SUMMARY, text, is_last=text == own):
                return text
        return NO_SUMMARY

    async def paper(self, name: str, footer: tuple[str, ...]) -> Paper | None:
        """The document `name`; None where even the rules' text is not grounded."""
        said = await self._ask_json(name)
        body = None if said is None else _body(said)
        own = BODIES[name](self.case)
        for sections in (body, own):
            if sections and not (sections is own and body == own):
                paper = make_paper(name, sections, self.case, footer=footer)
                if await self._holds(name, paper.text, is_last=sections == own):
                    return paper
        return None

    async def _ask_json(self, name: str) -> dict[str, Any] | None:
        rendered = self._prompts.render(name, facts=self._facts, plan=self._plan.data())
        try:
            answer = await self._client.generate_json(rendered.request())
        except LLMError as error:
            self._fall_back(name, str(error))
            return None
        self.writers[name] = _writer(answer.response.provenance)
        return answer.value if isinstance(answer.value, dict) else None

    async def _holds(self, name: str, text: str, *, is_last: bool) -> bool:
        """Whether a text is grounded; a verdict that blocks is kept. `is_last`: the text is the rules' own."""
        verdict = self._sources.judge(name, text)
        if not verdict.is_blocked and self._is_reviewed:
            found = await self._review(name, text)
            if is_last:
                self.objections += [f"{name}: the reviewer objects to {one.statement!r}: {one.reason}" for one in found]
            else:
                verdict = msgspec.structs.replace(verdict, objections=found)
        if not verdict.is_blocked:
            self.verdicts.append(verdict)
            return True
        self.blocked.append(verdict)
        if not is_last:
            items = ", ".join(
                (*(item.text for item in verdict.ungrounded), *(one.statement for one in verdict.objections))
            )
            writer = self.writers.get(name, "the model")
            self._fall_back(name, f"the text of {writer} states what no source does: {items}")
        return False

    async def _review(self, name: str, text: str) -> tuple[Objection, ...]:
        """What the reviewer finds that stands in the text; nothing, with a note, where nobody could review."""
        rendered = self._prompts.render(REVIEW, document=text, sources=self._sources.text)
        try:
            answer = await self._client.generate_json(rendered.request())
        except LLMError as error:
            self.notes.append(f"{name}: not reviewed beyond the rules; {error}")
            return ()
        self.reviewer = _writer(answer.response.provenance)
        said = answer.value.get("findings") if isinstance(answer.value, dict) else None
        plain = " ".join(text.split())
        found = [
            Objection(statement=str(one["statement"]), verdict=str(one["verdict"]), reason=str(one["reason"]))
            for one in said or ()
        ]
        kept = tuple(one for one in found if one.statement.strip() and " ".join(one.statement.split()) in plain)
        if len(kept) < len(found):
            self.notes.append(
                f"{name}: {len(found) - len(kept)} objections of the reviewer quote nothing of the text and do not count"
            )
        return kept

    def _fall_back(self, name: str, why: str) -> None:
        self.notes.append(f"{name}: written by rules; {why}")
        self.writers[name] = RULE_WRITER


def _body(said: dict[str, Any]) -> Body:
    return tuple(
        Section(
            str(one.get("heading") or ""),
            tuple(map(str, one.get("paragraphs") or ())),
            tuple(map(str, one.get("items") or ())),
        )
        for one in said.get("sections") or ()
    )


def _writer(provenance: Any) -> str:
    return RULE_WRITER if provenance.degraded else str(provenance.target)

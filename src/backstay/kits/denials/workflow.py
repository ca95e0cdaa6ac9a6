"""Workflow: one letter, with what belongs to it, from documents to a checked pack.

    async with open_client() as client:
        case = await work_case(client, read_document("letter.pdf"), today=date)

The facts come from a model or from rules; route, deadlines, steps and the check are always rules, so that the same facts lead
to the same plan. A model words the summary and the documents. What it writes is checked like everything else: a text with an
ungrounded item is dropped, the rules' text stands in for it, and the case says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from backstay.client import Client
from backstay.document.document import Document
from backstay.errors import ConfigurationError, LLMError, OutputError
from backstay.extract.extraction import Extraction
from backstay.kits.denials.body import BODIES, Body, Case, Section
from backstay.kits.denials.check import Sources, Verdict
from backstay.kits.denials.coverage import Rule as PlanRule
from backstay.kits.denials.coverage import read_rules
from backstay.kits.denials.fact import Facts, add_benefits, read_facts
from backstay.kits.denials.paper import Paper, make_paper
from backstay.kits.denials.plan import ActionPlan, make_plan
from backstay.kits.denials.route import Route, choose_route
from backstay.kits.denials.rules import RULES
from backstay.kits.denials.schema import facts_schema
from backstay.kits.denials.setting import DISCLAIMERS, UNVERIFIED, Settings
from backstay.kits.denials.story import tell
from backstay.offline.provider import Offline
from backstay.offline.rules import SHIPPED
from backstay.prompts.library import PromptLibrary, shipped

SUMMARY: Final = "situation_summary"
PLAN: Final = "action_plan"
RULE_WRITER: Final = "rules"
NO_SUMMARY: Final = "The situation could not be told from the facts alone; read the letter and the action plan."


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """A case that has been worked on: everything that is written out. `writers` says who wrote each text."""

    facts: Facts
    route: Route
    plan: ActionPlan
    rules: tuple[PlanRule, ...]
    summary: str
    papers: tuple[Paper, ...]
    blocked: tuple[Verdict, ...]
    verdicts: tuple[Verdict, ...]
    writers: dict[str, str]
    needs_person: tuple[str, ...]
    notes: tuple[str, ...] = ()


def open_client(model: str | None = None, **arguments: Any) -> Client:
    """A client whose offline provider knows the kit's rules beside the shipped ones."""
    services = {"offline": Offline((*RULES, *SHIPPED)), **arguments.pop("services", {})}
    return Client(model, services=services, **arguments)


async def work_case(
    client: Client,
    letter: Document,
    *,
    today: dt.date,
    benefits: Document | None = None,
    plan_documents: Sequence[Document] = (),
    settings: Settings | None = None,
    library: PromptLibrary | None = None,
) -> Pack:
    """The Pack of one letter on the day `today`. `benefits` is an explanation of benefits, `plan_documents` an SBC or EOC.

    Raises ConfigurationError for verified mode without plan documents, LLMError where the letter could not be read at all.
    """
    chosen = settings or Settings()
    if chosen.mode == "verified" and not plan_documents:
        raise ConfigurationError("mode verified: needs a plan document (an SBC or an EOC) to cite")
    prompts = library or shipped()
    facts = await _read(client, letter, prompts, chosen)
    if benefits is not None:
        facts = add_benefits(facts, benefits, await _extract(client, benefits, prompts, chosen))
    rules = read_rules(plan_documents) if chosen.mode == "verified" else ()
    route = choose_route(facts, letter.text)
    plan = make_plan(facts, route, today=today, settings=chosen, rules=rules)
    desk = _Desk(client, prompts, Sources(facts, plan.timeline, rules), facts=facts.data(), plan=plan)
    return await _compose(desk, facts, route, rules, chosen)


async def _read(client: Client, letter: Document, prompts: PromptLibrary, settings: Settings) -> Facts:
    return read_facts(letter, await _extract(client, letter, prompts, settings))


async def _extract(client: Client, document: Document, prompts: PromptLibrary, settings: Settings) -> Extraction:
    schema = facts_schema(prompts, is_short=settings.is_short)
    found = await client.extract(schema, document)
    if found.status == "failed":
        raise OutputError(f"{document.source}: the facts could not be read ({'; '.join(found.errors) or 'no answer'})")
    return found


async def _compose(desk: _Desk, facts: Facts, route: Route, rules: tuple[PlanRule, ...], settings: Settings) -> Pack:
    plan = await desk.word_plan()
    summary = await desk.summary()
    footer = DISCLAIMERS if rules else (*DISCLAIMERS, UNVERIFIED)
    papers = [await desk.paper(name, footer) for name in plan.generated_documents]
    return Pack(
        facts=facts,
        route=route,
        plan=plan,
        rules=rules,
        summary=summary,
        papers=tuple(paper for paper in papers if paper is not None),
        blocked=tuple(desk.blocked),
        verdicts=tuple(desk.verdicts),
        writers=desk.writers,
        needs_person=_person(facts, route, settings),
        notes=tuple(desk.notes),
    )


def _person(facts: Facts, route: Route, settings: Settings) -> tuple[str, ...]:
    """Why a person should look before anything is sent."""
    found = [f"{path} is doubtful ({facts.get(path).confidence:.2f})" for path in facts.doubtful(settings.doubtful)]
    counted = ("dates.date_of_denial", "dates.appeal_deadline", "payer.member_id", "payer.name")
    found += [
        f"{path} is uncertain ({facts.get(path).confidence:.2f})"
        for path in counted
        if facts[path] is not None and settings.doubtful <= facts.get(path).confidence < settings.sure
    ]
    found += [f"{one.field} is printed as {' and '.join(one.values)}" for one in facts.conflicts]
    if route.declined:
        found.append(route.declined)
    elif route.confidence < settings.doubtful:
        found.append(f"the route is uncertain ({route.confidence:.2f})")
    return tuple(found)


class _Desk:
    """Where texts are asked for, checked, and replaced by the rules' text where the check blocks them."""

    def __init__(
        self, client: Client, prompts: PromptLibrary, sources: Sources, *, facts: dict[str, Any], plan: ActionPlan
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
        if not self._holds(PLAN, text, is_last=worded == own):
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
            if self._holds(SUMMARY, text, is_last=text == own):
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
                if self._holds(name, paper.text, is_last=sections == own):
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

    def _holds(self, name: str, text: str, *, is_last: bool) -> bool:
        """Whether a text is grounded; a verdict that blocks is kept."""
        verdict = self._sources.judge(name, text)
        if verdict.is_blocked:
            self.blocked.append(verdict)
            if not is_last:
                items = ", ".join(item.text for item in verdict.ungrounded)
                self._fall_back(
                    name, f"the text of {self.writers.get(name, 'the model')} states what no source does: {items}"
                )
            return False
        self.verdicts.append(verdict)
        return True

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

"""Workflow: one letter, with what belongs to it, from documents to a checked pack.

    async with open_client() as client:
        case = await work_case(client, read_document("letter.pdf"), today=date)

The facts come from a model, with rules as a second reader (`second.py`), or from rules alone. Route, deadlines, steps and the
check are always rules, so that the same facts lead to the same plan. A model words the summary and the documents. What it writes
is checked like everything else: a text with an ungrounded item is dropped, the rules' text stands in for it, and the case says
so. In verified mode a reviewer reads every text as well (`desk.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from backstay.client import Client
from backstay.document.document import Document
from backstay.errors import ConfigurationError, OutputError
from backstay.extract.extraction import Extraction
from backstay.kits.denials.check import Sources, Verdict
from backstay.kits.denials.coverage import Rule as PlanRule
from backstay.kits.denials.coverage import read_rules
from backstay.kits.denials.desk import Desk
from backstay.kits.denials.fact import Facts, add_benefits, read_facts
from backstay.kits.denials.paper import Paper
from backstay.kits.denials.plan import ActionPlan, make_plan
from backstay.kits.denials.route import Route, choose_route
from backstay.kits.denials.rules import RULES
from backstay.kits.denials.schema import facts_schema
from backstay.kits.denials.second import with_rules
from backstay.kits.denials.setting import DISCLAIMERS, UNVERIFIED, Settings
from backstay.offline.provider import Offline
from backstay.offline.rules import SHIPPED
from backstay.prompts.library import PromptLibrary, shipped


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """A case that has been worked on: everything that is written out. `writers` says who wrote each text, `reviewed_by` who
    read them against their sources beside the rules: a model in verified mode, or "rules".
    """

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
    reviewed_by: str | None = None
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
        facts = add_benefits(facts, await _read(client, benefits, prompts, chosen))
    rules = read_rules(plan_documents) if chosen.mode == "verified" else ()
    route = choose_route(facts, letter.text)
    plan = make_plan(facts, route, today=today, settings=chosen, rules=rules)
    desk = Desk(
        client,
        prompts,
        Sources(facts, plan.timeline, rules),
        facts=facts.data(),
        plan=plan,
        is_reviewed=chosen.mode == "verified",
    )
    return await _compose(desk, facts, route, rules, chosen)


async def _read(client: Client, letter: Document, prompts: PromptLibrary, settings: Settings) -> Facts:
    found = await _extract(client, letter, prompts, settings)
    return with_rules(read_facts(letter, found), letter, found)


async def _extract(client: Client, document: Document, prompts: PromptLibrary, settings: Settings) -> Extraction:
    schema = facts_schema(prompts, is_short=settings.is_short)
    found = await client.extract(schema, document)
    if found.status == "failed":
        raise OutputError(f"{document.source}: the facts could not be read ({'; '.join(found.errors) or 'no answer'})")
    return found


async def _compose(desk: Desk, facts: Facts, route: Route, rules: tuple[PlanRule, ...], settings: Settings) -> Pack:
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
        needs_person=(*_person(facts, route, settings), *desk.objections),
        reviewed_by=desk.reviewer,
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
    found += [one for one in facts.warnings if "recognized in a picture" in one]
    found += [one.note or f"{one.field} is printed as {' and '.join(one.values)}" for one in facts.conflicts]
    if route.declined:
        found.append(route.declined)
    elif route.confidence < settings.doubtful:
        found.append(f"the route is uncertain ({route.confidence:.2f})")
    return tuple(found)

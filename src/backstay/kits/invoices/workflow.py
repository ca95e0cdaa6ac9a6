"""Workflow: one document from its text to a decision.

    detect the layout > choose the tier of model > extract > confirm > gate > validate where the gate says so > check > decide

The decision is data with reasons. What failed a check, or is less sure than the gate wants, goes to a person (`review`); what
has nothing of an invoice in it, or cannot be read, is `rejected`. An attached electronic invoice is read as the truth and only
checked. Offline, rules read and a layout's own hints help them; with a model, it is asked by the kit's prompts, the rules read
beside it, and the validation is a second question to it. The thresholds are those of the kit's own Settings.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from backstay.client import Client
from backstay.config import Loaded, load
from backstay.document.document import Document
from backstay.errors import ConfigurationError, LLMError
from backstay.extract.extraction import Extraction, Field
from backstay.kits.invoices.check import check_all
from backstay.kits.invoices.confidence import BOOKED, EMPTY, measured, whole
from backstay.kits.invoices.confirm import RECEIPT_NAMES, compare_page, with_hints, with_rules
from backstay.kits.invoices.detect import GENERIC, Detected
from backstay.kits.invoices.kind import Kind, kind_of
from backstay.kits.invoices.layout import Layout
from backstay.kits.invoices.question import FATAL, Questions, Stated, Told
from backstay.kits.invoices.record import Check, Record, Verdict
from backstay.kits.invoices.setting import Settings
from backstay.kits.invoices.source import open_document
from backstay.offline.einvoice_xml import is_invoice_xml
from backstay.ports import SystemClock
from backstay.prompts.tier import Tier, choose_tier
from backstay.types import Cost

TASK: Final = "extract:invoice"
SURE_LAYOUT: Final = 0.5
"""Below it a document is read by the generic rules alone."""

ATTACHED: Final = Detected(layout=None, name=GENERIC, confidence=1.0, reasoning="an electronic invoice is attached")


class Reading(NamedTuple):
    """All that is known of one document before it is decided."""

    kind: Kind
    tier: Tier
    told: Told
    extraction: Extraction
    data: dict[str, Any]
    stated: Stated
    checks: tuple[Check, ...]


async def process(
    client: Client,
    document: Document,
    *,
    layouts: Sequence[Layout] = (),
    settings: Settings | None = None,
    today: dt.date | None = None,
    questions: Questions | None = None,
) -> Record:
    """The Record of one document. `questions` asks the client's models, by the shipped prompts unless given.

    Raises ConfigurationError, AuthenticationFailed and BudgetExceeded, which every other document would meet too; any other
    failure of a call is a rejected record with its `error`.
    """
    settings = settings or Settings()
    kind: Kind = "invoice" if _is_electronic(document) else kind_of(document.text)
    tier = choose_tier(document.text, settings.complexity)
    try:
        reading = await _read(questions or Questions(client), document, layouts, (kind, tier), settings)
    except FATAL:
        raise
    except LLMError as error:
        return Record(
            source=document.source, decision="rejected", kind=kind, tier=tier, error=f"{type(error).__name__}: {error}"
        )
    checks = check_all(reading.data, document.text, today=today, max_age_days=settings.max_age_days)
    if _is_attached(reading.extraction) and document.media_type != "text/xml":
        checks = (*checks, compare_page(reading.data, document.text))
    return _record(document.source, reading._replace(checks=checks), settings)


async def _read(
    asks: Questions, document: Document, layouts: Sequence[Layout], what: tuple[Kind, Tier], settings: Settings
) -> Reading:
    """What the layout, the model or the rules, and the second readers make of a document."""
    kind, tier = what
    told = Told(ATTACHED) if _is_electronic(document) else await asks.layout(document.text, layouts)
    extraction = await asks.read(kind, document, told.found, tier)
    data, fields = _named(extraction)
    is_model = not extraction.provenance.degraded and not _is_attached(extraction)
    if is_model:
        fields = with_rules(kind, fields, document.text)
    if told.found.layout is not None and told.found.confidence >= SURE_LAYOUT:
        data, fields = with_hints(data, fields, told.found.layout, document.text)
    stated = Stated(measured(kind, fields, document.text))
    if is_model and wants_validation(kind, stated.fields, settings):
        stated = await asks.validate(document.text, stated.fields, tier)
    return Reading(kind, tier, told, extraction, data, stated, ())


def _record(source: str, reading: Reading, settings: Settings) -> Record:
    extraction, fields, found = reading.extraction, reading.stated.fields, reading.told.found
    is_validated = reading.stated.is_made
    decision, reasons = decide(
        extraction, fields, reading.checks, settings, kind=reading.kind, is_validated=is_validated
    )
    costs = (extraction.cost, *reading.told.costs, *reading.stated.costs)
    return Record(
        source=extraction.source or source,
        decision=decision,
        kind=reading.kind,
        reasons=reasons,
        confidence=round(whole(reading.kind, fields)[0], 4),
        field_count=count_fields(fields),
        data=reading.data,
        fields=fields,
        checks=reading.checks,
        layout=found.name,
        layout_confidence=round(found.confidence, 4),
        layout_reasoning=found.reasoning,
        tier=reading.tier,
        target=extraction.provenance.target,
        is_degraded=extraction.provenance.degraded,
        is_validated=is_validated,
        cost_usd=_sum(costs),
        notes=tuple(note for note in (reading.told.note, reading.stated.note) if note),
    )


def _sum(costs: Sequence[Cost | None]) -> str | None:
    """All that was paid, in US dollars; None as soon as one price is unknown."""
    known = [cost for cost in costs if cost is not None]
    return f"{sum((cost.usd for cost in known), Decimal(0)):f}" if len(known) == len(costs) else None


def _is_electronic(document: Document) -> bool:
    """Whether an electronic invoice is attached, whatever the page looks like."""
    return any(is_invoice_xml(attachment.content) for attachment in document.attachments)


def _is_attached(extraction: Extraction) -> bool:
    """Whether the facts are those of an attached electronic invoice."""
    return (extraction.provenance.target or "").startswith("attachment:")


def _named(extraction: Extraction) -> tuple[dict[str, Any], dict[str, Field]]:
    """Facts and fields; a receipt's under the names that an invoice's have."""
    data = {RECEIPT_NAMES.get(name, name): value for name, value in extraction.data.items()}
    return data, {RECEIPT_NAMES.get(path, path): field for path, field in extraction.fields.items()}


def wants_validation(kind: Kind, fields: Mapping[str, Field], settings: Settings) -> bool:
    """Whether a model should look once more: sure enough to be worth it, and not sure enough, or too little, to be booked."""
    confidence, _ = whole(kind, fields)
    is_short = count_fields(fields) < settings.validate_fields
    return confidence >= settings.accept_at and (confidence < settings.validate_below or is_short)


def count_fields(fields: Mapping[str, Field]) -> int:
    """The number of fields that have a value, lines left out."""
    return sum(field.value not in EMPTY and not path.startswith("lines") for path, field in fields.items())


def decide(
    extraction: Extraction,
    fields: Mapping[str, Field],
    checks: Sequence[Check],
    settings: Settings,
    *,
    kind: Kind = "invoice",
    is_validated: bool = False,
) -> tuple[Verdict, tuple[str, ...]]:
    """What is to be done with an extraction whose facts are `fields`, and every reason for it."""
    confidence, count = whole(kind, fields)[0], count_fields(fields)
    if extraction.status in ("failed", "empty") or count == 0:
        return "rejected", extraction.errors or ("no field of an invoice was found",)
    reasons = [f"{check.name}: {check.message}" for check in checks if check.outcome == "failed"]
    reasons += _doubts(kind, fields, settings, is_validated=is_validated)
    if reasons:
        return "review", tuple(reasons)
    passed = sum(check.outcome == "passed" for check in checks)
    how = ", validated" if is_validated else ""
    return "accepted", (f"confidence {confidence:.2f} over {count} fields{how}, {passed} checks passed",)


def _doubts(kind: Kind, fields: Mapping[str, Field], settings: Settings, *, is_validated: bool) -> list[str]:
    """Why the facts alone are not enough: one is missing or unsure, or the gate wanted a validation that was not passed."""
    reasons = []
    for name in BOOKED[kind]:
        field = fields.get(name)
        if field is None or field.value in EMPTY:
            reasons.append(f"{name} is missing")
        elif field.confidence < settings.accept_at:
            why = "" if field.reason is None else f": {field.reason}"
            reasons.append(f"{name} is {field.confidence:.2f} sure{why}")
    (confidence, weakest), count = whole(kind, fields), count_fields(fields)
    if is_validated and confidence < settings.auto_validate_at:
        reasons.append(f"validated, and {weakest} is {confidence:.2f} sure, under {settings.auto_validate_at:g}")
    elif not is_validated and confidence >= settings.accept_at:
        if confidence < settings.validate_below:
            reasons.append(f"{weakest} is {confidence:.2f} sure, and no model validated it")
        elif count < settings.validate_fields:
            reasons.append(f"{count} fields, and no model validated them")
    return reasons


async def process_all(
    client: Client,
    sources: Iterable[str | Path],
    *,
    layouts: Sequence[Layout] = (),
    settings: Settings | None = None,
) -> AsyncIterator[Record]:
    """The Records of `sources`, in their order, `settings.concurrency` under way at once. A file that cannot be read is one more
    rejected record."""
    settings = settings or Settings()
    questions = Questions(client)
    today = dt.datetime.fromtimestamp(SystemClock().wall_ns() // 10**9, tz=dt.UTC).date()
    room = asyncio.Semaphore(settings.concurrency)

    async def one(source: str) -> Record:
        async with room:
            try:
                document = open_document(source)
            except ConfigurationError:
                raise
            except LLMError as error:
                return Record(source=source, decision="rejected", error=str(error))
            return await process(client, document, layouts=layouts, settings=settings, today=today, questions=questions)

    tasks = [asyncio.ensure_future(one(str(source))) for source in sources]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def process_paths(
    paths: Iterable[str | Path],
    *,
    layouts: Sequence[Layout] = (),
    settings: Settings | None = None,
    loaded: Loaded | None = None,
) -> list[Record]:
    """The Records of `paths`, read by a client of its own: for programs that are not async."""

    async def run() -> list[Record]:
        async with Client(loaded=within_budget(loaded or load(), settings or Settings())) as client:
            return [record async for record in process_all(client, paths, layouts=layouts, settings=settings)]

    return asyncio.run(run())


def within_budget(loaded: Loaded, settings: Settings) -> Loaded:
    """`loaded` with the kit's daily budget and alert, unless the user's own settings say something about money."""
    if any(loaded.sources.get(f"budget.{name}", "default") != "default" for name in ("usd_per_day", "alert_at")):
        return loaded
    budget = msgspec.structs.replace(
        loaded.config.budget, usd_per_day=settings.usd_per_day, alert_at=(settings.alert_at, 1.0)
    )
    return msgspec.structs.replace(loaded, config=msgspec.structs.replace(loaded.config, budget=budget))

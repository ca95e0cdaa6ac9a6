"""Workflow: one document from its text to a decision.

    detect the layout > choose the tier of model > extract > gate > validate where the gate says so > check > decide

The decision is data with reasons. What failed a check, or is less sure than the gate wants, goes to a person (`review`); what
has nothing of an invoice in it, or cannot be read, is `rejected`. An attached electronic invoice is read as the truth and only
checked. Offline, rules read and a layout's own hints help them; with a model, the validation is a second question to it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from backstay.client import Client
from backstay.config import Loaded, load
from backstay.document.document import Document
from backstay.document.read import read_document
from backstay.errors import AuthenticationFailed, BudgetExceeded, ConfigurationError, LLMError
from backstay.extract.extraction import Extraction, Field
from backstay.kits.invoices.check import check_all
from backstay.kits.invoices.confidence import BOOKED, EMPTY, measured, whole
from backstay.kits.invoices.kind import Kind, kind_of
from backstay.kits.invoices.layout import Detected, Layout, detect, read_fields
from backstay.kits.invoices.record import Check, Record, Verdict
from backstay.kits.invoices.setting import Settings
from backstay.offline.einvoice_xml import is_invoice_xml
from backstay.ports import SystemClock
from backstay.prompts.tier import Tier, choose_tier

TASK: Final = "extract:invoice"
SURE_LAYOUT: Final = 0.5
"""Below it a document is read by the generic rules alone."""

RECEIPT_NAMES: Final = {"company": "seller", "date": "issue_date", "total": "grand_total"}


async def process(
    client: Client,
    document: Document,
    *,
    layouts: Sequence[Layout] = (),
    settings: Settings | None = None,
    today: dt.date | None = None,
) -> Record:
    """The Record of one document. Raises ConfigurationError, AuthenticationFailed and BudgetExceeded, which every other document
    would meet too; any other failure of a call is a rejected record with its `error`."""
    settings = settings or Settings()
    found = detect(document.text, layouts)
    kind: Kind = "invoice" if _is_electronic(document) else kind_of(document.text)
    tier = choose_tier(document.text, settings.complexity)
    try:
        extraction = await client.extract(kind, document, validate=True, model=_model(client, tier))
    except (ConfigurationError, AuthenticationFailed, BudgetExceeded):
        raise
    except LLMError as error:
        return Record(
            source=document.source, decision="rejected", kind=kind, tier=tier, error=f"{type(error).__name__}: {error}"
        )
    data, fields = _with_hints(_named(extraction), found, document.text)
    fields = measured(kind, fields, document.text)
    checks = check_all(data, document.text, today=today, max_age_days=settings.max_age_days)
    confidence, _ = whole(kind, fields)
    is_checked = extraction.attempts > 1 or any("stated" in field.signals for field in fields.values())
    decision, reasons = decide(extraction, data, fields, checks, settings, kind=kind)
    return Record(
        source=extraction.source or document.source,
        decision=decision,
        kind=kind,
        reasons=reasons,
        confidence=round(confidence, 4),
        field_count=count_fields(fields),
        data=data,
        fields=fields,
        checks=checks,
        layout=found.name,
        layout_confidence=round(found.confidence, 4),
        tier=tier,
        target=extraction.provenance.target,
        is_degraded=extraction.provenance.degraded,
        is_validated=is_checked,
        cost_usd=None if extraction.cost is None else f"{extraction.cost.usd:f}",
    )


def _is_electronic(document: Document) -> bool:
    """Whether an electronic invoice is attached, whatever the page looks like."""
    return any(is_invoice_xml(attachment.content) for attachment in document.attachments)


def _model(client: Client, tier: Tier) -> str:
    """The model of the tier, where the configuration names one; else the client's own."""
    from backstay.prompts.tier import model_of

    return model_of(tier, client.config.tiers) or client.model


def _named(extraction: Extraction) -> Extraction:
    """A receipt's facts under the names that an invoice's have."""
    data = {RECEIPT_NAMES.get(name, name): value for name, value in extraction.data.items()}
    fields = {RECEIPT_NAMES.get(path, path): field for path, field in extraction.fields.items()}
    return msgspec.structs.replace(extraction, data=data, fields=fields)


def _with_hints(extraction: Extraction, found: Detected, text: str) -> tuple[dict[str, Any], dict[str, Field]]:
    """What was read, completed and confirmed by the layout's own hints; a hint never overrules what is there."""
    data, fields = dict(extraction.data), dict(extraction.fields)
    if found.layout is None or found.confidence < SURE_LAYOUT:
        return data, fields
    for name, finding in read_fields(found.layout, text).items():
        if finding.value is None:
            continue
        known = fields.get(name)
        span = None if finding.start is None or finding.end is None else (finding.start, finding.end)
        if known is None or known.value in EMPTY:
            data[name] = finding.value
            fields[name] = Field(
                value=finding.value, confidence=finding.confidence, evidence=span, grounded=span is not None
            )
        elif known.value == finding.value:
            sure = max(known.confidence, finding.confidence)
            fields[name] = msgspec.structs.replace(known, confidence=sure, signals={**known.signals, "layout": 1.0})
        else:
            fields[name] = msgspec.structs.replace(
                known,
                confidence=min(known.confidence, 0.5),
                reason=f"the layout {found.name} reads {finding.value}",
                signals={**known.signals, "layout": 0.0},
            )
    return data, fields


def count_fields(fields: Mapping[str, Field]) -> int:
    """The number of fields that have a value, lines left out."""
    return sum(field.value not in EMPTY and not path.startswith("lines") for path, field in fields.items())


def decide(
    extraction: Extraction,
    data: Mapping[str, Any],
    fields: dict[str, Field],
    checks: Sequence[Check],
    settings: Settings,
    *,
    kind: Kind = "invoice",
) -> tuple[Verdict, tuple[str, ...]]:
    """What is to be done with an extraction whose facts are `data` and `fields`, and every reason for it."""
    (confidence, weakest), count = whole(kind, fields), count_fields(fields)
    if extraction.status in ("failed", "empty") or count == 0:
        return "rejected", extraction.errors or ("no field of an invoice was found",)
    reasons = [f"{check.name}: {check.message}" for check in checks if check.outcome == "failed"]
    for name in BOOKED[kind]:
        field = fields.get(name)
        if field is None or field.value in EMPTY:
            reasons.append(f"{name} is missing")
        elif field.confidence < settings.accept_at:
            reasons.append(f"{name} is {field.confidence:.2f} sure")
    is_validated = any("stated" in field.signals for field in fields.values())
    if is_validated and confidence < settings.validate_below:
        reasons.append(f"validated, and {weakest} still at {confidence:.2f}")
    elif not is_validated and confidence >= settings.accept_at:
        if confidence < settings.validate_below:
            reasons.append(f"{weakest} is {confidence:.2f} sure, and no model validated it")
        elif count < settings.validate_fields:
            reasons.append(f"{count} fields, and no model validated them")
    if reasons:
        return "review", tuple(reasons)
    passed = sum(check.outcome == "passed" for check in checks)
    return "accepted", (f"confidence {confidence:.2f} over {count} fields, {passed} checks passed",)


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
    today = dt.datetime.fromtimestamp(SystemClock().wall_ns() // 10**9, tz=dt.UTC).date()
    room = asyncio.Semaphore(settings.concurrency)

    async def one(source: str) -> Record:
        async with room:
            try:
                document = read_document(source)
            except ConfigurationError:
                raise
            except LLMError as error:
                return Record(source=source, decision="rejected", error=str(error))
            return await process(client, document, layouts=layouts, settings=settings, today=today)

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

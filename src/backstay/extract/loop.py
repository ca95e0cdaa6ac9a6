"""The extraction loop: ask, read, check against the schema, show the faults and ask again, then find the evidence.

Whoever answers, a model or the offline rules, answers with the plain object. A rule also says how sure it is of each field and
where it read it; a model's values are looked up in the document, and one that is not there keeps little confidence.
Re-asking is bounded, happens inside the one deadline of the call, and shows the model its own answer and its faults.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import jsonschema_rs
import msgspec

from backstay.errors import OutputError
from backstay.extract.evidence import Evidence
from backstay.extract.extraction import Ending, Extraction, Field
from backstay.extract.schema import Schema, leaves, nullable
from backstay.offline.finding import Finding
from backstay.recover import Aligned, Parsed, Status, align
from backstay.types import Cost, File, Message, Request, Response, ResponseFormat, Text, assistant, user

Ask: TypeAlias = Callable[[Request], Awaitable[Response]]

GROUNDED = 0.85
UNGROUNDED = 0.3
ABSENT = 0.6
"""Confidence of a model's field before any calibration: found in the document, not found, said to be absent."""


async def extract(
    ask: Ask, schema: Schema, text: str, *, request: Request, source: str = "", max_asks: int = 3
) -> Extraction:
    """The Extraction of the document `text` by `schema`. `request` carries the model and settings to ask with.

    Raises what `ask` raises. An answer that never fits the schema gives status "failed" with the faults, not an exception.
    """
    wanted = nullable(schema.schema)
    asked = _first(request, schema, wanted, text, source)
    responses: list[Response] = []
    while True:
        response = await ask(asked)
        responses.append(response)
        parsed, faults = _read(response, wanted)
        if not faults or len(responses) >= max_asks or response.provenance.degraded:
            return _result(schema, text, responses, parsed, faults, source)
        asked = _again(asked, response, faults)


def _first(request: Request, schema: Schema, wanted: dict[str, Any], text: str, source: str) -> Request:
    document = File(text=text, name=source or "document", media_type="text/plain")
    return msgspec.structs.replace(
        request,
        system=schema.instruction,
        messages=(user(Text(text="Extract the fields from this document."), document),),
        response_format=ResponseFormat(schema=wanted, name=schema.name),
        metadata=msgspec.structs.replace(request.metadata, task=request.metadata.task or schema.task),
    )


def _again(asked: Request, response: Response, faults: list[str]) -> Request:
    complaint = "That answer does not fit the schema:\n" + "\n".join(f"- {fault}" for fault in faults[:20])
    said: Message = assistant(response.text or "(no text)")
    follow_up = user(f"{complaint}\n\nAnswer again with the whole corrected JSON object, and nothing else.")
    return msgspec.structs.replace(asked, messages=(*asked.messages, said, follow_up), id=f"{asked.id}+")


def _read(response: Response, wanted: dict[str, Any]) -> tuple[Parsed | Aligned | None, list[str]]:
    try:
        parsed = align(response.text, wanted)
    except OutputError as error:
        return None, [str(error)]
    if parsed.status is Status.FAILED or not isinstance(parsed.value, dict):
        return None, [str(fault) for fault in parsed.errors] or ["the answer holds no JSON object"]
    return parsed, [_fault(error) for error in jsonschema_rs.validator_for(wanted).iter_errors(parsed.value)]


def _fault(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path).lstrip(".")
    return f"{place or 'the object'}: {error.message}"


def _result(
    schema: Schema,
    text: str,
    responses: list[Response],
    parsed: Parsed | Aligned | None,
    faults: list[str],
    source: str,
) -> Extraction:
    last = responses[-1]
    data = complete(parsed.value if parsed is not None else {}, schema.schema)
    fields = _from_rule(last) or _from_text(data, Evidence(text))
    recovered = parsed is not None and parsed.status is not Status.SUCCESS
    return Extraction(
        status="failed" if faults else status_of(data, schema.schema),
        data=data,
        fields=fields,
        provenance=msgspec.structs.replace(last.provenance, recovered=recovered),
        source=source,
        attempts=len(responses),
        cost=total_cost(responses),
        errors=tuple(faults),
        warnings=() if parsed is None else tuple(map(str, parsed.warnings)),
    )


def complete(value: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """`value` with every property of the schema present: what was not said is null, at every depth of plain objects."""
    known = value if isinstance(value, dict) else {}
    result: dict[str, Any] = {}
    for name, child in schema.get("properties", {}).items():
        inner = known.get(name)
        if child.get("type") == "object" and child.get("properties"):
            inner = complete(inner, child)
        elif child.get("type") == "array" and inner is None:
            inner = []
        result[name] = inner
    return result | {name: inner for name, inner in known.items() if name not in result}


def _from_rule(response: Response) -> dict[str, Field] | None:
    facts = (response.extra or {}).get("offline", {}).get("fields")
    if facts is None:
        return None
    found = msgspec.convert(facts, dict[str, Finding])
    return {path: field_of(finding) for path, finding in found.items()}


def field_of(finding: Finding) -> Field:
    """A rule's Finding as a Field: grounded where it has a place, or was derived from what has one."""
    has_place = finding.start is not None and finding.end is not None
    return Field(
        value=finding.value,
        confidence=finding.confidence,
        evidence=(finding.start, finding.end) if has_place else None,  # type: ignore[arg-type]
        grounded=has_place or (finding.value is not None and finding.reason is not None),
        reason=finding.reason,
    )


def _from_text(data: dict[str, Any], evidence: Evidence) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for path, value in leaves(data):
        if value is None or value in ([], {}):
            fields[path] = Field(value=value, confidence=ABSENT, reason="the model says that the document lacks it")
            continue
        span = evidence.find(value)
        fields[path] = Field(
            value=value,
            confidence=GROUNDED if span else UNGROUNDED,
            evidence=span,
            grounded=span is not None,
            reason=None if span else "not found in the document",
        )
    return fields


def status_of(data: dict[str, Any], schema: dict[str, Any]) -> Ending:
    """Complete, partial or empty, by the fields that the schema requires."""
    present = {path.partition(".")[0].partition("[")[0] for path, value in leaves(data) if value not in (None, [], {})}
    if not present:
        return "empty"
    required = set(schema.get("required") or schema.get("properties", ()))
    return "complete" if required <= present else "partial"


def total_cost(responses: list[Response]) -> Cost | None:
    """What all answers cost together; None as soon as one is unknown."""
    costs = [response.cost for response in responses]
    if any(cost is None for cost in costs):
        return None
    return Cost(
        nano_usd=sum(cost.nano_usd for cost in costs if cost),
        is_estimate=any(cost.is_estimate for cost in costs if cost),
        price_id=costs[-1].price_id if costs and costs[-1] else "",
    )

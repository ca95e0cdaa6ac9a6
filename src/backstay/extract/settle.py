"""Settling: from what was read to the Extraction: checks, calibration, the gate, the status and the sum of the costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from backstay.errors import LLMError
from backstay.extract.extraction import Ending, Extraction, Field
from backstay.extract.found import with_signals
from backstay.extract.gate import judge
from backstay.extract.plan import Ask, Plan
from backstay.extract.reading import Answered
from backstay.extract.schema import Schema, kind_of, leaves
from backstay.extract.validation import read_validation, validation_request
from backstay.extract.validator import SHIPPED, check_all
from backstay.recover import align
from backstay.types import Cost, Provenance, Request, Response

EMPTY: tuple[Any, ...] = (None, [], {})


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What was read in a document, before it is judged."""

    text: str
    source: str
    data: dict[str, Any]
    fields: dict[str, Field]
    answered: tuple[Answered, ...]


async def settle(ask: Ask, schema: Schema, plan: Plan, request: Request, read: Read) -> Extraction:
    """The Extraction that `read` comes to. Asks once more where the plan says so and the gate wants a validation."""
    responses = [response for one in read.answered for response in one.responses]
    is_failed = all(one.is_failed for one in read.answered)
    status: Ending = "failed" if is_failed else _status(read, schema)
    valid, doubts = check_all((*SHIPPED.get(schema.name, ()), *plan.validators), read.data)
    fields = {path: _checked(field, valid.get(path), plan) for path, field in read.fields.items()}
    gate = judge(
        status, _calibrated(fields, schema, plan), schema.schema, limits=plan.limits, has_evidence=plan.has_evidence
    )
    notes = list(doubts)
    stated: dict[str, float] | None = None
    if plan.is_validated and gate.decision == "validate" and not responses[-1].provenance.degraded:
        stated = await _validate(ask, plan, _base(request, schema), read, responses, notes)
        for path, confidence in (stated or {}).items():
            if path in fields:
                fields[path] = with_signals(fields[path], plan.weights, stated=confidence)
    fields = _calibrated(fields, schema, plan)
    if stated is not None:
        gate = judge(status, fields, schema.schema, limits=plan.limits, is_checked=True, has_evidence=plan.has_evidence)
    return Extraction(
        status=status,
        data=read.data,
        fields=fields,
        provenance=_provenance(responses, any(one.reading.is_recovered for one in read.answered)),
        source=read.source,
        attempts=len(responses),
        cost=total_cost(responses),
        retry_cost=total_cost(_later(read.answered, responses)),
        errors=tuple(dict.fromkeys(_errors(read.answered, is_failed))),
        warnings=tuple(dict.fromkeys([*_warnings(read.answered, is_failed), *notes])),
        gate=gate,
        typed=None if schema.kind is None or is_failed else align(_said(read.data), schema.kind).typed,
    )


def _checked(field: Field, valid: float | None, plan: Plan) -> Field:
    return with_signals(field, plan.weights) if valid is None else with_signals(field, plan.weights, valid=valid)


def _calibrated(fields: dict[str, Field], schema: Schema, plan: Plan) -> dict[str, Field]:
    if plan.calibrate is None:
        return dict(fields)
    return {
        path: msgspec.structs.replace(
            field, confidence=plan.calibrate(schema.name, kind_of(path, schema.schema), field.confidence)
        )
        for path, field in fields.items()
    }


def _base(request: Request, schema: Schema) -> Request:
    metadata = msgspec.structs.replace(request.metadata, task=f"validate:{schema.name}")
    return msgspec.structs.replace(request, metadata=metadata, logprobs=None)


async def _validate(
    ask: Ask, plan: Plan, request: Request, read: Read, responses: list[Response], notes: list[str]
) -> dict[str, float] | None:
    """What the model states of each field; None, with a note, where it could not be asked or understood."""
    try:
        response = await ask(validation_request(request, read.text, read.source, read.fields, plan.form))
    except LLMError as error:
        notes.append(f"the validation could not be made: {error}")
        return None
    responses.append(response)
    stated = read_validation(response)
    if stated is None:
        notes.append("the validation could not be read")
    return stated


def _status(read: Read, schema: Schema) -> Ending:
    status = status_of(read.data, schema.schema)
    is_cut = any(one.reading.trouble == "cut" or one.is_failed for one in read.answered)
    return "partial" if is_cut and status == "complete" else status


def status_of(data: dict[str, Any], schema: dict[str, Any]) -> Ending:
    """Complete, partial or empty, by the fields that the schema requires."""
    present = {path.partition(".")[0].partition("[")[0] for path, value in leaves(data) if value not in EMPTY}
    if not present:
        return "empty"
    required = set(schema.get("required") or schema.get("properties", ()))
    return "complete" if required <= present else "partial"


def _errors(answered: Iterable[Answered], is_failed: bool) -> Iterator[str]:
    for one in answered:
        if is_failed:
            yield from one.reading.faults
        if one.error is not None:
            yield f"asking again failed: {type(one.error).__name__}: {one.error}"


def _warnings(answered: Iterable[Answered], is_failed: bool) -> Iterator[str]:
    for one in answered:
        yield from one.reading.warnings
        if not is_failed:
            yield from one.reading.faults


def _later(answered: Iterable[Answered], responses: Iterable[Response]) -> list[Response]:
    firsts = {id(one.responses[0]) for one in answered}
    return [response for response in responses if id(response) not in firsts]


def _provenance(responses: list[Response], is_recovered: bool) -> Provenance:
    """That of the last answer, with the tries and notes of all of them; degraded as soon as one of them was."""
    last = responses[-1].provenance
    return msgspec.structs.replace(
        last,
        attempts=tuple(attempt for response in responses for attempt in response.provenance.attempts),
        degraded=any(response.provenance.degraded for response in responses),
        cached=all(response.provenance.cached for response in responses),
        recovered=is_recovered,
        notes=tuple(dict.fromkeys(note for response in responses for note in response.provenance.notes)),
    )


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


def _said(value: Any) -> Any:
    """The data without what is null: a type's own defaults take their place."""
    if isinstance(value, dict):
        return {key: _said(child) for key, child in value.items() if child is not None}
    return [_said(child) for child in value] if isinstance(value, list) else value

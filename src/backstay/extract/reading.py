"""Reading: from a model's answer to an object that fits the schema, or to the sentences that say why it does not.

An answer is recovered and aligned where it is not quite JSON. Where a part of it still does not fit, the rest is kept: a
wrong date is no reason to lose a total. A refusal and an answer that was cut are told apart from a wrong one, because
asking again in the same way does not help them.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from backstay.errors import LLMError
from backstay.extract.form import answer_of
from backstay.extract.schema import without_blanks
from backstay.recover import Status, align, parse
from backstay.types import Response

Trouble: TypeAlias = Literal["none", "wrong", "cut", "refused"]
REMEDY = "; ask the model again with this message"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer holds: `data` (what of it fits), the `faults` of the rest, and what kind of trouble there was."""

    data: dict[str, Any]
    faults: tuple[str, ...] = ()
    trouble: Trouble = "none"
    is_recovered: bool = False
    warnings: tuple[str, ...] = ()


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one question: the last reading, every response on the way to it, and the error that ended the asking."""

    reading: Reading
    responses: tuple[Response, ...]
    error: LLMError | None = None

    @property
    def is_failed(self) -> bool:
        """True when no answer fitted the schema; one that was only cut counts as partial."""
        return self.reading.trouble in ("wrong", "refused")


def read_answer(response: Response, wanted: dict[str, Any]) -> Reading:
    """The Reading of `response` against the JSON Schema `wanted`."""
    refusal = response.refusal
    if refusal is not None or response.finish_reason in ("refusal", "content_filter"):
        said = refusal or response.text or response.finish_reason or ""
        return Reading(data={}, faults=(f"the model refused: {' '.join(said.split())[:200]}",), trouble="refused")
    answer = answer_of(response)
    parsed = parse(answer, schema=wanted) if isinstance(answer, str) else None
    value = answer if parsed is None else parsed.value
    has_blanks = isinstance(value, dict) and (filled := without_blanks(value)) != value
    aligned = align(filled if has_blanks else answer, wanted)
    is_object = isinstance(aligned.value, dict)
    if aligned.status is Status.FAILED or not is_object:
        faults = tuple(str(fault).removesuffix(REMEDY) for fault in aligned.errors) or ("it holds no JSON object",)
        kept = fitting_part(answer, wanted)
        return Reading(
            data=kept, faults=faults, trouble="cut" if response.was_truncated else "wrong", is_recovered=True
        )
    statuses = (aligned.status, None if parsed is None else parsed.status)
    is_cut = response.was_truncated or Status.PARTIAL in statuses
    return Reading(
        data=aligned.value,
        faults=("the answer was cut before its end",) if is_cut else (),
        trouble="cut" if is_cut else "none",
        is_recovered=aligned.status is not Status.SUCCESS
        or (parsed is not None and parsed.status is not Status.SUCCESS),
        warnings=tuple(map(str, aligned.warnings)),
    )


def fitting_part(answer: str | dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The top-level members of an answer that fit their own schema; empty where there is no object."""
    value = parse(answer).value if isinstance(answer, str) else answer
    if not isinstance(value, dict):
        return {}
    kept: dict[str, Any] = {}
    definitions = {key: wanted[key] for key in ("$defs", "definitions") if key in wanted}
    for name, child in wanted.get("properties", {}).items():
        if name in value and isinstance(child, dict):
            fitted = align({name: value[name]}, {**definitions, "type": "object", "properties": {name: child}})
            if fitted.status is not Status.FAILED:
                kept[name] = fitted.value[name]
    return kept

"""Extraction: the result of reading one document: the typed object, and for every field what it rests on."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from backstay.types import Cost, Provenance

Ending: TypeAlias = Literal["complete", "partial", "empty", "failed"]
Decision: TypeAlias = Literal["accept", "validate", "review", "reject"]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of the extracted object.

    `evidence` is the [start, end) span of the document's text that states the value; None where nothing does, and then
    `grounded` is False unless the value was derived from grounded ones (`reason` says how). `confidence` lies in [0, 1];
    `signals` are what it was combined from (see `confidence.py`), kept so that labelled history can weigh them anew.
    """

    value: Any
    confidence: float
    evidence: tuple[int, int] | None = None
    grounded: bool = False
    reason: str | None = None
    signals: dict[str, float] = {}


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with an extraction, and why: accept it, validate it once more, let a person review it, reject it.

    `confidence` is that of the whole, `field_count` the number of fields with a value.
    """

    decision: Decision
    confidence: float
    field_count: int
    reasons: tuple[str, ...] = ()


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """What was read in one document.

    `status`: "complete" when every field that the schema requires (or, where it requires none, every field) has a value,
    "partial" when some are missing, "empty" when none was found, "failed" when the answer did not fit the schema, in
    which case `errors` says why and `data` holds what did fit. `fields` maps each leaf's path to its Field. `attempts`
    counts the answers that were asked for, `cost` is what they cost together, `retry_cost` the part of it after the first
    answer. `typed` is the instance of the type that was given as the schema, where one was.
    """

    status: Ending
    data: dict[str, Any]
    fields: dict[str, Field]
    provenance: Provenance
    source: str = ""
    attempts: int = 1
    cost: Cost | None = None
    retry_cost: Cost | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gate: Gate | None = None
    typed: Any = None

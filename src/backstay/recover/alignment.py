"""`align`: a model's text, or a value, fitted to a schema; every coercion and every fault with its path.

The text yields candidates (`parse`), each candidate is fitted to the schema (`coerce`), the cheapest fit wins, and what wins
is checked by a JSON Schema validator. A text target is the exception: there the model's words are the answer as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backstay.recover.anchor import property_names
from backstay.recover.coerce import Fitter
from backstay.recover.cost import Coercion, Match
from backstay.recover.document import Candidate, Settings, candidates, repair
from backstay.recover.gate import judge, too_deep
from backstay.recover.latex import commands, double_backslashes, shift_back
from backstay.recover.outcome import MAX_REPAIRS, Fault, Repair, Status
from backstay.recover.scan import TooDeep
from backstay.recover.target import Target, read_target

PROSE_COST = 100_000
"""What it costs to read the whole text as the value where the text also holds JSON."""


class Aligned(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `align`: a JSON `value` that fits the schema, or `errors` by path.

    `typed` is the instance the target type makes of the value (the value itself for a JSON Schema).
    """

    status: Status
    value: Any = None
    typed: Any = None
    coercions: tuple[Coercion, ...] = ()
    repairs: tuple[Repair, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[Fault, ...] = ()

    def __bool__(self) -> bool:
        """True unless FAILED."""
        return self.status is not Status.FAILED


class _Reading(msgspec.Struct, kw_only=True):
    """One way to read the text, before it is fitted."""

    value: Any
    status: Status
    cost: int = 0
    repairs: tuple[Repair, ...] = ()
    cut_number: str | None = None
    open_path: str | None = None
    is_prose: bool = False


def align(source: Any, schema: Any, *, max_depth: int = 512, latex: bool = False) -> Aligned:
    """`source` (a model's text, or a value already parsed) as a value of `schema`.

    `schema` is a JSON Schema dict or a type: a pydantic model, msgspec Struct, dataclass, TypedDict, Enum, Union, Literal,
    date, Decimal, a container or a scalar. `max_depth` and `latex` are
    those of `parse`. Raises ValueError or TypeError for a schema that is none, never for a text.

    >>> align("Total: {'amount': '1,234.50'}", {"type": "object", "properties": {"amount": {"type": "number"}}}).value
    {'amount': 1234.5}
    """
    if latex and isinstance(source, str):
        doubled, places = double_backslashes(source)
        found = align(doubled, schema, max_depth=max_depth)
        status = Status.RECOVERED if places and found.status is Status.SUCCESS else found.status
        repairs = (*shift_back(found.repairs, places), *commands(source, places))[:MAX_REPAIRS]
        return msgspec.structs.replace(found, status=status, repairs=repairs)
    target = read_target(schema)
    if not isinstance(source, str):
        readings = [_Reading(value=source, status=Status.SUCCESS)]
    else:
        try:
            readings = _readings(source, target.schema, max_depth)
        except TooDeep:
            return Aligned(status=Status.FAILED, errors=(too_deep(max_depth),))
    best: tuple[int, _Reading, Match] | None = None
    worst: Match | None = None
    for reading in readings:
        fitter = Fitter(target.schema, open_path=reading.open_path, cut_number=reading.cut_number)
        match = fitter.fit(reading.value, target.schema, is_prose=reading.is_prose)
        if not match.is_fit:
            worst = worst or match
        elif best is None or match.cost + reading.cost < best[0]:
            best = (match.cost + reading.cost, reading, match)
    if best is None:
        return _refuse(worst)
    return _deliver(target, best[1], best[2])


def _readings(text: str, schema: Any, max_depth: int) -> list[_Reading]:
    """Every way to read the text: as JSON, as each candidate, as all of them in a list, as plain words."""
    prose = _Reading(value=text, status=Status.SUCCESS, is_prose=True)
    if isinstance(schema, Mapping) and schema.get("type") == "string":
        return [prose]
    verdict = judge(text, max_depth=max_depth)
    if verdict.is_too_deep:
        raise TooDeep
    if verdict.is_json:
        value = _Reading(value=verdict.value, status=Status.SUCCESS)
        return [value] if not isinstance(verdict.value, str) else [value, prose]
    names = property_names(schema) if isinstance(schema, Mapping) else frozenset[str]()
    found = candidates(text, Settings(names=names, max_depth=max_depth))
    readings = [_from_candidate(one) for one in found]
    if len(found) > 1:
        full = [one for one in found if one.start.rank == max(other.start.rank for other in found)]
        together = _Reading(value=[one.value for one in full], status=readings[-1].status, cost=1)
        readings.append(msgspec.structs.replace(together, repairs=readings[0].repairs))
    if not found and text.strip():
        lone = repair(text, max_depth=max_depth)
        if lone and not isinstance(lone.value, str):
            readings.append(_Reading(value=lone.value, status=lone.status, repairs=lone.repairs))
    prose.cost = PROSE_COST if readings else 0
    return [*readings, prose]


def _from_candidate(one: Candidate) -> _Reading:
    status = Status.PARTIAL if one.is_open else Status.RECOVERED
    is_number_cut = any(repair.detail == "inside a number" for repair in one.log.kept)
    return _Reading(
        value=one.value,
        status=status,
        cost=0 if one.start.rank > 1 else 2,
        repairs=tuple(one.log.kept),
        cut_number=_last_leaf(one.value) if is_number_cut and one.is_open else None,
        open_path=one.path if one.is_open else None,
    )


def _last_leaf(value: Any) -> str:
    """The path of the last leaf of a value, in document order."""
    path = "$"
    while isinstance(value, (dict, list)) and value:
        if isinstance(value, dict):
            key = next(reversed(value))
            path, value = f"{path}.{key}", value[key]
        else:
            path, value = f"{path}[{len(value) - 1}]", value[-1]
    return path


def _deliver(target: Target, reading: _Reading, match: Match) -> Aligned:
    if reading.status is not Status.PARTIAL:
        errors = target.check(match.value)
        if errors:
            return Aligned(status=Status.FAILED, errors=errors, coercions=match.coercions, repairs=reading.repairs)
    status = reading.status
    if status is Status.SUCCESS and match.coercions:
        status = Status.RECOVERED
    typed, errors = (None, ()) if status is Status.PARTIAL else target.convert(match.value)
    if errors:
        return Aligned(status=Status.FAILED, errors=errors, coercions=match.coercions, repairs=reading.repairs)
    warnings = tuple(f"{c.path}: not in the schema, left out" for c in match.coercions if c.code == "extra_key")
    return Aligned(
        status=status,
        value=match.value,
        typed=typed,
        coercions=match.coercions,
        repairs=reading.repairs,
        warnings=warnings,
    )


def _refuse(worst: Match | None) -> Aligned:
    faults = worst.faults if worst is not None else (("$", "no value stands in the text"),)
    remedy = "ask the model again with this message"
    errors = tuple(Fault(message=message, remedy=remedy, path=path) for path, message in faults)
    return Aligned(status=Status.FAILED, errors=errors)

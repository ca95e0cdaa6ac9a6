"""`parse`: text from a model to a JSON value, with a status that says how far to trust it.

The gate first: what is JSON leaves here, by one call of the C parser. All else goes to `document`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backstay.recover.gate import NonFinite, judge, repeated_keys, too_deep
from backstay.recover.outcome import MAX_REPAIRS, Fault, Parsed, Repair, Status


def parse(
    text: str,
    *,
    schema: Mapping[str, Any] | None = None,
    fields: Iterable[str] | None = None,
    strict: bool = False,
    max_depth: int = 512,
    non_finite: NonFinite = "float",
    latex: bool = False,
) -> Parsed:
    """The JSON value in `text`, its status, and every repair it took; never raises on any text.

    `schema` (a JSON Schema) lends its property names as anchors and chooses between candidates; `fields` names
    members to save from a text that holds no whole document (status PARTIAL). `strict` accepts what RFC 8259 and RFC 7493
    accept (white space around it, no byte-order mark, no repeated key) and nothing else. `latex` says that the text holds
    TeX: `\\frac` and its like keep their backslash, which JSON would read as a control character. Raises ValueError if
    both are asked for.

    >>> parse("Sure: {'ok': True,}").value
    {'ok': True}
    """
    if latex:
        if strict:
            raise ValueError("strict takes JSON as it is and latex reads it otherwise: ask for one of them")
        from backstay.recover.latex import double_backslashes, note

        doubled, places = double_backslashes(text)
        found = parse(doubled, schema=schema, fields=fields, max_depth=max_depth, non_finite=non_finite)
        return note(found, text, places)
    verdict = judge(text, non_finite=non_finite, max_depth=max_depth)
    if strict:
        return _strict(text, verdict.is_json and not verdict.constants, verdict.value, verdict.fault)
    if verdict.is_json:
        if not verdict.constants:
            return Parsed(status=Status.SUCCESS, value=verdict.value, method="json")
        noted = tuple(Repair("non_finite", text.find(name), name) for name in verdict.constants[:MAX_REPAIRS])
        count = len(verdict.constants)
        return Parsed(status=Status.RECOVERED, value=verdict.value, method="json", repairs=noted, repair_count=count)
    if verdict.is_too_deep:
        return Parsed(status=Status.FAILED, errors=(too_deep(max_depth),))
    from backstay.recover.document import repair  # the machinery loads when the first damaged text comes

    return repair(text, schema=schema, fields=fields, max_depth=max_depth, non_finite=non_finite)


def _strict(text: str, is_json: bool, value: Any, fault: Fault | None) -> Parsed:
    if not is_json:
        found = fault or Fault(message="NaN and the infinities are no JSON", remedy="send null or a number")
        return Parsed(status=Status.FAILED, errors=(found,), method="json")
    if repeated := repeated_keys(text):
        found = Fault(message=f"repeated key {repeated[0]!r}", remedy="name each member once")
        return Parsed(status=Status.FAILED, errors=(found,), method="json")
    return Parsed(status=Status.SUCCESS, value=value, method="json")

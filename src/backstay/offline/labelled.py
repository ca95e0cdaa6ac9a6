"""The labelled rule: any schema, read from lines that name its fields.

A document that says "Order number: A-17" states `order_number` for whoever reads labels, so a schema that no special rule
knows is still read as far as its property names (or titles) stand in the text as labels. The value is what follows on the
line, or the next line where the label stands alone, read by the property's type. What has no label is null, with that reason;
lists are not read. Confidence is modest: a label with a colon is a statement, one without may be a coincidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from backstay.offline.amount import find_amounts, format_amount
from backstay.offline.date import find_dates
from backstay.offline.finding import Finding, Findings
from backstay.offline.provider import Answer, document
from backstay.types import Request

WITH_COLON, WITHOUT_COLON = 0.75, 0.55
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_YES = frozenset({"yes", "true", "y", "ja", "oui", "sí", "si", "x", "✓"})
_NO = frozenset({"no", "false", "n", "nein", "non", "nee"})


def answer_labelled(request: Request) -> Answer | None:
    """The answer to a request that brings a document and a JSON Schema; None where one of the two is missing."""
    text = document(request)
    if text is None or request.response_format is None or request.response_format.schema is None:
        return None
    findings = read_labelled(text, request.response_format.schema)
    return Answer(text=msgspec.json.encode(findings.data).decode(), fields=findings.fields)


def read_labelled(text: str, schema: dict[str, Any]) -> Findings:
    """What `text` says of the properties of `schema` under their names; everything else is null with a reason."""
    fields: dict[str, Finding] = {}
    return Findings(data=_object(text, schema, "", fields), fields=fields)


def _object(text: str, schema: dict[str, Any], prefix: str, fields: dict[str, Finding]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, child in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        if child.get("type") == "object" and child.get("properties"):
            data[name] = _object(text, child, path, fields)
            continue
        fields[path] = finding = _leaf(text, name, child)
        data[name] = finding.value
    return data


def _leaf(text: str, name: str, schema: dict[str, Any]) -> Finding:
    if "array" in _types(schema):
        return Finding(value=[], rule="labelled", reason="lists are not read without a model")
    for label in _labels(name, schema):
        for start, end, confidence in _places(text, label):
            found = _typed(text, start, end, schema)
            if found is not None:
                value, first, last = found
                return Finding(value=value, confidence=confidence, start=first, end=last, rule="labelled")
    return Finding(rule="labelled", confidence=0.5, reason="no line of the document is labelled so")


def _labels(name: str, schema: dict[str, Any]) -> Iterator[str]:
    for words in (name, str(schema.get("title", ""))):
        spaced = _CAMEL.sub(" ", words).replace("_", " ").replace("-", " ").strip()
        if spaced:
            yield spaced


def _places(text: str, label: str) -> Iterator[tuple[int, int, float]]:
    """Spans that may hold the value of `label`, the surest first."""
    words = r"[\s_-]+".join(re.escape(word) for word in label.split())
    colon = re.compile(rf"(?im)^[^\S\n]*(?:\W{{0,3}})?{words}[^\S\n]*[:=][^\S\n]*(?P<value>\S[^\n]*)?$")
    for match in colon.finditer(text):
        if match["value"] is not None:
            yield (*match.span("value"), WITH_COLON)
        elif below := re.compile(r"\n[^\S\n]*(\S[^\n]*)").match(text, match.end()):
            yield (*below.span(1), WITHOUT_COLON)
    bare = re.compile(rf"(?im)^[^\S\n]*{words}[^\S\n]{{2,}}(?P<value>\S[^\n]*)$")
    for match in bare.finditer(text):
        yield (*match.span("value"), WITHOUT_COLON)


def _types(schema: dict[str, Any]) -> set[str]:
    kind = schema.get("type", "string")
    return set(kind) if isinstance(kind, list) else {kind}


def _typed(text: str, start: int, end: int, schema: dict[str, Any]) -> tuple[Any, int, int] | None:
    """The value in text[start:end] by the property's type, with its own span; None where it holds none of that type."""
    raw = text[start:end].rstrip()
    types = _types(schema)
    if schema.get("format") == "date":
        dates = find_dates(raw)
        return (dates[0].value, start + dates[0].start, start + dates[0].end) if dates else None
    if types & {"number", "integer"}:
        amounts = find_amounts(raw)
        is_whole = bool(amounts) and amounts[0].value == amounts[0].value.to_integral_value()
        if not amounts or ("number" not in types and not is_whole):
            return None
        value = int(amounts[0].value) if is_whole else float(amounts[0].value)
        return value, start + amounts[0].start, start + amounts[0].end
    if "boolean" in types:
        word = raw.split()[0].strip(".,;").casefold() if raw.split() else ""
        return (word in _YES, start, start + len(word)) if word in _YES | _NO else None
    return _text(raw, start, schema)


def _text(raw: str, start: int, schema: dict[str, Any]) -> tuple[Any, int, int] | None:
    cell = re.split(r"\s{2,}|\t", raw, maxsplit=1)[0]
    if "enum" in schema:
        matches = [
            option for option in schema["enum"] if isinstance(option, str) and option.casefold() == cell.casefold()
        ]
        return (matches[0], start, start + len(cell)) if matches else None
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        return _patterned(cell, start, pattern)
    return (cell, start, start + len(cell)) if cell else None


def _patterned(cell: str, start: int, pattern: str) -> tuple[Any, int, int] | None:
    amounts = find_amounts(cell)
    candidates = [(cell, 0, len(cell)), *((format_amount(a.value), a.start, a.end) for a in amounts)]
    for value, first, last in candidates:
        try:
            if re.search(pattern, value):
                return value, start + first, start + last
        except re.error:
            return None
    return None

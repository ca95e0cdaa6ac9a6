"""Found: the fields of an answer: each value with its place in the document and the signals of how sure it is.

A rule says itself where it read a value and how sure it is. A model's values are looked up in the text; one that is not
there is not grounded, unless it follows from what is there (a deadline from a date and a number of days).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backstay.extract.confidence import WEIGHTS, combine
from backstay.extract.evidence import Evidence, Found
from backstay.extract.extraction import Field
from backstay.extract.mention import Mention
from backstay.extract.schema import leaves
from backstay.extract.support import Support
from backstay.offline.finding import Finding
from backstay.types import Response

EMPTY: tuple[Any, ...] = (None, [], {}, "")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_ITEM = re.compile(r"^(.*\])\.[^\]]*$")


def rule_fields(response: Response) -> dict[str, Field] | None:
    """The fields that an offline rule brought with its answer; None where a model answered."""
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
        signals={"rule": finding.confidence},
    )


class Finder:
    """Looks up the values of one document."""

    def __init__(self, text: str, *, has_evidence: bool = True) -> None:
        self._text = text
        self._has_evidence = has_evidence
        self._evidence = Evidence(text)

    @functools.cached_property
    def _support(self) -> Support:
        return Support([self._text])

    def fields(self, data: dict[str, Any], signals: Mapping[str, Mapping[str, float]]) -> dict[str, Field]:
        """The fields of `data`; `signals` holds by name (logprob, agreement) what is known of each path."""
        anchors = self._anchors(data) if self._has_evidence else {}
        fields: dict[str, Field] = {}
        for path, value in leaves(data):
            known = {name: by_path[path] for name, by_path in signals.items() if path in by_path}
            fields[path] = self._field(value, known, anchors.get(_item(path)))
        return fields

    def _field(self, value: Any, known: dict[str, float], near: int | None) -> Field:
        if value in EMPTY and not isinstance(value, (bool, int, float)):
            return _weighed(
                Field(value=value, confidence=0.0, reason="the answer says that the document lacks it"), known
            )
        if isinstance(value, bool):
            return _weighed(Field(value=value, confidence=0.0, reason="a truth value has no place in a text"), known)
        if not self._has_evidence:
            return _weighed(Field(value=value, confidence=0.0, reason="its evidence was not looked for"), known)
        found = self._evidence.search(value, near=near)
        if found is not None:
            field = Field(value=value, confidence=0.0, evidence=found.span, grounded=True)
            return _weighed(field, {**known, "grounded": found.quality})
        derived = self._derive(value)
        if derived is not None:
            return _weighed(
                Field(value=value, confidence=0.0, grounded=True, reason=derived), {**known, "grounded": 1.0}
            )
        return _weighed(
            Field(value=value, confidence=0.0, reason="not found in the document"), {**known, "grounded": 0.0}
        )

    def _derive(self, value: Any) -> str | None:
        if not isinstance(value, str) or not _ISO.fullmatch(value):
            return None
        try:
            return self._support.derive(Mention(kind="date", text=value, start=0, end=len(value), keys=(value,)), ())
        except ValueError:  # a day that no calendar has follows from nothing
            return None

    def _anchors(self, data: dict[str, Any]) -> dict[str, int]:
        """For each item of a list: the place of its rarest value, after the item before it, so that its other values are
        looked
        for around that."""
        items: dict[str, list[list[Found]]] = {}
        for path, value in leaves(data):
            if (item := _item(path)) and (places := self._evidence.places(value)):
                items.setdefault(item, []).append(places)
        anchors: dict[str, int] = {}
        last = -1
        for item, found in items.items():
            rarest = min(found, key=len)
            starts = [place.span[0] for place in rarest]
            anchors[item] = last = next((start for start in starts if start > last), starts[0])
        return anchors


def _item(path: str) -> str:
    """The list item that a path lies in ("lines[2].total" in "lines[2]"); empty where it lies in none."""
    match = _ITEM.match(path)
    return match[1] if match else (path if path.endswith("]") else "")


def _weighed(field: Field, signals: dict[str, float]) -> Field:
    return msgspec.structs.replace(field, signals=signals, confidence=combine(signals))


def with_signals(field: Field, weights: Mapping[str, float] = WEIGHTS, **more: float) -> Field:
    """`field` with `more` signals and the confidence that all of them give by `weights`."""
    signals = {**field.signals, **more}
    if not more and weights is WEIGHTS:
        return field
    return msgspec.structs.replace(field, signals=signals, confidence=combine(signals, weights))

"""Facts of a case: every value with its quote, its place and how sure it is; what is absent, with the reason why.

A case has one letter and may have an explanation of benefits. The letter speaks first: the other document fills what the letter
leaves open, and where the two print different values of one field, that is a conflict and neither is hidden.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from backstay.document.document import Document
from backstay.extract.extraction import Extraction, Field

FILLED: Final = (
    "service.", "payer.", "amounts.", "dates.date_of_service", "patient_name",
)  # fmt: skip
"""What an explanation of benefits may fill; its date and its deadlines are its own."""
COMPARED: Final = (
    "payer.member_id",
    "payer.claim_number",
    "payer.group_number",
    "dates.date_of_service",
    "amounts.billed",
    "amounts.patient_responsibility",
)
GROUPS: Final = {
    "denial_reason": ("denial_reason",),
    "dates": ("dates.",),
    "amounts": ("amounts.",),
    "codes": ("denial_codes",),
}
"""What the confidence of a case is told for: group to the beginnings of its paths."""
_STEP: Final = re.compile(r"([a-z_0-9]+)(?:\[(\d+)\])?")


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf: its value, or None and a reason. `quote` is what the document prints, at `start` to `end` on `page`.

    `is_withheld`: a reading that does not hold (`second.py`): shown to a person, and used by nothing.
    """

    value: Any
    confidence: float = 0.0
    quote: str | None = None
    source: str = ""
    start: int | None = None
    end: int | None = None
    page: int | None = None
    reason: str | None = None
    is_withheld: bool = False

    @property
    def use(self) -> Any:
        """The value as plan and documents may use it: None where it is withheld."""
        return None if self.is_withheld else self.value


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Different values of one field, in one document or in two; with a `note` where two readers of one document differ."""

    field: str
    values: tuple[str, ...]
    sources: tuple[str, ...] = ()
    note: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All facts of a case by path (`payer.member_id`, `denial_codes[0].code`), and who read them."""

    case_id: str
    facts: dict[str, Fact]
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[str, ...] = ()
    read_by: str = ""
    is_degraded: bool = False

    def __getitem__(self, path: str) -> Any:
        """The value at a path; None where it is absent or withheld."""
        found = self.facts.get(path)
        return None if found is None else found.use

    def get(self, path: str) -> Fact:
        """The Fact at a path; an absent one for an unknown path."""
        return self.facts.get(path) or Fact(value=None, reason="not asked for")

    def codes(self, *types: str) -> list[str]:
        """The codes of these types (CARC, CPT ...), in the letter's order."""
        found = []
        for path, fact in self.facts.items():
            kind = f"{path.removesuffix('.code')}.code_type"
            if path.startswith("denial_codes[") and path.endswith("].code") and self[kind] in types:
                found += [] if fact.use is None else [str(fact.use)]
        return list(dict.fromkeys(found))

    def data(self) -> dict[str, Any]:
        """The values alone as the nested CaseFacts object."""
        whole: dict[str, Any] = {"case_id": self.case_id}
        for path, fact in self.facts.items():
            _put(whole, path, fact.use)
        _drop_gaps(whole)
        whole["extraction_confidence"] = self.confidence()
        whole["missing_info"] = [{"field": path, "reason": reason} for path, reason in self.missing().items()]
        whole["conflicts"] = [{"field": one.field, "values": list(one.values)} for one in self.conflicts]
        return whole

    def confidence(self) -> dict[str, float]:
        """Mean confidence of the values that are there, of each group and overall; 0.0 where there is none."""
        sure = {path: fact.confidence for path, fact in self.facts.items() if fact.value not in (None, "", [])}
        groups = {
            name: [one for path, one in sure.items() if path.startswith(prefixes)] for name, prefixes in GROUPS.items()
        }
        groups["overall"] = [one for several in groups.values() for one in several]
        return {name: round(sum(several) / len(several), 3) if several else 0.0 for name, several in groups.items()}

    def missing(self) -> dict[str, str]:
        """The absent fields with the reason of each; descriptions of codes are not missed."""
        return {
            path: fact.reason or "the documents do not say"
            for path, fact in self.facts.items()
            if fact.use in (None, "", []) and not path.startswith("denial_codes[")
        }

    def doubtful(self, below: float) -> list[str]:
        """The paths of present facts that are less sure than `below`; a withheld one has its conflict instead."""
        return [path for path, fact in self.facts.items() if fact.use is not None and fact.confidence < below]


def read_facts(letter: Document, extraction: Extraction) -> Facts:
    """The facts of one letter as it was extracted."""
    found = {path: _fact(letter, field) for path, field in extraction.fields.items() if not _is_about(path)}
    said = extraction.data.get("conflicts") or []
    conflicts = tuple(
        Conflict(field=str(one.get("field")), values=tuple(map(str, one.get("values") or ())), sources=(letter.source,))
        for one in said
    )
    return Facts(
        case_id="case-" + hashlib.sha256(letter.text.encode()).hexdigest()[:12],
        facts=found,
        conflicts=conflicts,
        warnings=tuple(one for one in (*letter.warnings, *extraction.warnings) if "not in the schema" not in one),
        read_by=str(extraction.provenance.target or ""),
        is_degraded=extraction.provenance.degraded,
    )


def add_benefits(facts: Facts, other: Facts) -> Facts:
    """The facts with what an explanation of benefits (`other`) adds, and where it contradicts."""
    merged = dict(facts.facts)
    conflicts = list(facts.conflicts)
    for path, fact in other.facts.items():
        mine = facts[path]
        if fact.use in (None, "", []) or facts.get(path).is_withheld:
            continue
        if mine is None and path.startswith(FILLED):
            merged[path] = fact
        elif path in COMPARED and _plain(mine) != _plain(fact.value):
            conflicts.append(
                Conflict(
                    field=path,
                    values=(str(mine), str(fact.value)),
                    sources=(facts.get(path).source, fact.source),
                )
            )
    return msgspec.structs.replace(facts, facts=merged, conflicts=tuple(conflicts))


def _is_about(path: str) -> bool:
    return path.startswith(("missing_info", "conflicts", "extraction_confidence"))


def _fact(document: Document, field: Field) -> Fact:
    value = None if field.value in ("", []) else field.value
    if value is None or field.evidence is None:
        return Fact(
            value=value,
            confidence=round(field.confidence, 3),
            source=document.source,
            reason=field.reason or _why(value),
        )
    start, end = field.evidence
    return Fact(
        value=value,
        confidence=round(field.confidence, 3),
        quote=" ".join(document.text[start:end].split()),
        source=document.source,
        start=start,
        end=end,
        page=sum(place <= start for place in document.pages),
        reason=field.reason,
    )


def _why(value: Any) -> str:
    return "the letter does not say" if value is None else "no place in the letter states it"


def _plain(value: Any) -> str:
    return re.sub(r"\W", "", str(value)).casefold()


def _drop_gaps(whole: dict[str, Any]) -> None:
    """Take out of the lists of codes what was withheld."""
    for here, name in ((whole.get("service"), "cpt_codes"), (whole.get("service"), "diagnosis_codes")):
        if isinstance(here, dict) and isinstance(here.get(name), list):
            here[name] = [one for one in here[name] if one is not None]


def _put(whole: dict[str, Any], path: str, value: Any) -> None:
    steps = [(match[1], match[2]) for match in _STEP.finditer(path)]
    here: Any = whole
    for rank, (name, index) in enumerate(steps):
        is_last = rank == len(steps) - 1
        if index is None:
            if is_last:
                here[name] = value
                return
            here = here.setdefault(name, {})
            continue
        items = here.get(name)
        if not isinstance(items, list):
            items = here[name] = []
        items.extend({} for _ in range(int(index) + 1 - len(items)))
        if is_last:
            items[int(index)] = value
            return
        here = items[int(index)]

"""Second: where a model read the letter the offline rules read it as well, for nothing, and both must hold.

    same value          surer than either alone: the second reader counts half, for two readers of a page share some mistakes
    model left it open  a sure rule with a quote fills it
    another value       at most 0.5, a conflict that names both readings, and used by nothing: a person decides
    cannot be           a value that the letter does not print, or of a kind that the field cannot hold (the payer as the
                        patient): the sure rule's value in its place, or withheld as well

The rules see the letter without what is hidden in it or speaks to software, so a model that was misled by such a line is
contradicted. Words (the reason, the service) are not compared: there is more than one right way to say them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from backstay.document.document import Document
from backstay.extract.confidence import log_odds, sigmoid
from backstay.extract.evidence import Evidence
from backstay.extract.extraction import Extraction, Field
from backstay.kits.denials.fact import Conflict, Fact, Facts
from backstay.kits.denials.kind import CODE_FORMS, Known, cannot_be
from backstay.offline.denial import read_denial
from backstay.offline.denial_screen import screen
from backstay.offline.finding import Finding
from backstay.offline.text import fold

T = TypeVar("T")
SURE: Final = 0.75
"""A rule that is less sure than this speaks neither for nor against."""
PLAIN: Final = 0.9
"""How sure a rule must be to fill a gap or to take a place: 95 % of such values are right (`offline/finding.py`)."""
DOUBTED: Final = 0.5
"""The most that is left of a value that a sure rule contradicts."""
REPLACED: Final = 0.75
"""The most that is left of a rule's value that took the place of a model's: under `Settings.sure`, so a person looks."""
WEIGHT: Final = 0.5
EDGE: Final = 1e-3
EMPTY: Final[tuple[Any, ...]] = (None, "", [])
AMOUNTS: Final = "amounts."
NAMES: Final = ("payer.name", "patient_name", "service.provider_name", "service.facility_name", "contact.address")
EXACT: Final = (
    *("dates.", AMOUNTS, "contact.", "payer.member_id", "payer.claim_number", "payer.group_number"),
    *("payer.policy_number", "service.date_of_service", "service.provider_npi", "prior_authorization.auth_number"),
)
CODES: Final = "denial_codes"
LISTS: Final = {"service.cpt_codes": ("CPT", "HCPCS"), "service.diagnosis_codes": ("ICD-10-CM", "ICD-10-PCS")}
_GROUP: Final = re.compile(r"(?:CO|PR|OA|PI|CR)(?=[0-9A-Z]\d*$)")
_INDEX: Final = re.compile(r"\[(\d+)\]")


def with_rules(facts: Facts, letter: Document, extraction: Extraction) -> Facts:
    """The facts of a letter as `extraction` read it, after the rules have read it too; unchanged where only rules read."""
    if facts.is_degraded and not any("grounded" in field.signals for field in extraction.fields.values()):
        return facts
    second = _Second(facts, letter, extraction.fields)
    second.read_values()
    second.read_codes()
    for stem, types in LISTS.items():
        second.read_list(stem, types)
    return msgspec.structs.replace(facts, facts=second.facts, conflicts=tuple(second.conflicts))


class _Second:
    """The second reading of one letter."""

    def __init__(self, facts: Facts, letter: Document, fields: Mapping[str, Field]) -> None:
        self.facts = dict(facts.facts)
        self.conflicts = list(facts.conflicts)
        self._letter = letter
        self._fields = fields
        self._read = read_denial(letter.text).fields
        self._evidence = Evidence(screen(letter.text, keep_afterword=True).text)
        self._who = facts.read_by or "the model"
        said = {path: self._reading(path) for path in ("payer.name", "payer.plan_name", "dates.date_of_denial")}
        self._known = Known(
            payers=(*said["payer.name"], *said["payer.plan_name"]),
            notices=said["dates.date_of_denial"],
            count=lambda value: len(self._evidence.places(value)),
        )

    def read_values(self) -> None:
        """Every value that is not in a list."""
        for path, fact in list(self.facts.items()):
            if "[" in path or path in (CODES, *LISTS) or not self._is_models(path) or isinstance(fact.value, bool):
                continue
            finding = self._read.get(path) or Finding()
            if fact.value in EMPTY:
                if _is_plain(finding) or self._is_counted(path, finding):
                    self.facts[path] = self._filled(finding)
            elif path.startswith((*EXACT, *NAMES)):
                self._judge(path, fact, finding)

    def read_codes(self) -> None:
        """Codes with their types: a code is the model's and the rules' where its letters and digits are the same."""
        known = dict(self._rules_codes())
        seen = set()
        for path, fact in list(self.facts.items()):
            if not re.fullmatch(rf"{CODES}\[\d+\]\.code", path) or fact.value in EMPTY or not self._is_models(path):
                continue
            seen.add(_key(fact.value))
            self._judge_code(path, fact, known.get(_key(fact.value)))
        lacking = [several for key, several in known.items() if key not in seen and _is_plain(several["code"])]
        for number, several in self._numbered(CODES, lacking):
            self.facts |= {f"{CODES}[{number}].{name}": self._filled(finding) for name, finding in several.items()}

    def read_list(self, stem: str, types: tuple[str, ...]) -> None:
        """A list of codes of certain types."""
        known = {_key(finding.value): finding for path, finding in self._read.items() if path.startswith(f"{stem}[")}
        seen = set()
        for path, fact in list(self.facts.items()):
            if path.startswith(f"{stem}[") and fact.value not in EMPTY and self._is_models(path):
                seen.add(_key(fact.value))
                has_form = any(re.fullmatch(CODE_FORMS[one], str(fact.value).strip()) for one in types)
                fault = None if has_form else f"it is no code of {' or '.join(types)}"
                self._judge(path, fact, known.get(_key(fact.value)) or Finding(), fault)
        lacking = [one for key, one in known.items() if key not in seen and _is_plain(one)]
        for number, finding in self._numbered(stem, lacking):
            self.facts[f"{stem}[{number}]"] = self._filled(finding)

    def _judge(self, path: str, fact: Fact, finding: Finding, fault: str | None = None) -> None:
        is_read = finding.value not in EMPTY and finding.confidence >= (PLAIN if path in NAMES else SURE)
        if is_read and _is_same(path, fact.value, finding.value):
            self.facts[path] = _raised(fact, finding)
            return
        fault = fault or cannot_be(path, fact.value, self._known) or self._is_unprinted(path, fact)
        if fault and is_read and _is_plain(finding):
            self._dispute(path, fact, str(finding.value), f"{fault}; the rules' reading stands in its place")
            self.facts[path] = self._filled(finding, f"{self._who} read {fact.value!r}: {fault}")
        elif fault or is_read:
            other = str(finding.value) if is_read else None
            self._withhold(path, fact, other, fault or f"the rules read {finding.value}")

    def _judge_code(self, path: str, fact: Fact, known: dict[str, Finding] | None) -> None:
        kind = path.removesuffix(".code") + ".code_type"
        said = self.facts.get(kind) or Fact(value=None)
        form = CODE_FORMS.get(str(said.value))
        fault = None
        if form and not re.fullmatch(form, str(fact.value).strip()):
            fault = f"{fact.value} has not the form of a {said.value} code"
        fault = fault or self._is_unprinted(path, fact)
        finding = known["code_type"] if known else Finding()
        if finding.value == said.value and finding.confidence >= SURE:
            self.facts[path], self.facts[kind] = _raised(fact, finding), _raised(said, finding)
        elif said.value in (None, "unknown") and known and _is_plain(finding):
            self.facts[path], self.facts[kind] = _raised(fact, finding), self._filled(finding)
        elif fault and known and _is_plain(finding):
            self._dispute(
                path, fact, f"{fact.value} ({finding.value})", f"{fault}; the rules' reading stands in its place"
            )
            self.facts |= {path: self._filled(known["code"]), kind: self._filled(finding, fault)}
        elif fault or (known and finding.confidence >= SURE and said.value not in (None, "unknown")):
            other = f"{fact.value} ({finding.value})" if known else None
            why = fault or f"the rules read it as {finding.value}, {self._who} as {said.value}"
            self._withhold(path, fact, other, why)
            self.facts[kind] = _doubted(said, why)

    def _withhold(self, path: str, fact: Fact, other: str | None, why: str) -> None:
        self._dispute(
            path, fact, other, f"{why}; no document states either" if other else f"{why}; no document states it"
        )
        self.facts[path] = _doubted(fact, why)

    def _dispute(self, path: str, fact: Fact, other: str | None, why: str) -> None:
        values = (str(fact.value),) if other is None else (str(fact.value), other)
        both = "" if other is None or other in why else f" and the rules {other}"
        note = f"{path}: {self._who} read {fact.value}{both}: {why}"
        self.conflicts.append(Conflict(field=path, values=values, sources=(self._letter.source,), note=note))

    def _filled(self, finding: Finding, why: str = "") -> Fact:
        """A rule's reading as a fact that says whose it is."""
        reason = f"read by the rules; {why or f'{self._who} left it open'}"
        sure = min(finding.confidence, REPLACED) if why else finding.confidence
        if finding.start is None or finding.end is None:
            reason = f"{finding.reason}; {reason}" if finding.reason else reason
            return Fact(value=finding.value, confidence=sure, source=self._letter.source, reason=reason)
        return Fact(
            value=finding.value,
            confidence=sure,
            quote=" ".join(self._letter.text[finding.start : finding.end].split()),
            source=self._letter.source,
            start=finding.start,
            end=finding.end,
            page=sum(place <= finding.start for place in self._letter.pages),
            reason=reason,
        )

    def _is_models(self, path: str) -> bool:
        field = self._fields.get(path)
        return field is not None and "rule" not in field.signals

    def _is_counted(self, path: str, finding: Finding) -> bool:
        """Whether a rule counted the deadline from the date and the days that stand in the facts."""
        inputs = ("dates.date_of_denial", "dates.appeal_deadline_days")
        return (
            path == "dates.appeal_deadline"
            and finding.value not in EMPTY
            and finding.confidence >= SURE
            and all(name in self._read and self._read[name].value not in EMPTY for name in inputs)
            and all(self.facts[name].use in (None, self._read[name].value) for name in inputs if name in self.facts)
        )

    def _is_unprinted(self, path: str, fact: Fact) -> str | None:
        field = self._fields[path]
        is_derived = field.grounded and field.evidence is None
        if is_derived or (field.grounded and self._evidence.places(fact.value)):
            return None
        return "the letter does not print it"

    def _reading(self, path: str) -> tuple[str, ...]:
        """What either reader says of a field."""
        finding = self._read.get(path)
        values = (self.facts[path].value if path in self.facts else None, finding.value if finding else None)
        return tuple(str(value) for value in values if value not in EMPTY)

    def _rules_codes(self) -> Iterator[tuple[str, dict[str, Finding]]]:
        names = ("code", "code_type", "description")
        for path, finding in self._read.items():
            if path.startswith(f"{CODES}[") and path.endswith("].code"):
                stem = path.removesuffix("code")
                yield (
                    _key(finding.value),
                    {name: self._read[stem + name] for name in names if stem + name in self._read},
                )

    def _numbered(self, stem: str, lacking: list[T]) -> list[tuple[int, T]]:
        """What a list lacks with the numbers at which it goes on; nothing where the list was not asked for."""
        numbers = [
            int(match[1]) for path in self.facts if path.startswith(f"{stem}[") and (match := _INDEX.search(path))
        ]
        if not lacking or (not numbers and stem not in self.facts):
            return []
        self.facts.pop(stem, None)
        return list(enumerate(lacking, max(numbers, default=-1) + 1))


def _is_plain(finding: Finding) -> bool:
    return finding.value not in EMPTY and finding.confidence >= PLAIN and finding.start is not None


def _raised(fact: Fact, finding: Finding) -> Fact:
    """A fact after a second reader who agrees."""
    moved = sigmoid(log_odds(fact.confidence, EDGE) + WEIGHT * log_odds(finding.confidence))
    return msgspec.structs.replace(fact, confidence=round(max(moved, fact.confidence, finding.confidence), 3))


def _doubted(fact: Fact, why: str) -> Fact:
    return msgspec.structs.replace(fact, confidence=min(fact.confidence, DOUBTED), reason=why, is_withheld=True)


def _key(code: Any) -> str:
    """A code without marks, and an adjustment reason without its group: CO-50 is 50."""
    return _GROUP.sub("", re.sub(r"\W", "", str(code)).upper())


def _is_same(path: str, one: Any, other: Any) -> bool:
    """Whether two readings mean the same: amounts by value, telephones by their digits, names where one holds the other."""
    if path.startswith(AMOUNTS):
        try:
            return Decimal(str(one)) == Decimal(str(other))
        except InvalidOperation:
            return False
    if path in ("contact.phone", "contact.fax"):
        digits = (re.sub(r"\D", "", str(each)).removeprefix("1") for each in (one, other))
        return len(set(digits)) == 1
    first, second = (re.findall(r"\w+", fold(str(each))) for each in (one, other))
    if path in NAMES:
        return bool(first and second) and (set(first) <= set(second) or set(second) <= set(first))
    return "".join(first) == "".join(second)

"""Facts of a health-insurance denial letter, read by rules alone: the same letter always gives the same answer.

`read_denial` screens the text (`denial_screen`), sees it as rows and cells (`denial_layout`) and lets one family of rules read
each kind of fact: dates, deadline, codes, identifiers, parties, payer, amounts, contact, reason. The data is shaped as
CaseFacts; every leaf has a finding with its place, confidence and rule, or the reason why it is absent.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from backstay.offline.denial_amount import read_amounts
from backstay.offline.denial_authorization import read_authorization
from backstay.offline.denial_code import read_codes
from backstay.offline.denial_contact import read_contact
from backstay.offline.denial_date import read_dateline, read_dates
from backstay.offline.denial_deadline import read_deadline
from backstay.offline.denial_id import read_ids
from backstay.offline.denial_layout import Conflict, Letter, Reading
from backstay.offline.denial_party import read_parties
from backstay.offline.denial_payer import read_payer
from backstay.offline.denial_reason import read_reason
from backstay.offline.finding import Finding, Findings

_LISTS = ("denial_codes", "service.cpt_codes", "service.diagnosis_codes")
_DISPUTED = 0.6
_AFTER_CLOSE = 0.75
_NAMING = ("dates.date_of_denial", "payer.member_id")
_CODE = re.compile(r"denial_codes\[\d+\]\.code")
_STEP = re.compile(r"(?P<name>[a-z_]+)(?:\[(?P<index>\d+)\])?")
_GROUPS = {
    "denial_reason": ("denial_reason",),
    "dates": ("dates.date_of_denial", "dates.date_of_service", "dates.appeal_deadline", "dates.appeal_deadline_days"),
    "amounts": ("amounts.billed", "amounts.allowed", "amounts.paid", "amounts.patient_responsibility"),
}


def read_denial(text: str) -> Findings:
    """The case facts of a denial letter; never raises, and what the letter lacks is None with a reason.

    `data["conflicts"]` lists fields for which the letter prints different values, `data["missing_info"]` the fields that it
    lacks. Warnings name passages that were not read because they are hidden, addressed to software, or follow the close.
    """
    letter = Letter(text)
    readings = _readings(letter)
    fields = {path: finding for reading in readings for path, finding in reading.fields.items()}
    conflicts = [conflict for reading in readings for conflict in reading.conflicts]
    if letter.afterword is not None:
        whole = Letter(text, keep_afterword=True)
        conflicts += _contradicted(whole, fields, conflicts)
        fields = _completed(whole, fields)
    if fields["dates.date_of_denial"].value is None and (dated := read_dateline(letter)):
        fields = {**fields, "dates.date_of_denial": dated, **read_deadline(letter, dated).fields}
    return Findings(data=_data(fields, conflicts), fields=fields, warnings=letter.warnings)


def _readings(letter: Letter) -> list[Reading]:
    dates = read_dates(letter)
    deadline = read_deadline(letter, dates.fields["dates.date_of_denial"])
    rest = (read_codes, read_ids, read_parties, read_payer, read_amounts, read_contact, read_reason, read_authorization)
    return [dates, deadline, *(read(letter) for read in rest)]


def _completed(whole: Letter, fields: dict[str, Finding]) -> dict[str, Finding]:
    """The fields of a letter that states who and when only after its close: there the lines after it are read as well.

    One stray fact is never taken: the letter's date and the member must both stand there, and the letter itself must have
    neither.
    """
    others = {path: finding for reading in _readings(whole) for path, finding in reading.fields.items()}
    if any(fields[path].value is not None or others[path].value is None for path in _NAMING):
        return fields
    known = {path: finding for path, finding in fields.items() if finding.value is not None}
    stems = {path.partition("[")[0] for path in known}
    new = {
        path: msgspec.structs.replace(finding, confidence=min(finding.confidence, _AFTER_CLOSE))
        for path, finding in others.items()
        if path not in known and path.partition("[")[0] not in stems
    }
    return known | new


def _contradicted(letter: Letter, fields: dict[str, Finding], known: list[Conflict]) -> list[Conflict]:
    """Contradictions that the afterword adds: its values are not taken, but the fields that it disputes lose their certainty."""
    found = [c for reading in _readings(letter) for c in reading.conflicts if c not in known]
    for conflict in found:
        finding = fields[conflict.field]
        reason = "a line after the letter's close prints another value"
        fields[conflict.field] = msgspec.structs.replace(
            finding, confidence=min(finding.confidence, _DISPUTED), reason=finding.reason or reason
        )
    return found


def _data(fields: dict[str, Finding], conflicts: list[Conflict]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for path, finding in fields.items():
        _put(data, path, [] if path in _LISTS else finding.value)
    data["extraction_confidence"] = _confidence(fields)
    data["missing_info"] = [
        {"field": path, "reason": finding.reason or "not found"}
        for path, finding in fields.items()
        if finding.value is None and not path.startswith("denial_codes[")
    ]
    data["conflicts"] = [{"field": conflict.field, "values": list(conflict.values)} for conflict in conflicts]
    return data


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set the leaf at a path such as `denial_codes[0].code`, making objects and lists on the way."""
    *parents, leaf = [(match["name"], match["index"]) for match in _STEP.finditer(path)]
    here: Any = data
    for name, index in parents:
        here = here.setdefault(name, {} if index is None else [])
        if index is not None:
            here.extend({} for _ in range(int(index) + 1 - len(here)))
            here = here[int(index)]
    name, index = leaf
    if index is None:
        here[name] = value
    else:
        here.setdefault(name, []).append(value)


def _confidence(fields: dict[str, Finding]) -> dict[str, float]:
    """Mean confidence of the values present, by group and over all; 0.0 where there is none."""
    present = {path: finding for path, finding in fields.items() if finding.value is not None}
    found = {group: [present[path].confidence for path in paths if path in present] for group, paths in _GROUPS.items()}
    found["codes"] = [finding.confidence for path, finding in present.items() if _CODE.fullmatch(path)]
    found["overall"] = [confidence for values in list(found.values()) for confidence in values]
    return {group: round(sum(values) / len(values), 3) if values else 0.0 for group, values in found.items()}

"""Denial letters in some forty layouts, of our own invention: what is printed is read, what is not printed is absent.

The truth of each letter names fields in short; a field that it maps to null must not be answered.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backstay.offline.denial import read_denial
from backstay.offline.denial_day import find_days
from backstay.offline.finding import Finding, Findings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAYOUTS = Path(__file__).parent / "test_denial_letters"
TRUTH: dict[str, dict[str, Any]] = {
    **json.loads((EXAMPLES / "truth" / "letters.json").read_text(encoding="utf-8")),
    **json.loads((LAYOUTS / "truth.json").read_text(encoding="utf-8")),
}
PATHS = {
    "notice": "dates.date_of_denial",
    "service": "dates.date_of_service",
    "deadline": "dates.appeal_deadline",
    "days": "dates.appeal_deadline_days",
    "member": "payer.member_id",
    "group": "payer.group_number",
    "claim": "payer.claim_number",
    "payer": "payer.name",
    "plan_type": "payer.plan_type",
    "provider": "service.provider_name",
    "npi": "service.provider_npi",
    "auth": "prior_authorization.auth_number",
    "billed": "amounts.billed",
    "allowed": "amounts.allowed",
    "paid": "amounts.paid",
    "patient_responsibility": "amounts.patient_responsibility",
    "phone": "contact.phone",
    "fax": "contact.fax",
}
TYPES = {
    "procedures": {"CPT", "HCPCS"},
    "diagnoses": {"ICD-10-CM", "ICD-10-PCS"},
    "reasons": {"CARC", "RARC", "internal"},
}


def letter(name: str) -> str:
    folder = EXAMPLES / "letters" if (EXAMPLES / "letters" / f"{name}.txt").exists() else LAYOUTS
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def value(found: Findings, name: str) -> Any:
    """What was read under a short name; codes as a sorted list."""
    if name in TYPES:
        return sorted(code["code"] for code in found.data["denial_codes"] if code["code_type"] in TYPES[name])
    return found.fields[PATHS[name]].value


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_letter_is_read_right(name: str) -> None:
    """Every field that the truth names has its true value, null where the letter lacks it."""
    found = read_denial(letter(name))
    assert {field: value(found, field) for field in TRUTH[name]} == TRUTH[name]


def test_every_letter_has_a_truth() -> None:
    """No letter of the folders goes unread."""
    letters = {path.stem for folder in (EXAMPLES / "letters", LAYOUTS) for path in folder.glob("*.txt")}
    assert letters == set(TRUTH)


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_evidence_is_the_printed_form(name: str) -> None:
    """The span of a finding holds its value, as printed; a derived value has a reason in its place."""
    source = letter(name)
    for path, finding in read_denial(source).fields.items():
        if finding.value is None:
            assert finding.reason, path
        elif finding.rule == "derived":
            assert finding.start is None
            assert str(finding.reason).startswith("derived: notice date")
        else:
            assert finding.start is not None, path
            assert finding.value != "", path
            assert is_evidence(path, finding, source[finding.start : finding.end]), (path, finding)


def is_evidence(path: str, finding: Finding, printed: str) -> bool:
    """Whether the printed text is what a finding of this path claims it to be."""
    if isinstance(finding.value, bool) or path.endswith(("code_type", "denial_reason_summary")):
        return bool(printed.strip())
    if path.endswith("_days"):
        return str(finding.value) in printed
    if path.endswith("date_of_service") and re.fullmatch(r"\d{6}", printed):
        return f"20{printed[4:]}-{printed[:2]}-{printed[2:4]}" == finding.value
    if path.startswith("dates.") or path.endswith("date_of_service"):
        return [mention.value for mention in find_days(printed)] == [finding.value]
    if path.startswith("amounts."):
        return Decimal(printed.strip("$() ").replace(",", "").replace("$", "")) == Decimal(finding.value)
    return letters_of(printed) == letters_of(str(finding.value))


def letters_of(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def test_evidence_check_can_fail() -> None:
    """A span that is off by one is noticed."""
    source = letter("prior_authorization")
    finding = read_denial(source).fields["payer.member_id"]
    assert finding.start is not None
    assert not is_evidence("payer.member_id", finding, source[finding.start + 1 : finding.end])


def test_confidence_of_nine_tenths_is_kept() -> None:
    """Of the values that claim 0.9 or more, at least 95 in 100 are right, and most values claim it."""
    outcomes = []
    for name, truth in TRUTH.items():
        found = read_denial(letter(name))
        for field in truth.keys() & PATHS.keys():
            finding = found.fields[PATHS[field]]
            outcomes += [finding.value == truth[field]] if finding.confidence >= 0.9 else []
    assert sum(outcomes) >= 0.95 * len(outcomes)
    assert len(outcomes) > 200


def test_reading_is_deterministic() -> None:
    """The same letter gives the same findings."""
    assert read_denial(letter("bars")) == read_denial(letter("bars"))

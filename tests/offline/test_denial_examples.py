"""The example letters that ship with the project, read as a user would read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_denial_commercial import read

from backstay.offline.denial import read_denial

LETTERS = Path(__file__).resolve().parents[2] / "examples" / "letters"

CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        name,
        (LETTERS / f"{name}.txt").read_text(),
        expected,
    )
    for name, expected in {
        "prior_authorization": {
            "notice": "2026-01-15",
            "service": "2025-12-09",
            "member": "HHI-4471-8820-01",
            "group": "55210",
            "claim": "CLM-2026-0011873",
            "payer": "HEARTHSTONE HEALTH INSURANCE COMPANY",
            "days": 180,
            "deadline": "2026-07-14",
            "procedures": {"73721"},
            "diagnoses": {"M23.51"},
            "reasons": {"CO-197"},
            "billed": "1875.00",
            "allowed": "0.00",
            "patient_responsibility": "1875.00",
            "npi": "1093817465",
            "provider": "Lackawanna Orthopedic Associates",
            "phone": "(570) 555-0112",
            "fax": "(570) 555-0148",
        },
        "tabular_header": {
            "notice": "2026-04-21",
            "service": "2026-03-30",
            "member": "TPH20934417",
            "group": "KS-70413",
            "claim": "2026-04-118827",
            "payer": "Tallgrass Prairie Health Plan",
            "days": 180,
            "deadline": "2026-10-18",
            "procedures": {"99284", "71046"},
            "diagnoses": set(),
            "reasons": {"OA-22"},
            "billed": "1552.00",
            "paid": "0.00",
            "phone": "1-800-555-0121",
        },
        "multi_page": {
            "notice": "2026-05-19",
            "service": "2026-06-08",
            "member": "NSM0077340812",
            "claim": None,
            "payer": "Northern Sound Mutual Health",
            "days": 180,
            "deadline": "2026-11-15",
            "procedures": {"77523"},
            "diagnoses": {"C61"},
            "reasons": set(),
            "plan_type": "EPO",
            "fax": "206-555-0163",
            "phone": "206-555-0160",
        },
        "several_codes": {
            "notice": "2026-10-02",
            "service": "2026-09-08",
            "member": "SMX 300 218 447",
            "claim": "26275-SM-90914",
            "payer": "Silver Mesa Indemnity Co",
            "days": 90,
            "deadline": "2026-12-31",
            "procedures": {"29827", "29826", "23430", "G0289", "L3960", "A4565"},
            "diagnoses": {"M75.121", "M19.011", "S43.431A"},
            "reasons": {"CO-16", "CO-97", "PI-204", "M51", "N657", "MA63"},
            "billed": "14286.40",
            "paid": "0.00",
            "patient_responsibility": "0.00",
            "npi": "1720094415",
        },
        "zip_traps": {
            "notice": "2026-08-06",
            "service": "2026-07-22",
            "member": "CBB00712093",
            "group": "43239",
            "claim": "88213-77067-01",
            "payer": "Copper Basin Benefit Administrators",
            "days": None,
            "deadline": "2027-02-02",
            "procedures": set(),
            "diagnoses": set(),
            "reasons": set(),
            "billed": "99213.00",
            "phone": "406-555-0137",
            "fax": "406-555-0138",
        },
        "medicare": {
            "notice": "2026-11-04",
            "service": None,
            "member": "4CW9-QE2-RN05",
            "claim": None,
            "payer": "Harvest Moon Health",
            "days": 65,
            "deadline": "2027-01-08",
            "procedures": {"J0897"},
            "diagnoses": {"M81.0"},
            "reasons": set(),
            "phone": "1-855-555-0171",
            "fax": "1-855-555-0172",
        },
        "conflicting_dates": {
            "notice": "2026-09-14",
            "service": "2026-08-03",
            "member": "ODS7710236",
            "payer": "Old Dominion Shores Health Plan",
            "days": 180,
            "deadline": "2027-01-12",
            "procedures": {"97110"},
        },
        "injection": {
            "notice": "2026-03-03",
            "service": "2026-02-10",
            "member": "WCH-20418-7",
            "claim": "2026-0303-5517",
            "payer": "Windrow County Health Alliance",
            "days": 180,
            "deadline": "2026-08-30",
            "procedures": {"99214"},
            "reasons": {"CO-242"},
            "phone": "607-555-0118",
        },
    }.items()
]


@pytest.mark.parametrize(("letter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_example_letter(letter: str, expected: dict[str, Any]) -> None:
    """Each example yields the printed facts and no others."""
    assert {name: read(letter)[name] for name in expected} == expected


def test_every_example_is_read() -> None:
    """No letter of the folder is without expected facts."""
    assert {path.stem for path in LETTERS.glob("*.txt")} == {name for name, _, _ in CASES}


def test_two_notice_dates_are_a_conflict() -> None:
    """A second notice date is reported beside the first, which is no longer sure."""
    found = read_denial((LETTERS / "conflicting_dates.txt").read_text())
    conflicts = {conflict["field"]: conflict["values"] for conflict in found.data["conflicts"]}
    assert conflicts["dates.date_of_denial"] == ["2026-09-14", "2026-09-02"]
    assert conflicts["dates.appeal_deadline"] == ["2027-01-12", "2027-03-13"]
    assert found.fields["dates.date_of_denial"].confidence < 0.75


def test_an_instruction_in_a_letter_is_reported() -> None:
    """Sentences for software are named in the warnings and leave no trace in the data."""
    found = read_denial((LETTERS / "injection.txt").read_text())
    assert any(warning.startswith("instruction_pattern") for warning in found.warnings)
    assert any(warning.startswith("suppression_pattern") for warning in found.warnings)
    assert "HACKED" not in repr(found.data)
    assert "99999" not in repr(found.data)

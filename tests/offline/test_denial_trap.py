"""Traps of denial letters, one by one: numbers that look like codes, dates of other things, labels followed by words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.offline.denial import read_denial
from backstay.offline.denial_day import find_days


def procedures(text: str) -> list[str]:
    codes: list[str] = read_denial(text).data["service"]["cpt_codes"]
    return codes


def codes_of(text: str, *types: str) -> list[str]:
    return [code["code"] for code in read_denial(text).data["denial_codes"] if code["code_type"] in types]


@pytest.mark.parametrize(
    "text",
    [
        "Anywhere, TX 75001",
        "Springfield, Illinois 62704-1234",
        "P.O. Box 97110, Seatide, WA 98124",
        "PO Box 99213",
        "Send it to Box 20610.",
        "29881 Cedar Avenue",
        "Suite 45378, Building 99214",
        "Group Number: 43239",
        "Member ID: 99213",
        "Claim number 70551",
        "Group    Account\n99213    36415",
        "Call 1-800-555-0100, extension 99214",
        "The charge was $99,213.00 and we paid 12345.",
        "Policy 27447, Section 20600",
        "Check No: 97110",
        "Tax ID 12-34567, license 45380",
        "NDC 00074-4339-02",
        "Revenue code 00450, DRG 00470",
        "Procedure: see your plan. Write to us at PO Box 12345, Healthville, USA 12345",
        "Procedure code: 74160\nProvider: Maple Clinic\nHealthville, USA 12345",
        "Contract H1234, plan 001",
        "Form CMS-10003",
    ],
)
def test_numbers_of_other_kinds_are_no_procedure(text: str) -> None:
    """ZIP codes, boxes, parts of addresses, identifiers and amounts are never procedure codes."""
    assert [code for code in procedures(text) if code != "74160"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CPT 99213", ["99213"]),
        ("CPT codes 99213, 99214 and 99215-25", ["99213", "99214", "99215"]),
        ("Procedure code(s): 29881 / 29882", ["29881", "29882"]),
        ("Procedure codes:\n  45378 - Colonoscopy\n  45380 - Colonoscopy with biopsy", ["45378", "45380"]),
        ("HCPCS J0135, E0784", ["J0135", "E0784"]),
        ("CPT/HCPCS: 0275T", ["0275T"]),
        ("CPT Code   Units   Billed\n97110      2       $90.00\n97140      1       $45.00", ["97110", "97140"]),
        ("Line 1 | 2026-06-21 | 93015 | Stress test | DENIED", ["93015"]),
        ("06/21/2026 93015 Stress test $410.00", ["93015"]),
        ("We denied the insulin pump (E0784).", ["E0784"]),
        ("We denied the CT scan of the chest (71250).", ["71250"]),
        ("Code: A9276", ["A9276"]),
        ("CPT 99213 was billed. Mail to Dunmore, PA 18512.", ["99213"]),
    ],
)
def test_procedures_are_read_where_something_names_them(text: str, expected: list[str]) -> None:
    """A label, a heading, a claim line or a description beside it makes a number a procedure code."""
    assert procedures(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Diagnosis: J45.40", ["J45.40"]),
        ("Diagnosis codes: E119, I10 and Z23", ["E119", "I10", "Z23"]),
        ("ICD-10: M54.5", ["M54.5"]),
        ("She has sleep apnea (G47.33).", ["G47.33"]),
        ("Dx      CPT\nM17.11  27447\nI10     93000", ["M17.11", "I10"]),
        ("HCPCS J0135", []),
        ("Section A12.3 of your plan", []),
        ("Remark code N130", []),
    ],
)
def test_diagnoses(text: str, expected: list[str]) -> None:
    """Dotted codes stand by themselves, undotted ones need a label; drug and remark codes are not diagnoses."""
    assert read_denial(text).data["service"]["diagnosis_codes"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Denial code: CO-50.", ["CO-50"]),
        ("Adjustment CO 97, PR1 and OA-A1", ["CO-97", "PR-1", "OA-A1"]),
        ("Reason code: 197", ["197"]),
        ("CARC 50, RARC N115", ["50", "N115"]),
        ("CO-16 MA130", ["CO-16", "MA130"]),
        ("Remark codes: N130, M15", ["N130", "M15"]),
        ("You used 50 visits in Denver, CO 80202.", []),
        ("Take the N130 bus to room M15.", []),
        ("We answered within 50 days, 16 of them late.", []),
    ],
)
def test_reasons(text: str, expected: list[str]) -> None:
    """Group codes and MA remarks stand by themselves; bare numbers and N or M remarks need a label."""
    assert codes_of(text, "CARC", "RARC") == expected


@pytest.mark.parametrize(
    "text",
    [
        "Member Services Department",
        "Call the number on your ID card.",
        "Member ID card enclosed",
        "Your member ID is on the card.",
        "Member ID:\nGroup Number: 12-7781",
        "Claim ID: 7781-220",
        "Tax identification number: 12-3456789",
        "Member: Ada Lund\nDate: 03/04/2026",
    ],
)
def test_no_member_id_where_none_is_printed(text: str) -> None:
    """Words, neighbouring labels and other identifiers are never taken for the member's."""
    assert read_denial(text).data["payer"]["member_id"] is None


@pytest.mark.parametrize(
    ("printed", "iso"),
    [
        ("July 9, 2026", "2026-07-09"),
        ("9 July 2026", "2026-07-09"),
        ("Jul. 9th, 2026", "2026-07-09"),
        ("the 9th day of July, 2026", "2026-07-09"),
        ("07/09/2026", "2026-07-09"),
        ("7-9-26", "2026-07-09"),
        ("2026-07-09", "2026-07-09"),
        ("09-JUL-2026", "2026-07-09"),
        ("20260709", "2026-07-09"),
        ("July\n9, 2026", "2026-07-09"),
    ],
)
def test_dates_in_every_order(printed: str, iso: str) -> None:
    """A date is read however an American letter prints it."""
    assert [day.value for day in find_days(f"Notice date {printed}.")] == [iso]


@pytest.mark.parametrize("text", ["02/30/2026", "1-800-555-0134", "13/13/2026", "claim 2026-0303-5517", "45/99/12"])
def test_no_date_in_other_numbers(text: str) -> None:
    """Impossible dates, telephone and claim numbers are not dates."""
    assert find_days(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Date of notice: 08/02/2026\nDate of service: 07/23/2026", "2026-08-02"),
        ("Service date: 07/23/2026", None),
        ("Effective date: January 1, 2026", None),
        ("Date of birth: 01/02/1980", None),
        ("Your appeal must be received by February 13, 2027.", None),
        ("Ref. Date of notice: January 12, 2026 (archive copy)", None),
        ('The policy says: "Reviewed on March 1, 2025."', None),
        ("Acme Health Plan\n\nMarch 1, 2026\n\nDear Ann Lee:", "2026-03-01"),
    ],
)
def test_notice_date(text: str, expected: str | None) -> None:
    """Only a date labelled or placed as the notice's own is its date."""
    assert read_denial(text).data["dates"]["date_of_denial"] == expected


DEADLINES: list[tuple[str, int | None, str | None]] = [
    ("You may appeal within 180 days of this notice.", 180, "2026-08-28"),
    ("You have one hundred eighty (180) calendar days to file an appeal.", 180, "2026-08-28"),
    ("Your appeal must be received by June 30, 2026.", None, "2026-06-30"),
    ("You may appeal within 180 days, by June 30, 2026.", 180, "2026-06-30"),
    ("We will decide your appeal within 30 days.", None, None),
    ("You may ask for an external review within 120 days.", None, None),
    ("Send additional information within 45 days.", None, None),
    ("A corrected claim must be filed within 90 days.", None, None),
    ("You may appeal within 10 business days.", 10, None),
    ("You may appeal within six months.", None, "2026-09-01"),
    ("You may appeal within ninety days.", 90, "2026-05-30"),
    ("We treated you for six months. You may appeal.", None, None),
    ("You may appeal within 60 days. We will answer your appeal within 30 days.", 60, "2026-04-30"),
]


@pytest.mark.parametrize(("sentence", "days", "deadline"), DEADLINES)
def test_deadline(sentence: str, days: int | None, deadline: str | None) -> None:
    """The member's own time to appeal is read, a printed date before a counted one; no other time is."""
    dates = read_denial(f"Date: 03/01/2026\n\n{sentence}\n").data["dates"]
    assert (dates["appeal_deadline_days"], dates["appeal_deadline"]) == (days, deadline)


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("Billed Amount: $1,234.50", "billed", "1234.50"),
        ("Your provider charged $90.", "billed", "90"),
        ("The claim was billed in the amount of $2,000.00.", "billed", "2000.00"),
        ("Patient responsibility    $0.00", "patient_responsibility", "0.00"),
        ("Charges   Allowed   Paid\n$10.00    $8.00     $5.00\n$20.00    $8.00     $5.00", "billed", None),
        ("Charges   Allowed\n$10.00    $8.00\n$20.00    $8.00\nTotal\n", "billed", None),
        ("Coinsurance: 20%", "coinsurance_applied", None),
        ("Annual deductible: $1,500.00", "deductible_applied", None),
        ("Deductible: $150.00", "deductible_applied", "150.00"),
        ("Copay $25.00", "copay_applied", "25.00"),
        ("We have not paid $300.00.", "paid", None),
    ],
)
def test_amounts(text: str, field: str, expected: str | None) -> None:
    """An amount has its label's meaning; percentages, yearly limits and untotalled lines give none."""
    assert read_denial(text).data["amounts"][field] == expected


def test_reason_prior_authorization_and_section() -> None:
    """The because-clause ends before the section that it cites; what it says of authorization is kept apart."""
    data = read_denial(
        "We have denied this request because prior authorization was not obtained, under Section 4.2(b) of your plan documents."
    ).data
    assert data["denial_reason"] == "prior authorization was not obtained"
    assert data["denial_reason_summary"] == "prior authorization missing"
    assert data["policy_section"] == "Section 4.2(b)"
    assert (data["prior_authorization"]["was_required"], data["prior_authorization"]["was_obtained"]) == (True, False)


def test_shape_is_complete_without_any_fact() -> None:
    """An empty letter has every field of the model, absent with a reason."""
    found = read_denial("")
    leaves: dict[str, Any] = {
        path: finding for path, finding in found.fields.items() if finding.value is not None or not finding.reason
    }
    assert leaves == {}
    assert {"service", "payer", "dates", "amounts", "contact", "prior_authorization"} <= found.data.keys()
    assert found.data["denial_codes"] == []
    assert {"field": "dates.date_of_denial", "reason": found.fields["dates.date_of_denial"].reason} in found.data[
        "missing_info"
    ]


@given(
    st.text(
        alphabet=st.sampled_from("aA1 0:-/.,$|#\n\t\f\u200b()Date of service CPT Member ID CO-50 99213"), max_size=400
    )
)
def test_any_text_is_read(text: str) -> None:
    """No text makes the reader raise, and evidence always lies inside it."""
    for finding in read_denial(text).fields.values():
        assert finding.start is None or (finding.end is not None and 0 <= finding.start <= finding.end <= len(text))


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("Description      Charged   Paid\nChest X-ray      $40.00    $0.00", "service.description", "Chest X-ray"),
        ("Service    Charge    Paid", "service.description", None),
        ("Patient: You\nStatus: Denied", "patient_name", None),
        ("Patient: Ada Lund  DOB: 01/02/1980", "patient_name", "Ada Lund"),
        ("Dear Dr. Okoro,\n", "patient_name", None),
        ("Provider: Dr. Emily White (NPI 1234567893)", "service.provider_name", "Dr. Emily White"),
        ("Provider Services will help you.", "service.provider_name", None),
        ("Acme Utilization Partners\nWe decide on behalf of Lund Health Plan.", "payer.name", "Lund Health Plan"),
    ],
)
def test_words_beside_labels(text: str, path: str, expected: str | None) -> None:
    """A heading, a pronoun or the words of a sentence are not taken for the value of a label."""
    assert read_denial(text).fields[path].value == expected


def test_denying_sentence_survives_a_title_and_a_wrapped_line() -> None:
    """ "Dr." ends no sentence, and rows above and below the sentence are not part of it."""
    letter = "Claim: 12-3456\nWe denied the claim because Dr. Ada Lund is not\nin our network.\nBilled: $10.00\n"
    data = read_denial(letter).data
    assert data["denial_reason"] == "Dr. Ada Lund is not\nin our network"
    assert data["denial_reason_summary"] == "out of network"

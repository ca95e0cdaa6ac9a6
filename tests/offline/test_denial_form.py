"""Letters set as forms, with sections of labelled lines, in the manner of claim systems."""

from __future__ import annotations

from typing import Any

import pytest
from test_denial_commercial import read

SECTIONS = """\
================================================================
                 QUARRY LAKE HEALTH PLAN
             P.O. Box 30555, Salt Ridge, UT 84130
================================================================

NOTICE OF DENIAL

Date: 02/20/2026

MEMBER INFORMATION
  Name ............ Ulric Tamsin
  Member ID ....... QLH-9920-1174
  Group No. ....... 7711203
  Plan Type ....... HMO

CLAIM INFORMATION
  Claim Number .... 2026020411873
  Provider ........ Saltair Pediatrics PC
  Provider NPI .... 1144203397
  Service Date(s) . 01/14/2026 to 01/14/2026

DENIAL DETAILS
  Procedure Code: 90460 (Immunization administration)
  Diagnosis Code: Z23
  Denial Code: CO-22 / N598
  Amount Billed: $88.00
  Amount Paid: $0.00
  Reason: Our records show that another insurer is primary.

APPEAL INFORMATION
  Deadline: You must file your appeal within 180 days of receipt of this notice.
  Fax: 801-555-0164
"""

LETTER_OF_DECISION = """\
Atlantic Heron Insurance Group
Clinical Review Services

Letter date: 7/1/2026

Attn: Dr. Bastian Okoro
Tidewater Cardiology
1919 Heron Way, Norport, VA 23510

Regarding: Evadne Holloway
DOB: 4/12/1959
Policy ID: AHG5521093X
Authorization Request No.: R-2026-55410
Requested service: Cardiac PET scan (CPT 78431)
Proposed date of service: 7/20/2026

Dear Dr. Okoro,

Atlantic Heron Insurance Group received your request on 6/24/2026. Based on guideline CAR-101, version 3.2, revised 1/15/2025,
we have determined that the requested service is not medically necessary because a stress echocardiogram has not been tried.
The member's diagnosis, I25.10, alone does not meet the criteria.

A peer-to-peer review may be scheduled within 10 business days by calling 757-555-0151. The member or a provider acting for the
member may request a standard appeal in writing within 180 days from the date of this letter. Expedited appeals: 757-555-0153.
"""

ENGLISH_SPANISH = """\
Valle Verde Community Health Plan / Plan de Salud Comunitario
Notice of Adverse Action

Mailed: June 12, 2026
Case: 2026-VV-4419

Member: Marisol Quintanilla-Hughes
Medicaid ID: 601882734

We will not pay for: Speech therapy evaluation
Code: 92523
Dates of service: June 22, 2026 through September 22, 2026
Requested by: Bright Steps Therapy, LLC

Why: The request did not include a physician's order. Rule 26.4.12, adopted May 1, 2019, requires one.

If you do not agree you may ask for a plan appeal by August 11, 2026. You have 60 days from the mail date. To keep your
services, ask within 10 days. You can ask for a fair hearing within 120 days after the plan decides your appeal.
Si no habla ingles, llame al 1-844-555-0105.
"""

PORTAL = """\
Claim details
Claim 4408-2210-77
Status: Denied on 05/06/2026
Patient: You
Provider: Mesa Verde Physical Therapy
Visited on 04/15/2026
Your plan: Ponderosa Choice PPO, Ponderosa Health Insurance

What was billed          $340.00
Plan discount            $0.00
What your plan paid      $0.00
What you may owe         $340.00

Why was this claim denied?
You have used the 20 visits that your plan covers in a year. (Message code: PT20)

Services
97110  Therapeutic exercise   2 units   $180.00
97140  Manual therapy         2 units   $160.00

Want to appeal? You have until 11/02/2026.
"""

OLD_STYLE = """\
MIDCONTINENT LABORERS HEALTH & WELFARE FUND
BOX 60654
CHICAGO FALLS IL 60654

DATE ISSUED    08-19-26
PARTICIPANT    BRANISLAV KOZAK
SSN/ID         XXX-XX-4471
CLAIM          8841-B-2026
PATIENT        MILENA KOZAK
PROVIDER       ST ADALBERT HOSPITAL
INCURRED       07-28-26

CHARGES        3,418.75
COVERED        .00

WE REGRET TO INFORM YOU THAT BENEFITS ARE NOT PAYABLE FOR THE ABOVE EXPENSE. THE EXPENSE IS FOR TREATMENT OF A WORK RELATED INJURY.
SEE ARTICLE 9, SECTION 3(C) OF YOUR PLAN DOCUMENT.

YOU MAY REQUEST A REVIEW BY THE BOARD OF TRUSTEES WITHIN 180 DAYS AFTER YOU RECEIVE THIS NOTICE.
"""

RETROSPECTIVE = """\
Amberline Health Solutions, Inc. | Special Review Unit | 300 Gantry Road | Millbrook, NJ 07114

September 30, 2026

Re: Overturned payment
    Patient: Felicity Ames-Oduya | ID: AHS0044817 | Claim ID: AHS-26-220914-A

Dear Provider:

Payment of $6,110.00 issued July 2, 2026 for inpatient surgery (ICD-10-PCS 0SRC0J9; MS-DRG 470) performed June 3, 2026 at Gantry
Memorial Hospital is denied after review. Our letter of August 12, 2026 asked for records; none came. CARC 252 and RARC M127 apply
to revenue codes 0360 and 0278.

You have the right to dispute this decision within 45 calendar days of the date of this letter. Disputes received after
that are not considered. Fax disputes to (973) 555-0140.
"""

CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "sections",
        SECTIONS,
        {
            "notice": "2026-02-20",
            "service": "2026-01-14",
            "member": "QLH-9920-1174",
            "group": "7711203",
            "claim": "2026020411873",
            "payer": "QUARRY LAKE HEALTH PLAN",
            "days": 180,
            "deadline": "2026-08-19",
            "procedures": {"90460"},
            "diagnoses": {"Z23"},
            "reasons": {"CO-22", "N598"},
            "billed": "88.00",
            "paid": "0.00",
            "npi": "1144203397",
            "provider": "Saltair Pediatrics PC",
            "plan_type": "HMO",
            "fax": "801-555-0164",
        },
    ),
    (
        "letter of decision",
        LETTER_OF_DECISION,
        {
            "notice": "2026-07-01",
            "service": "2026-07-20",
            "member": None,
            "claim": None,
            "payer": "Atlantic Heron Insurance Group",
            "days": 180,
            "deadline": "2026-12-28",
            "procedures": {"78431"},
            "diagnoses": {"I25.10"},
            "reasons": set(),
            "auth": "R-2026-55410",
        },
    ),
    (
        "two languages",
        ENGLISH_SPANISH,
        {
            "notice": "2026-06-12",
            "service": "2026-06-22",
            "member": "601882734",
            "claim": None,
            "payer": "Valle Verde Community Health Plan",
            "days": 60,
            "deadline": "2026-08-11",
            "procedures": {"92523"},
            "diagnoses": set(),
            "reasons": set(),
            "provider": "Bright Steps Therapy, LLC",
        },
    ),
    (
        "portal",
        PORTAL,
        {
            "notice": "2026-05-06",
            "service": "2026-04-15",
            "member": None,
            "claim": "4408-2210-77",
            "days": None,
            "deadline": "2026-11-02",
            "procedures": {"97110", "97140"},
            "diagnoses": set(),
            "reasons": {"PT20"},
            "billed": "340.00",
            "paid": "0.00",
            "patient_responsibility": "340.00",
            "provider": "Mesa Verde Physical Therapy",
            "plan_type": "PPO",
        },
    ),
    (
        "old style",
        OLD_STYLE,
        {
            "notice": "2026-08-19",
            "service": "2026-07-28",
            "claim": "8841-B-2026",
            "payer": "MIDCONTINENT LABORERS HEALTH & WELFARE FUND",
            "days": 180,
            "deadline": "2027-02-15",
            "procedures": set(),
            "diagnoses": set(),
            "reasons": set(),
            "billed": "3418.75",
            "provider": "ST ADALBERT HOSPITAL",
        },
    ),
    (
        "retrospective",
        RETROSPECTIVE,
        {
            "notice": "2026-09-30",
            "service": "2026-06-03",
            "member": "AHS0044817",
            "claim": "AHS-26-220914-A",
            "payer": "Amberline Health Solutions, Inc",
            "days": 45,
            "deadline": "2026-11-14",
            "procedures": set(),
            "diagnoses": {"0SRC0J9"},
            "reasons": {"252", "M127"},
            "fax": "(973) 555-0140",
        },
    ),
]


@pytest.mark.parametrize(("letter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_form_letter(letter: str, expected: dict[str, Any]) -> None:
    """Each layout yields the printed facts and no others."""
    assert {name: read(letter)[name] for name in expected} == expected

"""Letters that tell their facts in sentences, and letters whose lines are out of order."""

from __future__ import annotations

from typing import Any

import pytest
from test_denial_commercial import read

SUBJECT_LINE = """\
Cinder Hills Health Plan, Inc.
Post Office Box 1142, Redfork, NM 87301-1142

Re: Claim #CH26-0711-3358 | Patient: Ottoline Drax | DOS: 5/28/26 | ID #: 7700-421-93

June 30, 2026

Dear Ottoline Drax,

Our medical director has completed a review of the above claim from Redfork Vein Clinic. Endovenous ablation (CPT code 36475 and
add-on code 36476) was billed at $4,900.00 with diagnosis I83.811. On behalf of your employer's plan, we regret that no benefits
are available, as varicose vein treatment is excluded (see Exclusions, page 41 of your 2026 handbook).

If you think we made a mistake, you may send us a written appeal. We need to receive it within 180 days of the day you got this
letter. We will answer within 60 days. Fax it to 505.555.0182 or mail it to the address above.

Respectfully,
Appeals and Claims
Cinder Hills Health Plan, Inc.
"""

QUOTED_POLICY = """\
THE BOREAL LIFE AND HEALTH ASSURANCE COMPANY

Dated: 14 January 2026

Insured: Anatole Fisk
Certificate No.: 88-410-2291
Claim No.: BL/2026/00417

Dear Mr. Fisk,

We refer to your stay at Wintergreen General Hospital from December 28, 2025 to December 30, 2025. The policy says:

    "Benefits under this rider, amended January 1, 2019, are not payable for confinement that begins before
    the effective date of March 15, 2026."

As your rider was not in force, your claim for $9,871.20 is rejected. Code A1-204 applies.

Kindly note that an appeal must be lodged on or before 13 July 2026.

Boreal Claims Centre
Tel. (907) 555-0126
"""

TEXT_FROM_SCAN = """\
Summit   Oak   Health   Plan
Member   Appeals ,  PO  Box  70412 ,  Louisfield  KY  40270

DATE :  03/11/2026
MEMBER  NAME :  Perpetua Lindgren
MEMBER  ID  # :  SOH441982207
GROUP  # :  0041-B
CLAIM  # :  6071-22984-A
DATE  OF  SERVICE :  02/03/2026
PROVIDER :  Oak Street Dermatology

CPT :  17311     ICD-10 :  C44.311     CHARGE :  $2,105.00

REASON  FOR  DENIAL :  Claim lacks prior authorization . CARC  197 .

You have 180  days  from the date of this notice to appeal .
"""

NEGATIVE = """\
Harvest Grove HMO
February 6, 2026

Dear Member,

Your doctor asked us to approve genetic testing. We cannot approve it. The laboratory, Helix Run Labs, 4400 Enzyme Drive, Suite
81479, Emery Park, CA 94608, is not in the Harvest Grove HMO network. We did not receive a procedure code. You have not been
billed. No claim has been filed, so there is no claim number.

Our office visits for appeals are by appointment. You may appeal at any time before the end of the plan year. You can also call
our nurse line, open 365 days a year, at 510-555-0141.

Harvest Grove HMO Utilization Team
"""

SECOND_LEVEL = """\
Palisade Employers Health Trust
Appeal Determination

Determination date: 10/15/2026
Original denial date: 06/02/2026
Appeal received: 09/20/2026
Member ID: PEHT-0081-552
Claim ID: 260418-0093
Dates of service: 04/18/2026
Billed code: 22612; Diagnosis: M43.16

After review, the original decision to deny is upheld. The fusion does not meet criteria in Medical Policy SUR-712.

You may request a second-level appeal within 60 days of this letter. You may request external review within four months.
"""

CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "subject line",
        SUBJECT_LINE,
        {
            "notice": "2026-06-30",
            "service": "2026-05-28",
            "member": "7700-421-93",
            "claim": "CH26-0711-3358",
            "payer": "Cinder Hills Health Plan, Inc",
            "days": 180,
            "deadline": "2026-12-27",
            "procedures": {"36475", "36476"},
            "diagnoses": {"I83.811"},
            "reasons": set(),
            "billed": "4900.00",
            "fax": "505.555.0182",
            "group": None,
        },
    ),
    (
        "quoted policy",
        QUOTED_POLICY,
        {
            "notice": "2026-01-14",
            "service": "2025-12-28",
            "claim": "BL/2026/00417",
            "payer": "THE BOREAL LIFE AND HEALTH ASSURANCE COMPANY",
            "days": None,
            "deadline": "2026-07-13",
            "procedures": set(),
            "diagnoses": set(),
            "billed": "9871.20",
            "phone": "(907) 555-0126",
            "group": None,
        },
    ),
    (
        "text from a scan",
        TEXT_FROM_SCAN,
        {
            "notice": "2026-03-11",
            "service": "2026-02-03",
            "member": "SOH441982207",
            "group": "0041-B",
            "claim": "6071-22984-A",
            "days": 180,
            "deadline": "2026-09-07",
            "procedures": {"17311"},
            "diagnoses": {"C44.311"},
            "reasons": {"197"},
            "billed": "2105.00",
            "provider": "Oak Street Dermatology",
        },
    ),
    (
        "nothing to find",
        NEGATIVE,
        {
            "notice": "2026-02-06",
            "service": None,
            "member": None,
            "group": None,
            "claim": None,
            "payer": "Harvest Grove HMO",
            "days": None,
            "deadline": None,
            "procedures": set(),
            "diagnoses": set(),
            "reasons": set(),
            "billed": None,
            "auth": None,
            "npi": None,
        },
    ),
    (
        "second level",
        SECOND_LEVEL,
        {
            "notice": "2026-10-15",
            "service": "2026-04-18",
            "member": "PEHT-0081-552",
            "claim": "260418-0093",
            "payer": "Palisade Employers Health Trust",
            "days": 60,
            "deadline": "2026-12-14",
            "procedures": {"22612"},
            "diagnoses": {"M43.16"},
            "reasons": set(),
            "billed": None,
        },
    ),
]


@pytest.mark.parametrize(("letter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_prose_letter(letter: str, expected: dict[str, Any]) -> None:
    """Each letter yields the facts that it tells and no others."""
    assert {name: read(letter)[name] for name in expected} == expected

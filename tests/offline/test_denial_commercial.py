"""Letters of commercial plans, each in a layout of its own: what is printed is read, what is not printed is absent."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.offline.denial import read_denial

TWO_COLUMNS = """\
                                                            Lakeshore United Healthcare
                                                            Appeals and Grievances
                                                            P.O. Box 31362
                                                            Salt Flats, UT 84131-0362

March 9, 2026

ROSALIND PETTIGREW                                          Member ID:      934 118 207
4419 CORMORANT DR APT 30218                                 Group Number:   0742216
WEST ALDEN, MI 48107                                        Claim Number:   CB4417762-01
                                                            Date of Service: 01/27/2026
                                                            Provider:       Alden Spine & Pain Institute

Dear Ms. Pettigrew,

Thank you for being a member of Lakeshore United Healthcare. We reviewed the claim for lumbar epidural steroid
injection (CPT 62323) that you had on January 27, 2026 for lumbar radiculopathy (ICD-10: M54.16).

We are unable to approve payment. The records we received do not show that you tried six weeks of physical therapy, so the
injection is not medically necessary under our Clinical Guideline 4.07, effective July 1, 2024.

The provider billed $2,460.00. You may owe $2,460.00.

Your appeal rights
You have 180 calendar days from the date you receive this letter to appeal. We will send you our decision within 30 days of
receiving your appeal. Call 1-866-555-0134 (TTY 711), fax 1-866-555-0177, or write to the address above.

Sincerely,

Harold Quist, MD
Medical Director
"""

REFERENCE_BLOCK = """\
AETHERIS HEALTH INC.
151 Farthing Avenue
Hartwell, CT 06156

                                                                        07/14/2026
JONAS EIDE
12 Orchard Row
Fenwick, CT 06320

RE:  Member name:        Jonas Eide
     Member ID#:         W2041 88731
     Group #:            0868405-11-002
     Reference number:   7719203345
     Provider:           Coastal Sleep Medicine, LLC
     Service:            Home sleep apnea test
     Code(s):            G0399, 95806
     Diagnosis:          G47.33 - Obstructive sleep apnea

Dear Jonas Eide:

We received a request for coverage on 07/08/2026 for the service listed above. We're denying coverage because you have had the
same test within the last 12 months. Clinical Policy Bulletin 0004 limits this test to one a year.

How to appeal
You can ask us for an appeal within one hundred eighty (180) days of getting this letter. If you need a fast decision, tell us
and we'll answer within 72 hours. After the internal appeal you may ask for an external review within 4 months.

Mail: Aetheris Health Inc., PO Box 14463, Lexford, KY 40512
Fax: 859-555-0150
"""

BARS = """\
Blue Harbor Shield of Minnewaka
An independent licensee of the Harbor Association

Date: 2026-05-18 | Identification No.: XMW880274915 | Group No.: 10027-5
Patient: Delphine Okonkwo-Ray | Claim No.: 26138A00417200 | Plan: Harbor Select PPO 3000

EXPLANATION OF BENEFIT DETERMINATION

Service Date | Procedure | Description | Billed | Allowed | Paid | Reason
05/02/2026 | 97810 | Acupuncture, 15 min | $95.00 | $0.00 | $0.00 | PR-96
05/02/2026 | 97811 | Acupuncture, additional | $60.00 | $0.00 | $0.00 | PR-96, N130
Total | | | $155.00 | $0.00 | $0.00 |

PR-96: Non-covered charge(s).
N130: Consult plan benefit documents for information about restrictions for this service.

If you do not agree, you or someone you name may file an appeal no later than November 14, 2026.
Send it to Blue Harbor Shield of Minnewaka, Appeals, P.O. Box 64179, St. Oren, MN 55164.
Customer service: (651) 555-0142   www.blueharbor.example
"""

NEXT_ROW = """\
Signet Crest Health Life Insurance Company
Notice of Denial

Customer name
Imani Castellanos
Customer ID
U48210077 02
Account number
3339201
Claim / Reference number
1962604877013
Date of notice
April 30, 2026
Date(s) of service
April 2, 2026 - April 4, 2026
Health care professional
Verity Ambulatory Surgery Center

Your claim was denied. Procedure code 58661 was billed with a diagnosis (N83.201) that does not support it.

You must request an appeal in writing within 180 days. Send your request to National Appeals, P.O. Box 188011,
Chatham, TN 37422. You may also call 800.555.0199.
"""

ON_BEHALF = """\
Meridian Utilization Partners
400 Buckwalter Place, Bluffton, SC 29910

Notice date: 11 Feb 2026

Dr. Ansel Whitcombe
NPI: 1487600933

Request for: Priya Venkataraman (Member ID: KPX00419938, DOB 09/30/1981)
Case number: A88231907

We make decisions on behalf of Copperline Health Plan. The request for MRI lumbar spine without contrast (CPT 72148)
was not approved. The information sent to us does not show a six-week trial of treatment. This decision does not affect
payment for services already provided.

A peer-to-peer discussion may be requested within 14 days by calling 888-555-0166. You may appeal by 08/10/2026.
Mail appeals to Copperline Health Plan, Appeals Unit, 77 Founders Way, Suite 72141, Granite Bay, NH 03820.
"""

PROSE_ONLY = """\
FERNHILL MUTUAL INSURANCE

June 3rd, 2026

Dear Mr. Abernathy:

This is about claim number FM-2026-0091822 under member ID FH7703121 for the services you received from Tillicum Family
Dentistry & Oral Surgery on May 11, 2026. Fernhill Mutual Insurance has denied the claim for crown D2740 and core buildup D2950
because your plan's waiting period for major services ends on December 31, 2026. Your dentist charged $1,845.50 and the plan
paid $0.00.

You may ask us to reconsider. Your written appeal must reach us within sixty (60) days of the date of this letter. Our office
is at 2100 Ledger Street, Suite 400, Corvane, OR 97331.

Yours truly,
Claims Review
"""

EMAIL = """\
From: determinations@brightwell-care.example
Subject: Coverage decision for your request

Hello Teodor,

Brightwell Care HMO reviewed the request from Dr. Lucia Marchetti for Dupixent (J3590).

  * Decision: Denied
  * Decision date: Monday, August 24, 2026
  * Member number: BWC-55510293
  * Authorization number: PA-7730021
  * Diagnosis code: L20.9
  * Reason: Step therapy. You must first try a topical calcineurin inhibitor.

You can appeal until February 20, 2027. Appeal at www.brightwell-care.example/appeals or e-mail appeals@brightwell-care.example.
"""

STACKED = """\
Granger Valley Health Cooperative

Patient Name:
Member ID:
Claim Number:
Date of Service:
Notice Date:
Alma Strand
GVH3301947
88-2026-114077
02/19/2026
03/27/2026

Reason for denial:
The provider is out of network and your plan has no out-of-network benefits.

CPT: 99204
Charges: $412.00

You may file a grievance or an appeal within 60 days from the notice date.
"""

CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "two columns",
        TWO_COLUMNS,
        {
            "notice": "2026-03-09",
            "service": "2026-01-27",
            "member": "934 118 207",
            "group": "0742216",
            "claim": "CB4417762-01",
            "payer": "Lakeshore United Healthcare",
            "days": 180,
            "deadline": "2026-09-05",
            "procedures": {"62323"},
            "diagnoses": {"M54.16"},
            "reasons": set(),
            "billed": "2460.00",
            "patient_responsibility": "2460.00",
            "phone": "1-866-555-0134",
            "fax": "1-866-555-0177",
            "provider": "Alden Spine & Pain Institute",
        },
    ),
    (
        "reference block",
        REFERENCE_BLOCK,
        {
            "notice": "2026-07-14",
            "service": None,
            "member": "W2041 88731",
            "group": "0868405-11-002",
            "claim": None,
            "payer": "AETHERIS HEALTH INC",
            "days": 180,
            "deadline": "2027-01-10",
            "procedures": {"G0399", "95806"},
            "diagnoses": {"G47.33"},
            "reasons": set(),
            "billed": None,
            "fax": "859-555-0150",
            "provider": "Coastal Sleep Medicine, LLC",
        },
    ),
    (
        "bars",
        BARS,
        {
            "notice": "2026-05-18",
            "service": "2026-05-02",
            "member": "XMW880274915",
            "group": "10027-5",
            "claim": "26138A00417200",
            "payer": "Blue Harbor Shield of Minnewaka",
            "days": None,
            "deadline": "2026-11-14",
            "procedures": {"97810", "97811"},
            "diagnoses": set(),
            "reasons": {"PR-96", "N130"},
            "billed": "155.00",
            "allowed": "0.00",
            "paid": "0.00",
            "phone": "(651) 555-0142",
            "plan_type": "PPO",
        },
    ),
    (
        "next row",
        NEXT_ROW,
        {
            "notice": "2026-04-30",
            "service": "2026-04-02",
            "member": "U48210077 02",
            "claim": "1962604877013",
            "payer": "Signet Crest Health Life Insurance Company",
            "days": 180,
            "deadline": "2026-10-27",
            "procedures": {"58661"},
            "diagnoses": {"N83.201"},
            "reasons": set(),
            "phone": "800.555.0199",
            "provider": "Verity Ambulatory Surgery Center",
        },
    ),
    (
        "on behalf of",
        ON_BEHALF,
        {
            "notice": "2026-02-11",
            "service": None,
            "member": "KPX00419938",
            "group": None,
            "claim": None,
            "payer": "Copperline Health Plan",
            "days": None,
            "deadline": "2026-08-10",
            "procedures": {"72148"},
            "diagnoses": set(),
            "reasons": set(),
            "npi": "1487600933",
        },
    ),
    (
        "prose only",
        PROSE_ONLY,
        {
            "notice": "2026-06-03",
            "service": "2026-05-11",
            "member": "FH7703121",
            "group": None,
            "claim": "FM-2026-0091822",
            "payer": "FERNHILL MUTUAL INSURANCE",
            "days": 60,
            "deadline": "2026-08-02",
            "procedures": {"D2740", "D2950"},
            "diagnoses": set(),
            "reasons": set(),
            "billed": "1845.50",
            "paid": "0.00",
        },
    ),
    (
        "e-mail",
        EMAIL,
        {
            "notice": "2026-08-24",
            "service": None,
            "member": "BWC-55510293",
            "claim": None,
            "payer": "Brightwell Care HMO",
            "days": None,
            "deadline": "2027-02-20",
            "procedures": {"J3590"},
            "diagnoses": {"L20.9"},
            "reasons": set(),
            "auth": "PA-7730021",
            "phone": None,
        },
    ),
    (
        "stacked labels",
        STACKED,
        {
            "notice": "2026-03-27",
            "service": "2026-02-19",
            "member": "GVH3301947",
            "claim": "88-2026-114077",
            "payer": "Granger Valley Health Cooperative",
            "days": 60,
            "deadline": "2026-05-26",
            "procedures": {"99204"},
            "diagnoses": set(),
            "reasons": set(),
            "billed": "412.00",
        },
    ),
]


@pytest.mark.parametrize(("letter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_commercial_letter(letter: str, expected: dict[str, Any]) -> None:
    """Each layout yields the printed facts and no others."""
    assert {name: read(letter)[name] for name in expected} == expected


def read(letter: str) -> dict[str, Any]:
    """The facts of a letter under short names."""
    data = read_denial(letter).data
    codes = data["denial_codes"]
    return {
        "notice": data["dates"]["date_of_denial"],
        "service": data["dates"]["date_of_service"],
        "deadline": data["dates"]["appeal_deadline"],
        "days": data["dates"]["appeal_deadline_days"],
        "member": data["payer"]["member_id"],
        "group": data["payer"]["group_number"],
        "claim": data["payer"]["claim_number"],
        "payer": data["payer"]["name"],
        "plan_type": data["payer"]["plan_type"],
        "procedures": set(data["service"]["cpt_codes"]),
        "diagnoses": set(data["service"]["diagnosis_codes"]),
        "reasons": {code["code"] for code in codes if code["code_type"] in ("CARC", "RARC", "internal")},
        "provider": data["service"]["provider_name"],
        "npi": data["service"]["provider_npi"],
        "auth": data["prior_authorization"]["auth_number"],
        **{name: data["amounts"][name] for name in ("billed", "allowed", "paid", "patient_responsibility")},
        **{name: data["contact"][name] for name in ("phone", "fax")},
    }

"""Letters of public plans and of pharmacy, behavioral and dental benefits, each in a layout of its own."""

from __future__ import annotations

from typing import Any

import pytest
from test_denial_commercial import read

MEDICARE_ADVANTAGE = """\
                         Notice of Denial of Medical Coverage
                    (Also called an Integrated Denial Notice)

Date:  October 6, 2026                       Member number:  7MV2-RT4-PK19
Name:  Winifred Achterberg                   Plan: Summerfield Medicare Advantage (HMO)

Your request was denied

We've denied the medical services/items listed below requested by you or your doctor, Dr. Obadiah Lund:
     Power wheelchair, group 3 (K0856)

Why did we deny your request?
We denied the medical services/items listed above because: you can move inside your home with a walker, so the wheelchair is
not reasonable and necessary under Local Coverage Determination L33789.

You have the right to appeal our decision
You have the right to ask Summerfield Medicare Advantage to review our decision by asking us for an appeal. Ask for an appeal
within 65 calendar days of the date of this notice.

Standard Appeal - We'll give you a written decision on a standard appeal within 30 calendar days after we get your appeal.
Fast Appeal - We'll give you a decision on a fast appeal within 72 hours.

Call: 1-877-555-0110   TTY: 711   Fax: 1-877-555-0119
Mail: Summerfield Medicare Advantage, P.O. Box 44022, Tampa Shores, FL 33614-4022

H5521_7120_IDN_C     Form CMS-10003-NDMCP     OMB Approval 0938-0829 (Expires: 12/31/2028)
"""

SUMMARY_NOTICE = """\
Medicare Summary Notice                                        Page 1 of 3
The Official Summary of Your Medicare Claims

Notice for Leopold Brandvold
Medicare Number          3HK8-UA1-WE77
Date of This Notice      September 15, 2026
Claims Processed Between June 15 - September 15, 2026

\f                                                              Page 2 of 3
Claim Number             02-26188-592-390
June 18, 2026
Corvallis Imaging Group, (541) 555-0131
P.O. Box 97339, Corvallis, OR 97339-0071

Service Provided & Billing Code             Service    Amount       Medicare-Approved  Amount Medicare  Maximum You
                                            Approved?  Charged      Amount             Paid             May Be Billed
MRI scan of brain (70551)                   NO         $1,275.00    $0.00              $0.00            $1,275.00

Notes: This service was not covered because the diagnosis does not support it.
\f                                                              Page 3 of 3
How to Handle Denied Claims or File an Appeal
We must receive your appeal by: January 14, 2027
"""

NOTICE_OF_ACTION = """\
GOLDEN MEADOW HEALTH PLAN
Medi-Choice Program

NOTICE OF ACTION
About Your Treatment Request

09/02/2026

Tomasina Reyes-Lindqvist                               Fennimore Urgent & Family Care
88 Sycamore Bend                                       2200 Delta Road
Orland Park, CA 95963                                  Chico, CA 95928

Identification Number: 91827364C
RE: Home health aide, 20 hours weekly

Fennimore Urgent & Family Care has asked Golden Meadow Health Plan to approve home health aide services (T1021). This request is
denied. The reason for the denial is: the records show that you do not need help with two or more daily activities.

You may appeal this decision if you do not agree. The "Your Rights" notice tells you how. It also tells you where you can get
help. You must ask for the appeal within 60 days from the date on this letter. You may ask for a State Hearing within 120 days
after the appeal decision. The Ombudsman's number is 1-888-555-0100.

Golden Meadow Health Plan
1-800-555-0175
"""

PHARMACY = """\
RxBeacon Pharmacy Services for Ironwood State Employees Health Trust

January 22, 2026

Patient:      Marguerite Oyelaran          Cardholder ID:  IW8820441
Rx Group:     IRWST01                      BIN: 610455   PCN: 77721
Drug:         adalimumab (Humira) 40 mg/0.8 mL, HCPCS J0135
NDC:          00074-4339-02                Prescriber: Dr. Ebba Sorensen (NPI 1932650017)
Diagnosis:    M06.9, L40.50

Your prior authorization request was denied. Plan rules call for a trial of methotrexate for 90 days first. This decision
was made on January 21, 2026 under Policy RX-2210, last revised 03/01/2025.

To appeal, write within 180 days of this notice to RxBeacon Appeals, 9001 Commerce Park, Suite 60018, Rosemont, IL 60018.
"""

BEHAVIORAL = """\
TO:       Harrow Glen Recovery Hospital           FROM: Cascade Mutual Behavioral Health
DATE:     12/11/2026                              PHONE: 503-555-0188   FAX: 503-555-0189

ADVERSE DETERMINATION - INPATIENT LEVEL OF CARE

Enrollee:            Caspian Dufresne
Subscriber ID:       CMB 400 771 823
Authorization #:     26-0048812
Admission date:      12/03/2026
Days denied:         12/08/2026 through 12/11/2026
Primary diagnosis:   F10.230
Secondary diagnosis: F33.2; E119
Revenue code:        0126
DRG:                 897

Criteria for continued inpatient stay were not met as of 12/08/2026. A lower level of care is appropriate.

Provider appeals: 180 days from the date of this letter. Member appeals: 180 days from the date of this letter.
"""

REMITTANCE = """\
KESTREL PLAINS ADMINISTRATORS
REMITTANCE ADVICE - DENIED CLAIMS                       CHECK DATE 07/30/2026

PATIENT: HOLLOWAY, BENEDIKT     HIC: KP55018220     ICN: 2026201338812     ACNT: 99134
SERV DATE   PROC   MOD  BILLED    ALLOWED  GRP/RC   REM
07/06/2026  99215  25   310.00    0.00     CO-197   N54
07/06/2026  20610  RT   185.00    0.00     CO 97    M15
07/06/2026  J3301       42.00     0.00     CO-97
CLAIM TOTALS            537.00    0.00

CO-197 PRECERTIFICATION/AUTHORIZATION ABSENT
APPEALS MUST BE FILED WITHIN 90 DAYS OF THE REMITTANCE DATE
"""

FLAT_TEXT = """\
Pinnacle Ridge Health Insurance Company Explanation of Benefits Statement date 08/14/2026
Member: Saoirse Vanterpool Member ID: PRH0091827 Group: 55120 Claim #: 20260801-7734 Provider: Elm Court Radiology
Date of service Procedure code Description Amount billed Plan allowance Plan paid You owe
07/29/2026 77067 Screening mammography bilateral $388.00 $0.00 $0.00 $388.00
Total $388.00 $0.00 $0.00 $388.00
Remark code 50: These services are not deemed a medical necessity by the payer.
Appeals must be submitted within 6 months. Mail to PO Box 80155, Denver, CO 80155.
"""

BARE = """\
Cobalt Trails Benefit Fund

Dear Participant:

We cannot pay for the treatment that you asked about. It is not covered by your plan. Your ID card shows the number of Member
Services. They can help you with an appeal. Our office is at 1200 Fifth Street, Yarrow, WY 82001.

The Claims Team
"""

MARKDOWN = """\
# Juniper Peak Health

**Notice date:** 2026/02/17
**Subscriber #:** JPH-7719-0042
**Claim ID:** `JP26-004412`

## Services reviewed

| DOS | CPT/HCPCS | Dx | Units | Charge | Decision |
|-----|-----------|----|-------|--------|----------|
| 2026-01-30 | 64483-LT | M54.17 | 1 | $1,120.00 | Denied |
| 2026-01-30 | 77003 | M54.17 | 1 | $240.00 | Denied |

**Denial codes:** CARC 50, RARC N115

**Deadline to appeal:** 2026/08/16
"""

CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "medicare advantage",
        MEDICARE_ADVANTAGE,
        {
            "notice": "2026-10-06",
            "service": None,
            "member": "7MV2-RT4-PK19",
            "claim": None,
            "payer": "Summerfield Medicare Advantage",
            "days": 65,
            "deadline": "2026-12-10",
            "procedures": {"K0856"},
            "diagnoses": set(),
            "reasons": set(),
            "phone": "1-877-555-0110",
            "fax": "1-877-555-0119",
        },
    ),
    (
        "summary notice",
        SUMMARY_NOTICE,
        {
            "notice": "2026-09-15",
            "service": "2026-06-18",
            "member": "3HK8-UA1-WE77",
            "claim": "02-26188-592-390",
            "payer": "Medicare",
            "days": None,
            "deadline": "2027-01-14",
            "procedures": {"70551"},
            "diagnoses": set(),
            "reasons": set(),
            "billed": "1275.00",
        },
    ),
    (
        "notice of action",
        NOTICE_OF_ACTION,
        {
            "notice": "2026-09-02",
            "service": None,
            "member": "91827364C",
            "claim": None,
            "payer": "GOLDEN MEADOW HEALTH PLAN",
            "days": 60,
            "deadline": "2026-11-01",
            "procedures": {"T1021"},
            "diagnoses": set(),
            "reasons": set(),
            "phone": "1-800-555-0175",
        },
    ),
    (
        "pharmacy",
        PHARMACY,
        {
            "notice": "2026-01-22",
            "service": None,
            "member": "IW8820441",
            "claim": None,
            "payer": "Ironwood State Employees Health Trust",
            "days": 180,
            "deadline": "2026-07-21",
            "procedures": {"J0135"},
            "diagnoses": {"M06.9", "L40.50"},
            "reasons": set(),
            "npi": "1932650017",
            "provider": "Dr. Ebba Sorensen",
        },
    ),
    (
        "behavioral",
        BEHAVIORAL,
        {
            "notice": "2026-12-11",
            "service": "2026-12-03",
            "member": "CMB 400 771 823",
            "claim": None,
            "payer": "Cascade Mutual Behavioral Health",
            "days": 180,
            "deadline": "2027-06-09",
            "procedures": set(),
            "diagnoses": {"F10.230", "F33.2", "E119"},
            "reasons": set(),
            "auth": "26-0048812",
            "phone": "503-555-0188",
            "fax": "503-555-0189",
        },
    ),
    (
        "remittance",
        REMITTANCE,
        {
            "service": "2026-07-06",
            "member": "KP55018220",
            "claim": "2026201338812",
            "payer": "KESTREL PLAINS ADMINISTRATORS",
            "days": 90,
            "procedures": {"99215", "20610", "J3301"},
            "diagnoses": set(),
            "reasons": {"CO-197", "N54", "CO-97", "M15"},
            "billed": "537.00",
            "allowed": "0.00",
        },
    ),
    (
        "flat text",
        FLAT_TEXT,
        {
            "notice": "2026-08-14",
            "service": "2026-07-29",
            "member": "PRH0091827",
            "group": "55120",
            "claim": "20260801-7734",
            "payer": "Pinnacle Ridge Health Insurance Company",
            "days": None,
            "deadline": None,
            "procedures": {"77067"},
            "diagnoses": set(),
            "reasons": {"50"},
            "billed": "388.00",
            "paid": "0.00",
            "patient_responsibility": "388.00",
            "provider": "Elm Court Radiology",
        },
    ),
    (
        "bare",
        BARE,
        {
            "notice": None,
            "service": None,
            "member": None,
            "group": None,
            "claim": None,
            "payer": "Cobalt Trails Benefit Fund",
            "days": None,
            "deadline": None,
            "procedures": set(),
            "diagnoses": set(),
            "reasons": set(),
            "billed": None,
            "phone": None,
            "provider": None,
            "auth": None,
        },
    ),
    (
        "markdown",
        MARKDOWN,
        {
            "notice": "2026-02-17",
            "service": "2026-01-30",
            "member": "JPH-7719-0042",
            "claim": "JP26-004412",
            "payer": "Juniper Peak Health",
            "days": None,
            "deadline": "2026-08-16",
            "procedures": {"64483", "77003"},
            "diagnoses": {"M54.17"},
            "reasons": {"50", "N115"},
            "billed": None,
        },
    ),
]


@pytest.mark.parametrize(("letter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_public_letter(letter: str, expected: dict[str, Any]) -> None:
    """Each layout yields the printed facts and no others."""
    assert {name: read(letter)[name] for name in expected} == expected

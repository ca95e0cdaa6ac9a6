"""Kind: values that a field cannot hold, whatever reader says so: the payer as the patient, a number without a digit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from backstay.offline.text import fold

CODE_FORMS: Final = {
    "CPT": r"(?:\d{5}|\d{4}[FTUM])(?:-\w\w)?",
    "HCPCS": r"[A-V]\d{4}(?:-\w\w)?",
    "ICD-10-CM": r"[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]{1,4})?",
    "ICD-10-PCS": r"[0-9BCDFGHX][0-9A-HJ-NP-Z]{6}",
    "CARC": r"(?:(?:CO|PR|OA|PI|CR)[ /-]*)?(?:\d{1,3}|[ABDPWY]\d{1,2})",
    "RARC": r"(?:MA|N|M)\d{1,3}",
}
"""The forms of the code systems (CPT categories I-III, HCPCS level II, ICD-10 guidelines I.A, X12 lists 139 and 411)."""
NUMBERS: Final = ("payer.member_id", "payer.claim_number", "payer.policy_number", "prior_authorization.auth_number")
SERVICE_DATES: Final = ("dates.date_of_service", "service.date_of_service")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{2,4}")


class Known(msgspec.Struct, frozen=True):
    """What values are held against: the payer's names and the dates of the letter, by either reader, and how often a value is
    printed.
    """

    payers: tuple[str, ...]
    notices: tuple[str, ...]
    count: Callable[[Any], int]


def cannot_be(path: str, value: Any, known: Known) -> str | None:
    """Why the field cannot hold the value; None where it can."""
    text = str(value)
    if path in ("patient_name", "service.provider_name", "contact.address") and _name(text) in map(_name, known.payers):
        return "it is the payer's name"
    if path in SERVICE_DATES and text in known.notices and known.count(value) < 2:
        return "it is the date of the letter, which is printed once"
    if path == "dates.appeal_deadline" and any(text <= notice for notice in known.notices):
        return "it is not after the date of the letter"
    if path in NUMBERS and not any(map(str.isdigit, text)):
        return "it has no digit"
    if path in ("contact.phone", "contact.fax") and not _is_telephone(text):
        return "it is no telephone number"
    return None


def _name(text: str) -> str:
    return "".join(re.findall(r"\w+", fold(text)))


def _is_telephone(text: str) -> bool:
    """Digits, or a few digits and the letters of a word that is dialled (1-800-FLOWERS)."""
    signs = re.sub(r"\W", "", text)
    digits = sum(map(str.isdigit, signs))
    return not _DATE.fullmatch(text.strip()) and digits >= 3 and (digits >= 7 or len(signs) >= 10)

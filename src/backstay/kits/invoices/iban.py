"""IBAN: account numbers whose two check digits are right (ISO 13616, MOD 97-10 of ISO 7064), of their country's length.

The lengths are those of the SWIFT IBAN Registry. A wrong one on an invoice is a misread digit, or somebody's fraud.
"""

from __future__ import annotations

import re
from typing import Final

LENGTHS: Final = {
    code: int(length)
    for code, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22"
        "GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31"
        "MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24"
        "XK20YE30",
    )
}
CANDIDATE: Final = re.compile(r"\b([A-Z]{2}\d{2}(?:[ \u00a0]?[A-Z0-9]){11,30})\b")
LABEL: Final = re.compile(r"\bIBAN\b[^\n\w]{0,12}$", re.IGNORECASE)
CREDITOR: Final = "ZZZ"
"""Where an IBAN has its bank, the SEPA creditor identifier has this, unless its owner chose a code: it begins alike."""


def find_ibans(text: str) -> list[tuple[str, int, int]]:
    """Each account number in `text` without its spaces, and where it stands; those of a wrong length or digit among them.

    A run of letters behind the number is not taken for a part of it: the length is the country's. A run that is too short is an
    account number only behind the word IBAN: else it is an order, a till or a tax number.
    """
    found = []
    for match in CANDIDATE.finditer(text):
        length = LENGTHS.get(match[1][:2])
        if length is None:
            continue
        end, count = match.start(), 0
        while end < match.end() and count < length:
            count += text[end].isalnum()
            end += 1
        number = re.sub(r"\s", "", text[match.start() : end])
        is_whole = count == length or LABEL.search(text[max(0, match.start() - 20) : match.start()]) is not None
        if is_whole and number[4:7] != CREDITOR:
            found.append((number, match.start(), end))
    return found


def fault_of(iban: str) -> str | None:
    """What is wrong with an account number, in words; None where nothing is."""
    number = re.sub(r"\s", "", iban).upper()
    length = LENGTHS.get(number[:2])
    if length is None:
        return f"there is no country {number[:2]}"
    if len(number) != length or not number.isalnum():
        return f"it has {len(number)} characters, in {number[:2]} it has {length}"
    digits = "".join(str(int(char, 36)) for char in number[4:] + number[:4])
    return None if int(digits) % 97 == 1 else "its check digits are wrong: a digit was misread, or it was changed"

"""VAT: tax numbers of the European Union, the United Kingdom, Norway and Switzerland: their form, and their check digits.

Forms are those of the European Commission's VIES; the algorithms are the published ones of each country. A country whose
algorithm is not public, or which has several, is judged by its form alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

FORMS: Final = {
    "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CHE": r"\d{9}(MWST|TVA|IVA)?", "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}", "DE": r"\d{9}", "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"\d{8}", "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}", "GB": r"(\d{9}|\d{12}|GD\d{3}|HA\d{3})", "HR": r"\d{11}", "HU": r"\d{8}",
    "IE": r"(\d{7}[A-W][A-I]?|\d[A-Z+*]\d{5}[A-W])", "IT": r"\d{11}", "LT": r"(\d{9}|\d{12})", "LU": r"\d{8}", "LV": r"\d{11}",
    "MT": r"\d{8}", "NL": r"\d{9}B\d{2}", "NO": r"\d{9}(MVA)?", "PL": r"\d{10}", "PT": r"\d{9}", "RO": r"\d{2,10}",
    "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}", "XI": r"(\d{9}|\d{12})",
}  # fmt: skip
CANDIDATE: Final = re.compile(
    rf"\b({'|'.join(sorted(FORMS, key=len, reverse=True))})([ .\-]?[A-Z0-9+*](?:[ .\-]?[A-Z0-9+*]){{1,13}})\b"
)


def _sum(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _germany(number: str) -> bool:
    """ISO 7064 MOD 11, 10."""
    product = 10
    for digit in number[:8]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(number[8])


def _austria(number: str) -> bool:
    total = sum(
        int(digit) if place % 2 == 0 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(number[1:8])
    )
    return (10 - (total + 4) % 10) % 10 == int(number[8])


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, as Italy, Sweden (first ten digits) and the French SIREN use it."""
    total = sum(
        int(digit) if place % 2 == 0 else sum(divmod(2 * int(digit), 10))
        for place, digit in enumerate(reversed(digits))
    )
    return total % 10 == 0


def _france(number: str) -> bool:
    siren, key = number[2:], number[:2]
    return _luhn(siren) and (not key.isdigit() or (12 + 3 * (int(siren) % 97)) % 97 == int(key))


def _britain(number: str) -> bool:
    if not number[:9].isdigit():
        return True
    rest = (_sum(number, (8, 7, 6, 5, 4, 3, 2)) + int(number[7:9])) % 97
    return rest in (0, 42)  # 42: the numbers issued since 2009, with 55 added


def _switzerland(number: str) -> bool:
    return (11 - _sum(number, (5, 4, 3, 2, 7, 6, 5, 4)) % 11) % 11 == int(number[8])


def _netherlands(number: str) -> bool:
    if (_sum(number, (9, 8, 7, 6, 5, 4, 3, 2)) - int(number[8])) % 11 == 0:
        return True
    digits = "".join(str(int(char, 36)) for char in f"NL{number}")  # since 2020: MOD 97 over the whole
    return int(digits) % 97 == 1


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "AT": _austria,
    "BE": lambda number: 97 - int(number[:8]) % 97 == int(number[8:]),
    "CHE": _switzerland,
    "DE": _germany,
    "DK": lambda number: _sum(number, (2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0,
    "EE": lambda number: (10 - _sum(number, (3, 7, 1, 3, 7, 1, 3, 7)) % 10) % 10 == int(number[8]),
    "EL": lambda number: _sum(number, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(number[8]),
    "FI": lambda number: (11 - _sum(number, (7, 9, 10, 5, 8, 4, 2)) % 11) % 11 == int(number[7]),
    "FR": _france,
    "GB": _britain,
    "HU": lambda number: (10 - _sum(number, (9, 7, 3, 1, 9, 7, 3)) % 10) % 10 == int(number[7]),
    "IT": _luhn,
    "LU": lambda number: int(number[:6]) % 89 == int(number[6:]),
    "MT": lambda number: 37 - _sum(number, (3, 4, 6, 7, 8, 9)) % 37 == int(number[6:]),
    "NL": _netherlands,
    "NO": lambda number: (11 - _sum(number, (3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 == int(number[8]),
    "PL": lambda number: _sum(number, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(number[9]),
    "PT": lambda number: (11 - _sum(number, (9, 8, 7, 6, 5, 4, 3, 2)) % 11) % 11 % 10 == int(number[8]),
    "SE": lambda number: _luhn(number[:10]),
    "SI": lambda number: (11 - _sum(number, (8, 7, 6, 5, 4, 3, 2)) % 11) % 10 == int(number[7]),
    "SK": lambda number: int(number) % 11 == 0,
    "XI": _britain,
}
"""The check of each country that has a public one; it sees the number without its prefix."""


def find_vat_ids(text: str) -> list[tuple[str, int, int]]:
    """Each text that has the form of a tax number, without spaces and points, and where it stands."""
    found = []
    for match in CANDIDATE.finditer(text):
        number = re.sub(r"[ .\-]", "", match[2])
        whole = re.fullmatch(FORMS[match[1]], number)
        if whole is not None and sum(map(str.isdigit, number)) >= 5:
            found.append((match[1] + number, match.start(), match.end()))
    return found


def fault_of(vat_id: str) -> str | None:
    """What is wrong with a tax number, in words; None where nothing is, or nothing can be checked but its form."""
    compact = re.sub(r"[ .\-]", "", vat_id).upper()
    country = next((code for code in sorted(FORMS, key=len, reverse=True) if compact.startswith(code)), None)
    if country is None:
        return "it begins with no country that has such numbers"
    number = compact[len(country) :]
    if re.fullmatch(FORMS[country], number) is None:
        return f"it has not the form of {country}"
    check = CHECKS.get(country)
    return None if check is None or check(number) else "its check digit is wrong: a digit was misread"

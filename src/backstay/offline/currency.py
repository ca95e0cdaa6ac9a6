"""The currency of a document, as an ISO 4217 code, by code, symbol or country, in that order of trust.

A symbol shared by many countries (`$`, `kr`) is settled by what else the document says; where nothing does, the most used one
is taken and the confidence says so.
"""

from __future__ import annotations

import re
from collections import Counter

from backstay.offline.finding import Finding
from backstay.offline.label import find_labels

_CODES = """
    EUR USD GBP CHF MYR SGD AUD CAD NZD JPY CNY INR PLN CZK HUF SEK NOK DKK RON BGN BRL MXN ZAR AED SAR THB IDR PHP VND
    KRW HKD TWD TRY ILS RUB UAH ARS CLP COP PEN ISK
"""
CODES = frozenset(_CODES.split())
SYMBOLS = {
    "€": "EUR", "Euro": "EUR", "EURO": "EUR", "euros": "EUR", "£": "GBP", "₹": "INR", "Rs.": "INR", "Rs": "INR",
    "$": "USD", "US$": "USD", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "S$": "SGD", "HK$": "HKD", "NZ$": "NZD",
    "R$": "BRL", "RM": "MYR", "zł": "PLN", "Kč": "CZK", "₺": "TRY", "₽": "RUB", "₩": "KRW", "฿": "THB", "SFr.": "CHF",
    "¥": "JPY", "kr": "SEK",
}  # fmt: skip
# Symbols that several countries use, with the other currencies that they may stand for (a dollar sign is set for ringgit too).
SHARED = {
    "$": frozenset({"USD", "AUD", "CAD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "MYR"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "¥": frozenset({"JPY", "CNY"}),
    "Rs": frozenset({"INR"}),
}
COUNTRIES = (
    ("MYR", r"malaysia|kuala lumpur|selangor|johor|sdn\.? ?bhd|\bgst id\b|\bjalan\b"),
    ("SGD", r"singapore|pte\.? ltd"),
    ("AUD", r"australia|\babn\b"),
    ("CAD", r"canada|\bhst\b|ontario|qu[eé]bec"),
    ("NZD", r"new zealand"),
    ("GBP", r"united kingdom|\bengland\b|\blondon\b"),
    ("INR", r"\bgstin\b|\bindia\b|\bpvt\b"),
    ("CHF", r"schweiz|suisse|svizzera|switzerland"),
    ("PLN", r"polska|sp\. z o\.o|\bnip\b"),
    ("SEK", r"sverige|\bmoms\b.*\bkr\b"),
    ("DKK", r"danmark|\bcvr\b"),
    ("NOK", r"norge|\bmva\b"),
    ("USD", r"united states|\busa\b|\b(?:ca|ny|tx|fl|wa|il|pa|oh|ga|nc|ma|nj|va|az|co|or|mi) \d{5}\b"),
    (
        "EUR",
        r"deutschland|germany|\bmwst\b|gmbh\b|[oö]sterreich|france|\btva\b|\bsarl\b|espa[nñ]a|\biva\b|italia|portugal",
    ),
    ("EUR", r"nederland|\bbtw\b|ireland|belgi[eëq]"),
)
_LABEL_REACH = 40
_LONGEST_FIRST = "|".join(re.escape(sign) for sign in sorted([*CODES, *SYMBOLS], key=lambda sign: (-len(sign), sign)))
_SIGN = re.compile(rf"(?<![A-Za-z$])({_LONGEST_FIRST})(?![a-z]|[A-Z](?![a-z]))")
_NEAR_NUMBER = (re.compile(r"\d[ \u00a0]{0,2}[(\[]?$"), re.compile(r"^[)\]]?[ \u00a0.:]{0,3}[-\u2212]?[ ]?[.,]?\d"))


def find_currency(text: str) -> Finding:
    """The currency of a document with its evidence, or the reason why none was found."""
    signs = list(_SIGN.finditer(text))
    return _by_label(text, signs) or _by_use(text, signs) or _by_country(text)


def find_signs(text: str) -> list[tuple[str, int, int, bool]]:
    """Every code or symbol of a currency in `text`: the code that it may stand for, its place, and whether it is the only one."""
    places: list[tuple[str, int, int, bool]] = []
    for sign in _SIGN.finditer(text):
        family = SHARED.get(sign[1], frozenset())
        codes = family | {_code(sign[1])}
        places.extend((code, sign.start(1), sign.end(1), len(codes) == 1) for code in sorted(codes))
    return places


def _code(sign: str) -> str:
    return SYMBOLS.get(sign, sign)


def _by_label(text: str, signs: list[re.Match[str]]) -> Finding | None:
    """The code that directly follows a label such as `Currency`."""
    for sign in signs:
        before = text[max(0, sign.start() - _LABEL_REACH) : sign.start()]
        if sign[1] in CODES and any(label.kind == "currency" for label in find_labels(before)):
            return Finding(value=sign[1], confidence=0.99, start=sign.start(1), end=sign.end(1), rule="currency.label")
    return None


def _by_use(text: str, signs: list[re.Match[str]]) -> Finding | None:
    """The sign that stands beside numbers most often; failing that, any code at all."""
    near = [sign for sign in signs if _is_beside_number(text, sign)]
    votes = Counter(_code(sign[1]) for sign in near or [sign for sign in signs if sign[1] in CODES])
    if not votes:
        return None
    value, count = votes.most_common(1)[0]
    first = next(sign for sign in near or signs if _code(sign[1]) == value)
    confidence = 0.99 if near and count * 2 > votes.total() else 0.9
    if (family := SHARED.get(first[1])) is not None:
        value, confidence = _settle(text, value, family)
    return Finding(value=value, confidence=confidence, start=first.start(1), end=first.end(1), rule="currency.sign")


def _settle(text: str, value: str, family: frozenset[str]) -> tuple[str, float]:
    country = _by_country(text)
    return (country.value, 0.9) if country.value in family else (value, 0.7)


def _is_beside_number(text: str, sign: re.Match[str]) -> bool:
    before, after = text[max(0, sign.start() - 4) : sign.start()], text[sign.end() : sign.end() + 6]
    is_unit = before.endswith(("(", "[")) and after.startswith((")", "]"))
    return is_unit or any(pattern.search(side) for pattern, side in zip(_NEAR_NUMBER, (before, after), strict=True))


def _by_country(text: str) -> Finding:
    """The currency of the country that the document names most often."""
    lowered = text.lower()
    best = max(((len(re.findall(pattern, lowered)), code) for code, pattern in COUNTRIES), key=lambda row: row[0])
    if best[0] == 0:
        return Finding(reason="no currency code, symbol or country found")
    return Finding(
        value=best[1], confidence=0.8, rule="currency.country", reason="derived from the country the document names"
    )

"""The currency of a document, as an ISO 4217 code, by code, symbol or country, in that order of trust.

A symbol shared by many countries (`$`, `kr`) is settled by what else the document says; where nothing does, the most used one
is taken and the confidence says so.
"""

from __future__ import annotations

import re
from collections import Counter

from backstay.offline.finding import Finding

CODES = (
    "EUR USD GBP CHF MYR SGD AUD CAD NZD JPY CNY INR PLN CZK HUF SEK NOK DKK RON BGN BRL MXN ZAR AED SAR THB IDR PHP VND KRW HKD "
    "TWD TRY ILS RUB UAH ARS CLP COP PEN ISK"
).split()
# Symbol, code, and whether no other currency in use shares it.
SYMBOLS = (
    ("€", "EUR", True), ("£", "GBP", True), ("₹", "INR", True), ("R$", "BRL", True), ("US$", "USD", True), ("A$", "AUD", True),
    ("C$", "CAD", True), ("S$", "SGD", True), ("HK$", "HKD", True), ("RM", "MYR", True), ("zł", "PLN", True), ("Kč", "CZK", True),
    ("₺", "TRY", True), ("₽", "RUB", True), ("₩", "KRW", True), ("฿", "THB", True), ("Rs.", "INR", False), ("Rs", "INR", False), ("Fr.", "CHF", False),
    ("¥", "JPY", False), ("kr", "SEK", False), ("$", "USD", False), ("Euro", "EUR", True), ("euros", "EUR", True), ("Dollars", "USD", False),
)  # fmt: skip
COUNTRIES = (
    (r"malaysia|kuala lumpur|selangor|johor|sdn\.? ?bhd|\bgst (?:id|reg)", "MYR"), (r"singapore|pte\.? ltd", "SGD"),
    (r"australia|\babn\b|\bpty\b", "AUD"), (r"canada|\bhst\b|\bgst/hst\b|ontario|québec", "CAD"), (r"new zealand", "NZD"),
    (r"united kingdom|\bengland\b|\bLondon\b", "GBP"), (r"\bgstin\b|\bindia\b|\bpvt\b", "INR"), (r"schweiz|suisse|svizzera|switzerland", "CHF"),
    (r"polska|sp\. z o\.o|\bnip\b", "PLN"), (r"united states|\b[A-Z]{2} \d{5}(?:-\d{4})?\b(?=[^\d]|$)(?<!DE \d{5})", "USD"),
    (r"deutschland|germany|\bmwst\b|\bgmbh\b|france|\btva\b|\bsarl\b|espa[nñ]a|\biva\b|italia|nederland|\bbtw\b|österreich|portugal", "EUR"),
)  # fmt: skip
_CODE = re.compile(rf"(?<![A-Za-z])({'|'.join(CODES)})(?![A-Za-z])")
_GLUED_CODE = re.compile(rf"(?:Währung|Currency|Devise|Moneda|Valuta|Waluta)\W{{0,20}}({'|'.join(CODES)})")


def find_currency(text: str) -> Finding:
    """The currency of a document with its evidence, or the reason why none was found."""
    return _by_label(text) or _by_use(text) or _by_country(text) or Finding(reason="no currency code, symbol or country found")


def _by_label(text: str) -> Finding | None:
    match = _GLUED_CODE.search(text)
    if match is None:
        return None
    return Finding(value=match[1], confidence=0.99, start=match.start(1), end=match.end(1), rule="currency.label")


def _by_use(text: str) -> Finding | None:
    """The code or symbol that stands beside amounts most often."""
    votes: Counter[str] = Counter()
    first: dict[str, tuple[int, int, bool]] = {}
    for pattern, code, is_unique in _uses():
        for match in pattern.finditer(text):
            votes[code] += 1
            first.setdefault(code, (match.start(1), match.end(1), is_unique))
    if not votes:
        match = _CODE.search(text)
        if match is None:
            return None
        return Finding(value=match[1], confidence=0.9, start=match.start(1), end=match.end(1), rule="currency.code")
    code, count = votes.most_common(1)[0]
    start, end, is_unique = first[code]
    if not is_unique and (local := _by_country(text)) is not None and _shares_symbol(text[start:end], local.value):
        return Finding(value=local.value, confidence=0.85, start=start, end=end, rule="currency.symbol+country")
    confidence = 0.99 if is_unique and count * 2 > votes.total() else 0.7
    return Finding(value=code, confidence=confidence, start=start, end=end, rule="currency.symbol")


def _shares_symbol(symbol: str, code: str) -> bool:
    families = {"$": "USD AUD CAD NZD SGD HKD TWD MXN ARS CLP COP MYR", "kr": "SEK NOK DKK ISK", "¥": "JPY CNY"}
    return code in families.get(symbol, "").split()


def _uses() -> list[tuple[re.Pattern[str], str, bool]]:
    return _PATTERNS


def _compile() -> list[tuple[re.Pattern[str], str, bool]]:
    """Each code and symbol where it touches a number, before or after it, or stands in brackets as a column's unit."""
    rows = [(code, code, True) for code in CODES] + list(SYMBOLS)
    compiled = []
    for sign, code, is_unique in rows:
        edge = r"(?<![A-Za-z])" if sign[0].isalpha() else r"(?<![A-Za-z$])"
        tail = r"(?![A-Za-z])" if sign[-1].isalpha() else ""
        piece = re.escape(sign)
        before = rf"{edge}({piece}){tail}[ .:]{{0,3}}-?\d"
        after = rf"(?<=\d)[ \u00a0]{{0,2}}({piece}){tail}"
        bracket = rf"[(\[]({piece})[)\]]"
        compiled.append((re.compile(f"(?|{before}|{after}|{bracket})") if False else _joined(before, after, bracket), code, is_unique))
    return compiled

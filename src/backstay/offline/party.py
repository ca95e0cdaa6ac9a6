"""Who sells and who buys: the parties of an invoice.

A label (`Seller`, `Bill to`) names the line beside or below it; without one, the first line with a legal form is the seller and
the next different one the buyer; a buyer without legal form is the first line of the second address on the page.
"""

from __future__ import annotations

import re

from backstay.offline.finding import Finding
from backstay.offline.lexicon import COMPANY_FORMS
from backstay.offline.pairing import Row
from backstay.offline.text import Cell, fold

_LONG = "|".join(re.escape(form) for form in sorted(COMPANY_FORMS, key=len, reverse=True) if len(form) > 2)
_SHORT = "|".join(form.upper() for form in COMPANY_FORMS if len(form) <= 2)
_FORM = re.compile(rf"(?<![\w&])(?:(?i:{_LONG})|{_SHORT})(?!\w)")
_SEPARATOR = re.compile(r"\s+[-–—●•·|]\s+|\s{2,}|\s*[●•|]\s*|,\s+(?=[^,]{0,30}\d)|\s*<[^<>]*@[^<>]*>")
_NOT_NAME = re.compile(
    r"^\W*(?:\d|gln|gtin|nummer|globale|kunden[- ]*n|lief[.-]*n|tel|fax|fon|e-?mail|www|http|iban|bic|ust|vat|"
    r"tva|siret|steuer|datum|date|page|seite|name|"
    r"anschrift|address|adresse|attn|delivery|livraison|liefer(?:ung|adresse)|shipping|your|ihre?\\b|votre|no\b|"
    r"nr\b)|@|https?:|\b[^\W\d]+\d{3,}|copyright|\bau capital\b|si[eè]ge social|\(c\)|stylesheet|lesbarmachung|seite \d|page \d",
    re.IGNORECASE,
)
_CITY = re.compile(
    r"^(?:[A-Z]{1,2}[- ]+)?\d{4,6}\s+[^\W\d_]|\b[A-Z]{2} \d{5}(?:-\d{4})?\b|\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b"
)


_REGISTRATION = re.compile(r"\s*\([^()]*\d{4,}[^()]*\)\s*$")
_CONTACT = re.compile(r"@|https?:|www\.|\+\d|[●|]|\b(?:tel|fax|iban|bic)\b", re.IGNORECASE)
_COUNTRY = re.compile(
    r"germany|deutschland|france|spain|espana|italy|italia|netherlands|nederland|portugal|poland|polska|austria|"
    r"osterreich|switzerland|schweiz|"
    r"united states|usa|united kingdom|england|malaysia|singapore|belgium|belgique|ireland|canada|australia|india"
)
_SALUTATION = re.compile(
    r"herrn?|frau|firma|an|to|mr\.?|mrs\.?|ms\.?|m\.|mme|monsieur|madame|sr\.?|sra\.?|spett\.?le|attn\.?|z\.? ?hd\.?"
)


def find_parties(rows: list[Row]) -> tuple[Finding, Finding]:
    """Findings for the seller and the buyer."""
    seller, buyer = _labelled(rows, "seller"), _labelled(rows, "buyer")
    named = _with_form(rows[: 2 * len(rows) // 3]) or _with_form(rows)
    if seller is None:
        others = [cell for cell in named if buyer is None or not _same(cell, buyer)]
        seller = others[0] if others else _first_name(rows, buyer)
        seller_rule, seller_confidence = ("invoice.party.form", 0.7) if others else ("invoice.party.first", 0.4)
    else:
        seller_rule, seller_confidence = "invoice.party.label", 0.85
    buyer_rule, buyer_confidence = "invoice.party.label", 0.85
    if buyer is None:
        others = [cell for cell in named if seller is None or not _same(cell, seller)]
        buyer = others[0] if others else _addressee(rows, seller)
        buyer_rule, buyer_confidence = ("invoice.party.form", 0.6) if others else ("invoice.party.address", 0.55)
    return _finding(seller, seller_confidence, seller_rule), _finding(buyer, buyer_confidence, buyer_rule)


def _finding(cell: Cell | None, confidence: float, rule: str) -> Finding:
    if cell is None:
        return Finding(reason="no line names this party")
    return Finding(value=" ".join(cell.text.split()), confidence=confidence, start=cell.start, end=cell.end, rule=rule)


def _same(cell: Cell, other: Cell) -> bool:
    left, right = (re.sub(r"\W", "", fold(name.text)) for name in (cell, other))
    return left.startswith(right[:12]) or right.startswith(left[:12])


def _labelled(rows: list[Row], kind: str) -> Cell | None:
    """The name beside or below a party's label; a label must begin its cell, so `customer number` is none."""
    for i, row in enumerate(rows):
        for label in row.labels:
            if label.kind != kind:
                continue
            cell = next((cell for cell in row.cells if cell.start <= label.start < cell.end), None)
            if (
                cell is None
                or label.start != cell.start
                or not re.match(r"[\s)]*(?:[:.(]|$)", cell.text[label.end - cell.start :])
            ):
                continue
            name = _beside(row, cell, label.end) or _under(rows, i, cell)
            if name is not None:
                return name
    return None


def _beside(row: Row, cell: Cell, end: int) -> Cell | None:
    rest = cell.text[end - cell.start :]
    match = re.match(r"[\s)]*[:.]\s*(?=\S)", rest)
    if match:
        name = _cut(Cell(text=rest[match.end() :], start=end + match.end(), end=cell.end))
        return name if _is_name(name.text) else None
    if rest.strip(" :.") == "" and rest.strip():
        following = [other for other in row.cells if other.start >= cell.end]
        if (
            following
            and _is_name(following[0].text)
            and not any(label.start == following[0].start for label in row.labels)
        ):
            return _cut(following[0])
    return None


def _under(rows: list[Row], i: int, cell: Cell) -> Cell | None:
    """The first name in the lines below a label, in its column."""
    row = rows[i]
    if cell.text.rstrip(" :.") and len(cell.text) > 40:
        return None
    left = row.column + cell.start - row.line.start
    for under in rows[i + 1 : i + 7]:
        for other in under.cells:
            begin = under.column + other.start - under.line.start
            is_under = len(under.cells) == 1 or (begin < left + len(cell.text) + 2 and left < begin + len(other.text))
            is_label = any(label.start == other.start and label.end >= other.end - 2 for label in under.labels)
            if is_under and not is_label and _is_name(other.text):
                return _cut(other)
        if under.is_bare and len(under.cells) == 1:
            return None
    return None


def _is_name(text: str) -> bool:
    letters = sum(char.isalpha() for char in text)
    return (
        letters >= 4
        and len(text) <= 90
        and not re.search(r"[^\W\d]:", text)
        and not _NOT_NAME.search(text)
        and not _CITY.search(text)
        and not _COUNTRY.fullmatch(fold(text))
        and not text.endswith(":")
    )


def _cut(cell: Cell) -> Cell:
    """The part of a sender line before its address."""
    text = _REGISTRATION.sub("", _SEPARATOR.split(cell.text, maxsplit=1)[0]).rstrip(" ,;:")
    return Cell(text=text, start=cell.start, end=cell.start + len(text))


def _with_form(rows: list[Row]) -> list[Cell]:
    """Names with a legal form, in order, each once."""
    found: list[Cell] = []
    for row in rows:
        for cell in row.cells:
            name = _cut(cell)
            is_named = bool(_FORM.search(name.text)) and _is_name(name.text) and len(name.text.split()) <= 8
            if is_named and not row.amounts and not any(_same(name, other) for other in found):
                found.append(name)
    return found


def _first_name(rows: list[Row], buyer: Cell | None) -> Cell | None:
    """The first line that can be a name, above all labels."""
    for row in rows[:8]:
        name = _cut(row.cells[0]) if row.cells else row.line
        if (
            _is_name(name.text)
            and not (row.labels or row.dates or row.amounts)
            and (buyer is None or not _same(name, buyer))
        ):
            return name
    return None


def _blocks(rows: list[Row]) -> list[list[Cell]]:
    """The addresses of the page, top line first: a line with postcode and city, and up to four lines above in its column."""
    found: list[list[Cell]] = []
    for i, row in enumerate(rows):
        for cell in row.cells:
            if len(cell.text) < 50 and _CITY.search(cell.text) and not _SEPARATOR.search(cell.text):
                block = _above(rows, i, cell)
                if block:
                    found.append(block)
    return found


def _above(rows: list[Row], i: int, city: Cell) -> list[Cell]:
    """The lines of an address above its city: same left edge, no label, date, amount or contact in them."""
    left = rows[i].column + city.start - rows[i].line.start
    block: list[Cell] = []
    for row in reversed(rows[max(0, i - 5) : i]):
        aligned = [cell for cell in row.cells if abs(row.column + cell.start - row.line.start - left) <= 2]
        if not aligned or len(block) == 4:
            break
        cell = aligned[0]
        labelled = any(cell.start <= label.start < cell.end for label in row.labels if label.end - label.start > 3)
        if (
            labelled
            or _CITY.search(cell.text)
            or _CONTACT.search(cell.text)
            or len(cell.text) > 50
            or row.dates
            or row.amounts
        ):
            break
        if not _COUNTRY.fullmatch(fold(cell.text)):
            block.append(cell)
    names = [cell for cell in reversed(block) if not _SALUTATION.fullmatch(fold(cell.text))]
    return names if names and _is_name(names[0].text) else []


def _addressee(rows: list[Row], seller: Cell | None) -> Cell | None:
    """The top line of the first address that is not the seller's; under the seller's own line when the two are not parted."""
    for block in _blocks(rows):
        own = [i for i, cell in enumerate(block) if seller is not None and _same(cell, seller)]
        rest = block[own[-1] + 1 :] if own else block
        if len(rest) > 1 or (rest and not own):
            return _cut(rest[0])
    return None

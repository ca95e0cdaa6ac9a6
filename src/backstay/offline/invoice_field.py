"""An invoice's number and dates, chosen among labelled candidates.

The strongest evidence is the sentence that every language has, "invoice no. X of DATE"; then labels with values; then, for the
number, what stands beside the document's title, and for the date, the first date that belongs to nothing else.
"""

from __future__ import annotations

import re

from backstay.offline.date import DateMention, find_dates
from backstay.offline.finding import Finding
from backstay.offline.label import find_labels
from backstay.offline.pairing import IDENTIFIER, Pair, Row
from backstay.offline.text import Cell, fold

_OF_DATE = re.compile(
    rf"(?P<sign>\b(?:n[ru]|no|num|n[°ºo])[.°º]*|[#№])[ \u00a0:]*(?P<id>{IDENTIFIER.pattern})\s+"
    r"(?:vom|von|du|of|dated|from|del|de|van|van de|z dnia|z|di|da|em|bertarikh|,)\s+(?=\d|[^\W\d_]{3,10}\.? \d)",
    re.IGNORECASE,
)
# What stands before "no. X of DATE" when X is another document's number.
_OTHER_DOCUMENT = re.compile(
    r"(bestell|auftrag|liefer|order|commande|pedido|ordin|contra|vertrag|rapport|versicherung|police|kunden|"
    r"customer|purchase|delivery|zamow|"
    r"encomenda|ddt|bon de|agb|gesetz|law|artikel|article|ursprung|original|version|zu rechnung|to invoice|"
    r"associ)\w*[\s.\-]*(?:nr|no|number|nummer)?[\s.:]*$"
)
_DUE_CUE = re.compile(
    r"zahlbar|zu zahlen|uberweis|ueberweis|begleich|fallig|faellig|eingezogen|abgebucht|einzug|payable|pay by|"
    r"please pay|to be paid|payment by|due|"
    r"paid by|remit|regler|payer|payable|prelev|echeance|pagar|vence|pagamento|entro il|scadenza|betalen|voldoen|"
    r"vervalt|platne|zaplaty|zaplac|"
    r"dibayar|bayar"
)
_DISCOUNT_CUE = re.compile(r"skonto|discount|escompte|sconto|descuento|korting|rabat")
_NOISE_DATE = re.compile(r"version|stand\b|copyright|\(c\)|\bstand:|gultig|valid")


def find_number(text: str, rows: list[Row], pairs: list[Pair]) -> Finding:
    """The invoice's number with the rule that chose it."""
    candidates = [_of_date(text), *_labelled_numbers(rows, pairs)]
    best = max((c for c in candidates if c is not None), key=lambda c: c.confidence, default=None)
    return best or Finding(reason="no label of an invoice number has an identifier beside or below it")


def find_issue_date(text: str, rows: list[Row], pairs: list[Pair], number: Finding) -> Finding:
    """The date of issue with the rule that chose it."""
    beside = _date_after(text, number)
    if beside is not None:
        return beside
    dated = [pair for pair in pairs if pair.kind in ("issue_date", "date") and isinstance(pair.value, DateMention)]
    taken = {p.value.start for p in pairs if p.kind in ("other_date", "due_date") and p.score >= 0.75}
    scored = [(p.score - 0.15 * (p.kind == "date") - 0.4 * (p.value.start in taken), -p.value.start, p) for p in dated]
    if scored:
        score, _, best = max(scored, key=lambda row: row[:2])
        if score >= 0.35 and isinstance(best.value, DateMention):
            return _date_finding(best.value, _date_confidence(score), "invoice.date.label")
    return _first_date(text, rows, taken)


def find_due_date(text: str, rows: list[Row], pairs: list[Pair]) -> Finding:
    """The date by which to pay, from its label or from the sentence that asks for payment."""
    dated = [
        (p.score, -p.value.start, p.value) for p in pairs if p.kind == "due_date" and isinstance(p.value, DateMention)
    ]
    best = max(dated, key=lambda row: row[:2], default=None)
    if best is not None and best[0] >= 0.7:
        return _date_finding(best[2], _date_confidence(best[0]), "invoice.due.label")
    spoken = _spoken_due(text)
    if spoken is not None:
        return _date_finding(spoken, 0.85, "invoice.due.sentence")
    if best is not None:
        return _date_finding(best[2], 0.6, "invoice.due.label")
    return Finding(reason="no due date is printed")


def _of_date(text: str) -> Finding | None:
    """The number in "invoice no. X of DATE", unless the words before name another document."""
    for match in _OF_DATE.finditer(text):
        before = fold(text[max(0, match.start("sign") - 50) : match.start("sign")])
        if _OTHER_DOCUMENT.search(before) or not _titled(text, match.start("sign")):
            continue
        if not find_dates(text[match.end() : match.end() + 24]):
            continue
        return Finding(
            value=match["id"],
            confidence=0.99,
            start=match.start("id"),
            end=match.end("id"),
            rule="invoice.number.of_date",
        )
    return None


def _titled(text: str, place: int) -> bool:
    """Whether a document's title or number label stands shortly before `place`."""
    window = text[max(0, place - 70) : min(len(text), place + 3)]
    return any(label.kind in ("title", "number") for line in window.split("\n") for label in find_labels(line)) or bool(
        re.search(
            r"rechnung|invoice|factur|fattura|faktura|fatura|avoir|gutschrift|korrektur|credit",
            fold(window).replace(" ", ""),
        )
    )


def _labelled_numbers(rows: list[Row], pairs: list[Pair]) -> list[Finding]:
    others = {p.value.start for p in pairs if p.kind == "other_number" and p.score >= 0.95}
    found: list[tuple[float, Cell, str]] = []
    for pair in pairs:
        if not isinstance(pair.value, Cell) or pair.kind not in ("number", "title"):
            continue
        score = pair.score - 0.12 * (pair.kind == "title") - 0.3 * (pair.value.start in others)
        if pair.kind == "title" and not _is_title_number(pair):
            continue
        found.append((score, pair.value, f"invoice.number.{pair.kind}"))
    if not found:
        return []
    score, cell, rule = max(found, key=lambda row: row[0])
    confidence = (
        0.97 if score > 0.95 else 0.92 if score > 0.82 else 0.85 if score >= 0.7 else 0.6 if score >= 0.5 else 0.4
    )
    return [_number_finding(cell, confidence, rule)]


def _is_title_number(pair: Pair) -> bool:
    """Whether what stands beside a bare title is a number of its kind: three characters or more, with digits, no page count."""
    text = pair.value.text if isinstance(pair.value, Cell) else ""
    digits = sum(char.isdigit() for char in text)
    return (
        digits >= 2 and len(text) >= 3 and not re.fullmatch(r"\d{1,2}/\d{1,2}|\(?3[08]\d\)?", text) and pair.score > 0.7
    )


def _number_finding(cell: Cell, confidence: float, rule: str) -> Finding:
    value = cell.text.rstrip(".-/")
    return Finding(value=value, confidence=confidence, start=cell.start, end=cell.start + len(value), rule=rule)


def _date_after(text: str, number: Finding) -> Finding | None:
    """The date of "no. X of DATE", or one right beside the number on its line."""
    if number.end is None:
        return None
    after = text[number.end : number.end + 60]
    gap = re.match(r"\s+(?:vom|von|du|of|dated|from|del|de|van|z dnia|z|di|da|em|bertarikh|,)\s+", after, re.IGNORECASE)
    found = find_dates(text[: number.end + 60])
    if gap is None:
        return None
    start = number.end + gap.end()
    return next((_date_finding(d, 0.99, "invoice.date.of_date") for d in found if d.start == start), None)


def _date_finding(date: DateMention, confidence: float, rule: str) -> Finding:
    sure = confidence if date.is_certain else min(confidence, 0.85)
    return Finding(value=date.value, confidence=sure, start=date.start, end=date.end, rule=rule)


def _date_confidence(score: float) -> float:
    return 0.97 if score > 0.8 else 0.93 if score >= 0.7 else 0.6


def _first_date(text: str, rows: list[Row], taken: set[int]) -> Finding:
    """The first date that no other label claims, a date alone in its cell before one in a sentence."""
    free = []
    for row in rows:
        for date in row.dates:
            before = fold(text[max(row.line.start, date.start - 40) : date.start])
            if date.start not in taken and not _NOISE_DATE.search(before) and not _DUE_CUE.search(before):
                cell = next((cell for cell in row.cells if cell.start <= date.start < cell.end), row.line)
                is_alone = len(cell.text) - (date.end - date.start) <= 3
                free.append((is_alone, -date.start, date))
    if not free:
        return Finding(reason="no date that could be the date of issue")
    is_alone, _, best = max(free, key=lambda row: row[:2])
    return _date_finding(best, 0.7 if is_alone else 0.5, "invoice.date.first")


def _spoken_due(text: str) -> DateMention | None:
    """The date of a sentence that asks for payment, not that of its early payment discount."""
    for date in find_dates(text):
        before = fold(text[max(0, date.start - 90) : date.start]).replace("\n", " ")
        after = fold(text[date.end : date.end + 30]).replace("\n", " ")
        clause = re.split(r"[.;!?]\s|,", before)[-1]
        is_asked = _DUE_CUE.search(clause) or re.match(r"\s*(?:fallig|eingezogen|abgebucht|von ihrem konto)", after)
        if is_asked and not _DISCOUNT_CUE.search(clause):
            return date
    return None

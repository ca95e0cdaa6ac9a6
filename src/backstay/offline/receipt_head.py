"""The head of a receipt: who sold, and where; the lines above the first identifier, telephone or document title.

A line with a legal form (`Sdn Bhd`, `GmbH`, `Inc`) is the company; failing that the first line that names a trade; failing that
the first line with letters. A cashier's or customer's name, a slip number or a document title above it does not count. The
address is what follows, from the first line that looks like a place to the first line that is something else.
"""

from __future__ import annotations

import re

from backstay.offline.date import find_dates
from backstay.offline.finding import Finding
from backstay.offline.lexicon import COMPANY_FORMS, TRADE_WORDS
from backstay.offline.text import Cell, fold, split_cells

_HEAD_LINES = 14
# No paper has more characters on a line; what is longer is not a line of a receipt.
_LONGEST_LINE = 160
_FORM = re.compile(
    r"(?<![\w])(?:" + "|".join(re.escape(form) for form in sorted(COMPANY_FORMS, key=len, reverse=True)) + r")(?![\w])|"
    r"(?<=\w )(?:& )?co(?:mpany)?\b\.?(?=\W*(?:\(|$))|\bsdn\b|\bb[hn][dg]\b|\bs\.?d\.?n\.? ?b\.?h?\.?d\b"
)
_TRADE = re.compile(r"(?<!\w)(?:" + "|".join(TRADE_WORDS) + r")(?!\w)")
# Registration numbers that follow a name: (123456-X), 123456-X, (CO. REG: ...), Reg.No ...
_REGISTRATION = re.compile(
    r"\s*[(\[{]?\s*(?:(?:co(?:mpany)?\.?\s*(?:reg)?\.?|roc|reg|gst|rfg)[ .]*(?:no|id|num(?:ber)?|"
    r"reg)?[ .]*(?:no)?[ .:]*)?"
    r"(?:[A-Z]{0,3}\d{4,}[\dA-Z ]*(?:[- ]+[A-Z0-9]{1,2})?)\s*[)\]}]?\s*$",
    re.I,
)
_STOP = re.compile(
    r"\b(?:tel|tels|telephone|phone|fax|mobile|h/p|hp|whatsapps?|email|e-mail|www|http|gst|sst|vat|tva|mwst|ust|"
    r"iva|nif|cif|siret|ein|abn|"
    r"invoice|receipt|rechnung|facture|ticket|quittung|kassenbon|bon|cash|date|datum|fecha|cashier|table|bill|"
    r"tax|doc|document|order|"
    r"company no|co\.? ?no|co\.? ?reg|reg\.? ?no|roc|website|inv|customer|member|pos|counter|slip|trans|"
    r"salesperson|guest|check|pump|server|"
    r"owned by|operating|opening hours|business hours|welcome|thank|qty|item|description|uid|steuernr|time|"
    r"st ?id|id no|site|inv|partita|p\. ?iva)\b|"
    r"\+?\(?\b0\d{1,2}\)?[- ]\s?\d{3,4}[ -]?\d{3,4}|@",
    re.I,
)
_IDENTIFIER = re.compile(
    r"^\W*(?:(?:[A-Z]{1,3}|company|number|registration|business|licen[cs]e|store|branch|"
    r"code)\b[ .:#/-]*){0,4}\W*(?:[A-Z]{0,3}[- ]?)?(?:\d[- ]?){6,}[- ]*[A-Z]{0,2}(?:\(.{1,12}\))?\W*$",
    re.I,
)
_TITLE = re.compile(
    r"^\W*(?:simplified |self.billed )?(?:tax )?(?:invoice|receipt|cash (?:sale|bill|receipt)s?|credit note|"
    r"guest check|original|copy|reprint|duplicate|"
    r"rechnung|quittung|kassenbon|kassenbeleg|facture|ticket|factura simplificada|factura|scontrino|bon|kvitto|"
    r"resit|posted|welcome.*|signed|"
    r"customer copy|merchant copy|\W*re-?print\W*)\W*$",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:no|lot|jalan|jln|lorong|lrg|persiaran|taman|tmn|kampung|kg|batu|bandar|kawasan|level|lvl|ground|floor|"
    r"flr|block|blk|unit|suite|ste|pt|ptd|"
    r"street|st|road|rd|avenue|ave|drive|dr|lane|ln|boulevard|blvd|highway|hwy|plaza|mall|complex|kompleks|wisma|"
    r"menara|tower|building|seksyen|section|"
    r"rue|place|cedex|calle|avda|avenida|via|viale|piazza|corso|stra(?:ss|ß)e|str|platz|weg|allee|gasse|ulica|ul|"
    r"rua|largo|straat|laan|plein|km|"
    r"kuala lumpur|selangor|johor|penang|perak|melaka|pahang|sabah|sarawak|kedah|kl|malaysia|singapore|"
    r"p\.?o\.? box|darul)\b|\b\d{4,5}\b|\b\d{5}-\d{4}\b|"
    r"stra(?:ss|ß)e\b|str\.|^[^\W\d][^\d:#@]{4,40} \d{1,3} ?[a-z]?$|^\W*\d{1,4}[-/&,\dA-Z]*\W+[A-Z]",
    re.I,
)
_POSTCODE = re.compile(
    r"(?<![\d/-])\d{5,6}(?:-\d{4})?(?![\d/-])|(?:^|, ?)\d{4} (?:[A-Z]{2} )?[A-Z]|"
    r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b|\b\d{2}-\d{3}\b"
)
_OTHER_PARTY = re.compile(
    r"\b(?:bill(?:ed)? to|sold to|customer|owned by|operated by|m/s|member|rechnung an|client)\b", re.I
)
_STARTS_INSIDE = re.compile(
    r"^\W*(?:\(|(?:enterprise|restaurant|trading|industries|holdings)\b.*\b(?:sdn|bhd|ltd)?)(?!.*\bto\b)"
)
_PERSON = re.compile(r"^[A-Z][A-Za-z'’.]+(?: [A-Z][A-Za-z'’.]+){1,3}$")
_ONLY_CODE = re.compile(r"^[\W\d]*(?:[A-Z]{0,3}\d[\d\W]*[A-Z]?){1,3}\W*$")


def find_company(text: str, lines: list[Cell]) -> tuple[Finding, int]:
    """The seller's name and the number of the line after it."""
    head = [line for line in lines[: _head_end(lines)] if len(line.text) <= _LONGEST_LINE]
    index, rule, confidence = _pick(head)
    if index is None:
        return Finding(reason="no line above the first identifier names a seller"), 0
    first, last = _join(head, index)
    start, end = head[first].start, _trim_end(text, head[first].start, _name_end(text, head[last]))
    value = re.sub(r"\s+", " ", text[start:end]).strip()
    return Finding(
        value=value, confidence=confidence, start=start, end=end, rule=f"receipt.company.{rule}"
    ), lines.index(head[last]) + 1


def find_address(text: str, lines: list[Cell], after: int) -> Finding:
    """The address printed under the company's name (above it when there is none below), its lines joined by spaces."""
    rows = _address_rows(lines[after : after + _HEAD_LINES]) or _address_rows(lines[: max(after - 1, 0)])
    if not rows:
        return Finding(reason="no line near the seller's name looks like a place")
    value = re.sub(r"\s+", " ", " ".join(row.text for row in rows)).strip()
    confidence = 0.8 if _POSTCODE.search(value) else 0.5
    return Finding(value=value, confidence=confidence, start=rows[0].start, end=rows[-1].end, rule="receipt.address")


def _address_rows(lines: list[Cell]) -> list[Cell]:
    """The run of lines from the first that looks like a place; up to the postcode any line counts, after it only places."""
    rows: list[Cell] = []
    run = _place_run(lines)
    postcode = max((i for i, line in enumerate(run[:6]) if _POSTCODE.search(line.text)), default=-1)
    for i, line in enumerate(run):
        if i <= postcode or not rows or _PLACE.search(line.text) or _continues(rows[-1], line):
            rows.append(line)
        else:
            break
    return rows


def _place_run(lines: list[Cell]) -> list[Cell]:
    """Lines from the first place to the first line that is an identifier, a title, a date or a telephone."""
    run: list[Cell] = []
    for line in lines:
        clean = _clip(line) if len(line.text) <= _LONGEST_LINE else None
        if clean is None and run:
            break
        if clean is not None and (run or _PLACE.search(clean.text)):
            run.append(clean)
            if clean.end < line.end:
                break
    return run


def _head_end(lines: list[Cell]) -> int:
    """The number of the first line that belongs to the sale: after it no company is looked for."""
    for i, line in enumerate(lines[:_HEAD_LINES]):
        if i and re.search(r"\b(?:qty|description|item|cashier|price|amount)\b", line.text, re.I):
            return i
    return min(len(lines), _HEAD_LINES)


def _pick(head: list[Cell]) -> tuple[int | None, str, float]:
    named = [i for i, line in enumerate(head) if _is_name(line.text)]
    head = head[: _second_party(head, named)]
    named = [i for i in named if i < len(head)]
    stop = next(
        (i for i, line in enumerate(head) if i and _STOP.search(line.text) and not _TITLE.match(line.text)), len(head)
    )
    for i in named:
        if _FORM.search(fold(head[i].text)) and not _PLACE_START.search(head[i].text):
            return i, "form", 0.85
    early = [i for i in named if i < max(stop, 1) and not _PLACE_START.search(head[i].text)] or named
    if not early:
        return None, "", 0.0
    if len(early) > 1 and _PERSON.match(head[early[0]].text) and not _TRADE.search(fold(head[early[0]].text)):
        for i in early[1:3]:
            if _names_trade(head[i].text):
                return i, "trade", 0.6
    return early[0], "first", 0.7


_PLACE_START = re.compile(r"^\W*(?:no\b|lot\b|jalan\b|jln\b|lorong\b|\d+[,/-]|kawasan\b|taman\b)", re.I)


def _names_trade(line: str) -> bool:
    """Whether a line is a name that says its trade: a trade's word, and another word that is none."""
    words = re.findall(r"\w{2,}", fold(line))
    trades = [word for word in words if _TRADE.fullmatch(word)]
    return 0 < len(trades) < len(words) and not _PLACE_START.search(line) and not line.startswith("(")


def _second_party(head: list[Cell], named: list[int]) -> int:
    """The number of the line after which another party may be named: a document title or `bill to` below a name."""
    first = named[0] if named else 0
    for i, line in enumerate(head):
        if i > first and (_TITLE.match(line.text) or _OTHER_PARTY.search(line.text)):
            return i
    return len(head)


def _is_name(line: str) -> bool:
    letters = sum(char.isalpha() for char in line)
    return letters >= 3 and not (_TITLE.match(line) or _ONLY_CODE.match(line) or _is_registration(line))


def _is_registration(line: str) -> bool:
    """Whether a line is nothing but an identifier: a few words at most, then a long number."""
    return bool(_IDENTIFIER.match(line)) and not _FORM.search(fold(line))


def _join(head: list[Cell], index: int) -> tuple[int, int]:
    """First and last line of a name that was broken over two lines."""
    first = last = index
    if index and re.match(r"^\W*c[op]\b\.?", head[index].text, re.I):
        first = index - 1
    if index + 1 < len(head) and (head[index].text.endswith("&") or _is_open(head[index].text)):
        last = index + 1
    if index and _STARTS_INSIDE.match(fold(head[index].text)) and _is_name(head[index - 1].text):
        first = index - 1
    if index and (head[index - 1].text.endswith("&") or (head[index].text.startswith("& ") and first == index)):
        first = index - 1
    if index + 1 < len(head) and re.match(r"^\W*(?:sdn\.?\s*bhd|bhd)\b", head[index + 1].text, re.I):
        last = index + 1
    if index and re.match(r"^\W*(?:\(m\)\s*)?(?:sdn\.?\s*bhd|bhd)\b", head[index].text, re.I):
        first = index - 1
    return first, last


def _name_end(text: str, line: Cell) -> int:
    """Where a line's name ends when a title stands beside it in a column of its own."""
    cells = split_cells(text, line)
    while len(cells) > 1 and _TITLE.match(cells[-1].text):
        cells.pop()
    return cells[-1].end


def _is_open(line: str) -> bool:
    return line.count("(") > line.count(")")


def _trim_end(text: str, start: int, end: int) -> int:
    """Where the name ends once its registration number is set aside."""
    name = text[start:end]
    match = _REGISTRATION.search(name)
    if match and match.start() >= 4:
        end = start + match.start()
    while end > start and text[end - 1] in " -,:(":
        end -= 1
    return end


def _clip(line: Cell) -> Cell | None:
    """The part of a line before a telephone or identifier; None when nothing of it is an address."""
    if _is_registration(line.text) or _TITLE.match(line.text) or _ONLY_CODE.match(line.text) or find_dates(line.text):
        return None
    if re.search(r"\d\.\d{2}\b(?![.,/])", line.text):
        return None
    match = _STOP.search(line.text)
    if match is None:
        return line
    before = line.text[: match.start()].rstrip(" ,(:/|-")
    if len(before) < 8 or not _PLACE.search(before):
        return None
    return Cell(text=before, start=line.start, end=line.start + len(before))


def _continues(previous: Cell, line: Cell) -> bool:
    """Whether a line without any sign of a place can still belong to the address."""
    return previous.text.endswith((",", "&")) and len(line.text) < 40 and not re.search(r"\d", line.text)

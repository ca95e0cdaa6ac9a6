"""What announces a code: the label before it, the heading of its column, or a code of its kind beside it.

Most five-digit numbers of a letter are ZIP codes, boxes and parts of numbers, and a form alone proves nothing. The last cue
before a number on its row decides its kind; cues of other kinds ("group", "suite") matter only when they touch it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from backstay.offline.denial_layout import Letter

PROCEDURE, DIAGNOSIS, REASON, REMARK, INPATIENT, OTHER = (
    "procedure",
    "diagnosis",
    "reason",
    "remark",
    "inpatient",
    "other",
)

_CUE = re.compile(
    r"(?P<inpatient>\bICD[- ]?10[- ]?PCS\b)"
    r"|(?P<diagnosis>(?:\bICD(?:[- ]?(?:9|10))?(?:[- ]?CM)?\b(?![- ]?PCS)|\bdiagnos[ie]s\b|\bdx\b|\bdiag\b)(?: codes?)?)"
    r"|(?P<remark>\bRARCs?\b(?: codes?)?|\bremarks?(?: codes?)?\b|\bremittance advice\b)"
    r"|(?P<reason>\bCARCs?\b(?: codes?)?|\bclaim adjustment\b|\badj(?:ustment)?\.? (?:reason )?codes?\b|"
    r"\b(?:denial|reason|explanation|ANSI|EOB|message|denied|status|group|action)(?: reason)?/?(?: reason| remark)?[ ]?codes?\b|"
    r"\breason/remark\b)"
    r"|(?P<procedure>\b(?:CPT|HCPCS|CDT)\b(?:/HCPCS)?|\bproc\b\.?|\bcodes? billed\b|"
    r"\b(?:procedure|service|billing|billed|proc|svc|treatment)[ ]?(?:/\w+ )?codes?\b|"
    r"\bprocedures?(?= ?(?:\d|\(s\)|:|#|no)|[ ]*\t| {2,}(?:\d{5}|[A-V]\d{4}|$))|\bservices?(?=: (?:\d{5}|[A-V]\d{4}|$))|"
    r"\bbilled (?:as|with|under)\b|\blines? (?:affected|denied)\b|"
    r"\b(?:benefits?|charges?|payment|coverage|claims?|requests?|(?:pre)?authori[sz]ation|approval) "
    r"for(?= (?:(?:\d{5}|[A-V]\d{4})(?![\w-])|$))|"
    r"\bcodes?(?= ?(?:\d{5}|[A-V]\d{4})\b)|"
    r"(?<!zip )(?<!postal )(?<!area )(?<!access )(?<!revenue )(?<!rev )(?<!DRG )\bcodes?(?= ?$)|"
    r"\bprocedures?(?: ?#| no\.?)?(?= ?$)|\b(?:lines?|item|service) \d{1,2}(?=\s*[:.)-] ?$)|"
    r"\b(?:services?|items?|treatments?|equipment|supply|supplies|drugs?|tests?|devices?)"
    r"(?: (?:requested|denied|provided|billed))?"
    r"(?=[ ]*[:\t ][ \t]*$)|\bcodes?(?: ?\(s\))?(?=\s*:))"
    r"|(?P<other>\b(?:ZIP|P\.? ?O\.? ?Box|suite|group|member|claim|policy|phone|fax|NPI|account|reference|revenue|rev|DRG|NDC|"
    r"modifiers?|place of service|POS|tax|license|authorization|case|section|article|exclusion|bulletin|form|extension|"
    r"tracking)\b)",
    re.I,
)
# Between another kind's label and its number stand label words, not a sentence.
_OTHER_GAP = re.compile(
    r"[ \t:#.()/-]*(?:(?:numbers?|nos?|id|codes?|name|is|code|s)\b[ \t:#.()/-]*)*[A-Z0-9-]{0,8}[ -]*", re.I
)
_ANNOUNCED = re.compile(
    r"\s*(?:\(s\)|s)?\s*(?:\([A-Z, /]{2,20}\))?\s*(?:number|no\.?|#)?\s*(?:[:#=-]|is|of|was)?\s*#?\s*[\"'(]?", re.I
)
_LISTING = re.compile(r"\s*(?:,|and|&|/|;)+\s*(?:and )?")
_LISTED = re.compile(r"[A-Z]?\d[\dA-Z.]{2,7}\b")
_LIST_HEADING = re.compile(r":\s*$")
_LABELLED = re.compile(r"[^:.]{2,45}:\s")
_RULE_LINE = re.compile(r"[\s\-=_+:.]*")
_REACH = 200
_ANNOUNCED_REACH = 60
_WRAPPED = 50
_MAX_ROWS = 30


def context(letter: Letter, place: int) -> str | None:
    """The kind that the nearest label announces: a column heading, or the last label before the place on its row.

    A row continues the one above when that one is long enough to have been wrapped, or is a heading of a list of codes.
    """
    column = column_kind(letter, place)
    if column is not None:
        return column
    begin = max(_context_start(letter, place), place - _REACH)
    for cue in reversed(list(_CUE.finditer(letter.text, begin, place))):
        if cue.lastgroup != OTHER or _OTHER_GAP.fullmatch(letter.text, cue.end(), place):
            return cue.lastgroup
    return None


def _context_start(letter: Letter, place: int) -> int:
    number = letter.row_at(place)
    row = letter.rows[number]
    sentence, _ = letter.sentence(place)
    if place == row.start:
        first = number
        while (
            first > 0 and _LISTED.match(letter.rows[first].text) and not _LIST_HEADING.search(letter.rows[first].text)
        ):
            first -= 1
        return letter.rows[first].start if first < number else max(sentence, row.start)
    above = letter.rows[number - 1]
    if number and len(above.text) >= _WRAPPED and not _LABELLED.match(row.text):
        return max(sentence, above.start)
    return max(sentence, row.start)


def is_announced(letter: Letter, place: int, kind: str, adjacent: Iterable[int] = ()) -> bool:
    """Whether a label of this kind stands directly before a place, heads its column, or a code of the kind precedes it.

    `adjacent` holds the ends of codes of the kind that were found already.
    """
    if column_kind(letter, place) == kind:
        return True
    begin = max(letter.text.rfind("\n", 0, place) + 1, place - _ANNOUNCED_REACH)
    cues = list(_CUE.finditer(letter.text, begin, place))
    if cues and cues[-1].lastgroup == kind and _ANNOUNCED.fullmatch(letter.text, cues[-1].end(), place):
        return True
    return any(0 < place - end <= 8 and _LISTING.fullmatch(letter.text, end, place) for end in adjacent)


def column_kind(letter: Letter, place: int) -> str | None:
    """The kind that a heading above the cell announces, when the rows between are one table."""
    number = letter.row_at(place)
    cells = letter.cells[number]
    if len(cells) < 2:
        return None
    index = next((i for i, cell in enumerate(cells) if cell.start <= place < cell.end), 0)
    for above in range(number - 1, max(-1, number - _MAX_ROWS), -1):
        heads = letter.cells[above]
        if len(heads) < 2 and not _RULE_LINE.fullmatch(letter.rows[above].text):
            return None
        if len(heads) >= 2 and not any(re.search(r"\d{3}", head.text) for head in heads):
            heading = letter.under_heading(cells[index], heads, index, len(cells))
            return _heading_kind(heading.text) if heading else None
    return None


def _heading_kind(heading: str) -> str | None:
    if cue := _CUE.search(heading):
        return cue.lastgroup
    return PROCEDURE if re.fullmatch(r"codes?", heading, re.I) else None

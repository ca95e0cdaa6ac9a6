"""The dates of a denial: when the notice was issued and when the care was given.

A date is taken by its label, never by its rank: the newest date of a letter may be a deadline and the oldest a policy's.
Labels stand in tiers; within a tier the first in reading order wins and a different one is a contradiction. A date that the
letter ascribes to another document (a copy, a prior or enclosed notice) never becomes the notice date.
"""

from __future__ import annotations

import re

from backstay.offline.date import DateMention
from backstay.offline.denial_layout import Conflict, Form, Hit, Letter, Reading, absent, bare, labels
from backstay.offline.finding import Finding

_DOCUMENT = (
    r"(?:notice|letter|denial|determination|adverse determination|decision|notification|mailing|issue|issuance|correspondence|"
    r"explanation)"
)
_NOTICE_TIERS: tuple[tuple[re.Pattern[str], float], ...] = (
    (
        labels(
            rf"date of (?:this |the |our )?(?:initial )?{_DOCUMENT}",
            r"date of (?:claim )?(?:denial|determination)",
            rf"(?:{_DOCUMENT}|mailed|mail|issued?|sent) (?:date|dt)",
            rf"(?:{_DOCUMENT}|mailed|issued|sent) on(?=\s*:)",
            r"fecha (?:de(?:l| la| esta)? )?(?:aviso|carta|notificaci[oó]n|decisi[oó]n)(?:\s?/\s?[a-z\s]{4,24})?",
            r"date (?:of )?(?:notice )?(?:mailed|issued|sent|denied|of this notice)",
            r"notice (?:mailed|issued|sent|dated)",
            r"decision made on",
        ),
        0.97,
    ),
    (
        bare(
            r"(?:today's |current |fecha\s?/\s?)?date(?=\s*[:\t\n]|\s{2,})",
            r"fecha(?=\s*[:\t])",
            r"(?:mailed|issued|denied|dated|sent)(?: on)?(?=\s*:|\s{2,})",
            r"(?:dated|issued|mailed) (?:this|on)(?: the)?",
        ),
        0.95,
    ),
    (
        labels(
            r"(?:statement|processed|processing|process|eob|adjudication|finali[sz]ed|print(?:ed)?|report|review|completed) date",
            r"(?:claim processed|check|remittance|payment|voucher) date",
            r"date (?:processed|finali[sz]ed|printed|of review|completed|reviewed|prepared|of statement)",
            r"date claim (?:was )?processed",
            r"(?:processed|finali[sz]ed)(?: on)?(?=\s*:|\s+\d{1,2}[/-])",
            r"(?:generated|prepared|printed|created|completed|released|posted)(?: on)?(?=\s*:)",
            r"(?:statement|notice|letter|decision|message) (?:created|prepared|generated|posted|printed)(?: on)?",
            r"fax(?:ed)? date",
            r"(?:adverse )?(?:determination|decision|notice) of(?= (?:\d|[A-Z][a-z]{2,8}\.? \d))",
        ),
        0.88,
    ),
)
_NOTICE_PROSE = re.compile(
    r"\b(?:this (?:notice|letter|decision|denial|determination)(?: is| was)?,? (?:dated|issued|mailed|sent)(?: on)?|"
    r"(?:we|the plan|our medical director) (?:mailed|issued|sent) this (?:notice|letter)(?: to you)? on)\s+$",
    re.I,
)
_STATUS_ON = re.compile(
    r"\b(?:claim|request|status)\b[^.\n]{0,30}\b(?:denied|decided|processed|finali[sz]ed)(?: on)?\s+$", re.I
)
_DECIDED_ON = re.compile(r"\bon,?\s+(?:the )?$", re.I)
_DECIDED = re.compile(
    r"\s*,?\s*(?:we|our [\w ]{1,30}|the plan|[\w ]{1,40}) (?:denied|decided|determined|made|issued|completed)\b", re.I
)
_OTHER_DOCUMENT = re.compile(
    r"\b(?:ref\b\.?|archived?|copy|prior|previous|earlier|enclosed|attached|supersede[sd]?|replaces?|original|birth|"
    r"your (?:letter|request|appeal)|effective|revised|rev\.|form)\b",
    re.I,
)
_SERVICE_LABELS = labels(
    r"dates? ?(?:\(s\) )?(?:of|for) (?:the )?(?:service|care|treatment|procedure|surgery|visit)s?",
    r"dates? of service ?\(s\)",
    r"date ?\(s\) of service",
    r"service ?date ?(?:\(s\)|s)?",
    r"DOS",
    r"(?:svc|serv|from) (?:date|dt)",
    r"fechas? (?:de|del) servicio(?:\s?/\s?[a-z\s]{4,24})?",
    r"(?:rendered|performed|provided|received|dispensed|filled|admitted|seen) on(?=\s*:|\s{2,})",
    r"admitted(?=\s*:|\s{2,})",
    r"(?:services?|visit|treatment|care|procedure|surgery|admission|stay)(?=\s*:|\s{2,})",
    r"when(?=\s*:|\s*\t|\s{2,})",
    r"service from",
    r"(?:date )?incurred(?: date)?",
    r"dates? services? (?:were |was )?(?:provided|rendered|received|performed)",
    r"date (?:provided|rendered|performed|filled)",
    r"(?:date of )?(?:admission|admit)(?: date)?",
    r"(?:procedure|treatment|surgery|visit|fill|dispense|scheduled|appointment) date",
    r"(?:proposed|planned|scheduled|requested|anticipated|expected) (?:start |service )?dates?(?: of service)?",
    r"(?:requested )?start date",
)
_SERVICE_PROSE = re.compile(
    r"\b(?:services?|procedure|treatment|surgery|visit|care|test|scan|imaging|stay|admission|admitted|therapy|equipment|item|drug|"
    r"provided|performed|rendered|received|dispensed|furnished|delivered|seen|scheduled)\b[^.\n]{0,70}?"
    r"\b(?:on|dated|from|starting|beginning|of|for)\s+(?:or about |the )?$|"
    r"\b(?:performed|provided|rendered|received|furnished|dispensed|admitted|incurred)\s+$",
    re.I,
)
_NOT_SERVICE = re.compile(
    r"\b(?:(?:we|plan|department|office)\b[^.\n]{0,30}\breceived|(?:request|claim|appeal|records|information|letter)s? (?:that )?"
    r"(?:was |were |you |we )?(?:received|submitted|dated|sent|made)|request\b[^.\n]{0,60}\breceived|appeal|effective|"
    r"deadline|revised|in effect|policy|bulletin|birth)\b",
    re.I,
)
_HAD = re.compile(
    r",?\s+(?:you|the (?:member|patient)|he|she|your (?:son|daughter|child|spouse))\s+"
    r"(?:had|received|underwent|got|visited|saw|were (?:seen|treated|admitted)|was (?:seen|treated|admitted))\b"
)
_PLACE = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]+){0,2},\s+")
_STARTS = re.compile(r"\b(?:starting|beginning|to begin|(?:scheduled|planned) for)(?: on)?\s+$", re.I)
_COVERAGE = re.compile(r"\b(?:coverage|policy|plan|benefits?|eligib\w+)\b", re.I)
_FILLER = re.compile(
    r"(?:(?:from|on|of|as of|beginning)\s+)?(?:the\s+)?(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?", re.I
)
_LEAD = re.compile(r"(?:\bthe|\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?)\s+$", re.I)
_RANGE = re.compile(r"\s*(?:-|to|through|thru|until)\s*$", re.I)
_BESIDE = 40
_CODE = r"(?<![\w-])(?:\d{5}|[A-V]\d{4}|\d{4}[FTU])(?![\w-])"
_LINE_ITEM = re.compile(rf"{_CODE}|\$\s?\d")
_HEAD_ROWS = 18
_SALUTATION = re.compile(r"(?mi:^[ ]*(?:dear\b|to whom))")


def date_form(letter: Letter) -> Form:
    """A form that reads a date, after a weekday or a word such as "from"."""
    starts = {mention.start: mention for mention in letter.dates}

    def read(start: int, limit: int) -> tuple[int, int] | None:
        filler = _FILLER.match(letter.text, start, limit)
        mention = starts.get(filler.end() if filler else start)
        return (mention.start, mention.end) if mention and mention.end <= limit else None

    return read


def read_dates(letter: Letter) -> Reading:
    """The notice date and the service date."""
    notice, notice_conflicts = _notice(letter)
    service, service_conflicts = _service(letter)
    return Reading(
        {"dates.date_of_denial": notice, "dates.date_of_service": service, "service.date_of_service": service},
        notice_conflicts + service_conflicts,
    )


def read_dateline(letter: Letter) -> Finding | None:
    """A place and a date alone on a row ("Albany, March 24, 2026"), as some writers date a letter below their name."""
    for mention in letter.dates:
        row = letter.rows[letter.row_at(mention.start)]
        if mention.end == row.end and _PLACE.fullmatch(letter.text, row.start, mention.start):
            return Finding(
                value=mention.value, confidence=0.75, start=mention.start, end=mention.end, rule="place and date"
            )
    return None


def value_at(letter: Letter, start: int) -> str:
    """The ISO date that begins at a place where `date_form` found one."""
    return next(mention.value for mention in letter.dates if mention.start == start)


def _notice(letter: Letter) -> tuple[Finding, tuple[Conflict, ...]]:
    form = date_form(letter)
    for tier, confidence in _NOTICE_TIERS:
        hits = list(letter.hits(tier, form))
        own = [hit for hit in hits if not _is_other_document(letter, hit) and not _is_line_item(letter, hit)]
        if own:
            return _chosen(letter, own, hits, confidence)
    mention = _notice_prose(letter) or _standing_alone(letter)
    if mention is None:
        return absent("no date is labelled or placed as the date of the notice"), ()
    rule, found, confidence = mention
    return Finding(value=found.value, confidence=confidence, start=found.start, end=found.end, rule=rule), ()


def _chosen(letter: Letter, own: list[Hit], hits: list[Hit], confidence: float) -> tuple[Finding, tuple[Conflict, ...]]:
    first = own[0]
    values = dict.fromkeys(value_at(letter, hit.start) for hit in [first, *hits])
    is_contradicted = len(values) > 1
    finding = Finding(
        value=value_at(letter, first.start),
        confidence=0.6 if is_contradicted else confidence,
        start=first.start,
        end=first.end,
        rule=f"label/{first.place}",
        reason="the letter prints more than one such date; the first is taken" if is_contradicted else None,
    )
    return finding, (Conflict("dates.date_of_denial", tuple(values)),) if is_contradicted else ()


def _is_other_document(letter: Letter, hit: Hit) -> bool:
    """Whether words beside the label or the date, on the same row, ascribe it to another document."""
    row = letter.rows[letter.row_at(hit.label_start)]
    before = letter.text[max(row.start, hit.label_start - _BESIDE) : hit.label_start]
    after = letter.text[hit.end : hit.end + _BESIDE].split("\n", 1)[0]
    return bool(_OTHER_DOCUMENT.search(before.rsplit("  ", 1)[-1]) or _OTHER_DOCUMENT.search(after.split("  ", 1)[0]))


def _is_line_item(letter: Letter, hit: Hit) -> bool:
    """Whether the date stands under a column heading in a row with a code or an amount: the date of a service."""
    row = letter.rows[letter.row_at(hit.start)]
    return hit.place == "column" and _LINE_ITEM.search(letter.text, hit.end, row.end) is not None


def _notice_prose(letter: Letter) -> tuple[str, DateMention, float] | None:
    for mention in letter.dates:
        before = letter.text[max(0, mention.start - 80) : mention.start]
        if _NOTICE_PROSE.search(before):
            return "prose", mention, 0.9
        if _STATUS_ON.search(before):
            return "status", mention, 0.8
    for mention in letter.dates:
        before = letter.text[max(0, mention.start - 12) : mention.start]
        after = letter.text[mention.end : mention.end + 60]
        if _DECIDED_ON.search(before) and _DECIDED.match(after):
            return "decided on", mention, 0.7
    return None


def _standing_alone(letter: Letter) -> tuple[str, DateMention, float] | None:
    """A date that is a whole cell in the head of the letter, where typists put it."""
    salutation = _SALUTATION.search(letter.text)
    head = salutation.start() if salutation else len(letter.text)
    last = letter.rows[_HEAD_ROWS].start if len(letter.rows) > _HEAD_ROWS else len(letter.text)
    spans = {(cell.start, cell.end) for cells in letter.cells for cell in cells}
    found = [
        m
        for m in letter.dates
        if m.start < min(head, last) and any((m.start - gap, m.end) in spans for gap in _led(letter, m))
    ]
    if not found:
        return None
    return "head of the letter", found[0], 0.92 if len({m.value for m in found}) == 1 else 0.6


def _led(letter: Letter, mention: DateMention) -> tuple[int, ...]:
    """The lengths of what may stand before a date in its cell: nothing, an article, a weekday."""
    lead = _LEAD.search(letter.text, max(0, mention.start - 12), mention.start)
    return (0, len(lead.group())) if lead else (0,)


def _service(letter: Letter) -> tuple[Finding, tuple[Conflict, ...]]:
    form = date_form(letter)
    hits = list(letter.hits(_SERVICE_LABELS, form))
    if hits:
        return _service_finding(letter, [hit.start for hit in hits], f"label/{hits[0].place}", 0.97)
    told = (
        ("claim line", _claim_lines(letter), 0.95),
        ("prose", _service_prose(letter), 0.85),
        ("alone", _body_dates(letter), 0.7),
    )
    for rule, mentions, confidence in told:
        if mentions:
            return _service_finding(letter, [mention.start for mention in mentions], rule, confidence)
    return absent("no date is labelled or told as the date of service"), ()


def _service_finding(
    letter: Letter, starts: list[int], rule: str, confidence: float
) -> tuple[Finding, tuple[Conflict, ...]]:
    mentions = {mention.start: mention for mention in letter.dates}
    chosen = min((mentions[start] for start in starts), key=lambda mention: mention.value)
    if rule.startswith("label/same"):
        chosen = mentions[starts[0]]
    values = dict.fromkeys(mentions[start].value for start in starts)
    reason = "the letter prints several dates of service" if len(values) > 1 else None
    finding = Finding(
        value=chosen.value,
        confidence=0.7 if reason else confidence,
        start=chosen.start,
        end=chosen.end,
        rule=rule,
        reason=reason,
    )
    return finding, (Conflict("dates.date_of_service", tuple(values)),) if reason else ()


def _claim_lines(letter: Letter) -> list[DateMention]:
    """The first date of each table row that also holds a code or an amount: a cell of its own, or followed by the code."""
    found = []
    for row, cells in zip(letter.rows, letter.cells, strict=True):
        here = [mention for mention in letter.dates if row.start <= mention.start < row.end]
        if not here:
            continue
        rest = letter.text[here[-1].end : row.end] if len(here) == 2 else letter.text[here[0].end : row.end]
        is_cell = len(cells) > 1 and any(cell.start == here[0].start and cell.end <= here[-1].end for cell in cells)
        leads = re.fullmatch(r"(?:line )?\d{0,3}[.:)]?\s*", letter.text[row.start : here[0].start], re.I) is not None
        if (is_cell and _LINE_ITEM.search(rest)) or (leads and re.match(rf"\s*{_CODE}", rest)):
            found.append(here[0])
    return found


def _service_prose(letter: Letter) -> list[DateMention]:
    found = []
    for mention in letter.dates:
        start, _ = letter.sentence(mention.start)
        before = " ".join(letter.text[max(start, mention.start - 120) : mention.start].split()) + " "
        is_told = _SERVICE_PROSE.search(before) and not _NOT_SERVICE.search(before)
        after = letter.text[mention.end : mention.end + _BESIDE]
        had = re.search(r"\b[Oo]n,? (?:the )?$", before) is not None and _HAD.match(after) is not None
        if is_told or had or (_STARTS.search(before) and not _COVERAGE.search(before[-_BESIDE:])):
            found.append(mention)
    return found[:1]


def _body_dates(letter: Letter) -> list[DateMention]:
    """Dates that are a whole row after the first labelled claim number, as summaries of claims print them."""
    claim = re.search(r"(?i)\bclaim (?:number|no|#|id)", letter.text)
    if claim is None:
        return []
    rows = {(row.start, row.end) for row in letter.rows}
    return [m for m in letter.dates if (m.start, m.end) in rows and m.start > claim.start()][:1]

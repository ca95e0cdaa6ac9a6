"""How to reach the plan: phone, fax, e-mail, website and the address that appeals go to.

A number is a fax when the nearest word before it says so; text-telephone lines and providers' numbers are passed over. An
appeals address is the block of lines that ends in a state and ZIP code after words that ask for the appeal to be sent.
"""

from __future__ import annotations

import re

from backstay.offline.denial_layout import Letter, Reading, absent
from backstay.offline.finding import Finding

_NUMBER = re.compile(
    r"(?<![\w-])(?:\+?1[ .-]?)?(?:\(\d{3}\)\s?|\d{3}[ .-])(?:\d{3}[ .-]\d{4}|[A-Z0-9]{3,4}-?[A-Z0-9]{3,4})(?![\w-])"
)
_KIND = re.compile(
    r"(?P<fax>\bfax|\bfacsimile)|(?P<tty>\bTTY|\bTDD|\b711\b)"
    r"|(?P<other>\bpeer.to.peer|\bdepartment of|\bombudsman|\bmedicare\b(?=[^\n]{0,6}\()|\bcommissioner|"
    r"\bprovider(?:'s)? (?:phone|tel)|\bpatient phone|\bEBSA\b|\bassistance program)"
    r"|(?P<phone>\bphone|\btel(?:ephone)?\b|\bcall(?:ing)?\b|\btoll.free|\bcontact|\bmember services|\bcustomer service|"
    r"\bquestions|\bat\b)",
    re.I,
)
_APPEALS_LINE = re.compile(r"(?i)\bappeals? (?:fax|phone|telephone|line|tel)\b[^\n]{0,12}$")
_EMAIL = re.compile(r"(?<![\w.])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PATH = r"(?:/[^\s,;)>\]]*)?"
_WEBSITE = re.compile(
    rf"(?<![\w@.-])(?:https?://[^\s,;)>\]]+|www\.[\w-]+(?:\.[\w-]+)+{_PATH}|"
    rf"[a-z][\w-]+(?:\.[\w-]+)*\.(?:com|org|net|gov|example){_PATH})(?<![.,])",
    re.I,
)
_GOVERNMENT = re.compile(r"(?i)\.gov\b|healthcare\.gov|dol\.gov")
_ZIP_LINE = re.compile(
    r"(?<![\w.])(?!P\.? ?O\.? ?Box)[A-Za-z][A-Za-z .'-]+,?\s+(?:[A-Z]{2}|[A-Z][a-z]+|USA)\.?,?\s+\d{5}(?:-\d{4})?\s*$"
)
_SEND = re.compile(r"(?i)\b(?:send|mail|mailed|submit|write|written|address|appeals? to|file|deliver)\b")
_APPEAL = re.compile(r"(?i)\b(?:appeal|reconsideration|redetermination|grievance|review request|request)")
_BOX = r"(?:P\.? ?O\.? |Post Office )?(?:Box|BOX) \d+"
_INLINE = re.compile(
    rf"(?P<value>(?:{_BOX}|\d{{1,6}} [A-Z](?:[\w .]|\n(?![ ]*\n)){{1,60}}?),"
    rf"(?:[^\n.:;]|\n(?!\s*\n)){{2,80}}?\b[A-Z]{{2}}\.? \d{{5}}(?:-\d{{4}})?)(?!\d)"
)
_MAIL_LABEL = re.compile(r"\s*(?:by )?mail(?: to)?:\s*", re.I)
_STREET = re.compile(r"(?i)\bP\.? ?O\.? ?Box\b|^\s*\d{1,6}\w?\s+[A-Za-z]")
_NOT_ADDRESS = re.compile(r"(?i)^(?:dear|date|attn)\b|\d{3}[-. ]\d{4}|@")
_MAX_BLOCK = 6


def read_contact(letter: Letter) -> Reading:
    """Phone, fax, e-mail, website and address of the plan, appeals first."""
    numbers = _numbers(letter)
    fields = {
        "contact.phone": numbers.get("phone", absent("no telephone number of the plan is printed")),
        "contact.fax": numbers.get("fax", absent("no fax number is printed")),
        "contact.email": _first(letter, _EMAIL, "no e-mail address is printed"),
        "contact.website": _website(letter),
        "contact.address": _address(letter),
    }
    return Reading(fields)


def _numbers(letter: Letter) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    last = 0
    for match in _NUMBER.finditer(letter.text):
        if not re.search(r"\d{3}", match.group()):
            continue
        before = letter.text[max(last, match.start() - 90) : match.start()].rsplit("\n\n", 1)[-1]
        last = match.end()
        cues = list(_KIND.finditer(before))
        kind = cues[-1].lastgroup if cues else "unlabelled"
        confidence = 0.93 if kind in ("phone", "fax") else 0.6
        if kind in ("phone", "fax") and _APPEALS_LINE.search(before):
            confidence = 0.95
        name = "phone" if kind == "unlabelled" else str(kind)
        if name not in found or found[name].confidence < confidence:
            found[name] = Finding(
                value=match.group(), confidence=confidence, start=match.start(), end=match.end(), rule=f"{kind} number"
            )
    return found


def _first(letter: Letter, pattern: re.Pattern[str], reason: str) -> Finding:
    match = pattern.search(letter.text)
    if match is None:
        return absent(reason)
    return Finding(value=match.group(), confidence=0.95, start=match.start(), end=match.end(), rule="form")


def _website(letter: Letter) -> Finding:
    found = [m for m in _WEBSITE.finditer(letter.text) if not _GOVERNMENT.search(m.group())]
    if not found:
        return absent("no website of the plan is printed")
    return Finding(value=found[0].group(), confidence=0.92, start=found[0].start(), end=found[0].end(), rule="form")


def _address(letter: Letter) -> Finding:
    blocks = [_block(letter, number) for number, row in enumerate(letter.rows) if _ZIP_LINE.search(row.text)]
    for start, end in (block for block in blocks if block):
        before = letter.text[max(0, start - 200) : start]
        if _SEND.search(before) and _APPEAL.search(before):
            return _address_finding(letter, start, end, 0.9, "appeals address")
    for match in _INLINE.finditer(letter.text):
        before = letter.text[max(0, match.start() - 200) : match.start()]
        if _SEND.search(before) or _APPEAL.search(before):
            start, end = match.span("value")
            value = " ".join(match["value"].split())
            return Finding(value=value, confidence=0.85, start=start, end=end, rule="appeals address in a sentence")
    if blocks and blocks[0] and letter.row_at(blocks[0][1]) < 8:
        return _address_finding(letter, *blocks[0], 0.6, "letterhead")
    return absent("no address for appeals is printed")


def _block(letter: Letter, last: int) -> tuple[int, int] | None:
    """The lines above a ZIP line that belong to its address."""
    first = last
    while first > 0 and last - first < _MAX_BLOCK - 1:
        above = letter.rows[first - 1]
        is_apart = letter.text.count("\n", above.end, letter.rows[first].start) > 1
        if is_apart or above.text.endswith((":", ".")) or len(above.text) > 60 or _NOT_ADDRESS.search(above.text):
            break
        first -= 1
    if not any(_STREET.search(row.text) for row in letter.rows[first : last + 1]):
        return None
    label = _MAIL_LABEL.match(letter.rows[first].text)
    return letter.rows[first].start + (label.end() if label else 0), letter.rows[last].end


def _address_finding(letter: Letter, start: int, end: int, confidence: float, rule: str) -> Finding:
    value = ", ".join(line.strip(" ,\t") for line in letter.text[start:end].splitlines() if line.strip(" ,\t"))
    return Finding(value=value, confidence=confidence, start=start, end=end, rule=rule)

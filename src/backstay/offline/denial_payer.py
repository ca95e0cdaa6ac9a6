"""The payer of a denial: the places where a plan names itself, each with a weight, voting.

A label outweighs everything; then "on behalf of", the letterhead, the signature, the appeals address and the subject of the
decision. Names are compared without case, punctuation and legal form, and the letterhead's spelling is the one returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from backstay.offline.denial_layout import Letter, Reading, absent, labels
from backstay.offline.denial_party import text_form

_WORD = (
    r"(?:health(?:care|first|net|link|plan|plans|wise|works|choice)?|insurance|insurers?|assurance|mutual|benefits?|medical|care|plans?|hmo|ppo|"
    r"blue|cross|shield|medicare|medicaid|life|casualty|administrators?|partners|advantage|wellness|managed|indemnity|"
    r"tpa|underwriters|alliance|cooperative|co-op|trust|fund|family)"
)
_ONE_WORD = re.compile(r"(?!(?:health|care|healthcare)$)\w*(?:care|health|medicare|medicaid)\w*", re.I)
_PAYER_WORD = re.compile(rf"\b\w*(?:{_WORD})\b", re.I)
_LEGAL = re.compile(
    r"\b(?:inc|llc|l\.l\.c|corp(?:oration)?|company|co|ltd|group|holdings|associates|of [A-Z][a-z]+(?: [A-Z][a-z]+)?)\b\.?",
    re.I,
)
_NOT_NAME = re.compile(
    r"(?i)\b(?:number|notice|explanation of|department|dept|determination|summary|letter|important|appeals?|grievances?|dear|"
    r"date|claims? (?:status|detail)|page|this is not|services? department|medical director|utilization|box|street|avenue|suite|"
    r"claims? (?:unit|dept|center)|attn|attention|phone|fax|www|http|your|you|denial of|denied|rights|member services|"
    r"customer service|coverage decision|decision|remittance|medical review|review (?:unit|team)|case management|id|"
    r"health information|form|information|confidential|statement|response|request|network access|authorization)\b|[@:$]|\d{3}"
)
_LABEL = labels(
    r"(?:insurer|insurance(?: (?:company|carrier|plan))?|health (?:plan|insurer|insurance)|payer|payor|carrier|plan issuer|"
    r"issuer|plan sponsor|medicare (?:health )?plan|plan administrator|company)(?: name)?(?=\s*[:\t]|\s{2,})",
    r"(?:underwritten|insured|administered|issued|offered) by(?=\s*:)",
)
_NAME = r"(?P<value>(?:the )?[A-Z][\w&'-]*(?: (?:(?:St|Mt|Ft)\.|[A-Z&][\w&'-]*|of|and|the|for)){0,7})"
_DECIDES = r"(?:has |have )?(?:denied|determined|decided|reviewed|completed|received|cannot|is unable|will not)"
_SENT = r"(?:[Ww]rite|[Aa]ppeals?|[Mm]ail(?: appeals)?|[Ss]end)"
_ADDRESSED = rf"(?:{_SENT}(?: it| them)? ?(?:to:?|:)|[Cc]ontact|[Cc]all|for choosing)"
_PROSE: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("on behalf of", re.compile(rf"\bon behalf of (?:your (?:health )?plan,? )?{_NAME}"), 4.0),
    ("underwritten by", re.compile(rf"\b(?:underwritten|insured|issued|offered) by:? {_NAME}"), 2.0),
    (
        "member of",
        re.compile(rf"\b(?:being|as|are) an? (?:valued )?(?:member|enrollee|customer) (?:of|with) {_NAME}"),
        2.0,
    ),
    ("subject of the decision", re.compile(rf"\b{_NAME}(?: \([^)]*\))? {_DECIDES}\b"), 1.5),
    ("asked", re.compile(rf"\b(?:[Aa]sk(?:ed|ing)?|requested) {_NAME}(?: \([^)]*\))? (?:to|for)\b"), 2.0),
    ("copyright", re.compile(rf"(?:\([cC]\)|©|[Cc]opyright) (?:\d{{4}} )?{_NAME}"), 3.5),
    ("writer", re.compile(rf"\b(?:writ(?:e|ing)|letter is) (?:to you )?(?:from|for) {_NAME}"), 2.5),
    ("desk of", re.compile(rf"\b[Ff]rom (?:the )?(?:[A-Z]\w+ ){{1,3}}of {_NAME}"), 2.5),
    ("appeal with", re.compile(rf"\b[Aa]ppeals? (?:with|to) {_NAME}"), 1.0),
    ("subject line", re.compile(rf"(?m:^)Subject: {_NAME}(?=:| -)"), 1.5),
    ("first words", re.compile(rf"\A\s*{_NAME}:(?= )"), 1.5),
    ("last line", re.compile(rf"\n[ ]*{_NAME}[ ]*\s*\Z"), 1.5),
    ("sender", re.compile(rf"(?m:^[ ]*)From: ?{_NAME}(?=\s{{2,}}|\s*$)"), 2.5),
    ("defined", re.compile(rf"\b{_NAME} \((?:\"|the )?(?:the )?(?:\")?(?:plan|we|company)"), 1.5),
    ("addressed", re.compile(rf"\b{_ADDRESSED} {_NAME}"), 1.0),
)
_SIGN_OFF = re.compile(
    r"(?mi:^[ ]*(?:sincerely|respectfully|(?:kind |best |warm )?regards|(?:very truly )?yours(?: truly)?)\b[^\n]*\n)"
)
_SEND_TO = re.compile(r"(?i)\b(?:send|mail|submit|write|appeals?|address)\b[^\n]{0,80}(?:to|at|address)?\s*:?[ ]*\n")
_PLAN = labels(r"(?:health |benefit |managed care |medical |dental |vision )?plan(?: name)?(?=\s*:)")
_CUTS = re.compile(
    r"(?i)(?:[,-]\s*| )(?:(?:member|customer|provider) (?:services?|relations)|"
    r"(?:claims?|appeals?|grievances?|utilization|customer|medical)"
    r"(?: (?:and|&) \w+)?(?: \w+)? (?:dep(?:artment|t)\b|unit|team|management)).*$|\s+[-/]\s+.*$|,? (?:p\.?o\.? box).*$|"
    r"\s+(?:explanation of|notice of|remittance|EOB\b|statement|"
    r"prior authorization|coverage determinations?).*$|\s*\((?:HMO|PPO|EPO|POS|D-SNP|HMO-POS|an? )[^)]*\).*$|"
    r"\s+(?:(?:member|patient|provider) )?(?:portal|website|message cent(?:er|re))\b.*$"
)
_LEAD = re.compile(
    r"(?i)(?:[^\w\s]{1,2}\s+)?(?:at |by |from:? |(?:administered|underwritten|insured|issued|offered) by:? |"
    r"(?:ask|call|contact|write(?: to)?) (?=[A-Z]))?"
)
_VENDOR_FOR = re.compile(r"\w+ .*?\w (?:for|on behalf of) (?=[A-Z]\w+ [A-Z])")
_PUBLIC = re.compile(r"\s*(?P<value>Medicare|Medicaid)\b(?! Advantage)")
_HEAD_ROWS = 8


class _Vote(msgspec.Struct, frozen=True):
    start: int
    end: int
    weight: float
    rule: str


def read_payer(letter: Letter) -> Reading:
    """The name of the payer, spelled as in the place of greatest weight."""
    votes = list(_votes(letter))
    if not votes:
        return Reading({"payer.name": absent("no letterhead, signature or sentence names a payer")})
    totals: dict[str, float] = {}
    for vote in votes:
        key = _key(letter.text[vote.start : vote.end])
        totals[key] = totals.get(key, 0.0) + vote.weight
    best = max(totals, key=lambda key: (_merged(totals, key), -_first(letter, votes, key)))
    own = [vote for vote in votes if _key(letter.text[vote.start : vote.end]) == best]
    chosen = max(own, key=lambda vote: (vote.weight, -vote.start))
    rivals = [
        key
        for key in totals
        if key != best and key not in best and best not in key and totals[key] >= totals[best] * 0.8
    ]
    confidence = 0.6 if rivals else 0.96 if len(own) > 1 or chosen.weight >= 3 else 0.85
    return Reading({"payer.name": letter.quote(chosen.start, chosen.end, confidence, chosen.rule)})


def _key(name: str) -> str:
    return (
        re.sub(r"\W+", " ", _LEGAL.sub(" ", re.sub(r"^the ", "", name, flags=re.I)).casefold()).strip()
        or name.casefold()
    )


def _merged(totals: dict[str, float], key: str) -> float:
    """The votes for a name and for shorter or longer forms of it."""
    return sum(
        weight * (1.0 if other == key else 0.5) for other, weight in totals.items() if other in key or key in other
    )


def _first(letter: Letter, votes: list[_Vote], key: str) -> int:
    return min(vote.start for vote in votes if _key(letter.text[vote.start : vote.end]) == key)


def _votes(letter: Letter) -> Iterator[_Vote]:
    for hit in letter.hits(_LABEL, text_form(letter), is_wordy=True):
        begins = any(cell.start == hit.label_start for cell in letter.cells[letter.row_at(hit.label_start)])
        if (begins or hit.place == "same") and _is_name(letter.text[hit.start : hit.end], needs_word=False):
            yield _Vote(hit.start, hit.end, 5.0, f"label/{hit.place}")
    for hit in letter.hits(_PLAN, text_form(letter), is_wordy=True):
        start, end = _trimmed(letter, hit.start, hit.end)
        if _is_name(letter.text[start:end], needs_word=True):
            yield _Vote(start, end, 1.0, "plan label")
    yield from _letterhead(letter)
    for rule, pattern, weight in _PROSE:
        for match in pattern.finditer(letter.text):
            start, end = _trimmed(letter, *match.span("value"))
            if _is_name(letter.text[start:end], needs_word=rule != "sender"):
                yield _Vote(start, end, weight, rule)
    for pattern, rows, weight, rule in ((_SIGN_OFF, 5, 2.0, "signature"), (_SEND_TO, 2, 1.5, "appeals address")):
        for match in pattern.finditer(letter.text):
            yield from _block(letter, match.end(), rows, weight, rule)


def _letterhead(letter: Letter) -> Iterator[_Vote]:
    """The first cell of the head that is a name; the first line counts most, and alone even without a payer's word."""
    for number in range(min(_HEAD_ROWS, len(letter.rows))):
        row = letter.rows[number]
        if re.match(r"(?i)dear\b", row.text):
            return
        for cell in letter.cells[number]:
            start, end = _trimmed(letter, *_in_english(letter, cell.start, cell.end))
            if _is_name(letter.text[start:end], needs_word=True):
                yield _Vote(start, end, 3.0 if number == 0 else 2.5, "letterhead")
                return
    if match := _PUBLIC.match(letter.text):
        yield _Vote(*match.span("value"), 1.5, "title")
    start, end = _trimmed(letter, letter.cells[0][0].start, letter.cells[0][0].end) if letter.cells else (0, 0)
    if end and _is_name(letter.text[start:end], needs_word=False):
        yield _Vote(start, end, 1.2, "first line")


def _in_english(letter: Letter, start: int, end: int) -> tuple[int, int]:
    """The part of a name in two languages that has a payer's word: "Salud Uno / Uno Health Plan"."""
    first, mark, second = letter.text[start:end].partition(" / ")
    is_second = mark and _PAYER_WORD.search(second) and not _PAYER_WORD.search(first)
    return (start + len(first) + len(mark), end) if is_second else (start, end)


def _block(letter: Letter, begin: int, rows: int, weight: float, rule: str) -> Iterator[_Vote]:
    number = letter.row_at(begin) if letter.rows else 0
    if letter.rows and letter.rows[number].start < begin:
        number += 1
    for row in letter.rows[number : number + rows]:
        start, end = _trimmed(letter, row.start, row.end)
        if _is_name(letter.text[start:end], needs_word=True):
            yield _Vote(start, end, weight, rule)
            return


def _trimmed(letter: Letter, start: int, end: int) -> tuple[int, int]:
    """A span without a leading article, a trailing department, or trailing punctuation."""
    text = letter.text[start:end]
    lead = _LEAD.match(text)
    if lead is None or not lead.group():
        lead = _VENDOR_FOR.match(text)
    offset = lead.end() if lead else 0
    cut = _CUTS.search(text, offset)
    stop = cut.start() if cut and cut.start() > offset + 3 else len(text)
    return start + offset, start + len(text[:stop].rstrip(" .,;*"))


def _is_name(text: str, *, needs_word: bool) -> bool:
    words = text.split()
    if not 1 <= len(words) <= 9 or len(text) > 70 or _NOT_NAME.search(text) or not text[:1].isupper():
        return False
    if any(
        word[0].islower() and word not in ("of", "and", "the", "for", "a", "by") for word in words if word[0].isalpha()
    ):
        return False
    if not needs_word:
        return len(text) > 3
    return bool(_PAYER_WORD.search(text) if len(words) > 1 else _ONE_WORD.fullmatch(text))

"""The parties of a denial: payer and plan, patient, provider and facility, and the service in words.

A labelled name is taken as printed. The payer is rarely labelled: it is the letterhead, the signature, the address that
appeals go to, or the subject of the decision; places vote, so a reviewer's letterhead loses to "on behalf of".
"""

from __future__ import annotations

import re

from backstay.offline.denial_layout import Form, Hit, Letter, Reading, absent, labels
from backstay.offline.finding import Finding

_STOP = re.compile(
    r"\s{2,}|\t|\n"
    r"|\s+(?=(?:member|subscriber|group|claim|patient|date|dob|npi|plan|id|phone|fax|tax|provider|service|tin|policy)"
    r"(?: (?:id|name|number|no|of|type|code)\b[^:\n]{0,20})?[.#]?\s*[:#])"
    r"|\s*\((?=(?:npi|id|member|dob|tin|cpt|hcpcs|in[- ]network|out[- ]of|network|you|#)\b)"
    r"|[,;]?\s+(?=(?:NPI|CPT|HCPCS|DOB|ID)\b)|$",
    re.I,
)
_LABEL_LIKE = re.compile(r"[A-Z][A-Za-z/()#' ]{1,34}:(?:\s|$)")
_NOT_TEXT = re.compile(
    r"(?:is|was|were|has|have|will|who|may|must|can|should|and|or|of|to|on|in|that|did|does|not|n/?a|none|unknown|dear)\b|[^A-Za-z\d\"'(]",
    re.I,
)
_HEADING = re.compile(
    r"(?:your |plan |provider |total )?(?:date|member|claim|group|amount|provider|patient|service|status|code|description|billed|"
    r"allowed|paid|plan|procedure|charged?|cpt|diagnosis|facility|name|id|number|dates? of service|npi|reason|phone|fax|address|"
    r"specialty|discount|share|owe|notes?|units?|decision|approved|denied|modifier|mod)"
    r"(?:[ /#]*(?:name|id|number|no\.?|codes?|date|amount|type|of service|description|#|information|details?))*[:?]?",
    re.I,
)
_HERE = r"(?=\s*[:\t\n]|\s{2,})"
_PERSON = r"(?:patient|member|insured|enrollee|beneficiary|subscriber|claimant|recipient)(?:'s)?"
_CLINICIAN = (
    r"(?:provider|physician|doctor|practitioner|prescriber|supplier|surgeon|professional|dentist|clinic|vendor|therapist|payee|"
    r"laboratory|prov)(?:\(s\))?"
)
_ROLE = (
    r"(?:rendering|treating|requesting|servicing|ordering|billing|attending|referring|prescribing|performing|service|health care|"
    r"healthcare|admitting|operating|primary care)"
)
_THING = r"(?:service|procedure|treatment|item|drug|medication|device|equipment)s?(?: ?\(s\))?"
_OTHER_THING = r"(?:device|item|procedure|supply|treatment|services?|drug|medication)"
_STATE = r"(?:requested|denied|provided|description|name|at issue|under review|in question|not covered)"
_TEXT_LABELS = {
    "patient_name": (
        labels(
            rf"{_PERSON} ?(?:/ ?(?:member|patient|insured|enrollee))?(?: name)?{_HERE}",
            rf"{_PERSON} name",
            r"name of (?:patient|member|enrollee)",
        ),
        0.93,
    ),
    "service.provider_name": (
        labels(
            rf"{_ROLE}? ?{_CLINICIAN}(?: ?/ ?(?:facility|supplier|physician|provider))?(?: of service)?(?: name)?{_HERE}",
            rf"(?:provided|requested|asked for|ordered|prescribed|submitted|performed|rendered|billed) by{_HERE}",
            rf"(?:where|who (?:asked|requested|ordered|provided|treated you)|treated by|seen by){_HERE}",
            rf"proveedor(?:\s?/\s?provider)?{_HERE}",
            r"(?:provider|physician) name",
        ),
        0.94,
    ),
    "service.facility_name": (
        labels(rf"(?:servicing |treating |service )?(?:facility|hospital|place of service|location)(?: name)?{_HERE}"),
        0.9,
    ),
    "service.description": (
        labels(
            rf"(?:requested |denied |health care |medical |type of )?{_THING}(?: ?/ ?{_OTHER_THING})?(?: {_STATE})?{_HERE}",
            rf"description(?: of (?:the )?(?:service|procedure|item|treatment)s?)?{_HERE}",
            r"what (?:was|is) (?:denied|requested)(?=\s*:)",
            r"service description",
        ),
        0.92,
    ),
    "payer.plan_name": (
        labels(
            r"(?:health |benefit |insurance )?plan(?: name| product)?(?=\s*:)",
            rf"(?:product|coverage|benefit package|plan name){_HERE}",
        ),
        0.85,
    ),
}
_ABSENT = {
    "patient_name": "no patient or member is named beside a label or in the salutation",
    "service.provider_name": "no provider is named",
    "service.facility_name": "no facility is named",
    "service.description": "the service is not described beside a label",
    "payer.plan_name": "no plan is named",
}
_CAPITALS = (
    r"(?:Dr\.? [A-Z][\w'-]+(?: [A-Z][\w'.-]+){0,2}|"
    r"(?:St\. )?[A-Z][\w'-]+(?: (?:of|and|&|[A-Z][\w'-]+)){0,5}(?<!of)(?<!and))"
)
_CARE_WORD = re.compile(
    r"\b(?:clinics?|hospital|cent(?:er|re)|institute|imaging|therapy|associates|physicians|surgery|surgical|orthopedics?|"
    r"radiology|dermatology|cardiology|oncology|laborator(?:y|ies)|labs?|pediatrics|rehabilitation|pharmacy|medicine|dental|"
    r"mobility|supply|hospice|nursing|rehab|eye|hearing|kidney|urology|neurology|genetics|sleep|health system|anesthesia|"
    r"emergency|ambulance|spine|home health|infusion|dialysis|diagnostics?|pathology|medical (?:group|cent(?:er|re)))\b",
    re.I,
)
_PLAN_WORD = re.compile(r"\b(?:plan|insurance|benefits?|assurance|hmo|ppo|fund|trust|mutual)\b", re.I)
_PROVIDER_PROSE: tuple[tuple[re.Pattern[str], float], ...] = (
    (
        re.compile(
            rf"\b(?:request|claim|order|referral|bill|charges?|prescription)s? "
            rf"(?:[a-z]+ ){{0,2}}(?:from|by) (?P<value>{_CAPITALS})"
        ),
        0.85,
    ),
    (
        re.compile(rf"\b(?:request|claim|bill)s? (?:that )?(?P<value>{_CAPITALS})\s+(?:sent|submitted|filed|made)\b"),
        0.85,
    ),
    (
        re.compile(
            rf"(?:(?<=[.!?]\s)|(?<=\n)|(?<=, ))(?P<value>{_CAPITALS})\s+"
            r"(?:charged|billed|requested|asked us|submitted|sent us|provided|performed)\b"
        ),
        0.85,
    ),
    (
        re.compile(
            r"\b(?:performed|provided|rendered|given|ordered|prescribed|requested|had|received|seen)\b[^.\n]{0,60}?"
            rf"\b(?:by|at) (?P<value>{_CAPITALS})"
        ),
        0.8,
    ),
    (
        re.compile(
            rf"\b(?:[Tt]he|[Yy]our) (?:provider|doctor|physician|clinic|facility|hospital), (?P<value>{_CAPITALS}),"
        ),
        0.85,
    ),
    (
        re.compile(
            rf"\b(?:that|which) (?P<value>{_CAPITALS}) (?:asked|requested|ordered|billed|sent|submitted|gave)\b"
        ),
        0.85,
    ),
    (re.compile(rf"\b(?:received|had|got|bought)\b[^.\n]{{0,60}}? from (?P<value>{_CAPITALS})"), 0.8),
    (
        re.compile(
            rf"\b(?:care|stay|visit|surgery|treatment|test|scan)\b[^.\n]{{0,50}}? (?:at|with) (?P<value>{_CAPITALS})"
        ),
        0.8,
    ),
    (re.compile(rf"\b\d{{4}},? (?:at|by|with) (?P<value>{_CAPITALS})"), 0.8),
    (re.compile(rf"(?m:(?:^|\s{{2}})[ ]*To: ?)(?P<value>{_CAPITALS})"), 0.8),
)
_PERSON_NAME = re.compile(r"[A-Z][\w.'-]*,?(?: (?:[A-Z(][\w.'-]*\)?,?|de|da|del|van|von|la|bin)){1,5}")
_SALUTATION = re.compile(
    r"(?m:^)[ ]*Dear (?P<value>(?:(?:Mr|Mrs|Ms|Mx)\.? )?"
    r"(?!(?:member|patient|provider|sir|madam|customer|subscriber|parent|valued|policyholder|beneficiary|enrollee|appellant|"
    r"participant|plan|dr|doctor)\b)[A-Z][\w.'-]+(?: [A-Z][\w.'-]*){0,4})",
    re.I,
)
_PLAN_TYPE_LABELS = labels(
    r"(?:plan|coverage|product) type",
    r"type of (?:plan|coverage)",
    r"line of business",
    r"(?:health |benefit )?plan(?: name)?(?=\s*:)",
    r"product(?=\s*:)",
)
_PLAN_TYPES = re.compile(
    r"\b(?:(?P<code>HMO|PPO|EPO|POS|HDHP)|(?P<word>Medicare|Medicaid))\b(?! ?(?:supplement|secondary))"
)
_PLAN_FOLLOWS = re.compile(r"\s+(?:plan|benefit|member|coverage)", re.I)
_PLAN_PRECEDES = re.compile(r"\bplan[ ,]*\(?$", re.I)
_DESCRIPTION_CELL = re.compile(r"[A-Za-z][A-Za-z,'()/ -]*\b[a-z]{4,}[^|\t]*")
_STATUS = re.compile(
    r"(?i)(?:line \d+|denied|approved|paid|pending|not covered|not approved|partially denied|\W*\$?[\d,.]+)"
)


def text_form(letter: Letter) -> Form:
    """A form that reads the words of a cell up to the next label, and refuses another label or a bare verb."""

    def read(start: int, limit: int) -> tuple[int, int] | None:
        row_end = letter.rows[letter.row_at(start)].end
        limit = min(limit, row_end)
        if start >= limit:
            return None
        stop = _STOP.search(letter.text, start, limit)
        end = stop.start() if stop else limit
        value = letter.text[start:end].rstrip(" .,;")
        if len(value) < 3 or _NOT_TEXT.match(value) or _LABEL_LIKE.match(value) or _HEADING.fullmatch(value):
            return None
        return (start, start + len(value)) if re.search(r"[A-Za-z]{2}", value) else None

    return read


def read_parties(letter: Letter) -> Reading:
    """Patient, provider, facility, service description, plan name and plan type."""
    form = text_form(letter)
    fields: dict[str, Finding] = {}
    for path, (label, confidence) in _TEXT_LABELS.items():
        hit = next((hit for hit in letter.hits(label, form, is_wordy=True) if _is_value(letter, path, hit)), None)
        fields[path] = absent(_ABSENT[path])
        if hit is not None:
            fields[path] = _finding(letter, hit.start, hit.end, confidence, f"label/{hit.place}")
    if fields["service.provider_name"].value is None:
        fields["service.provider_name"] = _provider_prose(letter)
    if fields["patient_name"].value is None and (match := _SALUTATION.search(letter.text)):
        fields["patient_name"] = _finding(letter, *match.span("value"), 0.85, "salutation")
    if fields["service.description"].value is None:
        fields["service.description"] = _claim_line_description(letter)
    fields["payer.plan_type"] = _plan_type(letter)
    return Reading(fields)


def _finding(letter: Letter, start: int, end: int, confidence: float, rule: str) -> Finding:
    return Finding(value=letter.text[start:end], confidence=confidence, start=start, end=end, rule=rule)


def _is_value(letter: Letter, path: str, hit: Hit) -> bool:
    """Whether the label begins its cell (prose mentions do not count) and the value suits the field."""
    cell = next((c for c in letter.cells[letter.row_at(hit.label_start)] if c.start <= hit.label_start < c.end), None)
    before = letter.text[cell.start : hit.label_start] if cell else ""
    if before.strip() and hit.place != "same":
        return False
    if re.search(r"[a-z]", before) and not re.search(r"(?:[:;,\d)]|[A-Z]\w+)\s*$", before):
        return False
    value = letter.text[hit.start : hit.end]
    if path == "patient_name" and not _PERSON_NAME.fullmatch(value):
        return False
    if path in ("patient_name", "service.provider_name"):
        return (
            not re.search(r"\d{3}|\b(?:department|information|directory|id)\b$|^(?:\w+ )?services?$", value, re.I)
            and len(value) <= 70
        )
    return len(value) <= 200


def _provider_prose(letter: Letter) -> Finding:
    """A clinician or an institution of care that a sentence names as who asked, gave or billed, or that the letter is sent to."""
    for pattern, confidence in _PROVIDER_PROSE:
        for match in pattern.finditer(letter.text):
            value = match["value"]
            if (value.startswith("Dr") or _CARE_WORD.search(value)) and not _PLAN_WORD.search(value):
                return _finding(letter, *match.span("value"), confidence, "sentence")
    return absent(_ABSENT["service.provider_name"])


def _claim_line_description(letter: Letter) -> Finding:
    """The words of a table row that holds a date and a procedure code."""
    for row, cells in zip(letter.rows, letter.cells, strict=True):
        if len(cells) < 3 or not re.search(r"(?<![\w-])(?:\d{5}|[A-V]\d{4})(?![\w-])", row.text):
            continue
        if not any(row.start <= mention.start < row.end for mention in letter.dates):
            continue
        for cell in cells:
            is_date = any(cell.start <= m.start < cell.end for m in letter.dates)
            if not is_date and _DESCRIPTION_CELL.fullmatch(cell.text) and not _STATUS.fullmatch(cell.text):
                return _finding(letter, cell.start, cell.end, 0.92, "claim line")
    return absent(_ABSENT["service.description"])


def _plan_type(letter: Letter) -> Finding:
    form = text_form(letter)
    for hit in letter.hits(_PLAN_TYPE_LABELS, form, is_wordy=True):
        if match := _PLAN_TYPES.search(letter.text, hit.start, hit.end):
            return Finding(
                value=match.group(), confidence=0.95, start=match.start(), end=match.end(), rule="plan label"
            )
    found = list(_PLAN_TYPES.finditer(letter.text))
    kinds = {match.group() for match in found}
    if len(kinds) == 1 and _is_own_plan(letter, found):
        return Finding(
            value=found[0].group(), confidence=0.8, start=found[0].start(), end=found[0].end(), rule="mention"
        )
    return absent("plan types are mentioned, none as this plan's" if kinds else "no plan type is printed")


def _is_own_plan(letter: Letter, found: list[re.Match[str]]) -> bool:
    """Whether a mention stands in the head of the letter or beside "plan"; Medicare in an appeals paragraph may be anything."""
    head = letter.rows[min(6, len(letter.rows) - 1)].end
    return any(
        m.start() < head
        or _PLAN_FOLLOWS.match(letter.text, m.end())
        or _PLAN_PRECEDES.search(letter.text, max(0, m.start() - 12), m.start())
        for m in found
    )

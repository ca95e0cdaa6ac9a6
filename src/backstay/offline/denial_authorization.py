"""Prior authorization in a denial: whether it was required, whether it was obtained, and what the letter says of its lack.

Only statements count: a letter that never speaks of authorization leaves both questions open. The neighbouring question,
whether the care was still to come, is answered here too, since both decide what an appeal may ask for.
"""

from __future__ import annotations

import re

from backstay.offline.denial_layout import Letter, Reading, absent
from backstay.offline.finding import Finding

_AUTH = r"(?:prior[- ]authori[sz]ation|pre-?authori[sz]ation|pre-?certification|pre-?approval|prior approval|authori[sz]ation)"
_MISSING = re.compile(
    rf"\b{_AUTH}\b[^.\n;]{{0,60}}\b(?:not|never|no|absent)\b"
    r"|\b(?:no|without|lack of|absence of|missing|failed to (?:obtain|request|get)|"
    rf"(?:did|was|were) not (?:obtain\w*|request\w*|get)|absent)\b[^.\n;]{{0,40}}\b{_AUTH}",
    re.I,
)
_REQUIRED = re.compile(
    rf"\b(?:requires?|required|needs?|needed|must have|subject to)\b[^.\n;]{{0,30}}\b{_AUTH}"
    rf"|\b{_AUTH}\b[^.\n;]{{0,30}}\b(?:required|needed|necessary)",
    re.I,
)
_OBTAINED = re.compile(
    rf"\b{_AUTH}\b[^.\n;]{{0,30}}\b(?:was|is|has been|were) (?:obtained|approved|granted|issued|on file)"
    rf"|\b(?:obtained|approved|granted|issued) {_AUTH}",
    re.I,
)
_ALREADY = re.compile(
    r"\bpost-?service\b|\b(?:services?|care|treatment) (?:that (?:were|was) |(?:has|have) )?(?:you )?already (?:been )?"
    r"(?:provided|received|rendered|performed)",
    re.I,
)
_BEFORE = re.compile(
    r"\bpre-?service\b|before (?:the|a|this|any|you receive) ?(?:service|treatment|procedure|care)s? (?:is|are|can be) "
    r"(?:provided|received|rendered|performed)|\brequest for (?:prior|pre-?)\s?authori[sz]ation",
    re.I,
)
_CLAIMED = re.compile(r"\bretrospective|\bclaim (?:for|you|was)\b|\bclaim (?:number|#|no)", re.I)


def read_authorization(letter: Letter) -> Reading:
    """Prior authorization as required, obtained and given as a reason; and whether the letter decides before the service."""
    missing, required = _MISSING.search(letter.text), _REQUIRED.search(letter.text)
    obtained = None if missing else _OBTAINED.search(letter.text)
    fields = {
        "prior_authorization.was_required": _flag(
            required or missing, value=True, reason="the letter does not speak of prior authorization"
        ),
        "prior_authorization.was_obtained": _flag(
            missing or obtained,
            value=missing is None,
            reason="the letter does not say whether authorization was obtained",
        ),
        "prior_authorization.denial_reason": absent("authorization is not given as a reason"),
        "service.is_pre_service": _is_pre_service(letter),
    }
    if missing is not None:
        start, end = letter.trim(*letter.sentence(missing.start()))
        fields["prior_authorization.denial_reason"] = letter.quote(start, end, 0.85, "authorization sentence")
    return Reading(fields)


def _is_pre_service(letter: Letter) -> Finding:
    for value, pattern in ((False, _ALREADY), (True, _BEFORE), (False, _CLAIMED)):
        if match := pattern.search(letter.text):
            return _flag(match, value=value, reason="")
    return absent("the letter does not say whether the care was already given")


def _flag(match: re.Match[str] | None, *, value: bool, reason: str) -> Finding:
    if match is None:
        return absent(reason)
    return Finding(value=value, confidence=0.88, start=match.start(), end=match.end(), rule="phrase")

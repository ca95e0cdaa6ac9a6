"""Kinds of denial, by the phrases that plans use for them: a table of rows, each a name that routing knows and its phrases.

Several kinds may hold at once; they are named in the order in which the reason speaks of them. The kinds follow the groups of
claim adjustment reason codes (X12 list 139): necessity, authorization, benefit, coordination, network, time, coding, records.
"""

from __future__ import annotations

import re

_AUTHORIZATION = r"(?:(?:(?:prior |pre-?)?authori[sz]\w+)|pre-?cert\w*|pre-?approval)"
_RECORDS = r"(?:information|documentation|records)"
_LACKING = r"not (?:received|submitted|provided)|missing|insufficient|incomplete"
_PHRASES: dict[str, tuple[str, ...]] = {
    "not medically necessary": (
        r"not (?:be )?(?:considered |deemed |determined (?:to be )?)?medically (?:necessary|appropriate)",
        r"medical(?:ly)? necess\w+ (?:was |is |has )?(?:not|criteria)",
        r"(?:does|do|did) not (?:meet|satisfy)[^.]{0,60}(?:criteria|medical necessity|guideline)",
        r"lack of medical necessity",
        r"not deemed an? '?medical necessity",
        r"not reasonable and necessary",
        r"(?:(?:does|do|did) not|fail(?:s|ed)? to) (?:support|show|establish|demonstrate)[^.]{0,160}medical(?:ly)? necess",
        r"no longer meets?[^.]{0,60}(?:criteria|guideline)",
    ),
    "prior authorization missing": (
        rf"(?:{_AUTHORIZATION}|referral)[^.]{{0,70}}(?:not|no|without|absent|missing|never|lack|invalid|exceeded)",
        rf"(?:\bno|without|lack of|absence of|missing|n't (?:have|find|see|get|show))\b[^.]{{0,30}}{_AUTHORIZATION}",
        rf"(?:do|did|could|can) ?not (?:have|find|see|get|show|locate)\b[^.]{{0,30}}{_AUTHORIZATION}",
    ),
    "experimental or investigational": (r"experimental", r"investigational", r"unproven"),
    "not a covered benefit": (
        r"not (?:a )?covered",
        r"non-?covered",
        r"excluded\b",
        r"exclusion\b(?! \d)",
        r"not (?:a )?(?:plan )?benefit",
        r"waiting period",
    ),
    "another payer is primary": (
        r"coordination of benefits",
        r"(?:another|other) (?:health plan|insur\w+|payer|coverage|carrier)[^.]{0,40}primary",
        r"primary (?:payer|insur\w+|coverage)",
    ),
    "out of network": (
        r"out[- ]of[- ]network",
        r"non-?participating",
        r"not in (?:your|the|our) network",
        r"not (?:provided|rendered|given|furnished) by (?:an? )?(?:in-)?network",
    ),
    "filed too late": (
        r"timely filing",
        r"filing limit",
        r"(?:after|past|beyond) (?:the|our) (?:time|filing) limit",
        r"time limit for filing",
        r"(?:submitted|filed) (?:after|late)",
    ),
    "duplicate claim": (r"duplicate",),
    "coding or billing error": (
        r"(?:incorrect|invalid|inconsistent|missing|incomplete)[^.]{0,40}(?:cod\w+|modifier)",
        r"(?:code|modifier|diagnosis)[^.]{0,40}(?:inconsistent|invalid|does not (?:match|support)|incorrect|missing)",
        r"bundl\w+",
        r"unbundl\w+",
        r"included in the (?:payment|allowance)",
        r"billing error",
    ),
    "information missing": (
        rf"(?:{_LACKING}|additional|lack of|lacks)[^.]{{0,40}}{_RECORDS}",
        rf"{_RECORDS}[^.]{{0,40}}(?:{_LACKING})",
        rf"did not (?:send|submit|provide|include)[^.]{{0,60}}(?:{_RECORDS}|reports?|notes|forms?)",
    ),
    "step therapy": (
        r"step[- ]therapy",
        r"(?:try|tried) and fail",
        r"preferred (?:drug|alternative)",
        r"fail\w* first",
        r"(?:trial of|must (?:first )?try|not tried)",
    ),
    "not eligible on the date": (
        r"(?:coverage|eligib\w+|policy)[^.]{0,40}(?:terminated|not (?:in effect|active|effective)|lapsed|ended)",
        r"not (?:eligible|enrolled|covered) (?:on|at)",
    ),
    "quantity or frequency limit": (
        r"(?:quantity|frequency|visit|benefit|annual|lifetime|plan) (?:limit|maximum)",
        r"limit(?:ed|s)? (?:of|to) \d+",
        r"exceed\w*[^.]{0,40}(?:limit|maximum|allowed|number)",
    ),
    "level of care": (
        r"(?:lower|lesser|different|inpatient) level of care",
        r"could (?:safely )?(?:be|have been) (?:provided|performed|treated)[^.]{0,40}(?:outpatient|lower|office)",
    ),
    "third-party liability": (
        r"third[- ]party liab",
        r"workers'? comp",
        r"auto(?:mobile)? (?:insur|accident)",
        r"work[- ]related",
    ),
}
_KINDS = {kind: re.compile("|".join(phrases), re.I) for kind, phrases in _PHRASES.items()}


def name_kinds(reason: str) -> list[str]:
    """The kinds of denial that a reason speaks of, in its order; empty when it is of none."""
    text = " ".join(reason.split())
    found = [(match.start(), kind) for kind, pattern in _KINDS.items() if (match := pattern.search(text))]
    return [kind for _, kind in sorted(found)]


def find_kind(text: str, start: int, end: int) -> int | None:
    """The first place within a span where a known kind of denial is spoken of, or None."""
    places = [match.start() for pattern in _KINDS.values() if (match := pattern.search(text, start, end))]
    return min(places, default=None)

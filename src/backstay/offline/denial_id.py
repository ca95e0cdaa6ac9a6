"""Identifiers of a denial: member, group, claim, policy and authorization numbers, and the provider's NPI.

One row per identifier: the labels that announce it and the form that a value must have. A value needs a digit, so a label
followed by words ("Member Services", "ID card") never yields one; a reference number is not passed off as a claim number.
"""

from __future__ import annotations

import re

import msgspec

from backstay.offline.denial_layout import Conflict, Hit, Letter, Reading, absent, bare, labels
from backstay.offline.finding import Finding

_TOKEN = r"(?=[A-Za-z*/.-]{0,24}\d)[A-Za-z0-9*][A-Za-z0-9*]*(?:[-/.][A-Za-z0-9*]+)*"
# A printed number may be set in groups: `XYZ 123 456 789`, `W1234 56789 01`.
# Its last group may be one digit where nothing follows on the row.
_LAST = r"(?:(?<=\d) \d(?=[ ]*(?:\n|$|\t|[ ]{2})))?"
_GROUPED = rf"(?:[A-Z]{{1,4}} (?=\d))?{_TOKEN}(?: (?=[A-Z]?\d)[A-Z]?\d{{2,}}(?![\w/.-]|\s+[a-z]))*{_LAST}"
_IDENTIFIER = re.compile(rf"(?P<value>{_GROUPED})(?![\w@/])")
_NPI = re.compile(r"(?P<value>[12]\d{9})(?!\d)")
_MIN_CHARACTERS = 4
_OTHERS = re.compile(
    r"\b(?:previous|prior|archived?|old|former|replaced|example|sample|original|related|ref\.)\W*$", re.I
)
_NOT_DATE = re.compile(r"\d{1,2}[/-]\d{1,2}[/-]\d{2,4}|\d{4}-\d{2}-\d{2}|\d{3}[-.]\d{3}[-.]\d{4}")


class _Identifier(msgspec.Struct, frozen=True):
    path: str
    tiers: tuple[tuple[re.Pattern[str], float], ...]
    form: re.Pattern[str]
    reason: str


_PERSON = (
    r"(?:member(?:ship)?|subscriber|enrollee|insured|participant|beneficiary|recipient|cardholder|client|patient|customer|"
    r"employee|policyholder|covered person|mem|mbr|subscr?|enrl)"
    r"(?:'s)?"
)
_ID = r"(?:[il]d|identification|identifier|i\.d\.|no\b\.?|number|#)"
_MEMBER = labels(
    rf"{_PERSON} ?(?:/{_PERSON})?(?:/| )? ?{_ID}",
    rf"{_PERSON} (?:health )?(?:plan )?{_ID}",
    r"medicare (?:number|id|beneficiary (?:identifier|number))",
    r"(?:MBI|HICN?|CIN)(?: number)?",
    r"medicaid (?:id|number|identification)",
    r"health (?:plan|insurance) id",
    rf"(?:benefits?|insurance|health)(?: card)? {_ID}",
    rf"card {_ID}",
    r"your (?:id|number|identification) (?:with|at) [a-z]+(?: [a-z]+){0,3}(?=\s*:)",
    r"your number with (?:us|(?:the|our) [a-z]+)",
)
_BARE_ID = bare(r"(?:identification|id) ?(?:number|no\b\.?|#)(?! of)", r"id(?=\s*[:#\t\n]|\s{2,})")
_NAME_THEN_ID = re.compile(rf"(?<![\w-]){_PERSON}(?: name)?:?[^\n:]{{3,40}}?\(?\b(?:id|member id|#)\b", re.I)
_NAME_SLASH = re.compile(rf"(?<![\w-]){_PERSON}(?: name)?[ ]*:[^\n:\d]{{3,40}}?[/,](?= [A-Z]{{0,5}}-?\d{{4,}})", re.I)
_ID_AFTER_NAME = re.compile(r"(?<=[a-z], )ID(?= [A-Z]{0,4}-?\d)")
_IN_PROSE = labels(
    r"(?:under|with|your|by|is) (?:plan |health )?(?:identification|id) ?(?:number|no\b\.?|#)",
    r"(?:member|subscriber|enrollee|participant)(?= (?=[A-Z]{0,4}[/-]?\d)[A-Z0-9][\w/-]{5,})",
    r"(?:n[uú]mero|num\.?|no\.?) de (?:identificaci[oó]n|miembro|afiliado|asegurado|socio)(?:\s?/\s?[a-z\s]{2,24})?",
)
_POLICY_AS_MEMBER = labels(
    rf"policy ?/ ?(?:member )?{_ID}",
    r"certificate (?:number|no|#|id)",
    r"contract (?:number|no|#|id)",
)
_GROUP = labels(
    r"(?:employer )?(?:group|grp|employer) ?(?:(?:policy )?(?:number|no\b\.?|#|id)|(?=\s*[:#\t\n]|\s{2,}))",
    r"group name ?/ ?(?:number|no|#)",
    r"account ?/ ?group (?:number|no)",
)
_CLAIM = labels(
    rf"claim ?(?:/ ?reference|reference|control|tracking)?(?:\(s\)|s)? ?{_ID}(?: ?\(s\)| ?/ ?(?:ICN|DCN))?",
    r"claim (?:reference|control)",
    r"claim \d{1,2} of \d{1,2}",
    r"claim ending(?: in)?",
    r"claims?(?=\s*[:#])",
    r"n[uú]mero de (?:reclamo|reclamaci[oó]n)(?:\s?/\s?[a-z\s]{2,24})?",
    r"claim(?= [A-Z]*\d[\w-]{5,})",
    r"(?:ICN|DCN|TCN)(?: ?#| number)?",
    r"(?:internal|document|transaction) control (?:number|no|#)",
)
_POLICY = labels(
    r"policy (?:number|no\b\.?|#|id)",
    r"policy(?=\s*[:#])",
    r"(?:certificate|contract) (?:number|no|#)",
)
_AUTHORIZATION = labels(
    rf"(?:prior |pre)?-?auth(?:orization|\.)? ?(?:request |reference |case )?{_ID}",
    r"(?:pre-?certification|certification|pre-?auth|PA|referral) (?:request |reference )?(?:number|no|#|id)",
    r"(?:authorization|auth|pre-?certification)(?=\s*[:#])",
)
_PROVIDER_NPI = labels(
    r"(?:(?:rendering|billing|provider|servicing|requesting|facility|attending)(?:'s)? )?NPI(?: number| no| #)?",
    r"national provider identifier",
)
_IDENTIFIERS = (
    _Identifier(
        "payer.member_id",
        (
            (_MEMBER, 0.97),
            (_BARE_ID, 0.95),
            (_NAME_THEN_ID, 0.93),
            (_NAME_SLASH, 0.85),
            (_ID_AFTER_NAME, 0.9),
            (_IN_PROSE, 0.9),
            (_POLICY_AS_MEMBER, 0.75),
        ),
        _IDENTIFIER,
        "no member, subscriber or beneficiary number is labelled",
    ),
    _Identifier("payer.group_number", ((_GROUP, 0.95),), _IDENTIFIER, "no group number is labelled"),
    _Identifier(
        "payer.claim_number",
        ((_CLAIM, 0.96), (bare(r"claim(?=\s*\t|\s{2,})"), 0.9)),
        _IDENTIFIER,
        "no claim number is labelled",
    ),
    _Identifier("payer.policy_number", ((_POLICY, 0.95),), _IDENTIFIER, "no policy number is labelled"),
    _Identifier(
        "prior_authorization.auth_number", ((_AUTHORIZATION, 0.93),), _IDENTIFIER, "no authorization number is printed"
    ),
    _Identifier("service.provider_npi", ((_PROVIDER_NPI, 0.96),), _NPI, "no NPI is printed"),
)
_REFERENCE = labels(r"reference ?(?:number|no\b\.?|#|id)", r"case ?(?:number|no\b\.?|#|id)")


def read_ids(letter: Letter) -> Reading:
    """Every identifier, the first of each kind; a second one of the same kind is a contradiction, or another claim."""
    fields: dict[str, Finding] = {}
    conflicts: tuple[Conflict, ...] = ()
    for row in _IDENTIFIERS:
        fields[row.path], found = _read(letter, row)
        conflicts += found
    if fields["payer.claim_number"].value is None:
        fields["payer.claim_number"] = absent(_claim_reason(letter))
    return Reading(fields, conflicts)


def _read(letter: Letter, row: _Identifier) -> tuple[Finding, tuple[Conflict, ...]]:
    form = letter.matching(row.form)
    for tier, confidence in row.tiers:
        hits = [hit for hit in letter.hits(tier, form) if _is_identifier(letter, hit)]
        if hits:
            return _chosen(letter, row.path, hits, confidence)
    return absent(row.reason), ()


def _chosen(letter: Letter, path: str, hits: list[Hit], confidence: float) -> tuple[Finding, tuple[Conflict, ...]]:
    own = [
        hit for hit in hits if not _OTHERS.search(letter.text[max(0, hit.label_start - 20) : hit.label_start])
    ] or hits
    first = own[0]
    values = tuple(dict.fromkeys(letter.text[hit.start : hit.end] for hit in own))
    plain = {re.sub(r"\W", "", value).lower() for value in values}
    is_contradicted = len(plain) > 1
    finding = Finding(
        value=values[0],
        confidence=0.7 if is_contradicted else confidence,
        start=first.start,
        end=first.end,
        rule=f"label/{first.place}",
        reason="the letter prints more than one; the first is taken" if is_contradicted else None,
    )
    return finding, (Conflict(path, values),) if is_contradicted else ()


def _is_identifier(letter: Letter, hit: Hit) -> bool:
    value = letter.text[hit.start : hit.end]
    return (
        len(re.sub(r"\W", "", value)) >= _MIN_CHARACTERS
        and sum(char.isdigit() for char in value) >= 2
        and not _NOT_DATE.fullmatch(value)
    )


def _claim_reason(letter: Letter) -> str:
    for hit in letter.hits(_REFERENCE, letter.matching(_IDENTIFIER)):
        if _is_identifier(letter, hit):
            return f"no claim number is labelled; a reference number is printed: {letter.text[hit.start : hit.end]}"
    return "no claim number is labelled"

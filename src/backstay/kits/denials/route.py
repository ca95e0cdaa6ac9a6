"""Route: which of three ways a denial asks for, by signals that each can be read off: the stated reason, codes, facts.

The three ways are: get the authorization that was missing, correct and resubmit the claim, or appeal the medical decision. Two
stated reasons that ask for different ways are not weighed against each other: the route is declined and a person chooses. A
denial that none of the three can mend (another insurer pays first, the cover had ended) is out of scope, and so is a letter that
denies nothing.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.denials.fact import Facts
from backstay.offline.denial_kind import name_kinds

Way: TypeAlias = Literal["prior_auth_needed", "claim_correction_resubmit", "medical_necessity_appeal"]
Urgency: TypeAlias = Literal["standard", "expedited", "urgent"]

AUTHORIZATION: Final[Way] = "prior_auth_needed"
CORRECTION: Final[Way] = "claim_correction_resubmit"
APPEAL: Final[Way] = "medical_necessity_appeal"
WAYS: Final[tuple[Way, ...]] = (AUTHORIZATION, CORRECTION, APPEAL)
NAMES: Final[dict[Way, str]] = {
    AUTHORIZATION: "prior authorization",
    CORRECTION: "claim correction and resubmission",
    APPEAL: "appeal of the medical decision",
}

KINDS: Final[dict[str, tuple[Way, float]]] = {
    "prior authorization missing": (AUTHORIZATION, 1.0),
    "not medically necessary": (APPEAL, 1.0),
    "level of care": (APPEAL, 0.9),
    "experimental or investigational": (APPEAL, 0.9),
    "step therapy": (APPEAL, 0.8),
    "quantity or frequency limit": (APPEAL, 0.5),
    "not a covered benefit": (APPEAL, 0.4),
    "out of network": (APPEAL, 0.4),
    "coding or billing error": (CORRECTION, 1.0),
    "duplicate claim": (CORRECTION, 1.0),
    "filed too late": (CORRECTION, 0.9),
    "information missing": (CORRECTION, 0.6),
}
"""Kind of denial, as the stated reason names it, to the way and how strongly it asks for it."""
OUTSIDE: Final = ("another payer is primary", "third-party liability", "not eligible on the date")
OUTSIDE_CODES: Final = frozenset({"19", "20", "21", "22", "23", "24", "26", "27", "31", "32", "33", "200"})
"""Adjustment reasons (X12 list 139) that ask whose bill it is: other payer, workers' compensation, eligibility."""

CODES: Final[dict[Way, frozenset[str]]] = {
    AUTHORIZATION: frozenset({"15", "38", "197", "198", "243", "272", "284", "296", "302"}),
    CORRECTION: frozenset(
        re.findall(
            r"\w+",
            """
        4 5 6 7 8 9 10 11 12 13 14 16 18 29 97 107 110 125 129 140 146 147 148 163 164 181 182 199 206
        207 208 226 227 231 234 236 250 251 252 B7 B13 B15 B16 B18 B20
    """,
        )
    ),
    APPEAL: frozenset(
        re.findall(r"\w+", "49 50 51 53 54 55 56 57 58 114 119 150 151 152 167 186 188 204 222 273 P22 P23")
    ),
}
"""Adjustment reason codes (X12 list 139) by the way that mends them."""
STATED: Final = 0.8
"""A kind of this weight is a reason by itself; two of them for different ways are not weighed."""
CODE_WEIGHT: Final = 0.6
LEAST: Final = 0.3
"""Confidence of the default way, when nothing speaks for any."""

_URGENT: Final = re.compile(
    r"\b(?:expedited|urgent|concurrent review|while you are in the hospital|continued (?:inpatient )?stay|life.threatening)\b",
    re.I,
)
_CARC_NUMBER: Final = re.compile(r"(?:[A-Z]{2}-)?(\w+)")


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for or against a way: `weight` from -1 to 1, the path of the fact, and what it says."""

    signal: str
    way: Way
    weight: float
    source: str
    evidence: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The way, or None with `declined` saying why no way is chosen. `is_out_of_scope`: none of the three mends it."""

    route: Way | None
    confidence: float
    reasoning: str
    signals: tuple[Signal, ...] = ()
    alternative_routes: tuple[Way, ...] = ()
    is_out_of_scope: bool = False
    declined: str | None = None
    requires_verified_mode: bool = False
    urgency: Urgency = "standard"


def choose_route(facts: Facts, letter: str = "") -> Route:
    """The Route of a case; `letter` is its text, where words of urgency are looked for."""
    signals = _signals(facts)
    kinds = _kinds(facts)
    urgency: Urgency = (
        "expedited" if _URGENT.search(letter) and facts["service.is_pre_service"] is not False else "standard"
    )
    outside = [kind for kind in kinds if kind in OUTSIDE]
    if not outside and not signals:
        outside = [f"adjustment reason {code}" for code in facts.codes("CARC") if _number(code) in OUTSIDE_CODES]
    stated = list(dict.fromkeys(one.way for one in signals if one.source == "denial_reason" and one.weight >= STATED))
    if not signals and not outside and not _denies(facts):
        return _declined("the document denies nothing that could be routed", signals, urgency, is_out_of_scope=True)
    if outside and not stated:
        why = f"{outside[0]}: neither an authorization, nor a correction, nor a medical appeal mends that"
        return _declined(why, signals, urgency, is_out_of_scope=True)
    if len(stated) > 1:
        named = " and ".join(NAMES[way] for way in stated)
        return _declined(
            f"reasons are stated that ask for different ways, {named}; a person chooses the order", signals, urgency
        )
    return _chosen(signals, urgency)


def _chosen(signals: tuple[Signal, ...], urgency: Urgency) -> Route:
    totals = {way: sum(one.weight for one in signals if one.way == way) for way in WAYS}
    best = max(WAYS, key=lambda way: (totals[way], way == APPEAL))
    positive = sum(max(0.0, total) for total in totals.values())
    if positive == 0:
        return Route(
            route=APPEAL,
            confidence=LEAST,
            reasoning="Nothing in the letter speaks for one way; an appeal keeps every right open.",
            signals=signals,
            alternative_routes=(AUTHORIZATION, CORRECTION),
            requires_verified_mode=True,
            urgency=urgency,
        )
    share = totals[best] / positive
    confidence = round(min(0.97, share * min(1.0, 0.5 + totals[best] / 2)), 2)
    others = tuple(sorted((way for way in WAYS if way != best and totals[way] > 0), key=lambda way: -totals[way]))
    said = "; ".join(one.signal for one in signals if one.way == best and one.weight > 0)
    return Route(
        route=best,
        confidence=confidence,
        reasoning=f"The letter asks for {NAMES[best]}: {said}.",
        signals=signals,
        alternative_routes=others,
        requires_verified_mode=best == APPEAL and totals[best] < STATED,
        urgency=urgency,
    )


def _declined(why: str, signals: tuple[Signal, ...], urgency: Urgency, *, is_out_of_scope: bool = False) -> Route:
    ways = tuple(dict.fromkeys(one.way for one in signals if one.weight > 0))
    return Route(
        route=None,
        confidence=0.9 if signals or is_out_of_scope else 0.5,
        reasoning=why[0].upper() + why[1:] + ".",
        signals=signals,
        alternative_routes=ways,
        is_out_of_scope=is_out_of_scope,
        declined=why,
        requires_verified_mode=True,
        urgency=urgency,
    )


def _kinds(facts: Facts) -> list[str]:
    """The kinds that the reason names; where it names none, those of the denying sentence."""
    reason = str(facts["denial_reason"] or "")
    statement = str(facts["raw_text_snippets.denial_statement"] or "")
    return name_kinds(reason) or name_kinds(statement) or name_kinds(str(facts["denial_reason_summary"] or ""))


def _denies(facts: Facts) -> bool:
    return facts["raw_text_snippets.denial_statement"] is not None or facts["denial_reason"] is not None


def _signals(facts: Facts) -> tuple[Signal, ...]:
    found = []
    reason = str(facts["denial_reason"] or facts["raw_text_snippets.denial_statement"] or "")
    for kind in _kinds(facts):
        if kind in KINDS:
            way, weight = KINDS[kind]
            if kind == "information missing" and _is_request(facts):
                way = APPEAL
            found.append(
                Signal(
                    signal=f"the stated reason is: {kind}",
                    way=way,
                    weight=weight,
                    source="denial_reason",
                    evidence=reason,
                )
            )
    for code in facts.codes("CARC"):
        for way, numbers in CODES.items():
            if _number(code) in numbers:
                found.append(
                    Signal(
                        signal=f"adjustment reason {code}",
                        way=way,
                        weight=CODE_WEIGHT,
                        source="denial_codes",
                        evidence=code,
                    )
                )
    found += _authorization(facts)
    return tuple(found)


def _is_request(facts: Facts) -> bool:
    """Whether a request was decided before the care, not a claim after it."""
    if facts["service.is_pre_service"] is not None:
        return bool(facts["service.is_pre_service"])
    return facts["payer.claim_number"] is None and facts["dates.date_of_service"] is None


def _authorization(facts: Facts) -> list[Signal]:
    """What the letter says of an authorization: one on file speaks against asking for one."""
    path = "prior_authorization.was_obtained"
    quote = facts.get(path).quote or ""
    number = facts["prior_authorization.auth_number"]
    if facts[path] is True or (facts[path] is None and number is not None and facts["service.is_pre_service"] is False):
        signal = "an authorization is on file"
        return [Signal(signal=signal, way=AUTHORIZATION, weight=-0.5, source=path, evidence=quote or str(number or ""))]
    if facts[path] is False and not any(kind == "prior authorization missing" for kind in _kinds(facts)):
        return [
            Signal(signal="no authorization was obtained", way=AUTHORIZATION, weight=0.3, source=path, evidence=quote)
        ]
    return []


def _number(code: str) -> str:
    match = _CARC_NUMBER.fullmatch(code)
    return match[1].lstrip("0") if match else code

"""Gate: which proposals pass by themselves, which a person must see, which an expert, and which are held back.

    confidence >= auto_pass      auto_pass
    confidence >= review         review       anyone but a trainee decides
    confidence >= block          escalated    an expert or an admin decides
    below                        blocked      an admin may release it

What is judged is the calibrated confidence. Some things are escalated however sure they are: somebody whom no accepted
pattern tells of, what contradicts an accepted pattern, a position that is large. High stakes raise every threshold by 0.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.patterns.claim import read_claim
from backstay.kits.patterns.pattern import ExtractedPattern, Result
from backstay.kits.patterns.setting import Decision, Role, Settings
from backstay.kits.patterns.store import PatternStore, Ruling

MAY_DECIDE: Final[Mapping[Decision, frozenset[Role]]] = {
    "auto_pass": frozenset({"standard", "expert", "admin"}),
    "review": frozenset({"standard", "expert", "admin"}),
    "escalated": frozenset({"expert", "admin"}),
    "blocked": frozenset({"admin"}),
    "rejected": frozenset({"expert", "admin"}),
}
"""Who may have the last word on a pattern that stands there. A trainee's word is kept as an opinion, and decides nothing."""
ACCEPTED: Final = ("correct", "partial", "auto_validated")


class Stakes(msgspec.Struct, frozen=True, kw_only=True):
    """What hangs on the patterns: `is_high` makes the gate stricter, `position` is money at risk, in the currency of the
    settings."""

    is_high: bool = False
    position: float = 0.0


def judge(
    pattern: ExtractedPattern,
    confidence: float,
    *,
    settings: Settings,
    base: Collection[ExtractedPattern] = (),
    stakes: Stakes | None = None,
) -> Ruling:
    """The gate's ruling on a pattern with that calibrated confidence; `base` are the patterns that are accepted."""
    at_stake = stakes or Stakes()
    bounds = settings.thresholds(pattern.domain, is_high_stakes=at_stake.is_high)
    order: tuple[tuple[float, Decision], ...] = (
        (bounds.auto_pass, "auto_pass"), (bounds.review, "review"), (bounds.block, "escalated"),
    )  # fmt: skip
    decision: Decision = next((word for bound, word in order if confidence >= bound), "blocked")
    reasons = [f"confidence {confidence:.3f}, {pattern.domain}: from {bounds.auto_pass:g} on nobody is asked"]
    if conditions := list(escalations(pattern, base, at_stake, settings)):
        reasons += conditions
        decision = "escalated" if decision in ("auto_pass", "review") else decision
    if pattern.evidence_strength == "single_event":
        decision, reasons = "blocked", [*reasons, "one event is no pattern"]
    return Ruling(
        pattern_id=pattern.pattern_id,
        decision=decision,
        result="auto_validated" if decision == "auto_pass" else None,
        confidence=confidence,
        reasons=tuple(reasons),
    )


def escalations(
    pattern: ExtractedPattern, base: Collection[ExtractedPattern], stakes: Stakes, settings: Settings
) -> Iterable[str]:
    """Why an expert must see it, whatever its confidence."""
    about_person = pattern.pattern_type == "preference" and pattern.domain == "judicial"
    if about_person and all(one.subject != pattern.subject for one in base):
        yield f"new_judge: no accepted pattern tells of {pattern.subject}"
    for one in base:
        if contradicts(pattern, one):
            yield f"contradicts_prior: {one.pattern_id} says: {one.description}"
    if stakes.position > settings.large_position:
        yield f"large_position: {stakes.position:,.0f} is above {settings.large_position:,.0f}"


def contradicts(one: ExtractedPattern, other: ExtractedPattern) -> bool:
    """Whether both cannot hold: of the same units each says of another value that most have it, or their intervals of one share
    lie apart."""
    mine, theirs = read_claim(one.structured_pattern), read_claim(other.structured_pattern)
    if mine is None or theirs is None or (mine.unit, mine.given) != (theirs.unit, theirs.given):
        return False
    if mine.then[0] != theirs.then[0]:
        return False
    low, high = one.structured_pattern.get("interval", (0.0, 1.0))
    other_low, other_high = other.structured_pattern.get("interval", (0.0, 1.0))
    if mine.then == theirs.then:
        return bool(low > other_high or other_low > high)
    return bool(low > 0.5 and other_low > 0.5) and mine.then[0] not in ("has", "repeats", "who")


def decide(
    store: PatternStore,
    pattern_id: str,
    result: Result,
    *,
    by: str,
    role: Role,
    reason: str = "",
    correction: str | None = None,
) -> Ruling:
    """A person's ruling, written. Raises ConfigurationError where that role may not decide what stands there now."""
    if not by.strip():
        raise ConfigurationError("review: say who decides")
    if result == "auto_validated":
        raise ConfigurationError("review: auto_validated is the gate's word; there is correct, partial, incorrect")
    rulings = store.rulings().get(pattern_id, [])
    standing: Decision = rulings[-1].decision if rulings else "review"
    if role != "trainee" and role not in MAY_DECIDE[standing]:
        allowed = ", ".join(sorted(MAY_DECIDE[standing]))
        raise ConfigurationError(f"pattern {pattern_id} is {standing}: {role} may not decide it; {allowed} may")
    after: Decision = "rejected" if result == "incorrect" else "review"
    return store.rule(
        Ruling(
            pattern_id=pattern_id,
            decision=standing if role == "trainee" else after,
            result=result,
            reasons=(reason,) if reason else (),
            correction=correction,
            by=by,
            role=role,
        )
    )


def is_accepted(pattern: ExtractedPattern) -> bool:
    """Whether a pattern belongs to the base: a person found it right, at least in part, or the gate passed it."""
    return pattern.result in ACCEPTED


def queue(store: PatternStore) -> list[tuple[Ruling, ExtractedPattern]]:
    """What waits for a person, the gravest first: escalated, then review, then blocked; within each the surest first."""
    patterns = store.patterns()
    waiting = []
    for pattern_id, rulings in store.rulings().items():
        is_open = rulings[-1].decision in ("escalated", "review", "blocked") and not any(
            one.is_final for one in rulings
        )
        if is_open and pattern_id in patterns:
            waiting.append((rulings[-1], patterns[pattern_id]))
    order = ("escalated", "review", "blocked")
    return sorted(waiting, key=lambda one: (order.index(one[0].decision), -(one[0].confidence or 0), one[1].pattern_id))

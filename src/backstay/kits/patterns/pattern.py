"""ExtractedPattern: a proposal with its evidence, and what a person said of it.

The id is made of what is claimed and not of how often, so that a pattern that is mined again is the same pattern with newer
figures. `effective_confidence` is the application's formula, with one fault of its first version mended: a pattern that the
gate passed by itself ("auto_validated") had no branch and fell to 0, as if a person had called it wrong.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.kits.patterns.setting import PatternType

ExtractionSource: TypeAlias = Literal["llm_auto", "llm_reviewed", "human", "rule"]
EvidenceStrength: TypeAlias = Literal["single_event", "few_events", "many_events", "statistical"]
Result: TypeAlias = Literal["correct", "incorrect", "partial", "auto_validated"]

DEFAULT_FACTOR: Final = 0.85
"""What a stated confidence is multiplied with while nothing is known of its source."""
UNREVIEWED, CONFIRMED, PARTIAL = 0.8, 1.2, 0.7
"""What a pattern's confidence is multiplied with: nobody looked, a person confirmed, a person confirmed a part."""


class ExtractedPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern as it was proposed. `llm_confidence` is what its extractor states, whoever that was."""

    pattern_type: PatternType
    subject: str
    description: str
    structured_pattern: dict[str, Any] = {}
    source_event_ids: tuple[str, ...] = ()
    extraction_source: ExtractionSource = "rule"
    llm_confidence: float = 0.5
    reasoning: str = ""
    evidence_strength: EvidenceStrength = "few_events"
    caveats: tuple[str, ...] = ()
    domain: str = "general"
    human_validated: bool = False
    result: Result | None = None
    correction: str | None = None
    validator: str | None = None
    validated_at: str | None = None
    created_at: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.llm_confidence <= 1:
            raise ValueError(f"llm_confidence = {self.llm_confidence}: must be from 0 to 1")

    @property
    def pattern_id(self) -> str:
        """ "pat_" and 12 hex digits of SHA-256 over the sorted JSON of what is claimed."""
        structured = self.structured_pattern
        claim: Any = {name: structured[name] for name in ("unit", "given", "then") if name in structured}
        facts = {
            "type": self.pattern_type,
            "subject": self.subject,
            "domain": self.domain,
            "claim": claim or " ".join(self.description.casefold().split()),
        }
        return "pat_" + hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:12]

    def effective_confidence(self, calibrated: float | None = None) -> float:
        """From 0 to 1: the calibrated confidence (0.85 of the stated one where none is given), and what the review made of
        it."""
        base = self.llm_confidence * DEFAULT_FACTOR if calibrated is None else calibrated
        return effective_confidence(base, is_validated=self.human_validated, result=self.result)


def effective_confidence(base: float, *, is_validated: bool, result: str | None) -> float:
    """`base` after review. Raises ValueError for a result that there is none of."""
    if result == "auto_validated":  # the gate's own pass: nobody has confirmed it, and nobody has refuted it
        return base
    if not is_validated or result is None:
        return base * UNREVIEWED
    if result == "correct":
        return min(1.0, base * CONFIRMED)
    if result == "partial":
        return base * PARTIAL
    if result == "incorrect":
        return 0.0
    raise ValueError(f"result {result!r}: there is correct, partial, incorrect, auto_validated")


def strength_of(count: int, *, is_tested: bool = False) -> EvidenceStrength:
    """The word for `count` events of evidence; `is_tested` where chance was ruled out."""
    if count <= 1:
        return "single_event"
    if is_tested and count >= 20:
        return "statistical"
    return "many_events" if count >= 10 else "few_events"

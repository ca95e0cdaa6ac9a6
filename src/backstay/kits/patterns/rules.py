"""Offline rules of this kit: what answers its prompt where there is no model. The answer is the contract's, by counting.

The rule reads the events of the question itself, as a model would, so an offline run goes the same way as one with a model.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.kits.patterns.mine import mine
from backstay.kits.patterns.propose import PROMPT, read_form
from backstay.kits.patterns.setting import TYPES, Mining
from backstay.offline.provider import Answer, Rule, question
from backstay.prompts.escape import enclosed
from backstay.types import Request

BATCH_MINING: Final = Mining(least_support=3, rare_total=10, most=10)
"""A batch is small: three events show a thing, where chance is still ruled out."""


def answer_patterns(request: Request) -> Answer | None:
    """The patterns of the events that the question encloses; None for another task."""
    if request.metadata.task != PROMPT:
        return None
    text = question(request)
    shown, types = (enclosed(text, name) for name in ("events", "types"))
    if shown is None:
        return None
    events = [read_form(one) for one in msgspec.json.decode(shown)]
    asked = msgspec.json.decode(types) if types else TYPES
    patterns = [_item(one) for one in mine(events, BATCH_MINING, types=[kind for kind in TYPES if kind in asked])]
    wanted = [] if patterns else ["more events: nothing repeats in these beyond chance"]
    value = {"patterns": patterns, "no_patterns_found": not patterns, "additional_context_needed": wanted}
    return Answer(text=msgspec.json.encode(value).decode())


def _item(pattern: Any) -> dict[str, Any]:
    return {
        "pattern_type": pattern.pattern_type,
        "subject": pattern.subject,
        "description": pattern.description,
        "structured_pattern": pattern.structured_pattern,
        "confidence": pattern.llm_confidence,
        "reasoning": pattern.reasoning,
        "evidence_strength": pattern.evidence_strength,
        "evidence": list(pattern.source_event_ids),
        "caveats": list(pattern.caveats),
    }


RULES: Final = (Rule("patterns", answer_patterns),)

"""Findings: what an offline rule read in a document, each value with its place, its confidence and the rule that spoke.

A rule never answers without evidence: a value carries the span of source text it was read from, or the reason why it is
absent. Confidence is the measured share of right answers of values found the same way (see `docs/confidence.md`), not a
feeling; 0.9 and above is a promise that 95 % of such values are right.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One value read from a text, or the reason why there is none.

    `value` is JSON data: dates are ISO strings, amounts decimal strings, absent is None. `start` and `end` delimit the
    evidence in the source text (`text[start:end]`); both are None for absent and for derived values, and `reason` says so.
    """

    value: Any = None
    confidence: float = 0.0
    start: int | None = None
    end: int | None = None
    rule: str = ""
    reason: str | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a rule read: `data` is the typed object, `fields` maps each leaf's path (`lines[0].total`) to its Finding."""

    data: dict[str, Any]
    fields: dict[str, Finding]
    warnings: tuple[str, ...] = ()

"""Record: what became of one invoice: its facts, how sure they are, what was checked, and what is to be done with it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from backstay.extract.extraction import Field
from backstay.kits.invoices.kind import Kind

Verdict: TypeAlias = Literal["accepted", "review", "rejected"]
Outcome: TypeAlias = Literal["passed", "failed", "unknown"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check: its name, how it came out ("unknown" where a figure is missing), and what was found, in words."""

    name: str
    outcome: Outcome
    message: str = ""
    fields: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice. `decision` and its `reasons`; `confidence` is that of the whole, `fields` that of each value with its place.

    A receipt's facts have the names of an invoice's: `seller`, `issue_date`, `grand_total`, and `address`. `layout` is what the
    document was taken for, how surely and why. `target` answered; `is_degraded` says that it was a rule and no model. `cost_usd`
    is exact, as text; None where the price is unknown. `notes` say which question could not be asked, `error` why a document
    could not be read.
    """

    source: str
    decision: Verdict
    kind: Kind = "invoice"
    reasons: tuple[str, ...] = ()
    confidence: float = 0.0
    field_count: int = 0
    data: dict[str, Any] = {}
    fields: dict[str, Field] = {}
    checks: tuple[Check, ...] = ()
    layout: str = "generic"
    layout_confidence: float = 0.0
    layout_reasoning: str = ""
    tier: str = "ADVANCED"
    target: str | None = None
    is_degraded: bool = False
    is_validated: bool = False
    cost_usd: str | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None

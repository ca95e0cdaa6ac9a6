"""Gates: what is to become of an extraction, as data.

    reject      it failed, it is empty, or nothing in it is in the document
    review      less sure than `accept_at`, or a required field is missing or has no evidence: a person should look
    validate    sure enough, but under `validate_below` or with fewer fields than `validate_fields`: check it once more
    accept      everything else, and what passed the check at `auto_validate_at`

The thresholds are the section `[extract]` of the settings. The confidence of the whole is the mean over the fields that
have a value and the required ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backstay.config.setting import Extract as Limits
from backstay.extract.extraction import Ending, Field, Gate

EMPTY: tuple[Any, ...] = (None, [], {}, "")


def judge(
    status: Ending,
    fields: Mapping[str, Field],
    schema: dict[str, Any],
    *,
    limits: Limits | None = None,
    is_checked: bool = False,
    has_evidence: bool = True,
) -> Gate:
    """The Gate of an extraction; `is_checked` says that a validation has had its say on the fields' confidence.

    Without `has_evidence` nobody looked for any, and then its absence decides nothing.
    """
    limits = limits or Limits()
    required = set(schema.get("required", ()))
    present = {path: field for path, field in fields.items() if field.value not in EMPTY}
    counted = [field for path, field in fields.items() if path in present or _top(path) in required]
    confidence = sum(field.confidence for field in counted) / len(counted) if counted else 0.0

    def gate(decision: Any, *reasons: str) -> Gate:
        return Gate(decision=decision, confidence=confidence, field_count=len(present), reasons=reasons)

    if fatal := _fatal(status, present, has_evidence=has_evidence):
        return gate("reject", fatal)
    if doubts := _doubts(confidence, fields, required, limits, has_evidence=has_evidence):
        return gate("review", *doubts)
    if is_checked:
        if confidence >= limits.auto_validate_at:
            return gate("accept", f"validated at {confidence:.2f}")
        return gate("review", f"validated, and still at {confidence:.2f}, under {limits.auto_validate_at:g}")
    unsure = []
    if confidence < limits.validate_below:
        unsure.append(f"confidence {confidence:.2f} is under {limits.validate_below:g}")
    if len(present) < limits.validate_fields:
        unsure.append(f"{len(present)} field(s) have a value, fewer than {limits.validate_fields}")
    return gate("validate", *unsure) if unsure else gate("accept", f"confidence {confidence:.2f}")


def _fatal(status: Ending, present: Mapping[str, Field], *, has_evidence: bool) -> str | None:
    if status == "failed":
        return "the answer never fitted the schema"
    if not present:
        return "no field has a value"
    sought = [field for field in present.values() if has_evidence and not isinstance(field.value, bool)]
    if sought and not any(field.grounded for field in sought):
        return "nothing in it was found in the document"
    return None


def _doubts(
    confidence: float, fields: Mapping[str, Field], required: set[str], limits: Limits, *, has_evidence: bool
) -> list[str]:
    found = []
    if confidence < limits.accept_at:
        found.append(f"confidence {confidence:.2f} is under {limits.accept_at:g}")
    for path, field in fields.items():
        if path in required and field.value in EMPTY:
            found.append(f"{path} is required and missing")
        elif path in required and has_evidence and not field.grounded and not isinstance(field.value, bool):
            found.append(f"{path} is required and not in the document")
    return found


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]

"""The recorded corpus: other projects' cases and seeded damage, scored against the bars this module promises."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from backstay.recover import Status, align, parse

NOT_FROM_MODELS = {"bare_top_level", "non_llm"}
BARS = {"valid": 1.0, "model": 0.97, "partial": 0.95, "refused": 0.95, "schema": 0.95, "invalid": 1.0}


def decode(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            float(value["$float"]) if set(value) == {"$float"} else {key: decode(item) for key, item in value.items()}
        )
    return [decode(item) for item in value] if isinstance(value, list) else value


def is_same(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None or isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(is_same(found[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(is_same, found, wanted))
    if isinstance(wanted, float) and isinstance(found, float) and math.isnan(wanted):
        return math.isnan(found)
    return isinstance(found, str) == isinstance(wanted, str) and bool(found == wanted)


def verdicts(case: dict[str, Any]) -> list[tuple[str, bool]]:
    """The groups a case counts in, each with whether it passed."""
    text = case["input"] if "input" in case else base64.b64decode(case["input_b64"]).decode("utf-8", "replace")
    mode = case["mode"]
    try:
        found: Any = align(text, case["schema"]) if mode == "schema" else parse(text, strict=mode == "strict")
        value, status = found.value, found.status
    except ValueError:  # a schema that is none
        value, status = None, Status.FAILED
    if mode in ("any", "strict"):
        return []
    if mode == "invalid":
        return [("invalid", status is not Status.SUCCESS)]
    if case.get("expect_fail"):
        return [("refused", status is Status.FAILED)]
    wanted = [decode(each) for each in (case.get("expected"), *case.get("accept", ()))]
    passed = status is not Status.FAILED and any(is_same(value, each) for each in wanted)
    if mode == "valid":
        return [("valid", passed and status is Status.SUCCESS)]
    groups = [(mode, passed)] if mode in ("partial", "schema") else []
    if mode in ("repair", "partial") and not NOT_FROM_MODELS & set(case.get("tags", ())):
        groups.append(("model", passed))
    return groups


@pytest.mark.corpus
def test_the_corpus_meets_the_bars(corpus: Path) -> None:
    """Valid JSON is exact, and repair, partial, refusal and alignment stay at or above their bars."""
    good: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in (corpus / "json" / "dev.jsonl").read_text().splitlines():
        for group, passed in verdicts(json.loads(line)):
            total[group] += 1
            good[group] += passed
    rates = {group: good[group] / total[group] for group in BARS}
    assert {group: rate for group, rate in rates.items() if rate < BARS[group]} == {}


def test_the_comparison_can_fail() -> None:
    """The oracle tells a boolean from a number, a string from a number, and a missing member."""
    assert not is_same(True, 1)
    assert not is_same("1", 1)
    assert not is_same({"a": 1}, {"a": 1, "b": None})
    assert is_same([math.nan, 1.0], [math.nan, 1])

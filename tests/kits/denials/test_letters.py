"""Letters whose truth was written before the rules met them: every bar of the kit holds on each set, by the kept command."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench" / "kits" / "denials.py"
LETTERS = Path(__file__).parent / "letters"


def load() -> ModuleType:
    """The bench module from its file."""
    spec = importlib.util.spec_from_file_location("denial_kit_under_test", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("group", ["first", "second", "third"])
def test_every_bar_holds(group: str) -> None:
    """Facts, abstention, route, injected lines and grounding of each set are over their bars."""
    bench = load()
    rows, _ = bench.table(asyncio.run(bench.work(bench.own_letters(group))), bench.INJECTIONS)
    assert [row for row in rows if row.right < row.bar * row.count] == []
    assert {"route", "unchanged by injections", "documents without ungrounded items"} <= {row.name for row in rows}


def test_the_scorer_sees_a_wrong_truth() -> None:
    """With one digit of the truth changed, the field is missed: the figures are not automatic."""
    bench = load()
    case = next(one for one in bench.own_letters("third") if one.name == "ended_cover")
    ((_, pack),) = asyncio.run(bench.work([case]))
    wrong = case._replace(truth={**case.truth, "member": "WMP 10 4471 884"})
    assert all(one.is_right for one in bench.compare(case, pack.facts))
    assert [one.field for one in bench.compare(wrong, pack.facts) if not one.is_right] == ["member ID"]


def test_an_invented_item_in_a_document_is_seen() -> None:
    """A paper with another amount is not clean."""
    bench = load()
    case = next(one for one in bench.own_letters("third") if one.name == "ended_cover")
    ((_, pack),) = asyncio.run(bench.work([case]))
    spoiled = msgspec.structs.replace(pack, summary=pack.summary + " You owe $4,711.00.")
    assert all(bench._clean(pack))
    assert not all(bench._clean(spoiled))


def test_every_letter_has_a_truth_and_a_first_reading() -> None:
    """No file goes unread, and each set has the figures of the day on which it was met."""
    sets = json.loads((LETTERS / "truth.json").read_text(encoding="utf-8"))
    assert {name for letters in sets.values() for name in letters} == {path.stem for path in LETTERS.glob("*.txt")}
    assert set(json.loads((LETTERS / "first_reading.json").read_text(encoding="utf-8"))) == set(sets)

"""The promise in figures: on letters with answer keys every field is over its bar, and no injected line moves a fact."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "accuracy" / "denials.py"


def load() -> ModuleType:
    """The bench module from its file."""
    spec = importlib.util.spec_from_file_location("denial_accuracy_under_test", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.corpus
def test_every_field_is_over_its_bar(corpus: Path) -> None:
    """No row of the table is under its bar, and hundreds of fields are scored."""
    rows = load().table(corpus)
    assert [(field, right, total, bar) for field, right, total, bar in rows if right < bar * total or total == 0] == []
    assert sum(total for field, _, total, _ in rows if field in load().BARS) > 200


@pytest.mark.corpus
def test_the_scorer_sees_a_broken_reader(corpus: Path) -> None:
    """With every letter cut to its first quarter, bars are missed: the figures are not automatic."""
    module = load()
    rows = module.table(corpus, read=lambda text: module.read_denial(text[: len(text) // 4]))
    assert any(right < bar * total for _, right, total, bar in rows)

"""The promise in figures: on real receipts and e-invoices every field is over its bar, and sure findings are right."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "accuracy"


def load(name: str) -> ModuleType:
    """A bench module from its file, under a name that no other test uses."""
    spec = importlib.util.spec_from_file_location(f"accuracy_under_test_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["receipts", "einvoices"])
def test_every_field_is_over_its_bar(corpus: Path, name: str) -> None:
    """`scripts/accuracy` shows no field under its bar, and scores hundreds of documents' fields."""
    rows = load(name).table(corpus)
    assert sum(total for _, _, total, _ in rows) > 500
    under = [(field, right, total, bar) for field, right, total, bar in rows if right < bar * total]
    assert under == []


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["receipts", "einvoices"])
def test_the_scorer_sees_a_broken_reader(corpus: Path, name: str) -> None:
    """With every document cut to its first quarter the bars are missed: the figures are not automatic."""
    module = load(name)
    whole = module.read_receipt if name == "receipts" else module.read_invoice
    rows = module.table(corpus, read=lambda text: whole(text[: len(text) // 4]))
    assert any(right < bar * total for _, right, total, bar in rows)

"""On real receipts and specimen invoices the kit's facts reach their bars, and what is surer than 0.9 is right."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
MINE = "benched_invoices"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The module that prints the kit's figures."""
    described = importlib.util.spec_from_file_location(MINE, ROOT / "bench" / "kits" / "invoices.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    sys.modules[MINE] = module
    described.loader.exec_module(module)
    return module


@pytest.mark.corpus
@pytest.mark.slow
def test_facts_and_sure_records_reach_their_bars(bench: ModuleType, corpus: Path) -> None:
    """Every fact's bar, and 97 % of the records that are at least 0.9 sure and of those accepted, of which there are enough."""
    found = bench.outcomes(corpus)
    rows = {name: (right, count, bar) for name, right, count, bar in bench.table(found)}
    missed = {name: row for name, row in rows.items() if row[0] < row[2] * row[1]}
    assert missed == {}
    assert rows["receipts records >= 0.9"][1] >= 0.3 * len(found["receipts"])
    assert rows["einvoices records >= 0.9"][1] >= 0.8 * len(found["einvoices"])


@pytest.mark.corpus
@pytest.mark.slow
def test_what_is_accepted_is_right_where_nothing_of_its_seller_is_known(bench: ModuleType, corpus: Path) -> None:
    """97 % of the records that the other sellers' documents alone would accept, seller by seller."""
    for section, least in (("receipts", 80), ("einvoices", 40)):
        right, accepted, families = bench.left_out(bench.outcomes(corpus)[section])
        assert accepted >= least
        assert families > 10
        assert right >= 0.97 * accepted


@pytest.mark.corpus
@pytest.mark.slow
def test_the_mean_of_all_facts_would_not_hold_the_bar(bench: ModuleType, corpus: Path) -> None:
    """The rule that is not taken: a gate on the mean lets receipts through of which fewer than 97 % are right."""
    receipts = bench.outcomes(corpus)["receipts"]
    lax = []
    for one in receipts:
        sure = [field.confidence for field in one.record.fields.values() if field.value]
        if sum(sure) / len(sure) >= 0.9:
            lax.append(one.is_right)
    assert len(lax) > 100
    assert sum(lax) < 0.97 * len(lax)

"""The bars on real data: a World Cup trace, incidents of a microservice application, metrics with labelled anomalies."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [pytest.mark.corpus, pytest.mark.slow]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "bench" / "kits" / "operations.py"
    spec = importlib.util.spec_from_file_location("bench_operations", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("boot_delay", [0.0, 60.0, 120.0, 240.0])
def test_the_policy_beats_standing_still(corpus: Path, bench: ModuleType, boot_delay: float) -> None:
    """Over the whole trace the offline policy earns at least a tenth more than the best fixed configuration."""
    found = bench.outcomes(corpus, boot_delay=boot_delay)
    assert bench.margin(found) > 1.1


def test_root_causes_and_anomalies(corpus: Path, bench: ModuleType) -> None:
    """Every row of the table is at or above its bar; more than half of the anomaly windows are found."""
    rows = {name: (right / count, bar) for name, right, count, bar in bench.table(corpus)}
    assert [name for name, (share, bar) in rows.items() if share < bar] == []
    assert rows["anomaly windows"][0] > 0.5


def test_a_quiet_series_stays_quiet(corpus: Path) -> None:
    """What has no labelled anomaly raises no alarm."""
    from backstay.kits.operations.evaluate import anomalies

    quiet = [one for one in anomalies(corpus / "data" / "nab_metrics") if one.score.windows == 0]
    assert quiet
    assert [one.name for one in quiet if one.score.false_alarms] == []


def test_rules_hold_where_they_were_not_settled(corpus: Path, bench: ModuleType) -> None:
    """With rules and settings chosen on all others: the top 3 has its bar in every scenario taken together, windows are found."""
    left = bench.held_out_causes(corpus)
    assert bench.within(left, 3) / len(left) >= 0.7
    score = bench.held_out_anomalies(corpus)
    assert score.found / score.windows > 0.5

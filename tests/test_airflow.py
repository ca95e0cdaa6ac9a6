"""The Airflow part with a real Airflow, which has an environment of its own: its packages and ours do not mix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.server
def test_tasks_and_dag_run_in_a_real_airflow() -> None:
    """`scripts/airflow` makes that environment from its lock file and runs `tests/airflow` in it: none fails, none is skipped."""
    done = subprocess.run(
        [ROOT / "scripts" / "airflow", "-q"], capture_output=True, text=True, timeout=900, check=False
    )
    last = done.stdout.strip().splitlines()[-1:] or [""]
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "passed" in last[0]
    assert "skipped" not in last[0]

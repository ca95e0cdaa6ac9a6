"""Every reliability goal holds at a small size, and each one's broken variant is caught: the gate of continuous integration."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[1]
GOALS = sorted(
    path.stem for path in (ROOT / "bench" / "reliability").glob("r*.py") if re.fullmatch(r"r\d+[a-z]?", path.stem)
)


@pytest.mark.slow
@pytest.mark.parametrize("goal", GOALS)
def test_the_goal_holds_and_its_broken_variant_is_caught(goal: str) -> None:
    """At the size of the quick run, in a process of its own."""
    command = [sys.executable, "-m", "bench.reliability.one", goal]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = msgspec.json.decode(done.stdout.strip().rpartition("\n")[2])
    assert result["ok"], result["figures"]
    assert result["is_caught"], f"the broken variant passed: {result['broken']}"


def test_there_are_goals() -> None:
    """The gate is not empty."""
    assert GOALS

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
TRACES = pytest.param("traces", marks=pytest.mark.corpus)
LAYERS = ("layers", "limits", "budgets", "queue", "breaker", "failover", "cache", "hedging", "ledger", "stores")
"""Pages that make promises, each of which ends in the command of its proof."""


@pytest.mark.slow
@pytest.mark.parametrize("goal", [*GOALS, TRACES])
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


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def untold(goals: list[str], text: str) -> list[str]:
    """The goals that a page does not name."""
    titles = [f"R{goal[1:].lstrip('0')}" if goal != "traces" else "TRACES" for goal in goals]
    return [title for title in titles if not re.search(rf"\b{title}\b", text)]


def test_every_goal_is_told_with_its_command() -> None:
    """The page on testing has all of them; one that it does not have is found."""
    text = page("testing")
    assert "scripts/reliability" in text
    assert untold([*GOALS, "traces"], text) == []
    assert untold(["r99"], text) == ["R99"]


@pytest.mark.parametrize("name", LAYERS)
def test_the_page_of_a_layer_names_its_proof(name: str) -> None:
    """A command that runs it: tests, goals, or both."""
    assert re.search(r"`(scripts/test|scripts/reliability|python\s+-m\s+bench\.reliability) [^`]+`", page(name))

"""`backstay simulate`: figures for people, for programs and as a page; wrong input is one clear line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay.cli.simulate import laid_out
from backstay.sim.view import Table

from .conftest import ROOT, Run

pytestmark = pytest.mark.slow

TRACE = ROOT / "examples" / "traces" / "helpdesk.csv"
MODEL = ("--model", "openai:gpt-5-mini", "--max-output", "1200", "--calls", "300")


def test_a_trace_becomes_a_report(backstay: Run, tmp_path: Path) -> None:
    """Tables by default, a page and pictures of every chart where they are asked for; no key is needed."""
    files = ("--html", "page.html", "--svg", "chart.svg", "--png", "chart.png")
    done = backstay("simulate", "--trace", TRACE, *MODEL, *files)
    assert done.returncode == 0, done.stderr
    for words in ("What came of it", "Waits", "Limits", "tokens_per_minute", "high", "cost USD"):
        assert words in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "<script" not in page
    picture = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert all(title in picture for title in ("Calls a second", "Money spent, USD", "Latency by class, seconds"))
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_the_whole_report_and_always_the_same(backstay: Run) -> None:
    """Two runs of one seed print the same bytes; every call is answered or failed."""
    first, second = (backstay("simulate", "--trace", TRACE, *MODEL, "--seed", "4", "--json").stdout for _ in range(2))
    report = json.loads(first)
    assert first == second
    assert report["calls"] == 300 == report["complete"] + report["failed"]
    assert set(report["classes"]) == {"high", "medium", "low"}
    assert report["latency"]["p50"] <= report["latency"]["p99"]


def test_a_sweep_compares(backstay: Run) -> None:
    """A line for each combination of values, in the order of asking; more room refuses less."""
    sweep = ("--sweep", "limits.tokens_per_minute=20000,80000,none", "--sweep", "speed=1,2")
    done = backstay("simulate", "--trace", TRACE, *MODEL, *sweep, "--json", "--html", "sweep.html")
    reports = json.loads(done.stdout)
    assert list(reports)[:2] == ["tokens_per_minute=20000, speed=1", "tokens_per_minute=20000, speed=2"]
    answered = {name: report["complete"] for name, report in reports.items()}
    assert answered["tokens_per_minute=20000, speed=1"] < answered["tokens_per_minute=80000, speed=1"]
    table = backstay("simulate", "--trace", TRACE, *MODEL, "--sweep", "limits.tokens_per_minute=20000,80000").stdout
    assert "Comparison" in table
    assert "tokens_per_minute=80000" in table


def test_traffic_can_be_made_up(backstay: Run) -> None:
    """A law in place of a trace, classes by shares, settings from the command line."""
    law = ("--law", "bursty", "--rate", "2", "--duration", "100", "--priority", "high=1,low=1", "--tenant", "a=1,b=1")
    done = backstay("simulate", *law, "--model", "openai:gpt-5-mini", "--whole", "--set", "queue.running=2", "--json")
    report = json.loads(done.stdout)
    assert set(report["classes"]) == {"high", "low"}
    assert report["first_token"]["count"] == 0
    assert report["failures"]["QueueFull"] > 0


def test_shares_that_a_trace_does_not_need_are_told(backstay: Run) -> None:
    """A trace that states its priorities keeps them, and that is said once, even of a sweep."""
    done = backstay("simulate", "--trace", TRACE, *MODEL, "--priority", "high=2", "--sweep", "speed=1,2")
    assert done.returncode == 0
    assert done.stderr == "note: 300 calls of the trace state their priority; --priority is dealt to the others only\n"


@pytest.mark.parametrize("width", [40, 60, 80, 130])
def test_no_cell_is_broken(width: int) -> None:
    """Where a table has no room, each row is a block of lines; every cell stands whole at every width."""
    rows = (("high", "174 (100.0 %)", "3.34 / 7.50 / 14.7"), ("low", "49 (100.0 %)", "8.13 / 31.7 / 35.3"))
    header = ("class", "answered", "a wait, s: p50 / p95 / p99")
    text = laid_out(Table("Waits", header, rows), width)
    assert all(cell in text for row in rows for cell in row)
    assert all(len(line) <= max(width, 50) for line in text.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --trace FILE or --law NAME"),
        (("--trace", "nowhere.csv", "--model", "openai:gpt-5-mini"), "nowhere.csv: cannot be read"),
        (("--law", "poisson"), "no model to simulate: name one as provider:model, with --model"),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--tenant", "a"), "'a': write NAME=SHARE"),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--tenant", "a=0.5,a=0.5"), "'a' stands twice"),
        (
            ("--law", "poisson", "--model", "openai:gpt-5-mini", "--set", "limits.tokens_per_minut=1"),
            "tokens_per_minute",
        ),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--sweep", "speed=fast"), "must be a number"),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--sweep", "limits.burst"), "write NAME=A,B"),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--priority", "urgent=1"), "there is high, medium, low"),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--rate", "0"), "traffic.rate = 0"),
        (("--law", "poisson", "--model", "openai:gpt-5-mini", "--start", "25:00"), "write a time of day"),
        (("--law", "poisson", "--svg", "chart.png"), "'chart.png' does not end in .svg: --png writes that form"),
        (("--law", "poisson", "--png", "chart.gif"), "'chart.gif' does not end in .png: name it chart.png"),
    ],
)
def test_wrong_input_is_one_clear_line(backstay: Run, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, what is wrong and how it is written, and no traceback."""
    done = backstay("simulate", *arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1

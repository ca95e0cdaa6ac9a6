"""A wrong file or a wrong option is one clear line with an exit code, at every command that takes one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow

LAW = ("simulate", "--law", "poisson", "--duration", "60", "--model", "openai:gpt-5-mini")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((*LAW, "--input-tokens", "-4"), "--input-tokens = -4.0: must be 0 or more tokens"),
        ((*LAW, "--output-tokens", "nan"), "--output-tokens = nan: must be 0 or more tokens"),
        ((*LAW, "--html", "away/page.html"), "there is no folder 'away'"),
        ((*LAW, "--svg", "away/chart.svg"), "there is no folder 'away'"),
        (("operations", "run", "--rounds", "1", "--minutes", "1e9"), "must be a number above 0, at most 1440"),
        (("operations", "run", "--rounds", "1", "--minutes", "nan"), "'nan': must be a number above 0"),
        (("operations", "run", "--rounds", "1", "--period", "inf"), "'inf': must be a number above 0"),
        (("operations", "report", "--boot-delay", "nan"), "'nan': must be a number 0 or more"),
        (("operations", "serve", "--speed", "0"), "'0': must be a number above 0"),
        (("usage", "--html", "away/page.html"), "there is no folder 'away'"),
        (("usage", "--parquet", "away/lines.parquet"), "there is no folder 'away'"),
    ],
)
def test_a_wrong_option_does_nothing(backstay: Run, command: tuple[str, ...], words: str) -> None:
    """Exit code 2 before any work: nothing is printed, and what is wrong stands in one line."""
    done = backstay(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe\x80 no text \x00", b'at,input_tokens,output_tokens\n"\x81"\n'])
def test_a_trace_that_is_no_text_is_refused(backstay: Run, tmp_path: Path, content: bytes) -> None:
    """A binary file in place of a trace is named, wherever in it the first wrong byte stands."""
    (tmp_path / "trace.csv").write_bytes(content)
    done = backstay("simulate", "--trace", "trace.csv", "--model", "openai:gpt-5-mini")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: trace trace.csv: is neither CSV, JSON Lines nor a ledger" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("source", "fault"), [("def (", "SyntaxError"), ("1 / 0", "ZeroDivisionError")])
def test_a_module_of_tools_that_is_broken_is_named(backstay: Run, tmp_path: Path, source: str, fault: str) -> None:
    """Whatever a module of tools raises when it is imported is one line with its name."""
    (tmp_path / "tools.py").write_text(source)
    done = backstay("agent", "sum up", "--tools", "tools.py:registry")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --tools 'tools.py:registry': cannot be imported: {fault}")
    assert len(done.stderr.splitlines()) == 1


def test_an_extra_that_is_missing_is_named_as_it_is_installed(backstay: Run) -> None:
    """The doctor names extras of the package, so that the version fits."""
    notes = [line for line in backstay("doctor").stdout.splitlines() if "is not installed" in line]
    assert all("pip install 'backstay[" in line for line in notes)


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    """`backstay models | head -1` ends without a word on standard error."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "backstay", "models", "--limit", "3000", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.read(10)
        run.stdout.close()
        said = run.stderr.read().decode()
    assert (run.returncode, said) == (1, "")

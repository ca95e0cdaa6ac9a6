"""Ctrl-C in a run that never waits: it ends at once, what was made is kept and shown, and the exit code says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backstay.kits.operations.loop import read_trace

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_an_interrupted_run_keeps_its_trace(tmp_path: Path) -> None:
    """Rules never suspend, and yet the run stops between two rounds: the trace is whole, the charts are of what it holds."""
    command = [sys.executable, "-m", "backstay", "operations", "run", "--minutes", "600", "--out", "run.jsonl"]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        for _ in range(5):  # it is on its way
            running.stdout.readline()
        running.send_signal(signal.SIGINT)
        printed, said = running.communicate(timeout=30)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert said.rstrip().endswith("interrupted")
    rounds = read_trace(tmp_path / "run.jsonl")
    assert 2 <= len(rounds) < 600
    assert f"{len(rounds)} rounds, decided by rule:predictive" in printed

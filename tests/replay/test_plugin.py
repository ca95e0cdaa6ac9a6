"""The pytest plugin: recorded once, answered from the journal ever after."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backstay.replay.journal import read_journal

TEST = """
import asyncio
from pathlib import Path
import pytest
from backstay import Response, Scripted, Text
from backstay.errors import LLMError
from backstay.replay.layer import JournalLayer
from backstay.service import Call, stack
from backstay.types import Request, user

WORDS = Path(__file__).with_name("words.txt").read_text().split(",")

def ask(question):
    async def main():
        provider = stack(Scripted(WORDS[0]), JournalLayer())
        reply = await provider(Call(request=Request(model="a:b", messages=(user(question),))))
        return (await reply.response()).text
    return asyncio.run(main())

@pytest.mark.backstay_replay
def test_marked():
    assert ask(WORDS[1]) == "first"

@pytest.mark.backstay_replay(path="own.jsonl")
@pytest.mark.parametrize("name", ["a/b"])
def test_elsewhere(backstay_run, name):
    backstay_run.tick(1)
    assert ask(WORDS[1]) == "first"

def test_unmarked():
    assert True
"""


def pytest_run(folder: Path, words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tests above, with the provider's word and the question in `words`."""
    (folder / "test_it.py").write_text(TEST, encoding="utf-8")
    (folder / "words.txt").write_text(words, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "backstay.replay.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-W", "error", "--rootdir", str(folder), *arguments, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )


@pytest.mark.slow
def test_a_test_is_recorded_once_and_replayed(tmp_path: Path) -> None:
    """No journal: the test fails and says how to record. Recorded: it passes with another provider. Changed: it says what."""
    first = pytest_run(tmp_path, "first,why?")
    assert "2 errors" in first.stdout
    assert "--backstay-record" in first.stdout
    assert "1 passed" in first.stdout
    assert pytest_run(tmp_path, "first,why?", "--backstay-record").returncode == 0
    journals = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jsonl")}
    assert journals == {"journals/test_it/test_marked.jsonl", "own.jsonl"}
    assert pytest_run(tmp_path, "second,why?").returncode == 0
    changed = pytest_run(tmp_path, "second,how?")
    assert "2 failed" in changed.stdout
    assert '"why?" -> "how?"' in changed.stdout
    assert "error" not in changed.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_failing_recording_leaves_the_old_journal(tmp_path: Path) -> None:
    """A test that fails while it asks live does not replace what was recorded before."""
    assert pytest_run(tmp_path, "first,why?", "--backstay-record").returncode == 0
    before = (tmp_path / "own.jsonl").read_bytes()
    assert pytest_run(tmp_path, "wrong,why?", "--backstay-record").returncode == 1
    assert (tmp_path / "own.jsonl").read_bytes() == before
    assert read_journal(tmp_path / "own.jsonl").is_finished
    assert list(tmp_path.rglob("*.new")) == []

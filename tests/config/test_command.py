"""`backstay config`, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backstay.cli.config import command


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, no user folder, and one key."""
    for name in [*os.environ]:
        if name.endswith("_API_KEY") or name.startswith(("BACKSTAY", "LLM_", "AWS_", "OLLAMA", "LLAMA", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", "made-up-key")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_explain_lists_each_setting_with_value_and_source(world: Path) -> None:
    """Three columns parted by tabs where no terminal is; the key as a reference that is set."""
    (world / "backstay.toml").write_text("[retry]\nmax_attempts = 5\n")
    lines = [line.split("\t") for line in run("explain", "--set", "timeouts.total=90").stdout.splitlines()]
    rows = {name: (value, source) for name, value, source in lines}
    assert rows["model"] == ("openai:gpt-5-mini", "default: first provider with a key (env OPENAI_API_KEY)")
    assert rows["providers.openai.key"] == ("set (env OPENAI_API_KEY)", "environment OPENAI_API_KEY")
    assert rows["retry.max_attempts"] == ("5", "file backstay.toml:2")
    assert rows["timeouts.total"] == ("90.0", "argument --set")
    assert rows["catalog.path"] == ("(only the built-in catalogue)", "default")
    assert rows["transport.trust_env"] == ("false", "default")


def test_explain_can_leave_out_what_is_default_and_speak_json() -> None:
    """`--changed` and `--json` together."""
    rows = json.loads(run("explain", "--json", "--changed", "--set", "retry.factor=3").stdout)
    assert {"setting": "retry.factor", "value": "3.0", "source": "argument --set"} in rows
    assert not any(row["source"].startswith("default") for row in rows)


def test_check_is_silent_on_faults_of_none_and_loud_on_all(world: Path) -> None:
    """Exit code 0 and one line; or 2 and every fault on standard error."""
    good = run("check")
    assert (good.exit_code, good.stdout) == (0, "The settings are good. Model: openai:gpt-5-mini. File: none.\n")
    (world / "backstay.toml").write_text("[retry]\nfactor = 0\njiter = 1\n")
    bad = run("check", "--set", "retry.jitter=2", "--set", "nonsense")
    assert bad.exit_code == 2
    assert bad.stdout == ""
    assert bad.stderr.splitlines() == [
        "argument --set: write NAME=VALUE",
        "backstay.toml:2: retry.factor: expects a number of at least 1, not 0",
        "backstay.toml:3: retry.jiter: no such setting; did you mean retry.jitter?",
        "argument --set: retry.jitter: expects a number from 0 to 1, not 2",
    ]
    assert json.loads(run("check", "--json").stdout)["faults"][0].startswith("backstay.toml:2: retry.factor")


def test_check_finds_a_model_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What load leaves open, because a key may come later, check does not."""
    result = run("check", "--set", "model=anthropic")
    assert result.exit_code == 2
    assert "export ANTHROPIC_API_KEY=..." in result.stderr


def test_save_writes_the_settings_in_effect(world: Path) -> None:
    """References instead of keys; the former file with comments is kept, and named."""
    (world / "mine.toml").write_text("# why\n")
    result = run("save", "mine.toml", "--set", "retry.factor=3")
    assert result.exit_code == 0
    assert f"kept as {world / 'mine.toml.bak'}" in result.stdout
    text = (world / "mine.toml").read_text()
    assert '[providers.openai]\nkey = "env:OPENAI_API_KEY"\n' in text
    assert "[retry]\nfactor = 3.0\n" in text
    assert run("check", "--config", "mine.toml").exit_code == 0


def test_save_to_a_place_that_cannot_be_written_is_a_fault(world: Path) -> None:
    """One line, exit code 2, no traceback."""
    (world / "file").write_text("")
    result = run("save", "file/x.toml")
    assert result.exit_code == 2
    assert "there is no folder 'file'" in result.stderr
    assert "Traceback" not in result.stderr


def test_path_prints_the_file_that_is_read(world: Path) -> None:
    """On standard output the path alone, for scripts; where there is none, where one would be."""
    assert run("path").stdout == ""
    assert str(world / "backstay.toml") in run("path").stderr
    (world / "backstay.toml").write_text("")
    assert run("path").stdout == f"{world / 'backstay.toml'}\n"
    told = json.loads(run("path", "--json").stdout)
    assert (told["origin"], told["searched"][0]) == ("working folder", str(world / "backstay.toml"))


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_gets_a_table(world: Path) -> None:
    """The same rows with a heading, fitted to the terminal."""
    import pty

    leader, follower = pty.openpty()
    code = "from backstay.cli.config import command; command()"
    environment = {**os.environ, "COLUMNS": "120", "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "explain", "--changed"], stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    assert process.wait(timeout=60) == 0
    heading, row = shown.decode().replace("\r", "").splitlines()[:2]
    assert heading.split() == ["Setting", "Value", "Source"]
    assert row.split(maxsplit=1) == ["providers.openai.key", "set (env OPENAI_API_KEY)  environment OPENAI_API_KEY"]

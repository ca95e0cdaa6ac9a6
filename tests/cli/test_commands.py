"""The other commands: each does its job, and a wrong use is one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from backstay.cli import COMMANDS, cli

from .conftest import Run


def test_help_lists_every_command_and_is_quick_to_import(backstay: Run) -> None:
    """The list names each command of the table, without importing any."""
    listed = backstay("--help").stdout
    assert all(name in listed for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    """Each command of the table has a file and a help text, and no sentence in the lists of its own commands is cut."""
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage:" in done.output
    assert "..." not in done.output.partition("\nCommands:")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask", "--nosuch"], "error: no such option '--nosuch' (backstay ask --help says more)\n"),
        (["replay", "verify"], "error: missing argument 'JOURNAL' (backstay replay verify --help says more)\n"),
        (["usage", "-f", "xml"], "'xml' is not one of"),
    ],
)
def test_a_wrong_use_is_one_line(backstay: Run, arguments: list[str], said: str) -> None:
    """A wrong option reads like every other error: one line with the place, and where the remedy stands."""
    done = backstay(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_ledger_is_said_to_be_none(backstay: Run, tmp_path: Path) -> None:
    """The remedy is another name, not another mode."""
    (tmp_path / "empty.txt").write_text("\n")
    done = backstay("usage", "--ledger", "empty.txt")
    assert done.returncode == 2
    assert "is no ledger" in done.stderr


def test_a_scope_without_limits_is_said_to_have_none(backstay: Run) -> None:
    """A misspelt scope is not an idle one."""
    assert "no limit of the scope 'nosuch'" in backstay("limits", "--scope", "nosuch").stdout


def test_a_misspelt_command_is_answered_with_a_guess(backstay: Run) -> None:
    """Did-you-mean instead of a list to read."""
    done = backstay("extarct")
    assert done.returncode == 2
    assert "Did you mean 'extract'?" in done.stderr


def test_ask_without_a_model_says_so(backstay: Run) -> None:
    """No answer is exit code 1 and nothing on standard output; what is missing is named on standard error."""
    done = backstay("ask", "Why", "is", "the", "sky", "blue?")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No language model is configured" in done.stderr
    assert "degraded: no model answered" in done.stderr


def test_ask_reads_a_pipe_and_gives_the_whole_response(backstay: Run) -> None:
    """Standard input is the question, `--json` the Response as data."""
    done = backstay("ask", "--json", stdin="hello")
    assert done.returncode == 1
    response = json.loads(done.stdout)
    assert response["provenance"]["degraded"] is True
    assert response["provenance"]["attempts"][0]["outcome"] == "complete"


def test_ask_nothing_is_refused(backstay: Run) -> None:
    """An empty question costs nothing."""
    done = backstay("ask")
    assert done.returncode == 2
    assert "ask something" in done.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [("Sure!\n```json\n{'a': 1,}\n```", {"a": 1}), ('{"a": [1, 2', {"a": [1, 2]}), ('{"a": 1}', {"a": 1})],
)
def test_recover_prints_the_value(backstay: Run, text: str, value: object) -> None:
    """JSON on standard output, what was repaired on standard error."""
    done = backstay("recover", stdin=text)
    assert done.returncode == 0
    assert json.loads(done.stdout) == value
    assert (done.stderr == "") == (json.dumps(value) == text)


def test_recover_fails_where_there_is_nothing(backstay: Run, tmp_path: Path) -> None:
    """Prose is not JSON, and the exit code says so."""
    (tmp_path / "prose.txt").write_text("There is no answer to that.")
    done = backstay("recover", "prose.txt")
    assert done.returncode == 1
    assert done.stdout == ""


def test_doctor_finds_what_is_wrong(backstay: Run, tmp_path: Path) -> None:
    """A healthy machine without keys is fine; a bad setting is a fault with its line."""
    done = backstay("doctor")
    assert done.returncode == 0, done.stdout
    assert "offline rules answer" in done.stdout
    (tmp_path / "backstay.toml").write_text("[retry]\nmax_attemps = 5\n")
    done = backstay("doctor")
    assert done.returncode == 1
    assert "backstay.toml:2" in done.stdout
    assert "max_attempts" in done.stdout


def test_doctor_tries_to_write_where_it_must(backstay: Run, tmp_path: Path) -> None:
    """A place that takes no file is a fault with its remedy, for the ledger and for the limits."""
    (tmp_path / "file").touch()
    done = backstay("doctor", env={"XDG_DATA_HOME": str(tmp_path / "file")})
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAULT ledger")]
    assert ["ledger.db cannot" in lines[0], "limits.db cannot" in lines[1], len(lines)] == [True, True, 2]
    assert all("ledger.path" in line for line in lines)
    (tmp_path / "backstay.toml").write_text('[ledger]\npath = "ledger.db"\n')
    assert backstay("doctor", env={"XDG_DATA_HOME": str(tmp_path / "file")}).returncode == 0
    assert not (tmp_path / "ledger.db").exists()


def test_doctor_says_what_answered(backstay: Run) -> None:
    """Rules that answer in place of a model are no model that answered."""
    done = backstay("doctor", "--ping")
    (line,) = [line for line in done.stdout.splitlines() if " ping " in line]
    assert line.startswith("note")
    assert "no model answered; the offline rules did" in line


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_a_command_to_copy_is_never_cut(backstay: Run) -> None:
    """On a terminal that is too narrow for the table, each command has a line of its own."""
    import pty

    from backstay.cli.kits import KITS

    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "backstay", "kits"],
        env={"PATH": os.environ["PATH"], "HOME": "/", "COLUMNS": "60"},
        stdout=theirs,
        timeout=60,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert all(f"\n  {command}\r\n" in shown for _, _, command in KITS)


def test_usage_sums_what_was_called(backstay: Run) -> None:
    """Two questions are two calls in the ledger, at no cost, under their task."""
    assert backstay("usage").returncode == 2
    backstay("ask", "one")
    backstay("ask", "two")
    (line,) = json.loads(backstay("usage", "--by", "task", "-f", "json").stdout)
    assert (line["task"], line["calls"], line["attempts"], line["cost_usd"]) == ("ask", 2, 2, "0.000000000")


def test_models_are_found_by_words(backstay: Run) -> None:
    """Words narrow the list; nothing found is exit code 1 with a hint."""
    done = backstay("models", "anthropic", "sonnet", "4-5")
    assert "claude-sonnet-4-5" in done.stdout
    assert backstay("models", "no-such-model").returncode == 1

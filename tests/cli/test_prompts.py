"""`backstay prompts`: listed, shown, rendered with values, compared and checked; every fault said, with an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backstay.cli.prompts import command
from backstay.errors import ConfigurationError
from backstay.prompts import shipped

HELLO = """---
name: hello
version: '{version}'
description: A greeting
variables:
  who: {{kind: text}}
  facts: {{kind: json, default: {{}}}}
---
# User
{text} {{{{ who }}}}. {{{{ facts }}}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with two versions of one prompt."""
    for version, text in (("1", "Greet"), ("2", "Kindly greet")):
        (tmp_path / f"hello@{version}.md").write_text(HELLO.format(version=version, text=text), encoding="utf-8")
    return tmp_path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments])


def test_all_are_listed_with_what_they_need(own: Path) -> None:
    """Shipped ones and one's own; as JSON with all that is known."""
    lines = run("list", "--folder", own).output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == sorted([*shipped().names(), "hello"])
    (line,) = [line for line in lines if line.startswith("hello")]
    assert "1, 2" in line
    assert "who*, facts" in line
    told = json.loads(run("list", "--json").output)
    assert {one["name"] for one in told} == set(shipped().names())
    assert all(len(one["hash"]) == 16 for one in told)


def test_one_is_shown_whole(own: Path) -> None:
    """Variables, parts, schema, and the hash that stands in provenance."""
    shown = run("show", "agentic_reasoning").output
    for part in (
        "reasoning_objective: document, must be given",
        "context: json, default []",
        "# System",
        "# User",
        "# Schema",
    ):
        assert part in shown
    assert shipped().get("agentic_reasoning").hash in shown
    assert "Greet {{ who }}" in run("show", "hello", "--folder", own, "--version", "1").output


def test_a_prompt_is_rendered_with_values_and_files(own: Path) -> None:
    """A json variable takes JSON, a file is read, and what was put in stays in its place."""
    (own / "facts.json").write_text('{"a": "</facts>"}', encoding="utf-8")
    done = run("render", "hello", "--folder", own, "-v", "who=Ada = Eve", "-v", f"facts=@{own / 'facts.json'}")
    assert "Kindly greet Ada = Eve." in done.output
    assert "\\u003c/facts\\u003e" in done.output
    assert "tokens at most" in done.stderr
    told = json.loads(run("render", "hello", "--folder", own, "-v", "who=Ada", "--json").stdout)
    assert (told["name"], told["version"]) == ("hello", "2")


def test_faults_of_values_are_told_at_once(own: Path) -> None:
    """What is no JSON, what is no value, what file is missing."""
    wrong = ["facts={", "who", "facts=@missing.json"]
    done = run("render", "hello", "--folder", own, *(part for one in wrong for part in ("-v", one)))
    assert isinstance(done.exception, ConfigurationError)
    assert len(done.exception.faults) == 3
    missing = run("render", "hello", "--folder", own)
    assert isinstance(missing.exception, ConfigurationError)
    assert "who: is missing" in str(missing.exception)


def test_versions_are_compared(own: Path) -> None:
    """The lines that changed, or that none did."""
    assert "+Kindly greet {{ who }}" in run("diff", "hello", "1", "2", "--folder", own).output
    assert "say the same" in run("diff", "hello", "1", "1", "--folder", own).output


def test_a_folder_without_prompts_is_not_in_order(tmp_path: Path) -> None:
    """An empty folder, or one with files of another kind, is refused by its name; a file that cannot be read is a fault."""
    (tmp_path / "hello.toml").write_text("x = [", encoding="utf-8")
    (tmp_path / "README.md").write_text("No prompt.", encoding="utf-8")
    done = run("check", tmp_path)
    assert isinstance(done.exception, ConfigurationError)
    assert f"{tmp_path}: there is no prompt in this folder" in str(done.exception)
    (tmp_path / "away.md").symlink_to(tmp_path / "nowhere.md")
    done = run("check", tmp_path)
    assert (done.exit_code, done.stderr) == (1, "prompt file away.md: cannot be read (No such file or directory)\n")


def test_a_folder_is_checked(own: Path) -> None:
    """Nothing wrong is exit code 0; whatever is wrong is said, all of it, with 1."""
    assert "nothing wrong" in (done := run("check", own, "--require", "hello:who,facts")).output
    assert done.exit_code == 0
    (own / "flow.yaml").write_text(
        "flow: x\nsteps:\n  - {name: a, prompt: helo}\n  - {name: b, tool: c}\n", encoding="utf-8"
    )
    done = run("check", own, "--require", "hello:colour", "--require", "other", "--flow", own / "flow.yaml")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 4
    (own / "bad.md").write_text("---\nname: bad\n---\n# User\n{{ x }} {{ y }}\n", encoding="utf-8")
    assert len(run("check", own).stderr.splitlines()) == 2

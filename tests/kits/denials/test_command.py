"""`backstay denial`: a folder for each letter, a report, exit codes."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import click.testing
import pytest

from backstay.cli.denial import command
from backstay.errors import ConfigurationError

from .conftest import ROOT

LETTER = str(ROOT / "examples" / "letters" / "prior_authorization.txt")
ARGUMENTS = ["--model", "offline:rules", "--today", "2026-06-01", "--format", "md"]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs the command with output into `out`; settings of this machine are not read."""
    config = tmp_path / "backstay.toml"
    config.write_text(f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n')

    def invoke(*arguments: str) -> click.testing.Result:
        given = [*arguments, "--out", str(tmp_path / "out"), "--config", str(config), *ARGUMENTS]
        return click.testing.CliRunner().invoke(command, given)

    return invoke


def test_a_letter_becomes_a_folder(run: Any, tmp_path: Path) -> None:
    """Exit code 0; the report names route and deadline and who read."""
    done = run(LETTER)
    assert done.exit_code == 0, done.output
    assert "route     prior authorization" in done.output
    assert "2026-07-14 (43 days left)" in done.output
    assert "rules, no model" in done.output
    folder = tmp_path / "out" / "prior_authorization"
    assert (folder / "documents" / "pa_checklist.md").exists()
    assert (folder / "action_plan.md").read_text(encoding="utf-8").startswith("# Action plan")


def test_one_bad_letter_does_not_stop_the_rest(run: Any, tmp_path: Path) -> None:
    """Exit code 1, one line for it, the others are written; equal names are numbered."""
    done = run("nowhere.txt", LETTER, LETTER)
    assert done.exit_code == 1
    assert "nowhere.txt: no such file" in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "prior_authorization",
        "prior_authorization-2",
    ]


def test_another_letter_of_a_name_gets_its_own_folder(run: Any, tmp_path: Path) -> None:
    """A case knows its letter: the first person's case stays as it was, and each letter finds its own folder again."""
    for person, name in (("d1", "prior_authorization"), ("d2", "several_codes")):
        (tmp_path / person).mkdir()
        shutil.copy(ROOT / "examples" / "letters" / f"{name}.txt", tmp_path / person / "a.txt")
    first, second = str(tmp_path / "d1" / "a.txt"), str(tmp_path / "d2" / "a.txt")
    assert run(first).exit_code == 0
    facts = (tmp_path / "out" / "a" / "case_facts.json").read_bytes()
    assert run(second).exit_code == 0
    assert (tmp_path / "out" / "a" / "case_facts.json").read_bytes() == facts
    again = run(second, first)
    assert [line for line in again.output.splitlines() if line.startswith(str(tmp_path))] == [
        str(tmp_path / "out" / "a-2"),
        str(tmp_path / "out" / "a"),
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "a-2"]


def test_a_folder_of_something_else_is_left_alone(run: Any, tmp_path: Path) -> None:
    """What lies in a folder of the letter's name without being its case is neither replaced nor removed."""
    folder = tmp_path / "out" / "prior_authorization"
    folder.mkdir(parents=True)
    (folder / "route.json").write_text("mine")
    assert run(LETTER).exit_code == 0
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("route.json", "mine")]
    assert (tmp_path / "out" / "prior_authorization-2" / "route.json").exists()


def test_what_a_person_changed_is_kept(run: Any, tmp_path: Path) -> None:
    """A rerun renames a changed document, and says so; what it makes no more is removed, unless it was changed."""
    plan = str(ROOT / "examples" / "denials" / "greystone_plan.txt")
    assert run(LETTER, "--mode", "verified", "--plan", plan).exit_code == 0
    folder = tmp_path / "out" / "prior_authorization"
    assert (folder / "plan_rules.json").exists()
    checklist = folder / "documents" / "pa_checklist.md"
    checklist.write_text("signed by me")
    again = run(LETTER)
    assert f"kept: {checklist}.bak" in again.output
    assert not (folder / "plan_rules.json").exists()
    assert checklist.read_text() != "signed by me"
    checklist.write_text("signed again")
    run(LETTER)
    kept = [path.read_text() for path in sorted(checklist.parent.glob("pa_checklist.md.*"))]
    assert sorted(kept) == ["signed again", "signed by me"]
    assert run(LETTER).exit_code == 0
    assert len(list(folder.rglob("*.bak"))) == 2


def test_what_cannot_be_done_is_refused_before_anything(run: Any, tmp_path: Path) -> None:
    """Verified mode without a plan, one plan for two letters, a day that is none."""
    assert isinstance(run(LETTER, "--mode", "verified").exception, ConfigurationError)
    assert run(LETTER, LETTER, "--plan", LETTER).exit_code == 2
    assert run(LETTER, "--today", "yesterday").exit_code == 0  # the last --today wins
    assert click.testing.CliRunner().invoke(command, [LETTER, "--out", "x", "--today", "soon"]).exit_code == 2


@pytest.mark.skipif(importlib.util.find_spec("rapidocr") is not None, reason="the extra `ocr` is installed")
def test_a_scan_without_the_extra_names_it(run: Any, tmp_path: Path) -> None:
    """A picture cannot be read without recognition: the error says what to install."""
    picture = tmp_path / "letter.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    failed = run(str(picture)).exception
    assert isinstance(failed, ConfigurationError)
    assert "backstay[ocr]" in str(failed)

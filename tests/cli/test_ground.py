"""`backstay ground`: what a text states that its sources do not, on the terminal, as JSON and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow

SOURCE = "Invoice R-1042 of 2026-04-03 from Acme Ltd, total 80.00, due within 30 days.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "invoice.txt").write_text(SOURCE)
    (tmp_path / "good.txt").write_text("Acme asks for 80.00 by 3 May 2026 for R-1042.\n")
    (tmp_path / "bad.txt").write_text("Acme asks for 90.00\nby 4 May 2026.\n")
    return tmp_path


def test_a_grounded_text_passes(backstay: Run, folder: Path) -> None:
    """Exit code 0, what follows is counted, and no claim about meaning is made."""
    done = backstay("ground", "good.txt", "--source", "invoice.txt")
    assert done.returncode == 0, done.stdout
    assert "0 not in the sources, 1 derived" in done.stdout
    assert "Meaning was not checked" in done.stdout


def test_what_is_not_there_is_named_with_its_place(backstay: Run, folder: Path) -> None:
    """Line and column, the kind, the nearest item of the source; exit code 1."""
    done = backstay("ground", "bad.txt", "-s", "invoice.txt")
    assert done.returncode == 1
    assert "1:15: amount '90.00': not in the sources; nearest there: 80.00" in done.stdout
    assert "2:4: date '4 May 2026': not in the sources" in done.stdout


def test_the_forms_agree(backstay: Run, folder: Path) -> None:
    """JSON and the page name the same items; standard input is a text as well; a kind narrows the check."""
    report = json.loads(backstay("ground", "bad.txt", "-s", "invoice.txt", "-f", "json").stdout)
    wrong = [item["text"] for item in report["items"] if not item["grounded"]]
    assert wrong == ["90.00", "4 May 2026"]
    assert report["ungrounded"] == 2
    done = backstay("ground", "-", "-s", "invoice.txt", "-f", "html", "-o", "page.html", stdin="Pay 90.00 <now>")
    assert done.returncode == 1
    page = (folder / "page.html").read_text()
    assert '<mark class="wrong"' in page
    assert "&lt;now&gt;" in page
    only = json.loads(backstay("ground", "bad.txt", "-s", "invoice.txt", "-f", "json", "-k", "date").stdout)
    assert [item["kind"] for item in only["items"]] == ["date"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.txt", "-s", "invoice.txt"], "none.txt: no such file"),
        (["good.txt"], "--source"),
        (["good.txt", "-s", "invoice.txt", "-k", "colour"], "'colour' is not one of"),
        (["good.txt", "-s", "invoice.txt", "--model", "gpt"], "provider:model"),
    ],
)
def test_wrong_commands_are_one_clear_error(backstay: Run, folder: Path, arguments: list[str], said: str) -> None:
    """Exit code 2 and no traceback."""
    done = backstay("ground", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_model_no_opinion_is_made_up(backstay: Run, folder: Path) -> None:
    """The offline rules have none, and the command says so instead of passing the text."""
    done = backstay("ground", "good.txt", "-s", "invoice.txt", "--model", "offline:rules")
    assert done.returncode == 1
    assert "no model gave an opinion" in done.stderr

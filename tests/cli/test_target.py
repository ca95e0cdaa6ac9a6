"""What a command reads and writes besides documents: targets, journals, and a terminal that must stay as it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from backstay.cli.table import lay_out

from .conftest import Run

pytestmark = pytest.mark.slow

LABELS = "confidence,correct\n" + "0.9,1\n0.4,0\n" * 10
RECEIPT = "Harbour \x1b[31mCafe\x1b[0m\n1 Quay Street\nInvoice 7\nDate: 2024-05-06\nCoffee 3.50\nTotal EUR 3.50\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("config", "save", "/dev/full"), "regular file"),
        (("calibrate", "labels.csv", "-o", "/dev/full"), "regular file"),
        (("record", "--journal", "/dev/full", "--overwrite", "--", "true"), "regular file"),
        (("config", "save", "nodir/x.toml"), "no folder"),
        (("calibrate", "labels.csv", "-o", "nodir/x.json"), "no folder"),
        (("record", "--journal", "nodir/r.jsonl", "--", "true"), "no folder"),
    ],
)
def test_a_target_that_cannot_be_one_is_refused(
    backstay: Run, tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    """A device is not read, a missing folder is not made: one line, exit code 2, before anything is done."""
    (tmp_path / "labels.csv").write_text(LABELS)
    done = backstay(*command)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "nodir").exists()
    assert Path("/dev/full").exists()


def test_a_program_that_a_signal_ends_gives_the_shells_code(backstay: Run) -> None:
    """128 and the number of the signal, as a shell gives it."""
    source = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert backstay("record", "--journal", "r.jsonl", "--", sys.executable, "-c", source).returncode == 137


@pytest.mark.parametrize("text", ['{"total": 1e400}', '"\\ud800"', '{"a": 2.50, "a": 10000000000000000000000000000}'])
@pytest.mark.parametrize("option", [(), ("--report",)])
def test_valid_json_keeps_every_letter(backstay: Run, text: str, option: tuple[str, ...]) -> None:
    """What a double or UTF-8 cannot hold is printed as it was written."""
    done = backstay("recover", *option, stdin=text)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "".join(text.split()) in "".join(done.stdout.split())


@pytest.mark.parametrize("text", ["{total: 1e400}", "{'total': 1e400,}"])
def test_a_number_beyond_a_float_stays_text_in_damage(backstay: Run, text: str) -> None:
    """It becomes neither null nor an infinity."""
    assert json.loads(backstay("recover", stdin=text).stdout) == {"total": "1e400"}


def test_a_document_sends_no_control_to_the_terminal(backstay: Run, tmp_path: Path) -> None:
    """An escape sequence in a document is shown in the table, and not done."""
    (tmp_path / "r.txt").write_text(RECEIPT)
    done = backstay("extract", "receipt", "r.txt", "--format", "table")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert lay_out(["a"], [["\x1b[31mred\x9b\n"]])[1] == "\\x1b[31mred\\x9b\\x0a"


@pytest.mark.parametrize("format_", ["table", "jsonl"])
def test_an_output_of_ascii_gets_escapes(backstay: Run, tmp_path: Path, format_: str) -> None:
    """A letter that the output's encoding lacks ends no command."""
    (tmp_path / "r.txt").write_text("Café Zürich\nDate: 2024-05-06\nTotal EUR 3.50\n")
    done = backstay("extract", "receipt", "r.txt", "--format", format_, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "Caf\\u00e9" in done.stdout
    if format_ == "jsonl":
        assert "Café Zürich" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    assert "Traceback" not in done.stderr

"""`backstay invoice --learn` and `--import`: layouts from files, and `--layouts` that uses them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from backstay.kits.invoices.layout import load_layouts

from .conftest import ROOT, Run

LAYOUTS = ROOT / "examples" / "layouts"
ONE, TWO, THREE = (LAYOUTS / "labelled" / f"kontor-nord-{number}.txt" for number in (1, 2, 3))


def test_a_layout_is_learned_written_and_used(backstay: Run, tmp_path: Path) -> None:
    """From two labelled documents; the third is read by it. It is the layout that ships."""
    labels = LAYOUTS / "labels.json"
    made = backstay("invoice", "--learn", "kontor-nord", "--labels", labels, "--layouts", "mine", ONE, TWO)
    assert made.returncode == 0, made.stderr
    assert "cost_centre" in made.stdout
    assert load_layouts(tmp_path / "mine")[0] in load_layouts(LAYOUTS)
    done = backstay("invoice", THREE, "--layouts", "mine", "-q")
    record = json.loads(done.stdout)
    assert (record["layout"], record["data"]["number"]) == ("kontor-nord", "88-5007")


def test_corrected_records_are_labels(backstay: Run, tmp_path: Path) -> None:
    """What a person corrected in the records of a run is what a layout is learned from."""
    assert backstay("invoice", ONE, TWO, "--out", "out.jsonl", "-q").returncode == 0
    right = json.loads((LAYOUTS / "labels.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["data"]["number"] = right[Path(row["source"]).name]["number"]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = backstay("invoice", "--learn", "kontor", "--labels", "out.jsonl", "--layouts", "mine", ONE, TWO)
    assert made.returncode == 0, made.stderr
    assert "number" in made.stdout


def test_templates_are_imported(backstay: Run, tmp_path: Path) -> None:
    """A folder of them, and what was not taken over is told."""
    done = backstay("invoice", "--import", "--layouts", "mine", LAYOUTS / "templates")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine" / "imkerei-sonnental.toml").exists()


def test_wrong_use_is_one_line_and_writes_nothing(backstay: Run, tmp_path: Path) -> None:
    """Each names what is missing."""
    labels = LAYOUTS / "labels.json"
    for arguments, said in (
        (["--learn", "x", "--layouts", "mine", ONE], "--labels"),
        (["--learn", "x", "--labels", labels, ONE, TWO], "--layouts FOLDER is missing"),
        (["--learn", "x", "--import", "--layouts", "mine", ONE], "one of them"),
        (["--learn", "x", "--labels", labels, "--layouts", "mine", ONE], "two labelled documents"),
        (["--learn", "../x", "--labels", labels, "--layouts", "mine", ONE, TWO], "letters, figures"),
        (
            ["--learn", "x", "--labels", labels, "--layouts", "mine", ROOT / "examples/invoices/de-druckerei.txt"],
            "has no values",
        ),
        (["--learn", "x", "--labels", "nowhere.json", "--layouts", "mine", ONE, TWO], "cannot be read"),
        (["--layouts", "mine", ONE], "no such folder"),
    ):
        done = backstay("invoice", *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "mine").exists()


def test_a_table_that_cannot_be_written_is_refused_before_anything_is_read(backstay: Run, tmp_path: Path) -> None:
    """Without DuckDB: one line, exit code 2, and no journal of a run."""
    blocked = "import sys; sys.modules['duckdb'] = None; from backstay.cli import main; main()"
    (tmp_path / "blocked.py").write_text(blocked, encoding="utf-8")
    import subprocess

    done = subprocess.run(
        [sys.executable, "blocked.py", "invoice", str(ONE), "--out", "out.parquet"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path / "home"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "backstay[parquet]" in done.stderr
    assert not list(tmp_path.glob(".out*"))

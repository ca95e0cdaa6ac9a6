"""`backstay invoice`: a folder to a table, whole, and on after an interruption."""

from __future__ import annotations

import csv
import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import ROOT, Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "docs"
    target.mkdir()
    for name in ("de-druckerei.txt", "uk-joinery.txt"):
        shutil.copy(ROOT / "examples" / "invoices" / name, target)
    return target


def test_a_folder_becomes_a_table(backstay: Run, folder: Path, tmp_path: Path) -> None:
    """CSV and Parquet hold the same; money is exact."""
    duckdb = pytest.importorskip("duckdb")
    done = backstay("invoice", folder, "--out", "out.csv")
    assert done.returncode == 0, done.stderr
    assert "2 documents" in done.stderr
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert backstay("invoice", folder, "--out", "out.parquet").returncode == 0
    with duckdb.connect(":memory:") as database:
        totals = database.execute("SELECT grand_total FROM read_parquet(?)", [str(tmp_path / "out.parquet")]).fetchall()
    assert [Decimal(row["grand_total"]) for row in rows] == [total for (total,) in totals]


def test_a_run_that_was_cut_goes_on(backstay: Run, folder: Path, tmp_path: Path) -> None:
    """What is in the file is not read again; a line that was cut is."""
    out = tmp_path / "out.jsonl"
    assert backstay("invoice", folder, "--out", out).returncode == 0
    whole = out.read_bytes()
    out.write_bytes(whole[: whole.index(b"\n") + 20])
    assert backstay("invoice", folder, "--out", out).returncode == 0
    records = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [record["source"] for record in records] == [json.loads(line)["source"] for line in whole.splitlines()]


def test_wrong_input_is_one_line(backstay: Run, folder: Path) -> None:
    """A wrong ending and a missing file say what to do."""
    wrong = backstay("invoice", folder, "--out", "out.xlsx")
    assert wrong.returncode == 2
    assert ".parquet, .csv or .jsonl" in wrong.stderr
    missing = backstay("invoice", "nowhere.pdf")
    assert missing.returncode in (1, 2)
    assert "Traceback" not in missing.stderr

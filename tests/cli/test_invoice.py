"""`backstay invoice`: a folder to a table, whole, and on after an interruption."""

from __future__ import annotations

import csv
import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import ROOT, Run

pytestmark = pytest.mark.slow


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


def test_a_bad_document_stands_apart_and_the_rest_are_read(backstay: Run, folder: Path, tmp_path: Path) -> None:
    """A missing path and a broken file are rows of FILE.errors.jsonl; once mended, the next run reads just them."""
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 not really")
    done = backstay("invoice", folder, "nowhere.pdf", "--out", "out.jsonl")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    good = [json.loads(line)["source"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [Path(name).name for name in good] == ["de-druckerei.txt", "uk-joinery.txt"]
    bad = [json.loads(line) for line in (tmp_path / "out.errors.jsonl").read_bytes().splitlines()]
    assert [Path(record["source"]).name for record in bad] == ["broken.pdf", "nowhere.pdf"]
    assert all(record["error"] for record in bad)
    shutil.copy(ROOT / "examples" / "invoices" / "de-druckerei.pdf", folder / "broken.pdf")
    assert backstay("invoice", folder, "--out", "out.jsonl").returncode == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 3
    assert not (tmp_path / "out.errors.jsonl").exists()


def test_a_table_goes_on_where_it_was_broken_off(backstay: Run, folder: Path, tmp_path: Path) -> None:
    """What an interrupted run read stands beside the table, is not read again, and is gone once the table is whole."""
    assert backstay("invoice", folder, "--out", "out.jsonl").returncode == 0
    first = json.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[0])
    first["data"]["number"] = "READ-BEFORE"
    (tmp_path / ".out.csv.partial").write_text(json.dumps(first) + "\n", encoding="utf-8")
    assert backstay("invoice", folder, "--out", "out.csv").returncode == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["number"] == "READ-BEFORE" for row in rows] == [True, False]
    assert not (tmp_path / ".out.csv.partial").exists()

"""`backstay extract`: the main job, on real files, with bad ones among them."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import ROOT, Run

EXAMPLES = ROOT / "examples"


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_folder_gives_one_record_per_document(backstay: Run) -> None:
    """Every example invoice, whatever its kind, is a record with typed data, fields and provenance."""
    done = backstay("extract", "invoice", EXAMPLES / "invoices")
    assert done.returncode == 0, done.stderr
    found = records(done.stdout)
    assert len(found) == len(list((EXAMPLES / "invoices").iterdir()))
    for record in found:
        assert set(record) >= {"source", "status", "data", "fields", "provenance"}
        assert record["provenance"]["degraded"] or record["provenance"]["rule"] == "einvoice_xml"  # type: ignore[index]
        assert Decimal(record["data"]["grand_total"]) > 0  # type: ignore[index]


def test_the_evidence_of_a_field_is_where_it_says(backstay: Run) -> None:
    """A span points into the document's own text."""
    path = EXAMPLES / "receipts" / "us-diner.txt"
    (record,) = records(backstay("extract", "receipt", path).stdout)
    text = path.read_text(encoding="utf-8")
    start, end = record["fields"]["total"]["evidence"]  # type: ignore[index]
    assert record["data"]["total"] in text[start:end]  # type: ignore[index]


def test_a_bad_file_is_one_line_and_stops_nobody(backstay: Run, tmp_path: Path) -> None:
    """The good documents are read, each bad one is named with its reason, and the exit code says that some failed."""
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 not really")
    good = EXAMPLES / "receipts" / "us-diner.txt"
    done = backstay("extract", "receipt", "empty.txt", good, "missing.txt", "broken.pdf", "--quiet")
    assert done.returncode == 1
    assert len(records(done.stdout)) == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 3
    assert "empty.txt" in errors[0]
    assert "missing.txt: no such file" in errors[1]
    assert "3 of 4 documents could not be read" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense", "x.txt"], "schema 'nonsense'"),
        (["invoice"], "missing argument 'PATH...'"),
        (["invoice", "x.txt", "--model", "gpt"], "provider:model"),
        (["invoice", "x.txt", "--format", "xml"], "'xml' is not one of"),
        (["invoice", "x.txt", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_wrong_commands_are_one_clear_error(backstay: Run, arguments: list[str], said: str) -> None:
    """Exit code 2, the place and the remedy, and no traceback."""
    done = backstay("extract", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_forms_agree(backstay: Run, tmp_path: Path) -> None:
    """JSON, CSV and a table say what the JSON Lines say."""
    paths = [EXAMPLES / "receipts" / "us-diner.txt", EXAMPLES / "receipts" / "uk-bookshop.txt"]
    lines = records(backstay("extract", "receipt", *paths).stdout)
    whole = json.loads(backstay("extract", "receipt", *paths, "-f", "json").stdout)
    assert [record["data"] for record in whole] == [record["data"] for record in lines]
    sheet = list(csv.DictReader(io.StringIO(backstay("extract", "receipt", *paths, "-f", "csv").stdout)))
    assert [row["total"] for row in sheet] == [record["data"]["total"] for record in lines]  # type: ignore[index]
    done = backstay("extract", "receipt", *paths, "-f", "table", "--out", "table.txt")
    assert done.returncode == 0
    assert str(lines[0]["data"]["total"]) in (tmp_path / "table.txt").read_text()  # type: ignore[index]


def test_a_schema_of_ones_own_is_read_by_its_labels(backstay: Run, tmp_path: Path) -> None:
    """Without a model, a JSON Schema file is answered as far as its names stand in the document."""
    properties = {"order_number": {"type": "string"}, "weight": {"type": "number"}, "insured": {"type": "boolean"}}
    (tmp_path / "parcel.json").write_text(json.dumps({"type": "object", "properties": properties}))
    (tmp_path / "note.txt").write_text("Order number: A-17\nWeight: 2.5 kg\n")
    (record,) = records(backstay("extract", "parcel.json", "note.txt").stdout)
    assert record["data"] == {"order_number": "A-17", "weight": 2.5, "insured": None}
    assert record["status"] == "partial"
    assert record["provenance"]["rule"] == "labelled"  # type: ignore[index]


def test_an_xml_invoice_is_read_and_not_guessed(backstay: Run) -> None:
    """The machine-readable form wins, with nobody asked."""
    (record,) = records(backstay("extract", "invoice", EXAMPLES / "invoices" / "nl-ubl.xml").stdout)
    assert record["provenance"]["rule"] == "einvoice_xml"  # type: ignore[index]
    assert record["data"]["number"] == "F260115"  # type: ignore[index]


def test_examples_are_read_and_wrong_ones_are_named(backstay: Run, tmp_path: Path) -> None:
    """A file of examples is taken; a line that is none is one clear error before anything is read."""
    path = EXAMPLES / "receipts" / "us-diner.txt"
    (tmp_path / "good.jsonl").write_text('{"text": "Total 5.00", "data": {"total": "5.00"}}\n\n')
    (record,) = records(backstay("extract", "receipt", path, "--examples", "good.jsonl").stdout)
    assert record["data"]["total"] == "33.66"  # type: ignore[index]
    (tmp_path / "bad.jsonl").write_text('{"text": "Total 5.00", "data": {}}\n{"text": 5}\n')
    done = backstay("extract", "receipt", path, "--examples", "bad.jsonl")
    assert done.returncode == 2
    assert "bad.jsonl:2: is no example" in done.stderr


def test_each_record_has_a_gate(backstay: Run) -> None:
    """Decision, confidence and reasons stand in the record."""
    (record,) = records(backstay("extract", "receipt", EXAMPLES / "receipts" / "us-diner.txt").stdout)
    gate = record["gate"]
    assert gate["decision"] in ("accept", "validate", "review", "reject")  # type: ignore[index]
    assert gate["reasons"]  # type: ignore[index]

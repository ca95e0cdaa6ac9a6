"""`backstay patterns` from files to a report, offline; and the report itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from backstay.cli.patterns import command
from backstay.errors import ConfigurationError
from backstay.kits.patterns import PatternStore
from backstay.kits.patterns.report import build, to_html, to_markdown

from .conftest import EXAMPLES, event, orders


def run(folder: Path, *words: str) -> Result:
    done = CliRunner().invoke(command, [*words, "--store", str(folder / "p.db")], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose store holds the bakery's orders, mined."""
    assert run(tmp_path, "ingest", str(EXAMPLES / "bakery-orders.jsonl"), "--domain", "market").exit_code == 0
    assert run(tmp_path, "mine", "--rules-only").exit_code == 0
    return tmp_path


def waiting(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(folder, "review", "--json").output)
    return found


def test_files_are_taken_in_once(tmp_path: Path) -> None:
    """The second time all are known."""
    first = run(tmp_path, "ingest", str(EXAMPLES / "rulings.csv"), "--domain", "judicial", "--source-type", "official")
    assert "85 events added, 0 known already" in first.output
    assert "0 events added, 85 known already" in run(tmp_path, "ingest", str(EXAMPLES / "rulings.csv")).output


def test_mining_tells_who_found_it_and_what_the_gate_said(tmp_path: Path) -> None:
    """Rules alone say that no model was asked; nothing passes by itself before people have reviewed."""
    run(tmp_path, "ingest", str(EXAMPLES / "rulings.csv"), "--domain", "judicial")
    done = run(tmp_path, "mine", "--rules-only")
    assert "no model was asked" in done.output
    assert "auto_pass" not in done.output
    mined = json.loads(run(tmp_path, "mine", "--rules-only", "--json").output)
    adair = [one for one in mined["patterns"] if one["subject"] == "ruth m adair"]
    assert any((one["structured_pattern"]["support"], one["structured_pattern"]["total"]) == (44, 47) for one in adair)
    with pytest.raises(ConfigurationError, match="there are no events"):
        run(tmp_path / "other", "mine", "--rules-only")


def test_a_review_on_the_command_line(folder: Path) -> None:
    """The queue shortens; who may not decide is told; a weight is set by an expert only."""
    queue = waiting(folder)
    review = next(one for one in queue if one["ruling"]["decision"] == "review")
    pattern = review["ruling"]["pattern_id"]
    assert json.loads(run(folder, "review", pattern).output)["pattern_id"] == pattern
    assert "decided, correct" in run(folder, "review", pattern, "--as", "correct", "--by", "Ada").output
    assert len(waiting(folder)) == len(queue) - 1
    escalated = next(one for one in queue if one["ruling"]["decision"] == "escalated")["ruling"]["pattern_id"]
    with pytest.raises(ConfigurationError, match="standard may not decide"):
        run(folder, "review", escalated, "--as", "correct", "--by", "Ada")
    assert run(folder, "review", pattern, "--weight", "0.2", "--by", "Ada").exit_code == 2
    assert "by hand" in run(folder, "review", pattern, "--weight", "0.2", "--by", "Ada", "--role", "expert").output
    assert "as the evidence" in run(folder, "review", pattern, "--release", "--by", "Ada", "--role", "expert").output
    assert run(folder, "review", "pat_none").exit_code == 2


def test_a_prediction_and_its_outcome(folder: Path) -> None:
    """From an accepted pattern comes a probability; what came of it is told once; without a pattern there is none."""
    asked = ("predict", "--given", "what=Check stock", "--then", "next.what=Bake")
    assert run(folder, *asked).exit_code == 1
    pattern = next(
        one["ruling"]["pattern_id"]
        for one in waiting(folder)
        if one["pattern"]["structured_pattern"].get("given") == {"what": "Check stock"}
        and one["pattern"]["structured_pattern"].get("then") == {"next.what": "Bake"}
    )
    run(folder, "review", pattern, "--as", "correct", "--by", "Ada")
    found = json.loads(run(folder, *asked, "--json").output)
    assert found["probability"] == 1.0
    assert found["pattern_ids"] == [pattern]
    resolved = run(folder, "predict", "--resolve", found["prediction_id"], "--outcome", "yes", "--by", "Ada")
    assert resolved.exit_code == 0
    with pytest.raises(ConfigurationError, match="resolved already"):
        run(folder, "predict", "--resolve", found["prediction_id"], "--outcome", "no")
    assert json.loads(run(folder, "predict").output)["resolved"] == 1
    assert run(folder, "predict", "--then", "nonsense").exit_code == 2


def test_the_report_is_a_page(folder: Path) -> None:
    """HTML in one file, or Markdown with plots that are SVG."""
    assert run(folder, "report", "--out", str(folder / "r.html")).exit_code == 0
    text = (folder / "r.html").read_text()
    for heading in ("Events", "Procedural", "Waiting for a person", "Calibration", "Drift", "Predictions"):
        assert f"<h2>{heading}</h2>" in text
    written = run(folder, "report", "--out", str(folder / "r.md")).output.split()
    assert (folder / "r.md").read_text().startswith("# Patterns\n")
    for path in written[1:]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    with pytest.raises(ConfigurationError, match="must end in"):
        run(folder, "report", "--out", str(folder / "r.pdf"))


def test_what_a_source_wrote_is_no_mark_up(store: PatternStore) -> None:
    """Tags and table marks of an event stay text in both forms."""
    from backstay.kits.patterns.mine import mine

    evil = "<script>alert(1)</script> | x"
    store.add_events([event(evil, number * 60, case=f"c{number}") for number in range(20)])
    store.propose(mine(store.events()))
    tables = build(store)
    assert "<script>" not in to_html(tables, "t")
    text, _ = to_markdown(tables, "t")
    assert "<script>" not in text
    assert "\\| x" in text


def test_an_empty_store_has_no_report(store: PatternStore) -> None:
    """It says what to do first."""
    with pytest.raises(ConfigurationError, match="backstay patterns ingest"):
        build(store)
    store.add_events(orders(3))
    assert build(store)[0].heading == "Events"

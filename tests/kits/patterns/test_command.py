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
from backstay.kits.patterns.rows import open_rows

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
    PatternStore(open_rows(tmp_path / "q.db")).close()
    with pytest.raises(ConfigurationError, match="there are no events"):
        CliRunner().invoke(command, ["mine", "--rules-only", "--store", str(tmp_path / "q.db")], catch_exceptions=False)


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
    assert [Path(one).name for one in written] == ["r.md", "r-patterns-by-type-and-decision.svg"]
    assert (folder / "r.md").read_text().startswith("# Patterns\n")
    for path in written[1:]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    with pytest.raises(ConfigurationError, match="must end in"):
        run(folder, "report", "--out", str(folder / "r.pdf"))


@pytest.mark.parametrize(
    "words",
    [("mine", "--rules-only"), ("review",), ("predict",), ("report", "--out", "r.html")],
    ids=lambda words: words[0],
)
def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    """All but `ingest` say that there is none and what makes one, and leave nothing behind."""
    with pytest.raises(ConfigurationError, match=r"there is no store .*p\.db: backstay patterns ingest FILE"):
        run(tmp_path / "other", *words)
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_something_else_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only PostgreSQL has an address; any other makes no folder, and what may be a password is not told."""
    monkeypatch.chdir(tmp_path)
    for place in ("redis://u:secret@x/0", "http://x", "sqlite:///p.db"):
        for words in (["ingest", str(EXAMPLES / "rulings.csv")], ["mine", "--rules-only"]):
            with pytest.raises(ConfigurationError, match="must be a file, or a postgresql:// address") as caught:
                CliRunner().invoke(command, [*words, "--store", place], catch_exceptions=False)
            assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_person_decided_is_where_a_pattern_stands(folder: Path) -> None:
    """The report counts it by that word and not by the gate's; a trainee's opinion changes nothing."""
    ids = [one["ruling"]["pattern_id"] for one in waiting(folder) if one["ruling"]["decision"] == "review"][:4]
    for pattern, result in zip(ids, ("correct", "partial", "incorrect"), strict=False):
        assert f"{result}; stands at: " in run(folder, "review", pattern, "--as", result, "--by", "Ada").output
    opinion = run(folder, "review", ids[3], "--as", "correct", "--by", "Ben", "--role", "trainee").output
    assert "noted as an opinion, correct; stands at: review" in opinion
    with PatternStore(open_rows(folder / "p.db")) as store:
        tables = {one.heading: one for one in build(store)}
        kinds = {pattern: store.patterns()[pattern].pattern_type for pattern in ids}
    stands = {row[-1]: row[-2] for table in tables.values() for row in table.rows if row and row[-1] in ids}
    expected = dict(zip(ids, ("correct", "partial", "rejected", "review"), strict=True))
    assert stands == {pattern: word for pattern, word in expected.items() if pattern in stands}
    assert stands
    by_type = {row[0]: dict(zip(tables["Patterns"].header, row, strict=True)) for row in tables["Patterns"].rows}
    for pattern, word in expected.items():
        assert int(by_type[kinds[pattern]][word]) >= 1
    assert sum(int(row["correct"]) for row in by_type.values()) == 1


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

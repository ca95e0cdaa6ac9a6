"""`backstay calibrate`: labels in, a versioned file, measures and a diagram out."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.slow

pytest.importorskip("numpy")


def write_labels(path: Path, count: int) -> None:
    draw = random.Random(count)
    lines = ["confidence,correct,task,kind"]
    for number in range(count):
        p = draw.random()
        stated = p**3 / (p**3 + (1 - p) ** 3)
        kind = "date" if number % 2 else "id"
        lines.append(f"{stated:.4f},{int(draw.random() < p)},invoice,{kind}")
    path.write_text("\n".join(lines) + "\n")


def test_labels_become_a_calibration(backstay: Run, tmp_path: Path) -> None:
    """The ECE falls, the file is versioned and loads, each kind has a map, and the diagram is drawn."""
    write_labels(tmp_path / "labels.csv", 400)
    done = backstay("calibrate", "labels.csv", "--plot", "diagram.svg", "--json", "--max-error", "0.2")
    assert done.returncode == 0, done.stderr
    measures = json.loads(done.stdout)
    assert measures["after"]["ece"] < 0.1 < measures["before"]["ece"]
    assert measures["after"]["brier"] < measures["before"]["brier"]
    low, high = measures["after"]["ece_interval"]
    assert low <= measures["after"]["ece"] <= high
    assert 0.5 < measures["threshold"] < 0.9
    saved = json.loads((tmp_path / "labels.calibration.json").read_text())
    assert (saved["version"], saved["count"]) == (1, 400)
    assert set(saved["groups"]) == {"invoice/", "/date", "/id", "invoice/date", "invoice/id"}
    assert (tmp_path / "diagram.svg").read_text().startswith("<svg")
    again = backstay("calibrate", "labels.csv", "--method", "isotonic", "--plot", "diagram.png")
    assert again.returncode == 0
    assert "method isotonic, version 2" in again.stdout
    assert "accept from" in again.stdout
    assert "● after" in again.stdout
    assert (tmp_path / "diagram.png").read_bytes().startswith(b"\x89PNG")


def test_the_file_is_used_by_extract(backstay: Run, tmp_path: Path) -> None:
    """`backstay extract --calibration` gives other confidences than without."""
    write_labels(tmp_path / "labels.csv", 400)
    backstay("calibrate", "labels.csv", "--method", "platt")
    (tmp_path / "note.txt").write_text("Order number: A-17\n")
    (tmp_path / "order.json").write_text('{"type": "object", "properties": {"order_number": {"type": "string"}}}')
    plain = json.loads(backstay("extract", "order.json", "note.txt").stdout)
    mended = json.loads(
        backstay("extract", "order.json", "note.txt", "--calibration", "labels.calibration.json").stdout
    )
    assert mended["fields"]["order_number"]["confidence"] != plain["fields"]["order_number"]["confidence"]


def test_few_labels_change_nothing_and_say_so(backstay: Run, tmp_path: Path) -> None:
    """Under ten labels: a warning, and a file that changes no confidence."""
    write_labels(tmp_path / "labels.csv", 6)
    done = backstay("calibrate", "labels.csv")
    assert done.returncode == 0, done.stderr
    assert "too few" in done.stderr
    assert json.loads((tmp_path / "labels.calibration.json").read_text())["method"] == "identity"


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("confidence,correct\n2,1\n", [], "labels.csv:2: confidence = '2'"),
        ("p,y\n", [], "no column confidence"),
        ("confidence,correct\n0.5,1\n", ["--plot", "x.gif"], "must end in .svg or .png"),
        ("confidence,correct\n0.5,1\n", ["--method", "magic"], "'magic' is not one of"),
    ],
)
def test_wrong_commands_are_one_clear_error(
    backstay: Run, tmp_path: Path, text: str, arguments: list[str], said: str
) -> None:
    """Exit code 2, the place and the remedy, and no traceback."""
    (tmp_path / "labels.csv").write_text(text)
    done = backstay("calibrate", "labels.csv", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "labels.calibration.json").exists()

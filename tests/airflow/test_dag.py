"""The DAG and the conditions in a real Airflow, without a scheduler: `scripts/airflow` makes one and runs this."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow.sdk", reason="scripts/airflow runs these with an Airflow of its own")

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG, task

from backstay.kits.invoices.airflow import invoices_dag, is_accepted, is_rejected, needs_review, read_invoices

ROOT = Path(__file__).resolve().parents[2]
INVOICE = ROOT / "examples" / "invoices" / "uk-joinery.txt"
OFFLINE: Any = {"model": "offline:rules", "settings": {"validate_below": 0.75}}
"""Rules read; what is sure enough to be taken needs no second look, so that only a failed check sends it to a person."""
TEMPLATE = "{{ 6 * 7 }}"


@pytest.fixture(autouse=True, scope="session")
def bundles() -> None:
    """The folder of DAGs is known to the database."""
    DagBundlesManager().sync_bundles_to_db()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One invoice to accept, one whose sum is wrong, and one file that is none; the names and a text look like templates."""
    folder = tmp_path / "in"
    folder.mkdir()
    text = INVOICE.read_text(encoding="utf-8")
    (folder / f"good {TEMPLATE}.txt").write_text(text, encoding="utf-8")
    (folder / "wrong.txt").write_text(wrong(text), encoding="utf-8")
    (folder / "scan.pdf").write_bytes(b"%PDF-1.4 torn")
    return folder


def wrong(text: str) -> str:
    """`text` with another grand total, and a template in its first line."""
    (record,) = read_invoices.function([str(INVOICE)], **OFFLINE)
    start, end = record["fields"]["grand_total"]["evidence"]
    digit = str((int(text[end - 1]) + 3) % 10)
    return f"{TEMPLATE}\n" + text.replace(text[start:end], text[start : end - 1] + digit)


def run(dag: Any) -> dict[str, str]:
    """The state of each task after a run, and of the run under "". A DAG must be known to the database before it runs."""
    bag = DagBag(dag_folder=os.devnull, bundle_name="dags-folder", collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    done = dag.test()
    states = {f"{one.task_id}[{one.map_index}]": str(one.state) for one in done.get_task_instances()}
    tries = {one.try_number for one in done.get_task_instances() if one.task_id == "read_invoices"}
    assert tries <= {0, 1}, "a task was tried again"
    return {"": str(done.state), **{name.replace("[-1]", ""): state for name, state in states.items()}}


def sources(out: Path, verdict: str) -> list[str] | None:
    path = out / f"{verdict}.jsonl"
    if not path.exists():
        return None
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {row["decision"] for row in rows} == {verdict}
    return [Path(row["source"]).name for row in rows]


def found(out: Path) -> dict[str, list[str] | None]:
    return {verdict: sources(out, verdict) for verdict in ("accepted", "review", "rejected")}


def test_every_document_ends_in_the_file_of_its_decision(folder: Path, tmp_path: Path) -> None:
    """Two batches are read by two mapped tasks; what looks like a template in a name or a text is left as it is."""
    out = tmp_path / "out"
    states = run(invoices_dag(str(folder), str(out), batch=2, read=OFFLINE))
    assert set(states.values()) == {"success"}
    assert {"read_invoices[0]", "read_invoices[1]"} <= set(states)
    assert found(out) == {"accepted": [f"good {TEMPLATE}.txt"], "review": ["wrong.txt"], "rejected": ["scan.pdf"]}


def test_what_there_is_nothing_for_is_skipped_and_leaves_no_old_file(folder: Path, tmp_path: Path) -> None:
    """A second run with one good invoice: the files of the first one are gone; and a third, of an empty folder, leaves none."""
    out = tmp_path / "out"
    out.mkdir()
    for verdict in ("accepted", "review", "rejected"):
        (out / f"{verdict}.jsonl").write_text('{"decision": "old"}\n', encoding="utf-8")
    for name in ("wrong.txt", "scan.pdf"):
        (folder / name).unlink()
    states = run(invoices_dag(str(folder), str(out), read=OFFLINE))
    assert (states["write_accepted"], states["write_review"], states["write_rejected"]) == (
        "success",
        "skipped",
        "skipped",
    )
    assert found(out) == {"accepted": [f"good {TEMPLATE}.txt"], "review": None, "rejected": None}
    shutil.rmtree(folder)
    folder.mkdir()
    states = run(invoices_dag(str(folder), str(out), read=OFFLINE))
    assert (states[""], states["gate"], states["write_accepted"]) == ("success", "success", "skipped")
    assert found(out) == {"accepted": None, "review": None, "rejected": None}


def test_a_wrong_setting_fails_at_once_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    """A retry would meet it too, so there is none, although the DAG asks for three; old files stay, for nothing replaces them."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "accepted.jsonl").write_text("", encoding="utf-8")
    read: Any = {**OFFLINE, "settings": {"accept_att": 0.5}}
    states = run(
        invoices_dag(str(folder), str(out), read=read, default_args={"retries": 3, "retry_delay": timedelta()})
    )
    assert (states[""], states["read_invoices[0]"], states["gate"]) == ("failed", "failed", "upstream_failed")
    assert sources(out, "review") is None
    assert (out / "accepted.jsonl").exists()


def test_settings_and_templates_reach_the_tasks(folder: Path, tmp_path: Path) -> None:
    """A stricter kit sends the good invoice to a person; the folder's name comes from the run."""
    (folder / "wrong.txt").unlink()
    read: Any = {**OFFLINE, "settings": {"accept_at": 1.0}}
    dag = invoices_dag(str(folder), str(tmp_path / "{{ dag.dag_id }}"), read=read, dag_id="strict")
    run(dag)
    assert found(tmp_path / "strict") == {
        "accepted": None,
        "review": [f"good {TEMPLATE}.txt"],
        "rejected": ["scan.pdf"],
    }


def guarded(values: list[Any]) -> dict[str, str]:
    """The states of tasks that each condition guards, called with each of `values`."""
    with DAG(dag_id="guarded", schedule=None) as dag:

        def use(record: Any) -> None:
            pass

        for index, value in enumerate(values):
            for condition in (needs_review, is_accepted, is_rejected):
                name = f"{condition.__name__}_{index}"
                task.run_if(condition)(task(use, task_id=f"run_{name}"))(value)
                task.skip_if(condition)(task(use, task_id=f"skip_{name}"))(value)
    return run(dag)


def row(decision: str) -> dict[str, str]:
    return {"source": "one.txt", "decision": decision}


@pytest.mark.parametrize(
    ("value", "true"),
    [
        (row("review"), {"needs_review"}),
        (row("accepted"), {"is_accepted"}),
        (row("rejected"), {"is_rejected"}),
        ([row("accepted"), row("review")], {"needs_review"}),
        ([row("accepted"), row("rejected")], set()),
        ([row("accepted"), row("accepted")], {"is_accepted"}),
        ([], set()),
    ],
)
def test_a_condition_means_what_its_name_says(value: Any, true: set[str]) -> None:
    """`run_if` runs where it holds and `skip_if` skips there; turned round, each of the rows would fail."""
    states = guarded([value])
    for name in ("needs_review", "is_accepted", "is_rejected"):
        assert states[f"run_{name}_0"] == ("success" if name in true else "skipped")
        assert states[f"skip_{name}_0"] == ("skipped" if name in true else "success")


def test_a_task_without_records_fails_instead_of_being_skipped_for_ever() -> None:
    """A path is no record: the condition says so."""
    states = guarded(["a.txt", {"decision": "perhaps"}])
    assert {state for name, state in states.items()} == {"failed"}


def test_a_mapped_task_is_judged_by_its_own_record(tmp_path: Path) -> None:
    """One mapped task a record: only those that a person must see run."""
    rows = [row("accepted"), row("review"), row("rejected")]
    with DAG(dag_id="mapped", schedule=None) as dag:

        def show(record: Any) -> str:
            return str(record["decision"])

        task.run_if(needs_review)(task(show, task_id="show")).expand(record=rows)
    states = run(dag)
    assert [states[f"show[{index}]"] for index in range(3)] == ["skipped", "success", "skipped"]


def test_records_are_plain_json(folder: Path) -> None:
    """What goes between tasks survives JSON unchanged."""
    records = read_invoices.function([str(path) for path in sorted(folder.iterdir())], **OFFLINE)
    assert json.loads(json.dumps(records)) == records
    assert [record["decision"] for record in records] == ["accepted", "rejected", "review"]

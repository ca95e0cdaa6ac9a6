"""The file of `backstay invoice --out`: never over somebody else's, one run at a time, and nothing acknowledged is lost."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest

from backstay.cli.invoice_out import opened
from backstay.kits.invoices.record import Record, Verdict

from .conftest import ROOT, Run

pytestmark = pytest.mark.slow
DINER = ROOT / "examples" / "receipts" / "us-diner.txt"
NAMES = ("de-druckerei.txt", "uk-joinery.txt")


DYING = """
import os, signal, sys
from pathlib import Path
from backstay.cli.invoice_out import opened
from backstay.kits.invoices.record import Record

with opened(Path(sys.argv[1])) as output:
    output.add(Record(source="a.txt", decision="accepted"), "2")
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""A run that reads a document again and is killed."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "docs"
    target.mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "examples" / "invoices" / name, target)
    return target


def names_of(path: Path) -> list[str]:
    """The documents of a JSON Lines or CSV file."""
    text = path.read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines())) if path.suffix == ".csv" else map(json.loads, text.splitlines())
    return [Path(row["source"]).name for row in rows]


@pytest.mark.parametrize("name", ["p.jsonl", "p.errors.jsonl", "p.csv", "p.parquet", ".p.csv.partial"])
@pytest.mark.parametrize("content", ['{"my":"notes"}', "a;b\n1;2\n", '{"source":"x"}', "notes", "\n"])
def test_a_file_of_somebody_else_is_left_alone(name: str, content: str, tmp_path: Path) -> None:
    """Whatever it holds, cut or whole, it is refused before anything is read, and --again is not called a remedy."""
    if name.endswith(".parquet"):
        pytest.importorskip("duckdb")
    mine = tmp_path / name
    mine.write_text(content, encoding="utf-8")
    out = tmp_path / {"p.errors.jsonl": "p.jsonl", ".p.csv.partial": "p.csv"}.get(name, name)
    with pytest.raises(click.UsageError, match="name another --out") as caught, opened(out):
        pass
    assert "--again" not in str(caught.value)
    assert mine.read_text(encoding="utf-8") == content
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_the_command_refuses_in_one_line(backstay: Run, tmp_path: Path) -> None:
    """Exit code 2, also with --again, and the notes are still there."""
    (tmp_path / "p.jsonl").write_text('{"my":"notes"}', encoding="utf-8")
    for options in ([], ["--again"]):
        done = backstay("invoice", DINER, "--out", "p.jsonl", *options)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert (tmp_path / "p.jsonl").read_text(encoding="utf-8") == '{"my":"notes"}'


@pytest.mark.parametrize("tail", ["{", '{"source":"b.txt","decis', '{"source":"b.txt","confidence":0.'])
def test_a_record_that_was_cut_is_no_record(tail: str, tmp_path: Path) -> None:
    """The beginning of a record of ours is taken for a cut, the others stay, and the next goes on a line of its own."""
    out = tmp_path / "p.jsonl"
    with opened(out) as output:
        output.add(Record(source="a.txt", decision="review"), None)
    out.write_text(out.read_text(encoding="utf-8") + tail, encoding="utf-8")
    with opened(out) as output:
        assert list(output.earlier) == ["a.txt"]
        output.add(Record(source="b.txt", decision="review"), None)
    assert names_of(out) == ["a.txt", "b.txt"]


def test_a_last_line_without_its_end_is_a_record(tmp_path: Path) -> None:
    """An editor that leaves out the last newline takes no record away."""
    out = tmp_path / "p.jsonl"
    with opened(out) as output:
        output.add(Record(source="a.txt", decision="review"), None)
    out.write_bytes(out.read_bytes().rstrip())
    with opened(out) as output:
        output.add(Record(source="b.txt", decision="review"), None)
    assert names_of(out) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_run_over_fewer_documents_keeps_the_others(name: str, backstay: Run, folder: Path, tmp_path: Path) -> None:
    """Both documents stand in the file after a run that names one of them, and --again changes nothing about that."""
    assert backstay("invoice", folder, "--out", name).returncode == 0
    for options in ([], ["--again"]):
        done = backstay("invoice", folder / NAMES[0], "--out", name, *options)
        assert done.returncode == 0, done.stderr
        if name.endswith(".parquet"):
            from backstay.parquet import read_parquet

            found = [Path(row[0]).name for row in read_parquet(tmp_path / name)[1]]
        else:
            found = names_of(tmp_path / name)
        assert sorted(found) == sorted(NAMES)


def test_one_run_at_a_time(backstay: Run, tmp_path: Path) -> None:
    """A second run into a file is refused in one line while the first lives; no lock is left behind."""
    out = tmp_path / "p.csv"
    with opened(out):
        done = backstay("invoice", DINER, "--out", out)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert "another run" in done.stderr
    assert backstay("invoice", DINER, "--out", out).returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["p.csv"]


def test_a_document_that_is_read_again_has_one_line(tmp_path: Path) -> None:
    """At the end of the run the new record stands where the old one stood."""
    out = tmp_path / "p.jsonl"
    verdicts: tuple[Verdict, ...] = ("review", "accepted")
    for verdict in verdicts:
        with opened(out) as output:
            output.add(Record(source="a.txt", decision=verdict), None)
    assert [json.loads(line)["decision"] for line in out.read_text(encoding="utf-8").splitlines()] == ["accepted"]


def test_a_killed_run_loses_nothing(tmp_path: Path) -> None:
    """Reading again keeps the old line until the new one is there, whenever the run dies; then the new one counts, once."""
    out = tmp_path / "p.jsonl"
    with opened(out) as output:
        for source in ("a.txt", "b.txt"):
            output.add(Record(source=source, decision="review"), "1")
    subprocess.run([sys.executable, "-c", DYING, out], check=False)
    assert names_of(out) == ["a.txt", "b.txt", "a.txt"]
    with opened(out) as output:
        found = {record.source: (record.decision, record.digest) for record in output.earlier.values()}
    assert found == {"a.txt": ("accepted", "2"), "b.txt": ("review", "1")}
    assert names_of(out) == ["a.txt", "b.txt"]


def test_a_document_that_changed_is_read_again(backstay: Run, folder: Path, tmp_path: Path) -> None:
    """Its record is the new one, said so; the other is not read again."""
    assert backstay("invoice", folder, "--out", "out.jsonl").returncode == 0
    before = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    shutil.copy(ROOT / "examples" / "invoices" / "us-software.txt", folder / NAMES[1])
    done = backstay("invoice", folder, "--out", "out.jsonl")
    assert done.stderr.count("has changed since") == 1
    after = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False]


def test_a_link_and_the_permissions_stay(backstay: Run, tmp_path: Path) -> None:
    """Writing anew goes where the link leads, and opens the file to nobody else."""
    (tmp_path / "real.csv").touch(mode=0o600)
    (tmp_path / "out.csv").symlink_to("real.csv")
    assert backstay("invoice", DINER, "--out", "out.csv").returncode == 0
    assert (tmp_path / "out.csv").is_symlink()
    assert names_of(tmp_path / "real.csv") == [DINER.name]
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("arguments", [["--out", "x.jsonl"], ["--out", "x.csv"], []])
def test_nothing_to_read_is_one_line(arguments: list[str], backstay: Run, tmp_path: Path) -> None:
    """An empty folder: exit code 2, no output, not even an empty one."""
    (tmp_path / "empty").mkdir()
    done = backstay("invoice", "empty", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "no documents there" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_is_closed_says_so(backstay: Run, tmp_path: Path) -> None:
    """Permission denied, exit code 2."""
    (tmp_path / "closed").mkdir(mode=0o000)
    done = backstay("invoice", "closed")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "permission denied" in done.stderr


def test_a_page_into_no_folder_is_refused_first(backstay: Run) -> None:
    """Nothing is read and nothing printed."""
    done = backstay("invoice", DINER, "--page", "nowhere/x.html")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_run_that_stops_at_once_leaves_no_file(backstay: Run, tmp_path: Path) -> None:
    """A wrong setting ends the run before the output is there; one document is told in the singular otherwise."""
    assert backstay("invoice", DINER, "--out", "x.jsonl", "--model", "openai:gpt-5-mini").returncode == 2
    assert not list(tmp_path.glob("*x*"))
    assert "1 document:" in backstay("invoice", DINER).stderr


class Silent(BaseHTTPRequestHandler):
    """Takes every question and answers none until the test is over."""

    over = threading.Event()
    asked = threading.Event()

    def do_POST(self) -> None:
        self.asked.set()
        self.over.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    Silent.asked.clear()
    Silent.over.clear()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    Silent.over.set()
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_an_interrupted_run_keeps_what_was_there(
    name: str, server: str, backstay: Run, folder: Path, tmp_path: Path
) -> None:
    """Ctrl-C in a run with --again leaves the file as it was; of a table that is not there nobody says that it is written."""
    assert backstay("invoice", folder, "--out", name).returncode == 0
    before = (tmp_path / name).read_bytes()
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LLAMA_SERVER_URL": server}
    environment["LLM_MODEL"] = "llamacpp:m"
    for out, options in ((name, ["--again"]), ("new.csv", [])):
        Silent.asked.clear()
        command = [sys.executable, "-m", "backstay", "invoice", str(folder), "--out", out, *options]
        running = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE)
        assert Silent.asked.wait(30)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1]
        assert running.returncode == 130, said
        assert "interrupted: 0 of 2 documents" in said
    assert (tmp_path / name).read_bytes() == before
    assert "new.csv is not there yet" in said
    assert "written to" not in said


def test_what_is_said_is_where_it_stands(tmp_path: Path) -> None:
    """Before the table is whole, its records are said to be beside it; afterwards in it, and nothing is beside it."""
    with opened(tmp_path / "c.csv") as output:
        record = Record(source="a.txt", decision="review")
        output.add(record, None)
        assert "kept in" in output.told(is_whole=False)
        assert ".c.csv.partial" in output.told(is_whole=False)
        output.finish({"a.txt": record})
        assert output.told(is_whole=True) == f"written to {tmp_path / 'c.csv'}"
    assert [path.name for path in tmp_path.iterdir()] == ["c.csv"]

"""What is read from journals: verdicts, figures, the first difference, pages; and the commands that show them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.replay.game import ask, play, said, service

from backstay.cli.record_run import command as record_command
from backstay.cli.replay import command as replay_command
from backstay.errors import ConfigurationError
from backstay.replay import record
from backstay.replay.chain import Chain
from backstay.replay.compare import compare
from backstay.replay.entry import Began, Draw, Entry, Header, Snapshot, Tick, encode_entry
from backstay.replay.journal import Journal, parse_journal, read_journal
from backstay.replay.run import current_run
from backstay.replay.stats import stats
from backstay.replay.timeline import cost_of, timeline
from backstay.replay.verify import verify
from backstay.sim import run, sim_world


def game(path: Path, ticks: int = 20, **rules: Any) -> Journal:
    """A journal of the game."""

    async def main() -> None:
        world = sim_world(1)
        async with record(path, world=world):
            await play(current_run(), service(world), ticks, **rules)

    run(main())
    return read_journal(path)


def rewritten(journal: Journal, *entries: Entry) -> Journal:
    """A journal of `entries` with a chain that is in order, as a faulty writer would make it."""
    chain = Chain()
    return parse_journal(b"".join(chain.seal(encode_entry(entry)) for entry in (journal.header, *entries)))


def test_a_good_journal_has_no_fault(tmp_path: Path) -> None:
    """Nor a note, if the run came to its end."""
    verdict = verify(game(tmp_path / "run.jsonl"))
    assert verdict.is_good
    assert verdict.notes == ()


@pytest.mark.parametrize("fault", ["key", "ordinal", "tick", "state", "draw", "end"])
def test_what_a_faulty_writer_makes_is_found(fault: str, tmp_path: Path) -> None:
    """Each kind of nonsense that a good chain can hold gives one fault or more, and its absence none."""
    journal = game(tmp_path / "run.jsonl")
    entries: list[Any] = list(journal.entries)
    place = {
        kind: next(n for n, entry in enumerate(entries) if isinstance(entry, kind)) for kind in (Began, Tick, Draw)
    }
    if fault == "key":
        entries[place[Began]] = msgspec.structs.replace(entries[place[Began]], key="0" * 64)
    elif fault == "ordinal":
        entries[place[Began]] = msgspec.structs.replace(entries[place[Began]], ordinal=4)
    elif fault == "tick":
        entries[place[Tick]] = Tick(tick=99)
    elif fault == "draw":
        entries[place[Draw]] = msgspec.structs.replace(entries[place[Draw]], value=1.0)
    elif fault == "state":
        spot = max(n for n, entry in enumerate(entries) if isinstance(entry, Snapshot))
        entries[spot] = msgspec.structs.replace(entries[spot], sha256="0" * 64)
    else:
        entries.append(next(entry for entry in reversed(entries) if getattr(entry, "call", None) is not None))
    assert not verify(rewritten(journal, *entries)).is_good
    assert verify(rewritten(journal, *journal.entries)).is_good


def test_what_matters_to_a_replay_is_noted(tmp_path: Path) -> None:
    """A cut journal, and calls without an end."""
    journal = game(tmp_path / "run.jsonl")
    began = next(n for n, entry in enumerate(journal.entries) if isinstance(entry, Began))
    (cut, open_call) = verify(rewritten(journal, *journal.entries[: began + 1])).notes
    assert "cut off" in cut
    assert "1 calls have no end" in open_call


def test_figures_add_up(tmp_path: Path) -> None:
    """Calls by task and by tick have one sum; draws count by system; failures are seen."""
    journal = game(tmp_path / "run.jsonl")
    by_task, by_tick, by_model = (stats(journal, key) for key in ("task", "tick", "model"))
    assert {line.group: line.calls for line in by_task.lines} == {"talk": 12, "crisis": 2}
    assert by_task.total == by_tick.total == by_model.total
    assert by_task.total.failed == 2
    assert by_task.total.output_tokens == 24
    assert sum(line.calls for line in by_tick.lines) == 14
    assert (by_task.ticks, by_task.snapshots, by_task.draws, by_task.tools) == (20, 20, {"weather": 20}, {"market": 2})
    assert cost_of(1_500_000_000) == "1.5"
    assert cost_of(3) == "0.000000003"


def test_the_first_difference_is_found_at_its_tick(tmp_path: Path) -> None:
    """A changed rule shows in the state of the first tick in which it matters, and two equal runs have no difference."""
    one = game(tmp_path / "one.jsonl")
    assert compare(one, game(tmp_path / "same.jsonl")) == []
    found = compare(one, game(tmp_path / "other.jsonl", bonus=3))
    assert [(item.kind, item.changes[0].path) for item in found] == [("state", "food")]
    wet = next(draw for draw in one.of(Draw) if draw.value < 0.3)
    assert found[0].tick == wet.tick
    (longer,) = compare(one, game(tmp_path / "longer.jsonl", ticks=21))[:1]
    assert longer.tick == 21


def asked_in_order(path: Path, texts: list[str]) -> Journal:
    async def main() -> None:
        world = sim_world(1)
        async with record(path, world=world) as run_:
            run_.tick(1)
            await asyncio.gather(*(said(service(world), ask(text, task="talk"), stream=True) for text in texts))

    run(main())
    return read_journal(path)


def test_the_order_of_concurrent_calls_is_no_difference(tmp_path: Path) -> None:
    """Questions of one tick pair by what they ask; one that changed is shown as a changed question, and nothing else is."""
    one = asked_in_order(tmp_path / "one.jsonl", ["ada", "bo", "cy"])
    assert compare(one, asked_in_order(tmp_path / "two.jsonl", ["cy", "ada", "bo"])) == []
    (found,) = compare(one, asked_in_order(tmp_path / "three.jsonl", ["cy", "ada", "bob"]))
    assert (found.kind, found.tick) == ("question", 1)
    assert [(change.path, change.old, change.new) for change in found.changes] == [
        ("messages[0].parts[0].text", "bo", "bob")
    ]


def test_the_page_is_one_file_and_escapes_what_it_shows(tmp_path: Path) -> None:
    """No script, nothing fetched, no markup from a model; the first difference stands above the lanes."""
    one = asked_in_order(tmp_path / "one.jsonl", ["<script>alert(1)</script>", "bo"])
    other = asked_in_order(tmp_path / "two.jsonl", ["<script>alert(2)</script>", "bo"])
    page = timeline(one, name="<one>", against=other)
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "First difference: in tick 1" in page
    assert "the first difference</title>" in page
    assert page.count("<rect") > 6
    assert "the first difference" not in timeline(one, name="one")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(replay_command, list(arguments))


def test_the_commands_say_what_there_is(tmp_path: Path) -> None:
    """verify, stats, show, diff and export, with their exit codes."""
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl.zst"
    game(one)
    game(other, bonus=3)
    assert invoke("verify", str(one)).exit_code == 0
    assert "talk" in invoke("stats", str(one)).output
    assert msgspec.json.decode(invoke("stats", str(one), "--json").output)["ticks"] == 20
    shown = invoke("show", str(one), "--tick", "10").output.splitlines()
    assert shown[0] == "tick 10"
    assert any("'ada in 10'  ->  ada in 10: yes" in line for line in shown)
    assert all("tick 11" not in line for line in shown)
    differs = invoke("diff", str(one), str(other))
    assert differs.exit_code == 1
    assert "food:" in differs.output
    assert invoke("diff", str(one), str(one)).exit_code == 0
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    assert invoke("export", str(one), "--html", str(page), "--against", str(other), "--json", str(data)).exit_code == 0
    assert "First difference" in page.read_text()
    assert msgspec.json.decode(data.read_bytes())[0]["type"] == "journal"
    assert invoke("export", str(one)).exit_code == 2


@pytest.mark.parametrize("tick", ["999", "-1"])
def test_a_tick_that_is_not_there_is_told(tick: str, tmp_path: Path) -> None:
    """Nothing shown is no answer: which ticks there are, and exit code 1."""
    path = tmp_path / "game.jsonl"
    game(path, ticks=3)
    done = invoke("show", str(path), "--tick", tick)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"there is no tick {tick}; it has " in done.stderr


def test_a_journal_that_is_not_whole_fails_verify(tmp_path: Path) -> None:
    """Cut: exit code 1 with a note. Changed: exit code 1 with the line that was."""
    path = tmp_path / "run.jsonl"
    game(path)
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    cut = invoke("verify", str(path))
    assert cut.exit_code == 1
    assert "cut off" in cut.output
    path.write_bytes(data.replace(b"weather", b"whether", 1))
    changed = invoke("verify", str(path))
    assert changed.exit_code == 1
    assert re.search(r"fault: .*run\.jsonl: line \d+: its hash does not follow", changed.output)
    assert isinstance(invoke("verify", str(tmp_path / "none.jsonl")).exception, ConfigurationError)


PROGRAM = """
import asyncio, sys
from backstay import Response, Scripted, Text
from backstay.replay.layer import JournalLayer
from backstay.service import Call, stack
from backstay.types import Request, user

async def main():
    provider = stack(Scripted(sys.argv[1]), JournalLayer())
    for question in sys.argv[2:]:
        reply = await provider(Call(request=Request(model="a:b", messages=(user(question),))))
        print((await reply.response()).text)

asyncio.run(main())
"""


def program(folder: Path, *arguments: str) -> tuple[str, ...]:
    (folder / "app.py").write_text(PROGRAM, encoding="utf-8")
    return (sys.executable, str(folder / "app.py"), *arguments)


def cli(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, because the program's output goes past the runner's."""
    code = f"import sys; from backstay.cli.{module} import command; command(sys.argv[1:])"
    return subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True)


@pytest.mark.slow
def test_a_whole_program_is_recorded_and_replayed_without_a_change(tmp_path: Path) -> None:
    """The same words come out although the provider has others now; another question, or none, fails the replay."""
    journal = str(tmp_path / "run.jsonl")
    done = cli("record_run", "--journal", journal, "--", *program(tmp_path, "first", "why?"))
    assert (done.returncode, done.stdout) == (0, "first\n"), done.stderr
    assert read_journal(journal).is_finished
    done = cli("replay", "run", journal, "--", *program(tmp_path, "second", "why?"))
    assert (done.returncode, done.stdout) == (0, "first\n"), done.stderr
    done = cli("replay", "run", journal, "--", *program(tmp_path, "second", "how?"))
    assert done.returncode == 1
    assert '"why?" -> "how?"' in done.stderr
    assert "app.py:" in done.stderr
    done = cli("replay", "run", journal, "--", *program(tmp_path, "second"))
    assert done.returncode == 1
    assert "no call was made" in done.stderr


TASKS = PROGRAM.replace(
    "messages=(user(question),)", "messages=(user(question),), metadata=Metadata(task=question)"
).replace("import Request, user", "import Metadata, Request, user")
"""The same program, in which each question is a task of its own."""


@pytest.mark.slow
def test_named_tasks_go_live_in_a_whole_program(tmp_path: Path) -> None:
    """--live TASK asks anew for the calls of that task and answers all others from the journal."""
    journal, app = str(tmp_path / "run.jsonl"), tmp_path / "tasks.py"
    app.write_text(TASKS, encoding="utf-8")
    done = cli("record_run", "--journal", journal, "--", sys.executable, str(app), "old", "talk")
    assert (done.returncode, done.stdout) == (0, "old\n"), done.stderr
    again = (sys.executable, str(app), "new", "talk")
    assert cli("replay", "run", journal, "--", *again).stdout == "old\n"
    done = cli("replay", "run", journal, "--live", "talk", "--", *again)
    assert (done.returncode, done.stdout) == (0, "new\n"), done.stderr
    assert cli("replay", "run", journal, "--live", "plan", "--", *again).stdout == "old\n"


@pytest.mark.parametrize("arguments", [("--mode", "hybrid"), ("--mode", "strict", "--live", "talk")])
def test_hybrid_mode_and_its_tasks_go_together(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """One without the other is refused before the program starts."""
    path = tmp_path / "run.jsonl"
    game(path, ticks=1)
    done = invoke("run", str(path), *arguments, "--", "no-such-program")
    assert done.exit_code == 2
    assert "go together" in done.output


def test_recording_does_not_replace_a_journal_by_accident(tmp_path: Path) -> None:
    """Without --overwrite an older journal stays; a program that cannot start is a clear error."""
    path = tmp_path / "run.jsonl"
    path.write_text("old")
    arguments = ["--journal", str(path), "--", "true"]
    assert isinstance(CliRunner().invoke(record_command, arguments).exception, ConfigurationError)
    assert path.read_text() == "old"
    missing = CliRunner().invoke(record_command, ["--journal", str(tmp_path / "b"), "--", "no-such-program"])
    assert isinstance(missing.exception, ConfigurationError)


def test_the_header_keeps_the_programs_facts(tmp_path: Path) -> None:
    """What the program wants to know of a run later."""
    path = tmp_path / "run.jsonl"
    with record(path, facts={"commit": "abc"}):
        pass
    header = read_journal(path).header
    assert isinstance(header, Header)
    assert header.facts == {"commit": "abc"}
    assert header.library.startswith("backstay ")

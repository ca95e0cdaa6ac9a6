"""`backstay replay`: check, read, compare and run recorded journals."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from backstay.cli.group import Group
from backstay.cli.table import print_table
from backstay.replay.compare import compare, gist_of
from backstay.replay.entry import Began, Draw, Made, Snapshot, Tick, ToolRun
from backstay.replay.journal import Journal, read_journal
from backstay.replay.stats import KEYS, Line, stats
from backstay.replay.timeline import cost_of, told_of
from backstay.replay.verify import verify as verdict_of

FAILED = 1
JOURNAL = click.argument("journal", type=click.Path(dir_okay=False))
SUMS = ("calls", "failed", "dropped", "input", "output", "cost USD", "avg s")


@click.group(cls=Group)
def command() -> None:
    """Check, read, compare and run recorded journals."""


@command.command()
@JOURNAL
def verify(journal: str) -> None:
    """Whether a journal is whole and makes sense: hashes, order, questions, states. Exit code 1 where it is not."""
    recorded = read_journal(journal)
    verdict = verdict_of(recorded)
    for word, lines in (("fault", verdict.faults), ("note", verdict.notes)):
        for line in lines:
            click.echo(f"{word}: {line}")
    is_whole = verdict.is_good and recorded.is_finished
    click.echo(f"{journal}: {len(recorded.entries)} entries, {'whole' if is_whole else 'not whole'}")
    sys.exit(0 if is_whole else FAILED)


@command.command("stats")
@JOURNAL
@click.option("--by", type=click.Choice(list(KEYS)), default="task", show_default=True, help="Group calls by this.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def stats_(journal: str, by: str, is_json: bool) -> None:
    """Calls, tokens, cost and time by task, tick or model; draws by system."""
    sums = stats(read_journal(journal), by)
    if is_json:
        click.echo(msgspec.json.encode(sums).decode())
        return
    print_table([by, *SUMS], [_row(line) for line in (*sums.lines, sums.total)], figures=SUMS)
    click.echo(f"ticks: {sums.ticks}  snapshots: {sums.snapshots}")
    for word, counts in (("draws", sums.draws), ("tools", sums.tools)):
        if counts:
            click.echo(f"{word}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))


def _row(line: Line) -> list[str]:
    figures = [line.calls, line.failed, line.dropped, line.input_tokens, line.output_tokens]
    seconds = "-" if line.seconds is None else f"{line.seconds:.3f}"
    return [line.group, *map(str, figures), cost_of(line.cost_nano_usd), seconds]


@command.command()
@JOURNAL
@click.option("--tick", type=int, help="Only this tick.")
def show(journal: str, tick: int | None) -> None:
    """The run as one line an entry: ticks, questions with their answers, tools, draws, states."""
    recorded = read_journal(journal)
    calls = recorded.calls()
    for entry in recorded.entries:
        if tick is not None and getattr(entry, "tick", None) != tick:
            continue
        if isinstance(entry, Began):
            click.echo(
                f"  call {entry.call}  {entry.task or '-'}  {gist_of(bytes(entry.request))}  ->  {told_of(calls[entry.call])}"
            )
        elif (line := _line(entry)) is not None:
            click.echo(line)


def _line(entry: Any) -> str | None:
    if isinstance(entry, Tick):
        return f"tick {entry.tick}"
    if isinstance(entry, ToolRun):
        result = entry.failure.kind if entry.failure else bytes(entry.result).decode()
        return f"  tool {entry.name} {bytes(entry.arguments).decode()}  ->  {result}"
    if isinstance(entry, Draw):
        return f"  draw {entry.system}/{entry.name}  {entry.value}"
    if isinstance(entry, Snapshot):
        return f"  state {entry.sha256[:16]}"
    return f"  id {entry.value}" if isinstance(entry, Made) else None


@command.command()
@click.argument("one", type=click.Path(dir_okay=False))
@click.argument("other", type=click.Path(dir_okay=False))
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write both as a page.")
def diff(one: str, other: str, html: str | None) -> None:
    """The first tick in which two runs differ, with every decision that differs in it. Exit code 1 where there is one."""
    left, right = read_journal(one), read_journal(other)
    found = compare(left, right)
    for difference in found:
        click.echo(str(difference))
    if html is not None:
        _write_page(left, one, html, right)
    if not found:
        click.echo("both runs went the same way")
    sys.exit(FAILED if found else 0)


@command.command()
@JOURNAL
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="The timeline, as one page.")
@click.option("--json", "json_", type=click.Path(dir_okay=False, writable=True), help="The entries, as one JSON array.")
@click.option("--against", type=click.Path(dir_okay=False), help="Another journal; the first difference is marked.")
def export(journal: str, html: str | None, json_: str | None, against: str | None) -> None:
    """The journal as a page for people, or as plain JSON without its chain."""
    recorded = read_journal(journal)
    if html is None and json_ is None:
        raise click.UsageError("say what to write: --html FILE, --json FILE, or both")
    if html is not None:
        _write_page(recorded, journal, html, None if against is None else read_journal(against))
    if json_ is not None:
        Path(json_).write_bytes(msgspec.json.encode([recorded.header, *recorded.entries]))
        click.echo(f"the entries were written to {json_}", err=True)


def _write_page(journal: Journal, name: str, html: str, against: Journal | None) -> None:
    from backstay.replay.timeline import timeline

    Path(html).write_text(timeline(journal, name=Path(name).name, against=against), encoding="utf-8")
    click.echo(f"the page was written to {html}", err=True)


@command.command(context_settings={"ignore_unknown_options": True})
@JOURNAL
@click.option("--mode", type=click.Choice(["strict", "patch"]), default="strict", show_default=True)
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def run(journal: str, mode: str, program: tuple[str, ...]) -> None:
    """Run PROGRAM, answered from the journal: backstay replay run run.jsonl -- python app.py"""
    from backstay.cli.record_run import started
    from backstay.replay.current import REPLAY, REPLAY_MODE
    from backstay.replay.process import REPORT

    read_journal(journal)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        code = started(program, {REPLAY: str(Path(journal).resolve()), REPLAY_MODE: mode, REPORT: str(report)})
        fault = msgspec.json.decode(report.read_bytes())["fault"] if report.exists() else "no call was made"
    if fault is not None:
        click.echo(f"the replay failed: {fault}", err=True)
    elif code == 0:
        click.echo("the run went as it was recorded", err=True)
    sys.exit(code or (FAILED if fault is not None else 0))

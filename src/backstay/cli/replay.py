"""`backstay replay`: check, read, compare and run recorded journals."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import msgspec

from backstay.cli.group import Group
from backstay.cli.table import print_table
from backstay.errors import ConfigurationError
from backstay.replay.compare import compare
from backstay.replay.entry import Tick
from backstay.replay.fault import JournalDamaged
from backstay.replay.listing import listing
from backstay.replay.reading import JournalFile, Source
from backstay.replay.stats import KEYS, Line, stats
from backstay.replay.timeline import cost_of
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
    recorded = opened(journal)
    try:
        verdict = verdict_of(recorded)
    except JournalDamaged as error:
        click.echo(f"fault: {error.message}")
        sys.exit(FAILED)
    for word, lines in (("fault", verdict.faults), ("note", verdict.notes)):
        for line in lines:
            click.echo(f"{word}: {line}")
    is_whole = verdict.is_good and recorded.end is not None
    click.echo(f"{journal}: {verdict.entries} entries, {'whole' if is_whole else 'not whole'}")
    sys.exit(0 if is_whole else FAILED)


def opened(path: str) -> JournalFile:
    """The journal in the file `path`, to be read as it is needed. Raises ConfigurationError where it is none."""
    try:
        return JournalFile(path)
    except JournalDamaged as error:
        raise ConfigurationError(
            f"{path}: no journal ({error.message.removeprefix(f'{path}: ')}); "
            "give a file that `backstay record --journal FILE -- PROGRAM` wrote"
        ) from error


@command.command("stats")
@JOURNAL
@click.option("--by", type=click.Choice(list(KEYS)), default="task", show_default=True, help="Group calls by this.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def stats_(journal: str, by: str, is_json: bool) -> None:
    """Calls, tokens, cost and time by task, tick or model; draws by system."""
    sums = stats(opened(journal), by)
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
    recorded, is_empty = opened(journal), True
    for line in listing(recorded, tick=tick):
        click.echo(line)
        is_empty = False
    if tick is not None and is_empty:
        ticks = [entry.tick for entry in recorded.entries if isinstance(entry, Tick)]
        there = f"it has {min(ticks)} to {max(ticks)}" if ticks else "it has none"
        click.echo(f"{journal}: there is no tick {tick}; {there}", err=True)
        sys.exit(FAILED)


@command.command()
@click.argument("one", type=click.Path(dir_okay=False))
@click.argument("other", type=click.Path(dir_okay=False))
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write both as a page.")
def diff(one: str, other: str, html: str | None) -> None:
    """The first tick in which two runs differ, with every decision that differs in it. Exit code 1 where there is one."""
    left, right = opened(one), opened(other)
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
    recorded = opened(journal)
    if html is None and json_ is None:
        raise click.UsageError("say what to write: --html FILE, --json FILE, or both")
    if html is not None:
        _write_page(recorded, journal, html, None if against is None else opened(against))
    if json_ is not None:
        _write_json(recorded, json_)
        click.echo(f"the entries were written to {json_}", err=True)


def _write_json(journal: Source, path: str) -> None:
    """One array, an entry a line, written as the journal is read."""
    with Path(path).open("wb") as file:
        file.write(b"[" + msgspec.json.encode(journal.header))
        for entry in journal.entries:
            file.write(b",\n" + msgspec.json.encode(entry))
        file.write(b"]\n")


def _write_page(journal: Source, name: str, html: str, against: Source | None) -> None:
    from backstay.replay.timeline import timeline

    Path(html).write_text(timeline(journal, name=Path(name).name, against=against), encoding="utf-8")
    click.echo(f"the page was written to {html}", err=True)


@command.command(context_settings={"ignore_unknown_options": True})
@JOURNAL
@click.option("--mode", type=click.Choice(["strict", "patch", "hybrid"]), help="[default: strict; hybrid with --live]")
@click.option(
    "--live", multiple=True, metavar="TASK", help="Calls of this task go live (hybrid mode); may be repeated."
)
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def run(journal: str, mode: str | None, live: tuple[str, ...], program: tuple[str, ...]) -> None:
    """Run PROGRAM, answered from the journal: backstay replay run run.jsonl -- python app.py"""
    from backstay.cli.record_run import started
    from backstay.replay.current import REPLAY, REPLAY_LIVE, REPLAY_MODE
    from backstay.replay.process import REPORT

    mode = mode or ("hybrid" if live else "strict")
    if (mode == "hybrid") != bool(live):
        raise click.UsageError(
            "hybrid mode and --live TASK go together: name the tasks that go live, in hybrid mode only"
        )
    for _ in opened(journal).entries:
        """Refused before the program starts, if it is damaged."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        settings = {
            REPLAY: str(Path(journal).resolve()),
            REPLAY_MODE: mode,
            REPLAY_LIVE: ",".join(live),
            REPORT: str(report),
        }
        code = started(program, settings)
        fault = msgspec.json.decode(report.read_bytes())["fault"] if report.exists() else "no call was made"
    if fault is not None:
        click.echo(f"the replay failed: {fault}", err=True)
    elif code == 0:
        click.echo("the run went as it was recorded", err=True)
    sys.exit(code or (FAILED if fault is not None else 0))

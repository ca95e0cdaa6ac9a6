"""`backstay invoice`: documents to accepted, review and rejected records."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from backstay.cli import FAILED, INTERRUPTED
from backstay.cli.choice import OutputFile, choose
from backstay.cli.extract import _Progress as Progress

if TYPE_CHECKING:
    from backstay.cli.invoice_out import Output
    from backstay.kits.invoices.record import Record, Verdict

MARKS: dict[Verdict, str] = {"accepted": "green", "review": "yellow", "rejected": "red"}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-o",
    "--out",
    type=OutputFile(),
    help="FILE.parquet, .csv or .jsonl; JSON Lines on standard output without it.",
)
@click.option("--page", type=OutputFile(), help="Write FILE.html for whoever reviews.")
@click.option("--layouts", type=click.Path(file_okay=False), help="A folder of vendor layouts (TOML).")
@click.option(
    "--learn", metavar="NAME", help="Make a layout of this name from the PATHs, which --labels has the values of."
)
@click.option(
    "--labels", type=click.Path(dir_okay=False), help="Right values: JSON by file name, or corrected records."
)
@click.option(
    "--import", "is_import", is_flag=True, help="Make layouts from the PATHs, templates as invoice2data has them."
)
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Which model to ask; offline:rules for none.")
@click.option("--complexity", type=click.Choice(["simple", "medium", "complex"]), default="medium", show_default=True)
@click.option("--max-age", type=click.IntRange(1), metavar="DAYS", help="Older invoices are looked at by a person.")
@click.option("--again", is_flag=True, help="Read documents again that an earlier run has read.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
@click.option("-q", "--quiet", is_flag=True, help="No summary and no notes on standard error.")
def command(paths: tuple[str, ...], **options: Any) -> None:
    """Read invoices and receipts, check them, and decide: accepted, review or rejected, with reasons.

    PATH is a text, PDF, HTML, e-mail or XML file, or a folder. An electronic invoice inside or beside a PDF is read as the
    truth. A run into a file that was broken off goes on where it stopped, and nothing is paid for twice; a document that
    changed since is read again. What could not be read stands apart, in FILE.errors.jsonl, and is tried again by the next run.

    With --learn or --import nothing is read: a vendor's layout is made and written to the folder --layouts.

    Exit codes: 0 every document was read; 1 some could not be; 2 nothing was done; 130 interrupted, what was done is kept.
    """
    if options["learn"] or options["is_import"] or options["labels"]:
        _make_layouts(paths, options)
        return
    out = None if options["out"] is None else Path(options["out"])
    if out is not None and out.suffix not in (".parquet", ".csv", ".jsonl"):
        raise click.UsageError(f"--out {out}: the name must end in .parquet, .csv or .jsonl")
    if out is not None and out.suffix == ".parquet":
        from backstay.parquet import check_parquet

        check_parquet()  # before the first document is read and paid for
    sources, lost = _sources(paths, is_quiet=options["quiet"])
    if out is None:
        run = _read(sources, lost, None, options)
        told = ""
    else:
        from backstay.cli.invoice_out import opened

        with opened(out) as output:
            run = _read(sources, lost, output, options)
            told = _finish(output, run)
    records = list(run.records().values())
    if options["page"] is not None and run.is_whole:
        from backstay.kits.invoices.page import review_page

        Path(options["page"]).write_text(review_page(records), encoding="utf-8")
    if not options["quiet"]:
        _summarize(records, told)
    if not run.is_whole:
        sys.exit(INTERRUPTED)
    sys.exit(FAILED if run.failed or not records else 0)


class _Run(NamedTuple):
    """What a run knows at its end: the records, those of earlier runs too; what it could not read; whether it was whole."""

    done: dict[str, Record]
    failed: list[Record]
    is_whole: bool

    def records(self) -> dict[str, Record]:
        """The last that is known of each document."""
        return {**self.done, **{record.source: record for record in self.failed}}


def _read(sources: list[str], lost: list[Record], output: Output | None, options: Mapping[str, Any]) -> _Run:
    """Read those of `sources` that no earlier run has read as they are now."""
    from backstay.kits.invoices.layout import load_layouts
    from backstay.kits.invoices.setting import Settings
    from backstay.kits.invoices.workflow import within_budget

    settings = Settings(complexity=options["complexity"], max_age_days=options["max_age"])
    layouts = () if options["layouts"] is None else load_layouts(_folder(options["layouts"]))
    loaded = within_budget(choose(options["config_path"], options["model"], quiet=options["quiet"]), settings)
    done: dict[str, Record] = {} if output is None else dict(output.earlier)
    failed: list[Record] = []
    digests = {} if output is None else _unread(sources, output, options)
    unread = sources if output is None else list(digests)

    async def run(advance: Callable[[], None]) -> None:
        from backstay.client import Client
        from backstay.kits.invoices.workflow import process_all

        async with Client(loaded=loaded) as client:
            async for record in process_all(client, unread, layouts=layouts, settings=settings):
                if output is None:
                    _print(record)
                elif not record.error:
                    output.add(record, digests.get(record.source))
                if record.error:
                    failed.append(record)
                else:
                    done[record.source] = record
                read.append(record.source)
                advance()

    read: list[str] = []
    try:
        with Progress(len(unread), is_shown=not options["quiet"]) as advance:
            asyncio.run(run(advance))
    except KeyboardInterrupt:
        left = len(unread) - len(read)
        what = "what is not read again keeps its record" if options["again"] else "the same command goes on"
        click.echo(f"interrupted: {len(sources) - left} of {_count(len(sources))} are done; {what}", err=True)
        return _Run(done, failed, False)
    return _Run(done, [*failed, *lost], True)


def _unread(sources: list[str], output: Output, options: Mapping[str, Any]) -> dict[str, str | None]:
    """The digests of those documents that are to be read: not read before, changed since, or wanted again."""
    from backstay.cli.invoice_out import digest_of

    unread: dict[str, str | None] = {}
    for source in sources:
        digest, before = digest_of(source), output.earlier.get(source)
        if before is None or options["again"]:
            unread[source] = digest
        elif before.digest is not None and before.digest != digest:
            unread[source] = digest
            if not options["quiet"]:
                click.echo(f"{source} has changed since it was read, and is read again", err=True)
    return unread


def _print(record: Record) -> None:
    from backstay.cli.invoice_out import line_of

    sys.stdout.write(line_of(record).decode())
    sys.stdout.flush()


def _finish(output: Output, run: _Run) -> str:
    """Write what is written at the end; the words for it."""
    output.write_errors(run.failed, is_whole=run.is_whole)
    kept = output.finish(run.done) if run.is_whole else 0
    told = f"; {output.told(is_whole=run.is_whole)}"
    return told if not kept else f"{told}, which keeps {kept} of earlier runs"


def _count(number: int) -> str:
    return f"{number} document" if number == 1 else f"{number} documents"


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise click.UsageError(f"--layouts {name}: there is no such folder; --learn and --import make one")
    return Path(name)


def _make_layouts(paths: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Write the layouts that are asked for to the folder of layouts, and say what came of it."""
    from backstay.kits.invoices.layout import save_layout
    from backstay.kits.invoices.shelf import import_layouts, learn_layout

    if options["learn"] and options["is_import"]:
        raise click.UsageError("--learn and --import: one of them at a time")
    if options["layouts"] is None:
        raise click.UsageError("--layouts FOLDER is missing: where the layout is to be written")
    folder = Path(options["layouts"])
    if options["is_import"]:
        made = import_layouts(paths)
    elif options["learn"] and options["labels"]:
        made = [learn_layout(options["learn"], paths, options["labels"], folder)]
    else:
        raise click.UsageError("--learn NAME and --labels FILE belong together")
    folder.mkdir(parents=True, exist_ok=True)
    for layout, notes in made:
        target = folder / f"{layout.name}.toml"
        save_layout(layout, target)
        fields = ", ".join(hint.name for hint in layout.fields) or "none"
        click.echo(f"{target}: {len(layout.marks)} marks, {len(layout.examples)} examples, fields: {fields}")
        for note in notes:
            click.echo(f"  {note}", err=True)


def _sources(paths: tuple[str, ...], *, is_quiet: bool) -> tuple[list[str], list[Record]]:
    """The documents under `paths`, and a record for each path that names none or cannot be looked into.

    Raises UsageError where there is nothing to read.
    """
    from backstay.extract.folder import list_documents
    from backstay.kits.invoices.record import Record
    from backstay.kits.invoices.source import parts_of

    def skipped(path: Path, reason: str) -> None:
        click.echo(f"skipped {path}: {reason}", err=True)

    closed = _closed(paths)
    found = list(list_documents(paths, on_skip=None if is_quiet else skipped))
    lost = {one.source: str(one.error) for one in found if not isinstance(one, str)} | closed
    if not found and not lost:
        raise click.UsageError(f"{', '.join(paths)}: no documents there, no file of a kind that is known")
    if not found:
        raise click.UsageError("; ".join(f"{path}: {why}" for path, why in lost.items()))
    sources = list(dict.fromkeys(one for one in found if isinstance(one, str)))
    parts = parts_of(sources)
    for part, whole in parts.items():
        if not is_quiet:
            skipped(Path(part), f"it is read with {Path(whole).name}")
    failed = [Record(source=source, decision="rejected", error=error) for source, error in lost.items()]
    return [one for one in sources if one not in parts], failed


def _closed(paths: tuple[str, ...]) -> dict[str, str]:
    """The folders at or below `paths` that cannot be looked into, and why."""
    faults: list[OSError] = []
    for path in paths:
        for _, folders, _ in os.walk(path, onerror=faults.append):
            folders[:] = [name for name in folders if not name.startswith(".")]
    return {
        str(fault.filename): (fault.strerror or str(fault)).lower() for fault in faults if Path(fault.filename).is_dir()
    }


def _summarize(records: list[Record], told: str) -> None:
    """What came of it, on standard error: the counts, and why a person is needed. `told` says where it stands."""
    counts = Counter(record.decision for record in records)
    verdicts = ", ".join(click.style(f"{counts[name]} {name}", fg=color) for name, color in MARKS.items())
    click.echo(f"{_count(len(records))}: {verdicts}{told}", err=True)
    for record in records:
        if record.decision != "accepted":
            why = record.error or "; ".join(record.reasons)
            click.echo(f"  {click.style(record.decision, fg=MARKS[record.decision])} {record.source}: {why}", err=True)

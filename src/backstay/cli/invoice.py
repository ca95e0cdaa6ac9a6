"""`backstay invoice`: documents to accepted, review and rejected records."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli import FAILED, INTERRUPTED
from backstay.cli.choice import choose
from backstay.cli.extract import _Progress as Progress

if TYPE_CHECKING:
    from backstay.kits.invoices.record import Record, Verdict

COLUMNS: dict[str, str] = {
    "source": "text",
    "decision": "text",
    "kind": "text",
    "confidence": "float",
    "field_count": "integer",
    "number": "text",
    "issue_date": "text",
    "due_date": "text",
    "seller": "text",
    "buyer": "text",
    "currency": "text",
    "net_total": "money",
    "tax_total": "money",
    "grand_total": "money",
    "layout": "text",
    "tier": "text",
    "target": "text",
    "is_degraded": "boolean",
    "is_validated": "boolean",
    "cost_usd": "money",
    "reasons": "json",
    "checks": "json",
    "lines": "json",
    "fields": "json",
    "error": "text",
}
"""The columns of a Parquet or CSV file, and their kinds."""

MARKS: dict[Verdict, str] = {"accepted": "green", "review": "yellow", "rejected": "red"}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False),
    help="FILE.parquet, .csv or .jsonl; JSON Lines on standard output without it.",
)
@click.option("--page", type=click.Path(dir_okay=False), help="Write FILE.html for whoever reviews.")
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
    truth. A run into a file that was broken off goes on where it stopped, and nothing is paid for twice. What could not be
    read stands apart, in FILE.errors.jsonl, and is tried again by the next run.

    With --learn or --import nothing is read: a vendor's layout is made and written to the folder --layouts.

    Exit codes: 0 every document was read; 1 some could not be; 2 nothing was done; 130 interrupted, what was done is kept.
    """
    if options["learn"] or options["is_import"] or options["labels"]:
        _make_layouts(paths, options)
        return
    from backstay.kits.invoices.setting import Settings

    settings = Settings(complexity=options["complexity"], max_age_days=options["max_age"])
    out = None if options["out"] is None else Path(options["out"])
    if out is not None and out.suffix not in (".parquet", ".csv", ".jsonl"):
        raise click.UsageError(f"--out {out}: the name must end in .parquet, .csv or .jsonl")
    if out is not None and out.suffix == ".parquet":
        from backstay.parquet import check_parquet

        check_parquet()  # before the first document is read and paid for
    records, is_whole = _read(paths, out, settings, options)
    if out is not None:
        _write_errors(out, [record for record in records if record.error])
        if out.suffix != ".jsonl" and is_whole:
            _write(out, [record for record in records if not record.error])
            _journal(out).unlink(missing_ok=True)
    if options["page"] is not None and is_whole:
        from backstay.kits.invoices.page import review_page

        Path(options["page"]).write_text(review_page(records), encoding="utf-8")
    if not options["quiet"]:
        _summarize(records, out)
    if not is_whole:
        sys.exit(INTERRUPTED)
    sys.exit(FAILED if any(record.error for record in records) or not records else 0)


def _read(
    paths: tuple[str, ...], out: Path | None, settings: Any, options: Mapping[str, Any]
) -> tuple[list[Record], bool]:
    """The records, those of an earlier run first, and whether the run came to its end."""
    from backstay.kits.invoices.layout import load_layouts
    from backstay.kits.invoices.workflow import within_budget

    loaded = within_budget(choose(options["config_path"], options["model"], quiet=options["quiet"]), settings)
    layouts = () if options["layouts"] is None else load_layouts(_folder(options["layouts"]))
    journal = None if out is None else _journal(out)
    records = [] if journal is None or options["again"] else list(_earlier(journal))
    sources, lost = _sources(paths, {record.source for record in records}, is_quiet=options["quiet"])
    total = len(records) + len(sources) + len(lost)
    stream = sys.stdout if journal is None else journal.open("a" if records else "w", encoding="utf-8")

    async def run(advance: Callable[[], None]) -> None:
        from backstay.client import Client
        from backstay.kits.invoices.workflow import process_all

        async with Client(loaded=loaded) as client:
            async for record in process_all(client, sources, layouts=layouts, settings=settings):
                records.append(record)
                if journal is None or not record.error:
                    stream.write(_line(record))
                    stream.flush()
                advance()

    try:
        with Progress(len(sources), is_shown=not options["quiet"]) as advance:
            asyncio.run(run(advance))
    except KeyboardInterrupt:
        click.echo(f"interrupted: {len(records)} of {total} documents are done; the same command goes on", err=True)
        return records, False
    finally:
        if journal is not None:
            os.fsync(stream.fileno())
            stream.close()
    return [*records, *lost], True


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


def _sources(paths: tuple[str, ...], known: set[str], *, is_quiet: bool) -> tuple[list[str], list[Record]]:
    """The documents that are to be read, and a record for each path that names none."""
    from backstay.extract.folder import list_documents
    from backstay.kits.invoices.record import Record
    from backstay.kits.invoices.source import parts_of

    def skipped(path: Path, reason: str) -> None:
        click.echo(f"skipped {path}: {reason}", err=True)

    found = list(list_documents(paths, on_skip=None if is_quiet else skipped))
    lost = [
        Record(source=one.source, decision="rejected", error=str(one.error))
        for one in found
        if not isinstance(one, str)
    ]
    sources = list(dict.fromkeys(one for one in found if isinstance(one, str)))
    parts = parts_of(sources)
    for part, whole in parts.items():
        if not is_quiet:
            skipped(Path(part), f"it is read with {Path(whole).name}")
    return [one for one in sources if one not in known and one not in parts], lost


def _journal(out: Path) -> Path:
    """Where each record is written as soon as it is there: the file itself, or one beside it that goes when that is whole."""
    return out if out.suffix == ".jsonl" else out.with_name(f".{out.name}.partial")


def _write_errors(out: Path, failed: list[Record]) -> None:
    """What could not be read, in a file of its own; no file where everything could."""
    path = out.with_name(f"{out.stem}.errors.jsonl")
    if failed:
        path.write_text("".join(map(_line, failed)), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def _line(record: Record) -> str:
    import msgspec

    return msgspec.json.encode(record).decode() + "\n"


def _earlier(path: Path) -> Iterator[Record]:
    """The records of a run that was broken off; a last line that was cut is read again."""
    import msgspec

    from backstay.kits.invoices.record import Record

    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    if len(whole) < len(lines):
        path.write_bytes(b"".join(whole))
    for number, line in enumerate(whole, 1):
        try:
            yield msgspec.json.decode(line, type=Record)
        except msgspec.DecodeError as error:
            raise click.UsageError(f"{path}:{number}: is no record of this command ({error}); use --again") from error


def _write(path: Path, records: Iterable[Record]) -> None:
    rows = [_row(record) for record in records]
    if path.suffix == ".parquet":
        from backstay.parquet import write_parquet

        write_parquet(path, COLUMNS, rows)
        return
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(COLUMNS)
    sheet.writerows(["" if cell is None else cell for cell in row] for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def _row(record: Record) -> list[Any]:
    import msgspec

    from backstay.kits.invoices.check import amount

    facts = msgspec.to_builtins(record)
    cells = {**facts["data"], **{name: facts[name] for name in COLUMNS if name in facts}}
    row: list[Any] = []
    for name, kind in COLUMNS.items():
        cell = cells.get(name)
        if kind == "money" and amount(cell) is None:
            cell = None  # what is no amount would spoil the column; the fields and the reasons have it
        row.append(msgspec.json.encode(cell).decode() if kind == "json" and cell is not None else cell)
    return row


def _summarize(records: list[Record], out: Path | None) -> None:
    """What came of it, on standard error: the counts, and why a person is needed."""
    counts = Counter(record.decision for record in records)
    told = ", ".join(click.style(f"{counts[name]} {name}", fg=color) for name, color in MARKS.items())
    where = "" if out is None else f"; written to {out}"
    click.echo(f"{len(records)} documents: {told}{where}", err=True)
    for record in records:
        if record.decision != "accepted":
            why = record.error or "; ".join(record.reasons)
            click.echo(f"  {click.style(record.decision, fg=MARKS[record.decision])} {record.source}: {why}", err=True)

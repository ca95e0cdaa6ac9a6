"""`backstay extract`: documents to typed records, with a model or without."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import click

from backstay.cli import FAILED, INTERRUPTED
from backstay.cli.choice import choose
from backstay.cli.record import FORMATS


@click.command()
@click.argument("schema")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-f", "--format", "format_", type=click.Choice(list(FORMATS)), help="jsonl unless on a terminal: table.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Write the records here instead of standard output.")
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Which model to ask; offline:rules for none.")
@click.option(
    "-j", "--concurrency", type=click.IntRange(1, 1000), default=8, show_default=True, help="Documents at once."
)
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on standard error, only errors.")
def command(schema: str, paths: tuple[str, ...], **options: Any) -> None:
    """Read each document into a typed record by SCHEMA, and print one JSON object per document.

    SCHEMA is receipt, invoice, denial, or a JSON Schema file. PATH is a text, PDF, HTML, e-mail or XML file, or a folder.
    Without a key and without a local server, offline rules read the documents; the records say which it was.

    Exit codes: 0 every document was read; 1 some were not (each is one line on standard error); 2 nothing could be
    read at all (a wrong schema, setting or key); 130 interrupted, and what was finished is written.
    """
    from backstay.extract.schema import load_schema

    known = load_schema(schema)
    loaded = choose(options["config_path"], options["model"], quiet=options["quiet"])
    format_ = options["format_"] or ("table" if options["out"] is None and sys.stdout.isatty() else "jsonl")
    with ExitStack() as opened:
        out: TextIO = sys.stdout
        if options["out"] is not None:
            out = opened.enter_context(_create(options["out"]))
        writer = FORMATS[format_](out)
        run = _Run(known, loaded, writer, concurrency=options["concurrency"], quiet=options["quiet"])
        code = run.over(paths)
        writer.close()
    sys.exit(code)


def _create(path: str) -> TextIO:
    try:
        return open(path, "w", encoding="utf-8", newline="")
    except OSError as error:
        raise click.UsageError(f"--out {path}: cannot be written ({error.strerror})") from error


class _Run:
    """One run over many documents: its client, its writer, and the count of what failed."""

    def __init__(self, schema: Any, loaded: Any, writer: Any, *, concurrency: int, quiet: bool) -> None:
        self._schema = schema
        self._loaded = loaded
        self._writer = writer
        self._concurrency = concurrency
        self._quiet = quiet
        self._failed = self._done = 0

    def over(self, paths: tuple[str, ...]) -> int:
        """Read all documents; the exit code."""
        from backstay.extract.folder import list_documents

        documents = list(list_documents(paths, on_skip=None if self._quiet else _skipped))
        with _Progress(len(documents), is_shown=not self._quiet) as advance:
            try:
                asyncio.run(self._read(documents, advance))
            except KeyboardInterrupt:
                click.echo(f"interrupted: {self._done} of {len(documents)} documents are written", err=True)
                return INTERRUPTED
        if self._failed:
            click.echo(f"{self._failed} of {len(documents)} documents could not be read", err=True)
        if not documents:
            click.echo("no documents there: PATH holds no file of a known kind", err=True)
        return FAILED if self._failed or not documents else 0

    async def _read(self, documents: list[Any], advance: Callable[[], None]) -> None:
        from backstay.client import Client
        from backstay.extract.attached import read_attached
        from backstay.extract.folder import read_all

        async with Client(loaded=self._loaded) as client:

            async def read(document: Any) -> Any:
                attached = read_attached(self._schema, document)
                if attached is not None:
                    return attached
                return await client.extract(self._schema, document.text, source=document.source)

            async for outcome in read_all(documents, read, concurrency=self._concurrency):
                if outcome.extraction is None:
                    self._failed += 1
                    click.echo(f"error: {outcome.error}", err=True)
                else:
                    self._failed += outcome.extraction.status == "failed"
                    self._done += 1
                    self._writer.add(outcome.extraction)
                advance()


def _skipped(path: Path, reason: str) -> None:
    click.echo(f"skipped {path}: {reason}", err=True)


class _Progress:
    """A progress bar on standard error, where that is a terminal and there is more than one document to wait for."""

    def __init__(self, total: int, *, is_shown: bool) -> None:
        self._bar: Any = None
        if is_shown and total > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("reading"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Callable[[], None]:
        if self._bar is None:
            return lambda: None
        self._bar.start()
        return lambda: self._bar.advance(self._task)

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

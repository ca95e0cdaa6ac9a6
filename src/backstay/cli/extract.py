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
@click.option(
    "--examples",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help='JSON Lines of {"text": ..., "data": ...} to show the model first.',
)
@click.option("--samples", type=click.IntRange(1, 20), default=1, help="Ask each question so often, for agreement.")
@click.option("--validate", is_flag=True, help="Ask once more whether the values are right, where the gate says so.")
@click.option("--calibration", type=click.Path(dir_okay=False), help="A file that `backstay calibrate` wrote.")
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
    asked = _asked(options)
    loaded = choose(options["config_path"], options["model"], quiet=options["quiet"])
    format_ = options["format_"] or ("table" if options["out"] is None and sys.stdout.isatty() else "jsonl")
    with ExitStack() as opened:
        out: TextIO = sys.stdout
        if options["out"] is not None:
            out = opened.enter_context(_create(options["out"]))
        writer = FORMATS[format_](out)
        run = _Run(known, loaded, writer, asked=asked, concurrency=options["concurrency"], quiet=options["quiet"])
        code = run.over(paths)
        writer.close()
    sys.exit(code)


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """The settings of every extraction of this run; files among them are read here, once."""
    asked: dict[str, Any] = {"samples": options["samples"], "validate": options["validate"]}
    if options["calibration"] is not None:
        from backstay.extract.calibrate import load

        asked["calibration"] = load(options["calibration"])
    if options["examples"] is not None:
        asked["examples"] = read_examples(options["examples"])
    return asked


def read_examples(path: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The examples of a JSON Lines file. Raises ConfigurationError that names the line of what is none."""
    import msgspec

    from backstay.errors import ConfigurationError

    class Line(msgspec.Struct):
        text: str
        data: dict[str, Any]

    found = []
    try:
        for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
            if line.strip():
                try:
                    example = msgspec.json.decode(line, type=Line)
                except msgspec.DecodeError as error:
                    raise ConfigurationError(f"{path}:{number}: is no example ({error})") from error
                found.append((example.text, example.data))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    return tuple(found)


def _create(path: str) -> TextIO:
    try:
        return open(path, "w", encoding="utf-8", newline="")
    except OSError as error:
        raise click.UsageError(f"--out {path}: cannot be written ({error.strerror})") from error


class _Run:
    """One run over many documents: its client, its writer, and the count of what failed."""

    def __init__(
        self, schema: Any, loaded: Any, writer: Any, *, asked: dict[str, Any], concurrency: int, quiet: bool
    ) -> None:
        self._schema = schema
        self._asked = asked
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
            click.echo("error: no documents there: PATH holds no file of a known kind", err=True)
        return FAILED if self._failed or not documents else 0

    async def _read(self, documents: list[Any], advance: Callable[[], None]) -> None:
        from backstay.client import Client
        from backstay.extract.folder import read_all

        async with Client(loaded=self._loaded) as client:

            async def read(document: Any) -> Any:
                return await client.extract(self._schema, document, **self._asked)

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

"""`backstay denial`: a denial letter to facts, a route, a plan and a pack of documents."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli import FAILED, INTERRUPTED
from backstay.cli.choice import choose

if TYPE_CHECKING:
    from backstay.document.document import Document
    from backstay.kits.denials.workflow import Pack


@click.command()
@click.argument("letters", nargs=-1, required=True, metavar="LETTER...")
@click.option("-o", "--out", required=True, type=click.Path(file_okay=False), help="Each case gets a folder in here.")
@click.option("--mode", type=click.Choice(["fast", "verified"]), default="fast", show_default=True)
@click.option("--eob", type=click.Path(dir_okay=False), help="The explanation of benefits of this claim.")
@click.option("--plan", "plans", multiple=True, type=click.Path(dir_okay=False), help="An SBC or EOC; repeatable.")
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Which model to ask; offline:rules for none.")
@click.option("--today", metavar="YYYY-MM-DD", help="The day that days are counted from; the clock's day by default.")
@click.option("--short", is_flag=True, help="Ask for the dozen facts that matter most: for small models.")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(["md", "docx", "pdf"]), help="Repeatable; all by default."
)
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
@click.option("-q", "--quiet", is_flag=True, help="No report on standard output, only errors.")
def command(letters: tuple[str, ...], **options: Any) -> None:
    """Read denial letters and write for each: facts with quotes, the route, an action plan, and documents to send.

    LETTER is a text, PDF, HTML or e-mail file, or a scan where the extra `ocr` is installed. --eob and --plan belong to
    one letter. Verified mode needs --plan and cites it; fast mode says that coverage was not verified.

    A letter that was worked on before gets its folder again, and files of it that were changed since are kept as .bak;
    another letter of the same name gets a folder of its own, NAME-2.

    Exit codes: 0 every case is written; 1 a letter could not be read, or a document was blocked because it stated
    something that no source does; 2 nothing was done; 130 interrupted.
    """
    from backstay.errors import ConfigurationError
    from backstay.kits.denials.setting import Settings

    if len(letters) > 1 and (options["eob"] or options["plans"]):
        raise click.UsageError("--eob and --plan belong to one letter: give that letter alone")
    if options["mode"] == "verified" and not options["plans"]:
        raise ConfigurationError("--mode verified: needs --plan, an SBC or EOC to cite")
    settings = Settings(mode=options["mode"], is_short=options["short"])
    loaded = choose(options["config_path"], options["model"], quiet=options["quiet"])
    try:
        code = asyncio.run(_run(letters, options, loaded=loaded, settings=settings, today=_day(options["today"])))
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"--today {text}: must be YYYY-MM-DD") from error


async def _run(
    letters: tuple[str, ...], options: dict[str, Any], *, loaded: Any, settings: Any, today: dt.date | None
) -> int:
    """Work on every letter; the exit code."""
    from backstay.errors import ConfigurationError, LLMError
    from backstay.kits.denials.workflow import open_client

    failed = 0
    async with open_client(loaded=loaded) as client:
        taken: list[Path] = []
        for path in letters:
            try:
                is_clean = await _case(client, path, taken, options, settings=settings, today=today)
            except ConfigurationError:
                raise
            except LLMError as error:
                place = "" if path in str(error) else f"{path}: "
                click.echo(f"error: {place}{error}", err=True)
                failed += 1
            else:
                failed += not is_clean
    return FAILED if failed else 0


async def _case(
    client: Any, path: str, taken: list[Path], options: dict[str, Any], *, settings: Any, today: dt.date | None
) -> bool:
    """Work on one letter and write it into a folder that is not `taken`; False where a document was blocked for good."""
    from backstay.errors import ConfigurationError
    from backstay.kits.denials.folder import FORMATS, KEPT, case_folder, write_pack
    from backstay.kits.denials.workflow import work_case

    now = dt.datetime.fromtimestamp(client.identity()["created_at"], dt.UTC)
    letter = _read(path)
    pack = await work_case(
        client,
        letter,
        today=today or now.date(),
        benefits=_read(options["eob"]) if options["eob"] else None,
        plan_documents=[_read(one) for one in options["plans"]],
        settings=settings,
    )
    out = Path(options["out"])
    try:
        folder = case_folder(out, Path(path).stem or "letter", letter, taken=taken)
        stamp = now.isoformat(timespec="seconds")
        written = write_pack(pack, letter, folder, read_at=stamp, formats=options["formats"] or FORMATS)
    except OSError as error:
        raise ConfigurationError(f"--out {error.filename or out}: cannot be written ({error.strerror})") from error
    taken.append(folder)
    for one in written:
        if one.suffix == KEPT:
            click.echo(f"kept: {one}: it was changed since the earlier run", err=True)
    if not options["quiet"]:
        _report(pack, folder)
    lacking = set(pack.plan.generated_documents) - {paper.name for paper in pack.papers}
    for name in sorted(lacking):
        click.echo(f"blocked: {path}: {name} states what no source does; see {folder / 'grounding.json'}", err=True)
    return not lacking


def _read(path: str) -> Document:
    """The document at `path`; a picture or a scan is recognized first."""
    from backstay.document.fault import NeedsRecognition
    from backstay.document.read import read_document
    from backstay.document.scan import is_image, read_scan

    if is_image(path):
        return read_scan(path)
    try:
        return read_document(path)
    except NeedsRecognition:
        return read_scan(path)


def _report(pack: Pack, folder: Path) -> None:
    """What a person needs to know now, on standard output."""
    from backstay.kits.denials.deadline import days_left
    from backstay.kits.denials.route import NAMES

    timeline = pack.plan.timeline
    way = NAMES[pack.route.route] if pack.route.route else f"none: {pack.route.declined}"
    left = "" if timeline.days_remaining is None else f" ({days_left(timeline.days_remaining)})"
    writers = sorted(set(pack.writers.values()))
    click.echo(f"{folder}")
    click.echo(f"  payer     {pack.facts['payer.name'] or 'unknown'}")
    click.echo(f"  reason    {pack.facts['denial_reason'] or 'unknown'}")
    click.echo(f"  route     {way}" + (f" ({pack.route.confidence:.0%} sure)" if pack.route.route else ""))
    click.echo(f"  deadline  {timeline.appeal_deadline or 'unknown'}{left}; {timeline.source}")
    click.echo(f"  documents {', '.join(paper.name for paper in pack.papers) or 'none'}")
    click.echo(
        f"  read by   {pack.facts.read_by}{' (rules, no model)' if pack.facts.is_degraded else ''}; "
        f"written by {', '.join(writers)}"
    )
    for why in pack.needs_person:
        click.echo(f"  look      {why}")
    for note in pack.notes:
        click.echo(f"  note      {note}")

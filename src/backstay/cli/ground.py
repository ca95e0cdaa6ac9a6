"""`backstay ground`: what a text states that its sources do not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from backstay.cli import FAILED

KINDS = ("code", "date", "amount", "percent", "contact", "id", "name")


@click.command()
@click.argument("output", metavar="OUTPUT")
@click.option("-s", "--source", "sources", multiple=True, required=True, metavar="FILE", help="A source; repeatable.")
@click.option(
    "-k", "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Check this kind only; repeatable."
)
@click.option(
    "-f", "--format", "format_", type=click.Choice(["text", "json", "html"]), default="text", show_default=True
)
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Write the report here instead of standard output.")
@click.option("--model", metavar="PROVIDER:MODEL", help="Ask this model as well whether each sentence is supported.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(output: str, sources: tuple[str, ...], format_: str, out: str | None, **options: Any) -> None:
    """Check every code, date, amount, percentage, contact, id and name of OUTPUT against the sources.

    OUTPUT is a document of any kind that `backstay extract` reads, or - for standard input. This is a check of what has
    a form: it claims nothing about meaning. With --model a model's opinion of each sentence is added.

    Exit codes: 0 everything is in the sources or follows from them; 1 something is not; 2 nothing could be checked.
    """
    from backstay.document.read import read_document
    from backstay.errors import ConfigurationError, LLMError
    from backstay.extract.grounding import check

    try:
        text = sys.stdin.read() if output == "-" else read_document(output).text
        texts = [read_document(source).text for source in sources]
    except LLMError as error:
        raise ConfigurationError(str(error)) from error
    report = check(text, texts, kinds=options["kinds"] or None)
    opinion = None if options["model"] is None else _opinion(text, texts, options["model"], options["config_path"])
    shown = {"text": _as_text, "json": _as_json, "html": _as_html}[format_](text, report, opinion)
    if out is not None:
        try:
            Path(out).write_text(shown, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--out {out}: cannot be written ({error.strerror})") from error
    else:
        click.echo(shown, nl=False)
    if not report.is_grounded or (opinion is not None and opinion.unsupported):
        sys.exit(FAILED)


def _opinion(text: str, sources: list[str], model: str, config_path: str | None) -> Any:
    from backstay.client import Client
    from backstay.config import load
    from backstay.extract.entailment import ask_entailment
    from backstay.types import Request, Response

    async def ask_all() -> Any:
        async with Client(loaded=load(config_path, arguments={"model": model})) as client:

            async def ask(request: Request) -> Response:
                return await (await client.send(request)).response()

            request = client.request("entailment", {"task": "entailment"})
            return await ask_entailment(ask, text, sources, request=request)

    return asyncio.run(ask_all())


def _as_text(text: str, report: Any, opinion: Any) -> str:
    """The output with what is wrong in red, what follows in yellow, then a line for each fault."""
    from backstay.extract.view import explain, find_line, mark_text

    def paint(stretch: str, item: Any) -> str:
        if item.grounded and item.derived is None:
            return stretch
        return click.style(stretch, fg="yellow" if item.grounded else "red", bold=not item.grounded, underline=True)

    lines = [mark_text(text, report, paint).rstrip("\n"), ""]
    for item in report.ungrounded:
        line, column = find_line(text, item.start)
        lines.append(f"{line}:{column}: {item.kind} {item.text!r}: {explain(item)}")
    lines += _said(text, opinion)
    derived = sum(item.derived is not None for item in report.items)
    counts = f"{len(report.items)} items: {len(report.ungrounded)} not in the sources, {derived} derived"
    return "\n".join([*lines, f"{counts}. Meaning was {'checked by a model' if opinion else 'not checked'}.", ""])


def _said(text: str, opinion: Any) -> list[str]:
    """A line for each sentence that the model does not find supported."""
    from backstay.extract.view import find_line

    found = opinion.unsupported if opinion is not None else ()
    return [
        f"{line}:{column}: sentence, in the opinion of {opinion.provenance.target}: {one.reason}"
        for one in found
        for line, column in [find_line(text, one.start)]
    ]


def _as_json(text: str, report: Any, opinion: Any) -> str:
    import msgspec

    facts = {"items": report.items, "ungrounded": len(report.ungrounded), "opinion": opinion}
    return msgspec.json.format(msgspec.json.encode(facts), indent=2).decode() + "\n"


def _as_html(text: str, report: Any, opinion: Any) -> str:
    from backstay.extract.view import to_html

    return to_html(text, report, notes=_said(text, opinion))

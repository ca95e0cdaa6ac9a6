"""`backstay recover`: JSON out of a model's text."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click
import msgspec

from backstay.cli import FAILED


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Salvage this field from a ruin; repeatable.")
@click.option("--strict", is_flag=True, help="Accept valid JSON only.")
@click.option("--report", is_flag=True, help="Print the whole result: status, method, every repair with its place.")
@click.option("--quiet", is_flag=True, help="Say nothing about repairs on standard error.")
def command(file: BinaryIO, fields: tuple[str, ...], strict: bool, report: bool, quiet: bool) -> None:
    """Recover the JSON value in FILE (default: standard input) and print it.

    Exit code 0 when a value was found, whole or in part; 1 when there is none.
    """
    from backstay.recover import Status, parse

    text = file.read().decode("utf-8", "replace")
    parsed = parse(text, fields=fields or None, strict=strict)
    if report:
        shown = msgspec.to_builtins(parsed)
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    elif parsed.status is not Status.FAILED:
        click.echo(msgspec.json.format(msgspec.json.encode(parsed.value), indent=2).decode())
    if not quiet and not report:
        for line in (*(f"{r.code} at {r.offset}: {r.detail}" for r in parsed.repairs), *map(str, parsed.errors)):
            click.echo(f"{str(parsed.status).lower()}: {line}", err=True)
    if parsed.status is Status.FAILED:
        sys.exit(FAILED)

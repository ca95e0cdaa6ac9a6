"""`backstay recover`: JSON out of a model's text."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

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

    What is valid JSON already is indented and keeps every letter and digit: 1e400, 2.50 and "\\ud800" come out as they stand.

    Exit code 0 when a value was found, whole or in part; 1 when there is none.
    """
    from backstay.recover import Status, parse

    text = file.read().decode("utf-8", "replace")
    parsed = parse(text, fields=fields or None, strict=strict)
    found = text.strip() if parsed.status is Status.SUCCESS else _encode(parsed.value)
    if report:
        shown = msgspec.structs.asdict(parsed)
        shown["value"] = msgspec.Raw(found.encode())
        click.echo(_indent(msgspec.json.encode(shown).decode()))
    elif parsed.status is not Status.FAILED:
        click.echo(_indent(found))
    if not quiet and not report:
        for line in (*(f"{r.code} at {r.offset}: {r.detail}" for r in parsed.repairs), *map(str, parsed.errors)):
            click.echo(f"{str(parsed.status).lower()}: {line}", err=True)
    if parsed.status is Status.FAILED:
        sys.exit(FAILED)


def _encode(value: Any) -> str:
    """JSON of what was recovered; half a surrogate pair, which UTF-8 has no form for, and very long integers as `json` does."""
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        return json.dumps(value)


def _indent(text: str) -> str:
    """`text`, which is JSON, indented; as it stands where it holds half a surrogate pair or is nested too deeply for that."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text

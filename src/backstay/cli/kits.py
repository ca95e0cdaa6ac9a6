"""`backstay kits`: the five applications that ship, each with a line to try it."""

from __future__ import annotations

import shutil
import sys
from typing import Final

import click
import msgspec

from backstay.cli.table import columns, lay_out, print_table

KITS: Final = (
    (
        "denials",
        "a denial letter to facts, a plan and documents",
        "backstay denial examples/denials/knee_mri.txt --out cases",
    ),
    ("patterns", "events to patterns, reviewed and weighed", "backstay patterns ingest examples/patterns/rulings.csv"),
    ("invoices", "invoices and receipts, checked and decided", "backstay invoice examples/invoices --out invoices.csv"),
    ("operations", "a running system, looked after", "backstay operations run"),
    ("narrative", "a village that you lead", "backstay narrate run --ticks 12 --seed 7"),
)
"""Name, what it makes of what, and a command that needs no key."""


@click.command()
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def command(is_json: bool) -> None:
    """The applications that ship with backstay. Each runs by rules without a key, and better with a model."""
    if is_json:
        rows = [dict(zip(("kit", "what", "try"), kit, strict=True)) for kit in KITS]
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    header = ("kit", "what", "try it")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if width is None or max(map(columns, lay_out(header, KITS))) <= width:
        print_table(header, KITS)
        return
    for name, what, command in KITS:  # a command is there to be copied, so it is never cut
        click.echo(f"{click.style(name, bold=True)}: {what}\n  {command}")

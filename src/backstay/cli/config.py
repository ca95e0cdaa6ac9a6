"""`backstay config`: what the settings are, where each came from, and whether they hold.

Exit codes: 0 all good, 2 a setting is wrong; every fault is printed, to standard error, and no key ever is. A table on a
terminal, plain lines elsewhere, JSON with `--json`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from backstay.cli.choice import OutputFile
from backstay.cli.group import Group
from backstay.config import Loaded, Row, load, verify
from backstay.config import explain as explain_settings
from backstay.config import save as save_settings
from backstay.config.entry import Arguments
from backstay.config.environment import Environment
from backstay.config.file import NAME, locate, user_folder
from backstay.errors import ConfigurationError

Command = TypeVar("Command", bound=Callable[..., Any])

WRONG = 2


@click.group(name="config", cls=Group)
def command() -> None:
    """Show, check and save the settings."""


def _sources(function: Command) -> Command:
    """The options that say where settings are read from, the same for every command."""
    file = click.option(
        "--config", "path", type=click.Path(path_type=Path), help="The settings file, instead of the one that is found."
    )
    given = click.option(
        "--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting that wins over all others."
    )
    return file(given(function))


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command()
@_sources
@_json
@click.option("--changed", is_flag=True, help="Leave out settings that have their default.")
def explain(path: Path | None, given: tuple[str, ...], as_json: bool, changed: bool) -> None:
    """List every setting with its value and where that came from."""
    loaded = _load(path, given, as_json)
    rows = [row for row in explain_settings(loaded) if not (changed and row.source.startswith("default"))]
    if as_json:
        _print_json([msgspec.to_builtins(row) for row in rows])
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        _print_lines(rows)


@command.command()
@_sources
@_json
def check(path: Path | None, given: tuple[str, ...], as_json: bool) -> None:
    """Check the settings and that every key they name is there. Exit code 2 with all faults."""
    loaded = _load(path, given, as_json)
    faults = verify(loaded)
    if faults:
        _fail(faults, as_json)
    read = str(loaded.source.path) if loaded.source else None
    if as_json:
        _print_json({"faults": [], "file": read, "model": loaded.model})
    else:
        click.echo(f"The settings are good. Model: {loaded.model}. File: {read or 'none'}.")


@command.command()
@click.argument("target", metavar="PATH", type=OutputFile(is_replaced=True))
@_sources
def save(target: str, path: Path | None, given: tuple[str, ...]) -> None:
    """Write the settings in effect to PATH: what differs from the defaults, references instead of keys."""
    loaded = _load(path, given, as_json=False)
    try:
        saved = save_settings(loaded.config, target)
    except (ConfigurationError, OSError) as error:
        _fail(
            error.faults if isinstance(error, ConfigurationError) else (f"{target}: {error.strerror}",), as_json=False
        )
    click.echo(f"Saved {saved.path}")
    if saved.backup is not None:
        click.echo(f"The former file, with comments that this one lacks, is kept as {saved.backup}")


@command.command(name="path")
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help="The settings file, instead of the one that is found."
)
@_json
def show_path(path: Path | None, as_json: bool) -> None:
    """Print the path of the settings file that is read; where there is none, say where one would be."""
    cwd, home = Path.cwd(), user_folder()
    source = locate(path, Environment(os.environ), cwd=cwd, user_folder=home)
    if as_json:
        named = {"path": str(source.path), "origin": source.origin} if source else {"path": None, "origin": None}
        _print_json({**named, "searched": [str(cwd / NAME), str(home / NAME)]})
    elif source is not None:
        click.echo(source.path)
    else:
        click.echo(f"No settings file. Looked for {cwd / NAME} and {home / NAME}", err=True)


def _load(path: Path | None, given: Sequence[str], as_json: bool) -> Loaded:
    """The settings; where they are wrong, the program ends with all faults."""
    faults: tuple[str, ...] = tuple(
        "argument --set: write NAME=VALUE" for item in given if not item.partition("=")[0] or "=" not in item
    )
    arguments = Arguments(
        dict(item.split("=", 1) for item in given if "=" in item), origin="argument --set", is_text=True
    )
    try:
        loaded = load(path, environ=os.environ, arguments=arguments)
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        _fail(faults, as_json)
    return loaded


def _fail(faults: Sequence[str], as_json: bool) -> NoReturn:
    if as_json:
        _print_json({"faults": list(faults)})
    else:
        for fault in faults:
            click.echo(fault, err=True)
    raise click.exceptions.Exit(WRONG)


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)))


def _print_lines(rows: Sequence[Row]) -> None:
    for row in rows:
        click.echo(f"{row.setting}\t{row.value}\t{row.source}")


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Setting", "Value", "Source", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        style = "dim" if row.source.startswith("default") else ""
        table.add_row(Text(row.setting, style), Text(row.value, style), Text(row.source, style))
    Console().print(table)

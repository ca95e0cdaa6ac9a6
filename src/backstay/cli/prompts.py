"""`backstay prompts`: the prompts there are, what one says, how it reads with values, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from backstay.cli import FAILED
from backstay.cli.group import Group
from backstay.cli.table import print_table
from backstay.errors import ConfigurationError
from backstay.prompts import PromptLibrary, Rendered, Template
from backstay.prompts.library import prompt_files
from backstay.tokens import upper_bound

folders = click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, exists=True),
    help="A folder of prompts of your own; a later one wins. May be repeated.",
)
version = click.option("--version", "version", help="A version; the newest without.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def command() -> None:
    """Prompts: the shipped ones and your own."""


@command.command("list")
@folders
@as_json
def list_prompts(folders: tuple[str, ...], as_json: bool) -> None:
    """All prompts, with their versions and variables; * marks a variable that must be given."""
    library = PromptLibrary(*folders)
    templates = [library.get(name) for name in library.names()]
    if as_json:
        click.echo(_json([_facts(library, template) for template in templates]))
        return
    rows = [
        [one.name, ", ".join(library.versions(one.name)), one.tier or "", _variables(one), one.description]
        for one in templates
    ]
    print_table(["name", "versions", "tier", "variables", "description"], rows, spare=("tier",))


@command.command()
@click.argument("name")
@folders
@version
@as_json
def show(name: str, folders: tuple[str, ...], version: str | None, as_json: bool) -> None:
    """The prompt NAME: its variables, its parts, the schema of its answer."""
    library = PromptLibrary(*folders)
    template = library.get(name, version)
    if as_json:
        click.echo(_json(_facts(library, template)))
        return
    click.echo(f"{template.name} {template.version}  {template.hash}  {template.source}\n{template.description}")
    for variable, one in template.variables.items():
        need = "must be given" if one.is_required else f"default {msgspec.json.encode(one.default).decode()}"
        click.echo(f"  {variable}: {one.kind}, {need}" + (f": {one.description}" if one.description else ""))
    for part, text in (("System", template.system), ("User", template.user)):
        if text:
            click.echo(f"\n# {part}\n{text}")
    if template.schema is not None:
        click.echo(f"\n# Schema\n{_json(template.schema)}")


@command.command()
@click.argument("name")
@click.option(
    "-v",
    "--value",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable; NAME=@FILE reads a file. A json, number or flag variable takes JSON.",
)
@folders
@version
@as_json
def render(name: str, values: tuple[str, ...], folders: tuple[str, ...], version: str | None, as_json: bool) -> None:
    """The prompt NAME with its variables filled in, as a model gets it."""
    library = PromptLibrary(*folders)
    template = library.get(name, version)
    rendered = library.render(name, version, **_given(template, values))
    if as_json:
        click.echo(_json(msgspec.to_builtins(rendered)))
        return
    click.echo(rendered.text)
    click.echo(f"{rendered.name} {rendered.version} ({rendered.hash}): {_most(rendered):,} tokens at most", err=True)


@command.command()
@click.argument("name")
@click.argument("old")
@click.argument("new")
@folders
def diff(name: str, old: str, new: str, folders: tuple[str, ...]) -> None:
    """What changed in NAME from version OLD to NEW."""
    click.echo(PromptLibrary(*folders).diff(name, old, new) or f"{name}: {old} and {new} say the same")


@command.command()
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, exists=True))
@click.option(
    "--require",
    "required",
    multiple=True,
    metavar="NAME:VARIABLE,...",
    help="A prompt that must be there, with these variables. May be repeated.",
)
@click.option(
    "--flow", "flows", multiple=True, type=click.Path(dir_okay=False, exists=True), help="A flow to check too."
)
@click.option("--tool", "tools", multiple=True, help="A tool that the flows may use. May be repeated.")
def check(folders: tuple[str, ...], required: tuple[str, ...], flows: tuple[str, ...], tools: tuple[str, ...]) -> None:
    """Read the prompts in FOLDERS beside the shipped ones, and say everything that is wrong with them."""
    from backstay.prompts.flow import load_flow

    for folder in folders:
        if not prompt_files(folder):
            raise ConfigurationError(f"{folder}: there is no prompt in this folder; a prompt is a file NAME.md in it")
    try:
        library = PromptLibrary(*folders)
        faults = library.faults()
        faults += library.validate(dict(_requirement(one) for one in required))
        for path in flows:
            faults += load_flow(path).faults(library, tools)
    except ConfigurationError as error:
        faults = list(error.faults)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise SystemExit(FAILED)
    click.echo(f"{len(library.names())} prompts, nothing wrong")


def _given(template: Template, values: Iterable[str]) -> dict[str, Any]:
    """The values by name, each read as its variable's kind is. All faults at once."""
    given: dict[str, Any] = {}
    faults = []
    for one in values:
        name, sign, text = one.partition("=")
        try:
            if not sign:
                raise ValueError("write NAME=VALUE, or NAME=@FILE")
            text = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
            kind = template.variables[name].kind if name in template.variables else "text"
            given[name] = msgspec.json.decode(text) if kind in ("json", "number", "flag") else text
        except msgspec.DecodeError as error:
            faults.append(f"{name}: is no JSON: {error}")
        except (OSError, ValueError) as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise ConfigurationError(*faults)
    return given


def _requirement(text: str) -> tuple[str, list[str]]:
    name, _, variables = text.partition(":")
    return name.strip(), [one.strip() for one in variables.split(",") if one.strip()]


def _facts(library: PromptLibrary, template: Template) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(template),
        "hash": template.hash,
        "versions": library.versions(template.name),
    }


def _variables(template: Template) -> str:
    return ", ".join(f"{name}{'*' if one.is_required else ''}" for name, one in template.variables.items())


def _most(rendered: Rendered) -> int:
    return upper_bound(rendered.system or "") + sum(upper_bound(message.text) for message in rendered.messages)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()

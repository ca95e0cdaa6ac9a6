"""`backstay record`: run a program and note every call that it makes to a model, without a change of the program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from backstay.cli.choice import OutputFile
from backstay.errors import ConfigurationError


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--journal", required=True, type=OutputFile(is_replaced=True), help="The file to write, .jsonl or .jsonl.zst."
)
@click.option("--overwrite", is_flag=True, help="Replace a journal that is there.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def command(journal: str, overwrite: bool, program: tuple[str, ...]) -> None:
    """Run PROGRAM with the library recording: backstay record --journal run.jsonl -- python app.py"""
    from backstay.replay.current import RECORD

    path = Path(journal).resolve()
    if path.exists():
        if not overwrite:
            raise ConfigurationError(f"{journal}: there is a journal already; choose another name or add --overwrite")
        path.unlink()
    code = started(program, {RECORD: str(path)})
    click.echo(f"recorded in {journal}" if path.exists() else "nothing was recorded: no call was made", err=True)
    sys.exit(code)


def started(program: tuple[str, ...], settings: dict[str, str]) -> int:
    """The exit code of `program`, run with `settings` in its environment; 128 and the signal where one ended it, as a shell
    says it. Raises ConfigurationError where it cannot start."""
    try:
        code = subprocess.run(list(program), env={**os.environ, **settings}, check=False).returncode
    except OSError as error:
        raise ConfigurationError(f"{program[0]}: cannot be started: {error.strerror}") from error
    return code if code >= 0 else 128 - code

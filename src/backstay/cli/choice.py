"""Which model a command asks: the configured one, else a local server that answers, else the offline rules.

A command that was given no model and finds no key looks on the usual local ports before it falls back to rules, and says on
standard error which way it went.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import click

from backstay.config import Loaded, load


class OutputFile(click.Path):
    """A file to write, refused before any work is done where the folder that it goes into is not there.

    One that `is_replaced` as a whole must be a regular file where it exists: a device would be read without end, or be gone.
    """

    def __init__(self, *, is_replaced: bool = False) -> None:
        super().__init__(dir_okay=False, writable=True)
        self._is_replaced = is_replaced

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = os.fspath(super().convert(value, param, ctx))
        path = path if isinstance(path, str) else os.fsdecode(path)
        folder = Path(path).parent
        if not folder.is_dir():
            self.fail(
                f"there is no folder {str(folder)!r} to write {Path(path).name!r} into; make it first", param, ctx
            )
        if self._is_replaced and Path(path).exists() and not Path(path).is_file():
            self.fail(f"{path!r} is no regular file, and nothing else is replaced: choose another name", param, ctx)
        return path


def choose(config_path: str | None, model: str | None, *, quiet: bool = False) -> Loaded:
    """The settings with the model to ask. Raises ConfigurationError for a wrong configuration."""
    loaded = load(config_path, arguments={"model": model})
    if not is_fallback(loaded):
        return loaded
    found = asyncio.run(local_model(loaded))
    if found is None:
        if not quiet:
            click.echo("no model configured: offline rules answer (backstay doctor tells how to get one)", err=True)
        return loaded
    if not quiet:
        click.echo(f"no model configured: using {found}, which answers on this machine", err=True)
    return load(config_path, arguments={"model": found})


def is_fallback(loaded: Loaded) -> bool:
    """True when nobody chose the offline rules: they are what was left."""
    return loaded.config.model is None and loaded.model.startswith("offline:")


async def local_model(loaded: Loaded) -> str | None:
    """The first model of the first local server that answers, as "provider:model"."""
    from backstay.codecs.registry import providers
    from backstay.discover import find_servers
    from backstay.transport.http import HTTPTransport

    transport: Any = HTTPTransport()
    try:
        servers = await find_servers(transport, providers())
    finally:
        await transport.aclose()
    return f"{servers[0].provider}:{servers[0].models[0]}" if servers else None

"""`backstay doctor`: what is configured, what answers, what is missing, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import click
import msgspec

from backstay.cli import FAILED
from backstay.config import Loaded, load
from backstay.errors import ConfigurationError, LLMError

Mark: TypeAlias = Literal["ok", "note", "fault"]
EXTRAS = {
    "keyring": ("keyring", "keys from the system keyring"),
    "uvloop": ("uvloop", "a faster event loop"),
    "numpy": ("calibration", "calibration"),
    "duckdb": ("parquet", "reports as Parquet"),
    "mcp": ("mcp", "tools of MCP servers"),
    "docx": ("docs", "documents as DOCX and PDF"),
    "rapidocr": ("ocr", "the text of scans"),
}
"""Of each module: the extra that brings it, and what it is good for."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: how it stands, and for notes and faults what to do."""

    mark: Mark
    subject: str
    text: str


@click.command()
@click.option("--ping", is_flag=True, help="Ask the configured model one short question (this may cost a little).")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(ping: bool, as_json: bool, config_path: str | None) -> None:
    """Look at the configuration, the keys, local servers, the ledger and the extras. Exit code 1 when something is wrong."""
    try:
        loaded = load(config_path)
    except ConfigurationError as error:
        findings = [Finding("fault", "configuration", fault) for fault in error.faults]
    else:
        findings = [*look(loaded), *asyncio.run(reach(loaded, ping=ping))]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        for finding in findings:
            _print(finding)
    if any(finding.mark == "fault" for finding in findings):
        sys.exit(FAILED)


def _print(finding: Finding) -> None:
    mark, color = {"ok": ("ok   ", "green"), "note": ("note ", "yellow"), "fault": ("FAULT", "red")}[finding.mark]
    click.echo(f"{click.style(mark, fg=color)} {finding.subject:<14} {finding.text}")


def look(loaded: Loaded) -> Iterator[Finding]:
    """What can be seen without asking anybody."""
    source = loaded.source
    yield Finding("ok", "settings", str(source.path) if source else "no file; defaults and environment")
    yield from _model(loaded)
    yield from _keys(loaded)
    yield from _ledger(loaded)
    for module, (extra, use) in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            text = f"{module} is not installed; it gives {use} (pip install 'backstay[{extra}]')"
            yield Finding("note", "extra", text)


def _model(loaded: Loaded) -> Iterator[Finding]:
    if loaded.model.startswith("offline:"):
        yield Finding(
            "note",
            "model",
            "offline rules answer: export OPENAI_API_KEY or ANTHROPIC_API_KEY, or start a local server and set LLAMA_SERVER_URL",
        )
        return
    yield Finding("ok", "model", f"{loaded.model} ({loaded.sources.get('model', 'argument')})")
    from backstay.catalog import Catalog
    from backstay.target import parse_model

    if Catalog.load(loaded.config.catalog.path).find(*parse_model(loaded.model)) is None:
        yield Finding(
            "note",
            "price",
            f"{loaded.model} is not in the catalogue: its cost will be unknown (catalog.path adds prices)",
        )


def _keys(loaded: Loaded) -> Iterator[Finding]:
    from backstay.codecs.registry import providers

    found = []
    for row in providers():
        if not row.needs_key:
            continue
        try:
            if loaded.key(row.name) is not None:
                found.append(row.name)
        except ConfigurationError as error:
            if loaded.provider(row.name).key is not None or loaded.model.startswith(f"{row.name}:"):
                yield Finding("fault", "key", str(error))
    yield Finding("ok" if found else "note", "keys", ", ".join(found) if found else "none; offline rules need none")


def _ledger(loaded: Loaded) -> Iterator[Finding]:
    from backstay.ledger.sqlite import read_rows
    from backstay.usage import ledger_path

    faults = [fault for fault in map(_unwritable, _files(loaded)) if fault]
    if faults:
        yield from (Finding("fault", "ledger", fault) for fault in faults)
        return
    if loaded.config.ledger.mode == "off":
        yield Finding("note", "ledger", "off: nothing is written down")
        return
    path = ledger_path(loaded)
    if not path.exists():
        yield Finding("ok", "ledger", f"{path} (made by the first call)")
        return
    try:
        unknown = sum(row.state == "unknown" for row in read_rows(path))
    except (ConfigurationError, sqlite3.Error) as error:
        yield Finding("fault", "ledger", str(error))
        return
    yield Finding("ok", "ledger", str(path))
    if unknown:
        yield Finding("note", "ledger", f"{unknown} attempt(s) of processes that died stand at their estimate")


def _files(loaded: Loaded) -> Iterator[Path]:
    """Where the ledger and the limits go, as far as they are files."""
    from backstay.usage import ledger_path

    settings, ledger = loaded.config.stores, loaded.config.ledger
    is_file = ledger.mode != "off" and ledger.store == "sqlite"
    if is_file:
        yield ledger_path(loaded)
    if settings.limits == "sqlite" or (settings.limits == "auto" and is_file):
        yield Path(settings.path).expanduser() if settings.path else ledger_path(loaded).with_name("limits.db")


def _unwritable(path: Path) -> str:
    """Why the file cannot be written, and what to do; empty where it can. Tried, because permissions alone do not tell."""
    folder = next(one for one in path.absolute().parents if one.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            """SQLite puts files of its own beside its database, so the folder must take some."""
        if path.exists():
            path.open("r+b").close()
    except OSError as error:
        return (
            f"{path} cannot be written ({error.strerror}): let this user write there, or name another place "
            "(ledger.path and stores.path, or XDG_DATA_HOME)"
        )
    return ""


async def reach(loaded: Loaded, *, ping: bool) -> list[Finding]:
    """What answers: local model servers on their usual ports, and with `ping` the configured model itself."""
    from backstay.codecs.registry import providers
    from backstay.discover import find_servers
    from backstay.transport.http import HTTPTransport

    transport = HTTPTransport()
    try:
        servers = await find_servers(transport, providers())
    finally:
        await transport.aclose()
    findings = [
        Finding("ok", "local server", f"{server.provider} at {server.base_url}: {', '.join(server.models[:3])}")
        for server in servers
    ]
    if not servers:
        findings.append(Finding("note", "local server", "none answers on the usual ports"))
    return [*findings, await _ping(loaded)] if ping else findings


async def _ping(loaded: Loaded) -> Finding:
    from backstay.client import Client

    try:
        async with Client(loaded=loaded) as client:
            response = await client.generate(
                "Answer with the word: ready", max_output_tokens=256, task="doctor", timeout=60.0
            )
    except LLMError as error:
        return Finding("fault", "ping", f"{loaded.model}: {type(error).__name__}: {error}")
    said = " ".join(response.text.split())[:60]
    about = response.provenance
    if about.degraded and (about.target or "").startswith("offline:"):
        text = f"no model answered; the offline rules did ({about.target}): see model and keys above"
        return Finding("note" if loaded.model.startswith("offline:") else "fault", "ping", text)
    return Finding("ok", "ping", f"{about.target or loaded.model} answered in {response.latency or 0:.2f} s: {said!r}")

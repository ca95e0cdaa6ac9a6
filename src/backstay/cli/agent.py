"""`backstay agent`: an objective worked on with the tools of a module; steps on standard error, the result on standard output."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli import FAILED

if TYPE_CHECKING:
    from backstay.conversation import AgentResult
    from backstay.conversation.run import AgentRun
    from backstay.tools import ToolRegistry
    from backstay.tools.registry import Proposal


@click.command()
@click.argument("objective", required=False)
@click.option(
    "-t", "--tools", "place", required=True, metavar="MODULE:NAME", help="A ToolRegistry, or a list of tools."
)
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Which model to ask; the configured one by default.")
@click.option("--allow", multiple=True, metavar="TOOL", help="Only these tools may run (may be repeated).")
@click.option("--protocol", type=click.Choice(["auto", "native", "json"]), default="auto", help="How tools are called.")
@click.option(
    "--max-iterations", type=click.IntRange(min=1), default=10, show_default=True, help="Questions to the model."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=300.0, show_default=True, help="Seconds."
)
@click.option("--budget", metavar="USD", help="The most that the run may cost.")
@click.option("--keep", type=click.Path(dir_okay=False), help="Keep the conversation in this file, to resume it.")
@click.option("--resume", metavar="ID", help="Go on with this conversation of --keep.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole trace as JSON.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(objective: str | None, **chosen: Any) -> None:
    """Work on OBJECTIVE with the tools of a module, such as `--tools shop.tools:registry` or `--tools tools.py:registry`.

    A dangerous tool asks for a yes on the terminal. Exit code 1 where the run ends without an answer.
    """
    if (objective is None) == (chosen["resume"] is None):
        raise click.UsageError("give an OBJECTIVE, or --resume ID with --keep FILE")
    if chosen["resume"] is not None and chosen["keep"] is None:
        raise click.UsageError("--resume needs --keep FILE: where the conversation is")
    registry = load_tools(chosen["place"])
    if registry.approve is None and sys.stdin.isatty():
        registry.approve = _ask
    found = asyncio.run(_work(objective, registry, chosen))
    if chosen["as_json"]:
        click.echo(found.trace.to_json().decode())
    elif found.is_answered:
        click.echo(_shown(found.result))
    click.echo(_summary(found), err=True)
    if chosen["keep"] is not None:
        click.echo(f"[kept as {found.conversation_id}]", err=True)
    if not found.is_answered:
        sys.exit(FAILED)


async def _work(objective: str | None, registry: ToolRegistry, chosen: dict[str, Any]) -> AgentResult:
    from backstay.client import Client
    from backstay.config import load
    from backstay.conversation import Agent, AgentOptions, MemoryConversations
    from backstay.conversation.sqlite import SQLiteConversations

    options = AgentOptions(protocol=chosen["protocol"], allowed=frozenset(chosen["allow"]) or None)
    store = MemoryConversations() if chosen["keep"] is None else SQLiteConversations(chosen["keep"])
    try:
        async with Client(loaded=load(chosen["config_path"], arguments={"model": chosen["model"]})) as client:
            agent = Agent(
                client,
                registry,
                max_iterations=chosen["max_iterations"],
                timeout=chosen["timeout"],
                budget=chosen["budget"],
                options=options,
                store=store,
            )
            if objective is None:
                return await agent.resume(chosen["resume"])
            return await _watched(agent.stream(objective))
    finally:
        await store.aclose()


async def _watched(run: AgentRun) -> AgentResult:
    from backstay.conversation.trace import ToolStep
    from backstay.tools.execution import shorten

    async for step in run:
        if isinstance(step, ToolStep):
            done = step.execution
            click.echo(f"  {done.name} {done.arguments} -> {shorten(done.text, 200)}", err=True)
        elif step.fault:
            click.echo(f"  no valid step: {shorten(step.fault, 200)}", err=True)
    return await run.result()


def load_tools(place: str) -> ToolRegistry:
    """The registry at "module:name" or "file.py:name". Raises ConfigurationError that says what is wrong with it."""
    from backstay.errors import ConfigurationError
    from backstay.tools import ToolRegistry

    module_name, colon, name = place.rpartition(":")
    if not colon or not module_name or not name:
        raise ConfigurationError(f"--tools {place!r}: is MODULE:NAME, such as shop.tools:registry or tools.py:registry")
    module = _module(module_name, place)
    found = getattr(module, name, None)
    if found is None:
        raise ConfigurationError(f"--tools {place!r}: {module_name} has no {name!r}")
    return (
        found
        if isinstance(found, ToolRegistry)
        else ToolRegistry(*(found if isinstance(found, (list, tuple)) else [found]))
    )


def _module(name: str, place: str) -> Any:
    from backstay.errors import ConfigurationError

    try:
        if not name.endswith(".py"):
            if "" not in sys.path:
                sys.path.insert(0, "")
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        if spec is None or spec.loader is None:
            raise ConfigurationError(f"--tools {place!r}: {name} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except ConfigurationError:
        raise
    except (ImportError, OSError) as error:
        raise ConfigurationError(f"--tools {place!r}: cannot be imported: {error}") from error
    except Exception as error:  # the module is the user's: whatever it raises is a fault of what was named
        raise ConfigurationError(f"--tools {place!r}: cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _ask(proposal: Proposal) -> bool:
    """Whether the person at the terminal says yes."""
    return click.confirm(f"run {proposal.tool.name} {proposal.arguments}?", default=False, err=True)


def _shown(result: Any) -> str:
    import msgspec

    return result if isinstance(result, str) else msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def _summary(found: AgentResult) -> str:
    facts = [
        f"{found.stop_reason} after {found.iterations} iteration{'s' if found.iterations != 1 else ''}",
        "" if found.confidence is None else f"confidence {found.confidence:.2f}",
        f"${found.cost_usd:f}",
        "degraded: no model answered" if found.trace.is_degraded else "",
    ]
    return "[" + " · ".join(fact for fact in facts if fact) + "]"

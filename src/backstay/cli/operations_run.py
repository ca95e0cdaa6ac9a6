"""The run of `backstay operations run`: the system, who decides, the rounds, and what is shown and written of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from backstay.kits.operations.advice import Adviser
    from backstay.kits.operations.compare import Course
    from backstay.kits.operations.loop import Round
    from backstay.kits.operations.metric import MetricSource
    from backstay.kits.operations.system import ManagedSystem
    from backstay.kits.operations.thinking import Thinker

LIVE_PERIOD = 10.0
"""Seconds between rounds where the system is a real one."""


async def make_rounds(options: dict[str, Any], found: list[Round]) -> str | None:
    """Make rounds and put them into `found`; why there were no more where the system went away."""
    from backstay.errors import ConfigurationError, LLMError
    from backstay.kits.operations.knowledge import KnowledgeBase
    from backstay.kits.operations.loop import ControlLoop, write_round
    from backstay.kits.operations.screen import line_of

    course = course_of(options)
    out = None if options["out"] is None else Path(options["out"])
    if out is not None:
        await asyncio.to_thread(out.write_bytes, b"")
    async with AsyncExitStack() as opened:
        system = await opened.enter_async_context(_system(options, course))
        adviser, source, thinker = await opened.enter_async_context(_adviser(options, course))
        click.echo(f"{system.system_id}: {source} decides" + (", dry run" if options["dry_run"] else ""), err=True)
        loop = ControlLoop(
            system,
            adviser,
            settings=course.loop,
            knowledge=KnowledgeBase(options["knowledge"]),
            tier=course.tier,
            thinker=thinker,
            is_dry=options["dry_run"],
        )
        try:
            async for one in loop.rounds(options["rounds"]):
                found.append(one)
                if out is not None:
                    write_round(out, one)
                if not options["quiet"]:
                    click.echo(line_of(one))
        except (OSError, ValueError, LLMError) as error:
            if isinstance(error, ConfigurationError):
                raise
            return f"{system.system_id} is away: {type(error).__name__}: {error}"
    return None


def course_of(options: dict[str, Any]) -> Course:
    """The simulation that the options describe."""
    from backstay.kits.operations.compare import Course
    from backstay.kits.operations.setting import Loop, Tier
    from backstay.kits.operations.trace import chain, waves

    is_real = bool(options.get("swim") or options.get("prometheus"))
    deltas: list[float] = []
    if not (is_real or options.get("csv_path")):
        made = waves(minutes=options["minutes"], low=5.0, high=55.0, seed=options["seed"])
        deltas = list(chain(options["traces"]) if options["traces"] else made)
    period = options["period"] or (LIVE_PERIOD if is_real else 60.0)
    tier = Tier(max_servers=options["servers"], initial_servers=options["servers"], boot_delay=options["boot_delay"])
    return Course(deltas=deltas, tier=tier, loop=Loop(period=period), seed=options["seed"])


@asynccontextmanager
async def _system(options: dict[str, Any], course: Course) -> AsyncIterator[ManagedSystem]:
    from backstay.kits.operations.metric import CsvSource, Watched
    from backstay.kits.operations.swim import SwimSystem
    from backstay.kits.operations.system import SimulatedTier
    from backstay.ports import World

    named = [name for name in ("swim", "csv_path", "prometheus") if options[name]]
    if len(named) > 1:
        raise click.UsageError("one system at a time: --swim, --csv or --prometheus")
    if options["queries"] and not options["prometheus"]:
        raise click.UsageError("--query asks a Prometheus server; name it: --prometheus URL")
    if options["swim"]:
        host, _, port = options["swim"].rpartition(":")
        if not port.isdigit():
            raise click.BadParameter(f"{options['swim']!r}: write it as HOST:PORT", param_hint="--swim")
        async with SwimSystem(host or "127.0.0.1", int(port)) as system:
            yield system
    elif options["csv_path"]:
        yield Watched(CsvSource(options["csv_path"]), system_id=Path(options["csv_path"]).stem)
    elif options["prometheus"]:
        async with _prometheus(options["prometheus"], options["queries"]) as source:
            yield Watched(
                source,
                system_id="prometheus",
                sleep=World.real().sleep,
                notice=lambda said: click.echo(said, err=True),
            )
    else:
        yield SimulatedTier(course.open(), window=course.loop.period)


@asynccontextmanager
async def _prometheus(where: str, queries: tuple[str, ...]) -> AsyncIterator[MetricSource]:
    """Prometheus text in a file or at a URL, or a server that is asked queries."""
    from backstay.kits.operations.prometheus import PrometheusQuery, PrometheusSource
    from backstay.transport.http import HTTPTransport

    asked = dict(one.partition("=")[::2] for one in queries)
    if unclear := [name for name, query in asked.items() if not (name and query)]:
        raise click.BadParameter(f"{unclear[0]!r}: write it as METRIC=PROMQL", param_hint="--query")
    if not where.startswith(("http://", "https://")):
        if asked:
            raise click.BadParameter(f"a query needs a server; {where!r} is a file", param_hint="--query")
        yield PrometheusSource(where)
        return
    transport = HTTPTransport()
    try:
        yield (
            PrometheusQuery(where, asked, transport=transport)
            if asked
            else PrometheusSource(where, transport=transport)
        )
    finally:
        await transport.aclose()


@asynccontextmanager
async def _adviser(options: dict[str, Any], course: Course) -> AsyncIterator[tuple[Adviser, str, Thinker | None]]:
    """Who decides: the model that was chosen, else the policy; its name for people; and who keeps the world model."""
    from backstay.config import load
    from backstay.kits.operations.advice import ModelAdviser, PolicyAdviser
    from backstay.kits.operations.predictive import POLICIES as KNOWN

    name = options["policy"]
    policy = KNOWN[name](course.tier, course.worth, course.loop.period)
    if options["model"] is None:  # a loop asks for hours: nobody pays for that by surprise
        yield PolicyAdviser(policy, name=name), f"rule:{name} (no model asked; --model asks one)", None
        return
    from backstay.client import Client
    from backstay.kits.operations.rules import RULES
    from backstay.kits.operations.thinking import Thinker, Thinking, fitted
    from backstay.offline.provider import Offline
    from backstay.offline.rules import SHIPPED

    thinking = Thinking(patience=options["patience"])
    loaded = fitted(load(options["config_path"], arguments={"model": options["model"]}), thinking)
    async with Client(loaded=loaded, services={"offline": Offline((*SHIPPED, *RULES))}) as client:
        mode = options["reasoning"]
        adviser = ModelAdviser(client, policy, mode=mode, name=name, settings=course.loop, thinking=thinking)
        yield adviser, client.model, Thinker(client, settings=thinking)


def finish(rounds: list[Round], options: dict[str, Any]) -> None:
    """Charts on the terminal, and the files that were asked for."""
    from backstay.chart import to_text
    from backstay.kits.operations.report import charts_of, run_page
    from backstay.kits.operations.screen import decided_by

    if not rounds:
        click.echo("no round was made: the system was at its end")
        return
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    charts = charts_of(rounds, goal_ms=750.0)
    for chart in () if options["quiet"] else charts_of(rounds)[:3]:
        click.echo("\n" + to_text(chart, width=width, height=6))
    said = decided_by(rounds)
    click.echo(f"\n{len(rounds)} {'round' if len(rounds) == 1 else 'rounds'}, {said}")
    if options["html"]:
        Path(options["html"]).write_text(
            run_page(rounds, note=f"{said[:1].upper()}{said[1:]}.", goal_ms=750.0), "utf-8"
        )
    if options["svg"]:
        write_charts(charts, Path(options["svg"]))


def write_charts(charts: Any, folder: Path) -> None:
    """Each chart as a file named after its title."""
    from backstay.chart import to_svg

    folder.mkdir(parents=True, exist_ok=True)
    for chart in charts:
        name = chart.title.partition(" (")[0].lower().replace(" ", "_")
        (folder / f"{name}.svg").write_text(to_svg(chart), encoding="utf-8")

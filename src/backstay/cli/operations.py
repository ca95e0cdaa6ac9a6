"""`backstay operations`: look after a running system, or a simulated one; replay a run; compare policies."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli import FAILED
from backstay.cli.group import Group
from backstay.cli.table import print_table

if TYPE_CHECKING:
    from backstay.kits.operations.advice import Adviser
    from backstay.kits.operations.compare import Course
    from backstay.kits.operations.loop import Round
    from backstay.kits.operations.system import ManagedSystem

POLICIES = ("predictive", "thresholds", "reactive", "static")
LIVE_PERIOD = 10.0
"""Seconds between rounds where the system is a real one."""


@click.group(cls=Group)
def command() -> None:
    """Watch a system, decide, validate and act, with a model or with a queueing model alone.

    A simulated web tier is built in: `backstay operations run` needs nothing else.
    """


def simulated(function: Any) -> Any:
    """The options of a simulated tier."""
    for option in reversed(
        (
            click.option(
                "--trace",
                "traces",
                multiple=True,
                type=click.Path(dir_okay=False),
                metavar="FILE",
                help="Seconds between arrivals, one a line; several follow each other. A made-up trace without it.",
            ),
            click.option("--minutes", type=float, default=90.0, show_default=True, help="Length of a made-up trace."),
            click.option("--servers", type=click.IntRange(1), default=3, show_default=True, help="Servers at most."),
            click.option(
                "--boot-delay", type=float, default=60.0, show_default=True, help="Seconds that a server boots."
            ),
            click.option("--period", type=float, help="Seconds between rounds: 60, or 10 where time is real."),
            click.option("--seed", type=int, default=1, show_default=True, help="Decides all draws of the simulation."),
        )
    ):
        function = option(function)
    return function


@command.command()
@simulated
@click.option("--swim", metavar="HOST:PORT", help="A system that speaks SWIM's protocol, instead of a simulated one.")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False), help="Only watch: a row a round.")
@click.option("--prometheus", metavar="URL|FILE", help="Only watch: Prometheus text.")
@click.option("--policy", type=click.Choice(POLICIES), default="predictive", show_default=True)
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Ask this model; the policy is what it falls back to.")
@click.option(
    "--agent", is_flag=True, help="The model (the configured one without --model) may use tools before it decides."
)
@click.option("--rounds", type=click.IntRange(1), help="End after so many rounds.")
@click.option("--dry-run", is_flag=True, help="Validate, and carry out nothing.")
@click.option("--knowledge", type=click.Path(dir_okay=False), help="A file that keeps what was learned.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Write the trace of the run as JSON Lines.")
@click.option("--html", type=click.Path(dir_okay=False), help="Write the run as a page.")
@click.option("--svg", type=click.Path(file_okay=False), metavar="DIR", help="Write the charts.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
@click.option("-q", "--quiet", is_flag=True, help="No line for each round.")
def run(**options: Any) -> None:
    """Look after a system, round by round, and say what was done and why.

    Without a model, the policy decides over a queueing model, and the output says so. Exit codes: 0 the run came to its end;
    1 an action failed or the system went away; 2 a wrong setting; 130 interrupted.
    """
    rounds, lost = asyncio.run(_run(options))
    _finish(rounds, options)
    if lost is not None:
        click.echo(f"error: {lost}", err=True)
        sys.exit(FAILED)
    failed = [done for one in rounds for done in one.executions if done.status in ("failed", "timeout")]
    if failed:
        click.echo(f"{len(failed)} actions failed; the first: {failed[0].detail}", err=True)
        sys.exit(FAILED)


async def _run(options: dict[str, Any]) -> tuple[list[Round], str | None]:
    """The rounds that were made, and why there were no more where the system went away."""
    from backstay.kits.operations.knowledge import KnowledgeBase
    from backstay.kits.operations.loop import ControlLoop, write_round

    course = course_of(options)
    out = None if options["out"] is None else Path(options["out"])
    if out is not None:
        await asyncio.to_thread(out.write_bytes, b"")
    found: list[Round] = []
    async with AsyncExitStack() as opened:
        system = await opened.enter_async_context(_system(options, course))
        adviser, source = await opened.enter_async_context(_adviser(options, course))
        click.echo(f"{system.system_id}: {source} decides" + (", dry run" if options["dry_run"] else ""), err=True)
        loop = ControlLoop(
            system,
            adviser,
            settings=course.loop,
            knowledge=KnowledgeBase(options["knowledge"]),
            tier=course.tier,
            is_dry=options["dry_run"],
        )
        try:
            async for one in loop.rounds(options["rounds"]):
                found.append(one)
                if out is not None:
                    write_round(out, one)
                if not options["quiet"]:
                    click.echo(line_of(one))
        except (OSError, ValueError) as error:
            return found, f"{system.system_id} is away: {type(error).__name__}: {error}"
    return found, None


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
    from backstay.kits.operations.metric import CsvSource, PrometheusSource, Watched
    from backstay.kits.operations.swim import SwimSystem
    from backstay.kits.operations.system import SimulatedTier

    named = [name for name in ("swim", "csv_path", "prometheus") if options[name]]
    if len(named) > 1:
        raise click.UsageError("one system at a time: --swim, --csv or --prometheus")
    if options["swim"]:
        host, _, port = options["swim"].rpartition(":")
        if not port.isdigit():
            raise click.BadParameter(f"{options['swim']!r}: write it as HOST:PORT", param_hint="--swim")
        async with SwimSystem(host or "127.0.0.1", int(port)) as system:
            yield system
    elif options["csv_path"]:
        yield Watched(CsvSource(options["csv_path"]), system_id=Path(options["csv_path"]).stem)
    elif options["prometheus"]:
        from backstay.transport.http import HTTPTransport

        where = options["prometheus"]
        transport = HTTPTransport() if where.startswith(("http://", "https://")) else None
        yield Watched(PrometheusSource(where, transport=transport), system_id="prometheus")
        if transport is not None:
            await transport.aclose()
    else:
        yield SimulatedTier(course.open(), window=course.loop.period)


@asynccontextmanager
async def _adviser(options: dict[str, Any], course: Course) -> AsyncIterator[tuple[Adviser, str]]:
    """Who decides: the model that was chosen, else the policy; and its name for people."""
    from backstay.config import load
    from backstay.kits.operations.advice import ModelAdviser, PolicyAdviser
    from backstay.kits.operations.predictive import POLICIES as KNOWN

    name = options["policy"]
    policy = KNOWN[name](course.tier, course.worth, course.loop.period)
    loaded = load(options["config_path"], arguments={"model": options["model"]})
    if options["model"] is None and not options["agent"]:  # a loop asks for hours: nobody pays for that by surprise
        yield PolicyAdviser(policy, name=name), f"rule:{name} (no model asked; --model asks one)"
        return
    from backstay.client import Client
    from backstay.kits.operations.rules import RULES
    from backstay.offline.provider import Offline
    from backstay.offline.rules import SHIPPED

    async with Client(loaded=loaded, services={"offline": Offline((*SHIPPED, *RULES))}) as client:
        mode: Any = "agent" if options["agent"] else "direct"
        yield ModelAdviser(client, policy, mode=mode, name=name, settings=course.loop), client.model


def line_of(one: Round) -> str:
    """A round on one line."""
    shown = [("response_time_ms", "{:,.0f} ms"), ("arrival_rate_per_s", "{:.1f}/s"), ("server_count", "{:.0f} servers")]
    shown += [("utilisation", "{:.0%} busy"), ("dimmer", "dimmer {:.2f}")]
    facts = [form.format(value) for name, form in shown if (value := one.state.get(name)) is not None]
    done = [
        " ".join([each.action.action_type, *(f"{value:g}" for value in each.action.parameters.values())])
        + ("" if each.status == "success" else f" ({each.status}: {each.detail})")
        for each in one.executions
    ]
    mark = " [degraded]" if one.advice.is_degraded else ""
    return f"{one.state.at / 60:6.0f} min  {one.health:<8}  {'  '.join(facts)}{mark}" + "".join(
        f"\n    -> {it}" for it in done
    )


def _finish(rounds: list[Round], options: dict[str, Any]) -> None:
    """Charts on the terminal, and the files that were asked for."""
    from backstay.chart import to_text
    from backstay.kits.operations.report import charts_of, run_page

    if not rounds:
        click.echo("no round was made: the system was at its end")
        return
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    charts = charts_of(rounds, goal_ms=750.0)
    for chart in () if options["quiet"] else charts_of(rounds)[:3]:
        click.echo("\n" + to_text(chart, width=width, height=6))
    sources = sorted({one.advice.source for one in rounds})
    click.echo(f"\n{len(rounds)} rounds, decided by {', '.join(sources)}")
    if options["html"]:
        Path(options["html"]).write_text(
            run_page(rounds, note=f"Decided by {', '.join(sources)}.", goal_ms=750.0), "utf-8"
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


@command.command("replay")
@click.argument("trace", type=click.Path(dir_okay=False))
@click.option("--policy", type=click.Choice(POLICIES), help="Decide by another policy than was recorded.")
@click.option("--servers", type=click.IntRange(1), default=3, show_default=True, help="Servers at most, as in the run.")
@click.option("--boot-delay", type=float, default=60.0, show_default=True, help="As in the run.")
@click.option("--period", type=float, default=60.0, show_default=True, help="As in the run.")
def replay_command(trace: str, policy: str | None, servers: int, boot_delay: float, period: float) -> None:
    """Make the decisions of a recorded run again, from its states alone, and show where they differ.

    Exit codes: 0 nothing differs; 1 something does; 2 the trace cannot be read, or a model decided in it.
    """
    from backstay.kits.operations.loop import read_trace
    from backstay.kits.operations.predictive import POLICIES as KNOWN
    from backstay.kits.operations.replay import replay
    from backstay.kits.operations.setting import Tier, Worth

    rounds = read_trace(trace)
    sources = sorted({one.advice.source.removeprefix("rule:") for one in rounds})
    if policy is None and (len(sources) != 1 or sources[0] not in KNOWN):
        raise click.UsageError(f"{', '.join(sources) or 'nobody'} decided in this run; name a --policy to compare with")
    chosen = policy or sources[0]
    tier = Tier(max_servers=servers, initial_servers=servers, boot_delay=boot_delay)
    found = replay(rounds, KNOWN[chosen](tier, Worth(), period))
    if not found:
        click.echo(f"{len(rounds)} rounds decided again by {chosen}: all the same")
        return
    click.echo(f"{len(found)} of {len(rounds)} rounds decided otherwise by {chosen}; the first:")
    first = found[0]
    click.echo(f"  round {first.number} at {first.at:.0f} s, {first.field}")
    click.echo(f"  recorded: {first.recorded}\n  again:    {first.again}")
    sys.exit(FAILED)


@command.command()
@simulated
@click.option(
    "--data", type=click.Path(file_okay=False), help="A folder with petshop_rca and nab_metrics, to search as well."
)
@click.option("--split", default="dev", show_default=True, help="Which part of --data.")
@click.option("--html", type=click.Path(dir_okay=False), help="Write the comparison as a page.")
@click.option("--svg", type=click.Path(file_okay=False), metavar="DIR", help="Write the charts.")
def report(**options: Any) -> None:
    """Compare the policies with every configuration that stands still, over the same arrivals, without a model."""
    from backstay.kits.operations.compare import compare
    from backstay.kits.operations.report import FIGURES, HEADER, bars_of, charts_of, comparison_page, rows_of

    course = course_of(options)
    outcomes = asyncio.run(compare(course))
    click.echo(f"{len(course.deltas):,} arrivals, boot delay {course.tier.boot_delay:.0f} s, all decided by rules")
    print_table(HEADER, rows_of(outcomes), figures=FIGURES)
    if options["data"]:
        _searched(Path(options["data"]), options["split"])
    best = next(one for one in outcomes if one.rounds)
    note = f"{len(course.deltas):,} arrivals; offline, decided by rules."
    goal = course.worth.response_goal * 1e3
    if options["html"]:
        Path(options["html"]).write_text(comparison_page(outcomes, note=note, goal_ms=goal), encoding="utf-8")
    if options["svg"]:
        write_charts((bars_of(outcomes), *charts_of(best.rounds, goal_ms=goal)), Path(options["svg"]))


def _searched(data: Path, split: str) -> None:
    """Root causes and anomalies of labelled data."""
    from backstay.kits.operations.evaluate import anomalies, causes, total, within

    found = causes(data / "petshop_rca", split)
    click.echo(f"\nroot causes: {len(found)} incidents, top 1 {within(found, 1)}, top 3 {within(found, 3)}")
    for one in found:
        if one.place != 1:
            click.echo(f"  {one.name}: {one.truth} is at place {one.place or 'none'}, behind {one.first}")
    scores = anomalies(data / "nab_metrics", split)
    rows = [
        [one.name, f"{one.length:,}", f"{one.score.windows}", f"{one.score.found}", f"{one.score.false_alarms}"]
        for one in scores
    ]
    header = ("series", "observations", "windows", "found", "false alarms")
    click.echo()
    print_table(header, rows, figures=header[1:])
    whole = total(scores)
    said = "-" if whole.normalised is None else f"{whole.normalised:.1f}"
    click.echo(f"{whole.found} of {whole.windows} windows, {whole.false_alarms} false alarms, score {said} of 100")


@command.command()
@simulated
@click.option("--port", type=int, default=4242, show_default=True)
@click.option("--speed", type=float, default=1.0, show_default=True, help="Seconds of the tier in a real one.")
def serve(**options: Any) -> None:
    """Serve the simulated tier over SWIM's protocol, on loopback, until its trace ends."""
    asyncio.run(_serve(options))


async def _serve(options: dict[str, Any]) -> None:
    from backstay.kits.operations.swim import SwimServer
    from backstay.ports import World

    world = World.real()
    tier = course_of(options).open()
    began = world.clock.monotonic()
    server = SwimServer(tier, lambda: (world.clock.monotonic() - began) * options["speed"])
    port = await server.start(options["port"])
    click.echo(f"listening on 127.0.0.1:{port}")
    try:
        while not tier.is_over:
            await world.sleep(1.0)
            tier.advance(max((world.clock.monotonic() - began) * options["speed"], tier.now))
    finally:
        await server.aclose()

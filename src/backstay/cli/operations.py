"""`backstay operations`: look after a running system, or a simulated one; replay a run; compare policies."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli import FAILED
from backstay.cli.choice import OutputFile
from backstay.cli.group import Group
from backstay.cli.operations_run import course_of, finish, make_rounds, write_charts
from backstay.cli.table import print_table

if TYPE_CHECKING:
    from backstay.kits.operations.loop import Round

POLICIES = ("predictive", "thresholds", "reactive", "static")
DAY_MINUTES = 1440.0
"""The longest made-up trace: its arrivals, 30 a second, are held in memory, 90 MB for a day."""


class Amount(click.types.FloatParamType):
    """A finite number above 0 (or 0, where `is_zero_good`), at most `most`. click's FloatRange lets nan through."""

    def __init__(self, *, most: float = math.inf, is_zero_good: bool = False) -> None:
        self._most = most
        self._is_zero_good = is_zero_good

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        is_enough = number >= 0 if self._is_zero_good else number > 0
        if not (is_enough and number <= self._most and math.isfinite(number)):
            least = "0 or more" if self._is_zero_good else "above 0"
            most = f", at most {self._most:g}" if self._most < math.inf else ""
            self.fail(f"{value!r}: must be a number {least}{most}", param, ctx)
        return number


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
            click.option(
                "--minutes",
                type=Amount(most=DAY_MINUTES),
                default=90.0,
                show_default=True,
                help="Length of a made-up trace: a day, 1440, at most.",
            ),
            click.option("--servers", type=click.IntRange(1), default=3, show_default=True, help="Servers at most."),
            click.option(
                "--boot-delay",
                type=Amount(is_zero_good=True),
                default=60.0,
                show_default=True,
                help="Seconds that a server boots.",
            ),
            click.option("--period", type=Amount(), help="Seconds between rounds: 60, or 10 where time is real."),
            click.option("--seed", type=int, default=1, show_default=True, help="Decides all draws of the simulation."),
        )
    ):
        function = option(function)
    return function


@command.command()
@simulated
@click.option("--swim", metavar="HOST:PORT", help="A system that speaks SWIM's protocol, instead of a simulated one.")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False), help="Only watch: a row a round.")
@click.option("--prometheus", metavar="URL|FILE", help="Only watch: Prometheus text; or a server, with --query.")
@click.option(
    "--query",
    "queries",
    multiple=True,
    metavar="METRIC=PROMQL",
    help="What to ask the Prometheus server at the URL, such as utilisation='avg(rate(busy_seconds[1m]))'.",
)
@click.option("--policy", type=click.Choice(POLICIES), default="predictive", show_default=True)
@click.option("-m", "--model", metavar="PROVIDER:MODEL", help="Ask this model; the policy is what it falls back to.")
@click.option(
    "--reasoning",
    type=click.Choice(("auto", "direct", "agent")),
    default="auto",
    show_default=True,
    help="Of a model: in one answer, as an agent with tools, or as an agent where the system is not healthy.",
)
@click.option(
    "--patience",
    type=Amount(),
    default=1.0,
    show_default=True,
    help="Times the time-outs of a model: 10 for a slow one.",
)
@click.option("--rounds", type=click.IntRange(1), help="End after so many rounds.")
@click.option("--dry-run", is_flag=True, help="Validate, and carry out nothing.")
@click.option("--knowledge", type=click.Path(dir_okay=False), help="A file that keeps what was learned.")
@click.option("-o", "--out", type=OutputFile(), help="Write the trace of the run as JSON Lines.")
@click.option("--html", type=OutputFile(), help="Write the run as a page.")
@click.option("--svg", type=click.Path(file_okay=False), metavar="DIR", help="Write the charts.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
@click.option("-q", "--quiet", is_flag=True, help="No line for each round.")
def run(**options: Any) -> None:
    """Look after a system, round by round, and say what was done and why.

    Without a model, the policy decides over a queueing model, and the output says so. A model keeps a world model, recommends,
    and has each action simulated before it is done; where it fails, rules take its place, marked as degraded. Exit codes: 0 the
    run came to its end; 1 an action failed or the system went away; 2 a wrong setting; 130 interrupted.
    """
    rounds: list[Round] = []
    try:
        lost = asyncio.run(make_rounds(options, rounds))
    except KeyboardInterrupt:
        finish(rounds, options)
        raise
    if rounds or lost is None:
        finish(rounds, options)
    if lost is not None:
        click.echo(f"error: {lost}", err=True)
        sys.exit(FAILED)
    failed = [done for one in rounds for done in one.executions if done.status in ("failed", "timeout")]
    if failed:
        click.echo(f"{len(failed)} actions failed; the first: {failed[0].detail}", err=True)
        sys.exit(FAILED)


@command.command("replay")
@click.argument("trace", type=click.Path(dir_okay=False))
@click.option("--policy", type=click.Choice(POLICIES), help="Decide by another policy than was recorded.")
@click.option("--servers", type=click.IntRange(1), default=3, show_default=True, help="Servers at most, as in the run.")
@click.option("--boot-delay", type=Amount(is_zero_good=True), default=60.0, show_default=True, help="As in the run.")
@click.option("--period", type=Amount(), default=60.0, show_default=True, help="As in the run.")
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
@click.option("--html", type=OutputFile(), help="Write the comparison as a page.")
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
@click.option("--speed", type=Amount(), default=1.0, show_default=True, help="Seconds of the tier in a real one.")
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

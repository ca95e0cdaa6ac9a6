"""`backstay simulate`: traffic through the real layers in virtual time: cost, 429s, waits, percentiles, the end of a budget.

Nothing is sent and no key is needed. One seed is one result: the same command prints the same figures on every machine.
"""

from __future__ import annotations

import io
import itertools
import math
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from backstay.cli.choice import OutputFile
from backstay.cli.picture import picture_options, write_pictures
from backstay.config import Loaded, load
from backstay.config.entry import Arguments
from backstay.errors import ConfigurationError

if TYPE_CHECKING:
    from backstay.sim.report import Report
    from backstay.sim.scenario import Scenario
    from backstay.sim.view import Table
    from backstay.sim.workload import Arrival

FILE = click.Path(dir_okay=False)
SPEED: Final = "speed"
"""The one name of a sweep that is no setting: how many times as fast the traffic comes."""


@click.command()
@click.option(
    "--trace", type=FILE, help="The traffic: CSV (Azure's columns or your own), JSONL (Mooncake's), a ledger."
)
@click.option(
    "--law", type=click.Choice(["poisson", "bursty", "constant"]), help="Made-up traffic, in place of a trace."
)
@click.option("--rate", type=float, default=1.0, show_default=True, help="Of --law: calls a second.")
@click.option("--duration", type=float, default=3600.0, show_default=True, help="Of --law: seconds.")
@click.option(
    "--input-tokens", type=float, default=800.0, show_default=True, help="Of --law: the median of the inputs."
)
@click.option(
    "--output-tokens", type=float, default=200.0, show_default=True, help="Of --law: the median of the answers."
)
@click.option("--config", "config_path", type=FILE, help="The settings file to simulate.")
@click.option("--model", help="The model that is asked, as provider:model; the configured one by default.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting that wins over all others.")
@click.option(
    "--sweep", multiple=True, metavar="NAME=A,B,...", help="A run for each value of a setting, or of `speed`."
)
@click.option("--scenario", type=FILE, help="What the providers are like: latency, limits, faults, outages (TOML).")
@click.option("--fit", type=FILE, help="Fit the providers' latency and errors from this ledger.")
@click.option("--priority", metavar="NAME=SHARE,...", help="Shares of high, medium and low, where the trace says none.")
@click.option("--tenant", metavar="NAME=SHARE,...", help="Shares of tenants, where the trace says none.")
@click.option("--task", metavar="NAME=SHARE,...", help="Shares of tasks, where the trace says none.")
@click.option(
    "--repeats", type=float, default=0.0, help="The share of questions that were asked before (for the cache)."
)
@click.option("--speed", type=float, default=1.0, show_default=True, help="How many times as fast the traffic comes.")
@click.option("--calls", type=click.IntRange(min=1), help="Only the first so many calls.")
@click.option("--max-output", type=int, default=4096, show_default=True, help="max_output_tokens of each call.")
@click.option("--overestimate", type=float, default=2.5, show_default=True, help="An input's estimate over its truth.")
@click.option("--start", metavar="HH:MM", help="When the traffic begins (UTC); the trace's own time of day by default.")
@click.option("--whole", is_flag=True, help="Callers take whole answers: no time to the first token, a third faster.")
@click.option("--seed", type=int, default=0, show_default=True, help="One seed, one result.")
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON; of a sweep, an object of reports.")
@click.option("--html", type=OutputFile(), help="Write tables and charts as one page.")
@picture_options
def command(**options: Any) -> None:
    """What would happen, and what would it cost: traffic through your settings, against simulated providers.

    Without --trace, --law makes traffic. Exit code 2 with one clear line for a trace or a setting that is wrong.
    """
    import msgspec

    from backstay.sim.view import charts, to_page

    stated: dict[str, int] = {}
    cases = {name: _run(name, given, options, stated) for name, given in _cases(options["sweep"])}
    for name, count in stated.items():
        click.echo(
            f"note: {count:,} calls of the trace state their {name}; --{name} is dealt to the others only", err=True
        )
    if options["is_json"]:
        value = cases if options["sweep"] else next(iter(cases.values()))
        click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
    else:
        from backstay.sim.view import tables

        for one in tables(cases):
            _show(one)
    note = f"{options['trace'] or options['law']}, seed {options['seed']}"
    if options["html"]:
        Path(options["html"]).write_text(to_page(cases, note=note), encoding="utf-8")
        click.echo(f"the page was written to {options['html']}", err=True)
    write_pictures(charts(cases), svg=options["svg"], png=options["png"])


def _cases(sweeps: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The runs: every combination of the values that are swept, by its name."""
    axes: list[list[tuple[str, str]]] = []
    for sweep in sweeps:
        name, equals, values = sweep.partition("=")
        found = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not found:
            raise click.BadParameter(f"{sweep!r}: write NAME=A,B,...", param_hint="--sweep")
        axes.append([(name.strip(), value) for value in found])
    for chosen in itertools.product(*axes):
        yield ", ".join(f"{name.rpartition('.')[2]}={value}" for name, value in chosen), dict(chosen)


def _run(name: str, swept: dict[str, str], options: dict[str, Any], stated: dict[str, int]) -> Report:
    from backstay.sim.simulate import Options, simulate

    speed = _speed(swept.pop(SPEED, options["speed"]))
    loaded = _settings(swept, options)
    stated.clear()  # each run of a sweep reads the same traffic
    arrivals, start = _traffic(options, speed, stated)
    how = Options(
        is_stream=not options["whole"],
        max_output_tokens=options["max_output"],
        overestimate=options["overestimate"],
        time_of_day=start,
    )
    with Watch(name or "calls") as tell:
        return simulate(arrivals, loaded, scenario=_scenario(options), options=how, seed=options["seed"], progress=tell)


def _speed(value: str | float) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: must be a number", param_hint=f"--sweep {SPEED}") from error


def _settings(swept: dict[str, str], options: dict[str, Any]) -> Loaded:
    from backstay.sim.scenario import provider_names

    if wrong := [item for item in options["given"] if not item.partition("=")[0] or "=" not in item]:
        raise ConfigurationError(f"argument --set {wrong[0]}: write NAME=VALUE")
    given: dict[str, str] = dict(item.split("=", 1) for item in options["given"])
    if options["model"]:
        given["model"] = options["model"]
    arguments = Arguments(given | swept, origin="argument", is_text=True)
    return load(options["config_path"], arguments=arguments, services=provider_names())


def _scenario(options: dict[str, Any]) -> Scenario:
    import msgspec

    from backstay.sim.fit import fit
    from backstay.sim.scenario import Scenario, read_scenario

    scenario = read_scenario(options["scenario"]) if options["scenario"] else Scenario()
    if options["fit"]:
        from backstay.ledger.sqlite import read_rows

        known = fit(read_rows(options["fit"]))
        scenario = msgspec.structs.replace(scenario, targets={**known.targets, **scenario.targets})
    return scenario


def _traffic(options: dict[str, Any], speed: float, stated: dict[str, int]) -> tuple[Iterator[Arrival], float]:
    """The calls, and the time of day at which they begin. `stated` is counted up while they are read."""
    from backstay.sim.law import lognormal
    from backstay.sim.trace import NOON, read_trace, time_of_day
    from backstay.sim.workload import Mix, Traffic, faster

    if (options["trace"] is None) == (options["law"] is None):
        raise click.UsageError("give --trace FILE or --law NAME, one of the two")
    if options["trace"] is not None:
        arrivals, start = read_trace(options["trace"]), NOON
        if options["start"] is None:
            start = time_of_day(options["trace"])
    else:
        for name in ("input_tokens", "output_tokens"):
            if not 0 <= options[name] < math.inf:
                raise ConfigurationError(f"--{name.replace('_', '-')} = {options[name]}: must be 0 or more tokens")
        law = Traffic(
            kind=options["law"],
            rate=options["rate"],
            duration=options["duration"],
            input_tokens=lognormal(options["input_tokens"], 0.8, most=100_000),
            output_tokens=lognormal(options["output_tokens"], 0.7, most=4096),
        )
        arrivals, start = law.arrivals(options["seed"]), NOON
    if options["start"] is not None:
        start = _clock(options["start"])
    shares: dict[str, Any] = {name: _shares(name, options[name]) for name in ("priority", "tenant", "task")}
    mix = Mix(**shares, repeats=options["repeats"])
    taken = faster(itertools.islice(arrivals, options["calls"]), speed)
    dealt = mix.deal(_counted(taken, [name for name, given in shares.items() if given], stated), options["seed"])
    return dealt, start


def _counted(arrivals: Iterator[Arrival], names: Sequence[str], stated: dict[str, int]) -> Iterator[Arrival]:
    """The arrivals; `stated` counts those that say themselves what shares were given for."""
    for arrival in arrivals:
        for name in names:
            if getattr(arrival, name) is not None:
                stated[name] = stated.get(name, 0) + 1
        yield arrival


def _clock(text: str) -> float:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r}: write a time of day as 09:30", param_hint="--start")
    return int(match[1]) * 3600.0 + int(match[2]) * 60.0


def _shares(name: str, text: str | None) -> dict[str, float]:
    """ "a=1,b=3" as shares; nothing for None."""
    shares: dict[str, float] = {}
    for item in (text or "").split(",") if text else ():
        word, _, value = (part.strip() for part in item.partition("="))
        try:
            share = float(value)
        except ValueError as error:
            raise click.BadParameter(f"{item!r}: write NAME=SHARE", param_hint=f"--{name}") from error
        if not word or word in shares:
            wrong = f"{word!r} stands twice" if word else f"{item!r}: write NAME=SHARE"
            raise click.BadParameter(wrong, param_hint=f"--{name}")
        shares[word] = share
    return shares


class Watch:
    """A line that tells how far a run is, on a terminal only; gone when the run ends."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task(name)
        self._name = name

    def __enter__(self) -> Watch:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def __call__(self, calls: int, now: float) -> None:
        self._bar.update(self._task, description=f"{self._name}: {calls:,} calls, {now:,.0f} simulated seconds")


def _show(one: Table) -> None:
    """A table on the terminal, fitted to it; whole, and without spaces at the ends of lines, where the output is piped."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 240
    click.echo(laid_out(one, width))


def laid_out(one: Table, width: int) -> str:
    """The table as text; where a cell would have to be broken, a block of lines for each row."""
    if len(one.header) > 2 and _least(one) > width:
        return _blocks(one)
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(width=width, highlight=False, markup=False, file=io.StringIO())
    shown = RichTable(title=one.name, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for name in one.header:
        shown.add_column(name, justify="right" if name in one.figures else "left", overflow="fold")
    for row in one.rows:
        shown.add_row(*row)
    with console.capture() as capture:
        console.print(shown)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _least(one: Table) -> int:
    """How wide the table is where only headers are broken, and those between words."""
    least = 1 + 3 * len(one.header)  # what the form puts around and between columns
    for column, name in enumerate(one.header):
        least += max(*map(len, name.split()), *(len(row[column]) for row in one.rows))
    return least


def _blocks(one: Table) -> str:
    """Each row as its first cell, and below it the others with their names."""
    wide = max(map(len, one.header[1:]))
    lines = [one.name]
    for first, *cells in one.rows:
        lines += ["", f" {one.header[0]} {first}"]
        lines += [f"   {name:<{wide}}  {cell}" for name, cell in zip(one.header[1:], cells, strict=True)]
    return "\n".join([*lines, ""])

"""`backstay usage`: what was called and what it cost, from the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from backstay.cli.table import print_table
from backstay.config import load
from backstay.ledger.report import KEYS, Line, report, to_csv, to_json, zone_of

FIGURES = ("calls", "attempts", "failed", "input", "output", "cost USD", "avg s", "p95 s")


@click.command()
@click.option(
    "--by", "keys", default="day", show_default=True, metavar="KEY[,KEY...]", help=f"Group by {', '.join(KEYS)}."
)
@click.option("--since", metavar="DATE", help="From this day on (YYYY-MM-DD, in --zone).")
@click.option("--until", metavar="DATE", help="Before this day.")
@click.option(
    "--zone", default="UTC", show_default=True, help="The time zone of days and hours, such as Europe/Berlin."
)
@click.option(
    "-f", "--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.option("--ledger", type=click.Path(dir_okay=False), help="The ledger's file; the configured one by default.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(**options: Any) -> None:
    """Calls, tokens, cost and latency, summed from the ledger of every attempt."""
    from backstay.ledger.sqlite import read_rows
    from backstay.usage import ledger_path

    by = [key.strip() for key in options["keys"].split(",") if key.strip()]
    path = options["ledger"] or ledger_path(load(options["config_path"]))
    since, until = (instant(options[name], options["zone"]) for name in ("since", "until"))
    lines = report(read_rows(path, since_ns=since, until_ns=until), by, zone=options["zone"])
    if options["format_"] == "json":
        click.echo(to_json(lines))
    elif options["format_"] == "csv":
        click.echo(to_csv(lines, by), nl=False)
    else:
        show(lines, by)


def instant(day: str | None, zone: str) -> int | None:
    """The beginning of `day` in `zone`, as Unix nanoseconds."""
    if day is None:
        return None
    try:
        midnight = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), tzinfo=zone_of(zone))
    except ValueError as error:
        raise click.BadParameter(f"{day!r} is no day: write it as 2026-11-21") from error
    return int(midnight.timestamp()) * 10**9


def show(lines: Sequence[Line], by: Sequence[str]) -> None:
    """A table for people; what its marks mean is said below it."""
    if not lines:
        click.echo("no attempts in the ledger for that time")
        return
    rows = [[*(line.group[key] or "-" for key in by), *_figures(line)] for line in lines]
    print_table([*by, *FIGURES], rows, figures=FIGURES)
    if any(line.unpriced for line in lines):
        click.echo("+ marks groups with attempts of unknown price, which no sum contains")
    if any(line.estimated_usd for line in lines):
        click.echo("~ marks groups in which some attempts stand at their estimate, because their end is not known")


def _figures(line: Line) -> tuple[str, ...]:
    mark = ("~" if line.estimated_usd else "") + ("+" if line.unpriced else "")
    return (
        f"{line.calls:,}",
        f"{line.attempts:,}",
        f"{line.failed:,}",
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        _money(line.cost_usd) + mark,
        _seconds(line.latency_avg),
        _seconds(line.latency_p95),
    )


def _money(sum_: Decimal) -> str:
    return f"{sum_:,.2f}" if sum_ >= 100 else f"{sum_:.6f}".rstrip("0").rstrip(".") if sum_ else "0"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

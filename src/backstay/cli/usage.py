"""`backstay usage`: what was called and what it cost, from the ledger."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from backstay.chart import Bars, Section, page, table, to_text
from backstay.cli.choice import OutputFile
from backstay.cli.picture import picture_options, write_pictures
from backstay.cli.table import print_table
from backstay.config import load
from backstay.ledger.report import KEYS, Line, charts, report_with_total, to_csv, to_json, to_parquet, zone_of

NOTHING = "no attempts in the ledger for that time"
FIGURES = ("calls", "attempts", "failed", "input", "output", "cost USD", "avg s", "p95 s")
SPARE = ("avg s", "attempts", "p95 s", "failed")
"""What a narrow terminal does without, the first one first."""


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
@click.option("--chart", is_flag=True, help="Bars of cost and tokens below the table.")
@click.option("--html", type=OutputFile(), help="Write table and charts as a page.")
@picture_options
@click.option("--parquet", type=OutputFile(), help="Write the lines as a Parquet file.")
@click.option("--ledger", type=click.Path(dir_okay=False), help="The ledger's file; the configured one by default.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(**options: Any) -> None:
    """Calls, tokens, cost and latency, summed from the ledger of every attempt."""
    from backstay.ledger.sqlite import read_rows
    from backstay.usage import ledger_path

    by = [key.strip() for key in options["keys"].split(",") if key.strip()]
    path = options["ledger"] or ledger_path(load(options["config_path"]))
    since, until = (instant(options[name], options["zone"]) for name in ("since", "until"))
    rows = read_rows(path, since_ns=since, until_ns=until)
    lines, total = report_with_total(rows, by, zone=options["zone"])
    if options["parquet"]:
        count = to_parquet(lines, by, options["parquet"])
        click.echo(f"{count} lines written to {options['parquet']}", err=True)
    if options["html"]:
        Path(options["html"]).write_text(to_html(lines, total, by), encoding="utf-8")
        click.echo(f"the page was written to {options['html']}", err=True)
    if options["svg"] or options["png"]:
        write_pictures(_drawn(lines, by), svg=options["svg"], png=options["png"])
    if options["format_"] == "json":
        click.echo(to_json(lines))
    elif options["format_"] == "csv":
        click.echo(to_csv(lines, by), nl=False)
    else:
        show(lines, total, by)
        for chart in _drawn(lines, by) if options["chart"] else ():
            width = shutil.get_terminal_size((80, 24)).columns
            click.echo("\n" + to_text(chart, width=min(width, 100)))


def instant(day: str | None, zone: str) -> int | None:
    """The beginning of `day` in `zone`, as Unix nanoseconds."""
    if day is None:
        return None
    try:
        midnight = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), tzinfo=zone_of(zone))
    except ValueError as error:
        raise click.BadParameter(f"{day!r} is no day: write it as 2026-11-21") from error
    return int(midnight.timestamp()) * 10**9


def show(lines: Sequence[Line], total: Line, by: Sequence[str]) -> None:
    """A table for people, tokens rounded and money aligned; what its marks mean is said below it."""
    if not lines:
        click.echo(NOTHING)
        return
    print_table([*by, *FIGURES], _rows(lines, total, by), figures=FIGURES, spare=SPARE)
    for remark in _remarks(total):
        click.echo(remark)


def to_html(lines: Sequence[Line], total: Line, by: Sequence[str]) -> str:
    """The report as a page of one file: the table, what its marks mean, cost and tokens as bars."""
    if not lines:
        return page("Usage", (), note=NOTHING)
    figures = Section(heading="Figures", html=table([*by, *FIGURES], _rows(lines, total, by), figures=FIGURES))
    drawn = _drawn(lines, by)
    pictures = (Section(heading="Cost and tokens", charts=drawn),) if drawn else ()
    return page("Usage", (*pictures, figures), note="; ".join(_remarks(total)))


def _drawn(lines: Sequence[Line], by: Sequence[str]) -> tuple[Bars, ...]:
    """The charts in which there is something: of answers at no cost there is no chart of costs."""
    return tuple(chart for chart in charts(lines, by) if not chart.is_empty) if lines else ()


def _rows(lines: Sequence[Line], total: Line, by: Sequence[str]) -> list[list[str]]:
    """The cells of the table, the total last where there is more than one line."""
    shown = [*lines, total] if len(lines) > 1 else lines
    money = _aligned(shown)
    names = [[line.group[key] or "-" for key in by] for line in lines]
    names += [["total", *[""] * (len(by) - 1)]] * (len(shown) - len(lines))
    return [[*name, *_figures(line, cost)] for name, line, cost in zip(names, shown, money, strict=True)]


def _remarks(total: Line) -> Iterator[str]:
    if total.unpriced:
        yield f"+ without {total.unpriced:,} attempts whose price is unknown"
    if total.saved_usd:
        yield f"{total.cached:,} answers came from the cache; they had cost {money_of(total.saved_usd, 4)} USD"
    if total.estimated_usd:
        yield f"~ of which {money_of(total.estimated_usd, 4)} USD are estimates: failed, dropped or open attempts"


def _figures(line: Line, cost: str) -> tuple[str, ...]:
    return (
        f"{line.calls:,}",
        f"{line.attempts:,}",
        f"{line.failed:,}",
        tokens_of(line.input_tokens),
        tokens_of(line.output_tokens),
        cost,
        _seconds(line.latency_avg),
        _seconds(line.latency_p95),
    )


def _aligned(lines: Sequence[Line]) -> list[str]:
    """The costs with as many decimals as the largest can bear, each with its marks, so that the points stand in one column."""
    largest = max(line.cost_usd for line in lines)
    decimals = 2 if largest >= 1_000 else 4 if largest >= 1 else 6
    marks = [("~" if line.estimated_usd else "") + ("+" if line.unpriced else "") for line in lines]
    room = max(map(len, marks))
    return [f"{money_of(line.cost_usd, decimals)}{mark:<{room}}" for line, mark in zip(lines, marks, strict=True)]


def money_of(usd: Decimal, decimals: int) -> str:
    """US dollars to so many decimals; what is less than the last of them is not shown as nothing."""
    least = Decimal(1).scaleb(-decimals)
    return f"<{least:f}" if 0 < usd < least else f"{usd:,.{decimals}f}"


def tokens_of(count: int) -> str:
    """Three digits and a unit: 497k, 10.8M; whole below ten thousand."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size and count >= 10_000:
            share = count / size
            return f"{share:.{0 if share >= 99.95 else 1}f}{unit}"
    return f"{count:,}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

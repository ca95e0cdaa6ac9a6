"""`backstay limits`: how limits and budgets stand now, who waits, and how the targets have been lately.

Limits and waits are read from the store that the settings share them in, targets from the ledger, circuits and health from what
the running clients of this machine say of them (`board.py`). A queue lives in its process; there `client.status()` tells of it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
import msgspec

from backstay.board import Notice, read_board
from backstay.cli.table import print_table
from backstay.config import Loaded, load
from backstay.ledger.report import quantile
from backstay.ledger.row import Row
from backstay.ports import World
from backstay.stores.limit import Standing
from backstay.usage import ledger_path

COLUMNS = ("scope", "limit", "used", "reserved", "of", "share", "waiting", "period", "gate")
FIGURES = ("used", "reserved", "of", "share", "waiting")
SPARE = ("gate", "reserved", "period")
TARGETS = ("target", "attempts", "failed", "429", "p50 s", "p95 s", "last error")
CIRCUITS = ("process", "target", "circuit", "health", "since", "next probe", "why")
MINUTES = 10
NS = 10**9


@click.command()
@click.option("--scope", help="Only the limits of this scope, such as client or tenant=acme.")
@click.option("--minutes", type=click.IntRange(1), default=MINUTES, show_default=True, help="How far back targets go.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(scope: str | None, minutes: int, is_json: bool, config_path: str | None) -> None:
    """Limits, budgets, waits and targets as they stand now."""
    loaded, world = load(config_path), World.real()
    standings, rows = asyncio.run(_read(loaded, world, scope, world.clock.wall_ns() - minutes * 60 * NS))
    targets = [_target(name, several) for name, several in sorted(_by_target(rows).items())]
    notices = read_board(ledger_path(loaded))
    if is_json:
        facts = {
            "clients": notices,
            "limits": standings,
            "targets": [_facts(name, several) for name, several in sorted(_by_target(rows).items())],
        }
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
        return
    if standings:
        print_table(COLUMNS, [_line(one) for one in standings], figures=FIGURES, spare=SPARE)
    else:
        which = "no limit" if scope is None else f"no limit of the scope {scope!r}"
        others = "" if scope is None else "; without --scope all that are in use are listed"
        click.echo(f"{which} is in use in {_where(loaded)}{others}")
    if targets:
        click.echo(f"\nTargets in the last {minutes} minutes, from the ledger:")
        print_table(TARGETS, targets, figures=TARGETS[1:6], spare=("p50 s", "429"))
    _print_circuits(notices, world.clock.wall_ns() / NS)


def _print_circuits(notices: Sequence[Notice], now: float) -> None:
    """The circuits and the health of running clients that have anything to tell; nothing where all is well."""
    if rows := [row for notice in notices for row in _circuits(notice, now)]:
        click.echo("\nCircuits and health in the clients that run now:")
        print_table(CIRCUITS, rows, figures=("process", "next probe"), spare=("since", "process"))
    for notice in notices:
        if notice.health.is_degraded:
            click.echo(f"process {notice.process} is degraded: its calls are answered without a model")


def _circuits(notice: Notice, now: float) -> Iterator[list[str]]:
    health = {one.target: one for one in notice.health.targets}
    circuits = {one.target: one for one in notice.circuits}
    since = dt.datetime.fromtimestamp(notice.at, tz=dt.UTC)
    for target in sorted({*health, *circuits}):
        body, circuit = health.get(target), circuits.get(target)
        probe = None if circuit is None or circuit.retry_after is None else circuit.retry_after + notice.at - now
        yield [
            str(notice.process),
            target,
            "-" if circuit is None else circuit.state,
            "-" if body is None else "healthy" if body.is_healthy else "unhealthy",
            f"{since:%H:%M:%S} UTC",
            "-" if probe is None else f"{max(probe, 0):.0f} s",
            (circuit.reason if circuit is not None else "") or (body.last_error if body is not None else "") or "-",
        ]


async def _read(loaded: Loaded, world: World, scope: str | None, since_ns: int) -> tuple[Sequence[Standing], list[Row]]:
    from backstay.assembly import open_limits
    from backstay.usage import Meter

    meter = Meter.open(loaded, None, world)
    store = open_limits(loaded, meter, world)
    try:
        standings = await store.standings(scope)
        rows = list(meter.ledger.rows(since_ns=since_ns)) if meter.place != "memory" else []
    finally:
        await store.aclose()
        await meter.aclose()
    return standings, rows


def _where(loaded: Loaded) -> str:
    settings = loaded.config.stores
    return {"postgres": "PostgreSQL", "redis": "Redis", "memory": "this process"}.get(
        settings.limits, "the file of limits"
    )


def _line(standing: Standing) -> list[str]:
    rule = standing.rule
    return [
        rule.scope,
        rule.name,
        amount_of(standing.used, rule.dimension),
        amount_of(standing.reserved, rule.dimension),
        "-" if rule.algorithm == "open" else amount_of(rule.capacity, rule.dimension),
        "-" if rule.algorithm == "open" or not rule.capacity else f"{standing.used / rule.capacity:.0%}",
        f"{standing.waiting:,}",
        _period(standing),
        "-" if standing.gate_seconds is None else f"{standing.gate_room:,} for {standing.gate_seconds:.0f} s",
    ]


def _period(standing: Standing) -> str:
    if standing.start is not None:
        begin = dt.datetime.fromtimestamp(standing.start, tz=dt.UTC)
        return f"since {begin:%Y-%m-%d %H:%M} UTC"
    return f"{standing.rule.window_us / 1e6:g} s" if standing.rule.window_us else "now"


def amount_of(amount: int, dimension: str) -> str:
    """An amount as a person reads it: money in US dollars, all else as a count."""
    return f"{amount / NS:,.4f} USD" if dimension == "nano_usd" else f"{amount:,}"


def _by_target(rows: Iterable[Row]) -> dict[str, list[Row]]:
    targets: dict[str, list[Row]] = {}
    for row in rows:
        if not row.is_cached:
            targets.setdefault(f"{row.provider}:{row.model}", []).append(row)
    return targets


def _facts(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """A target's figures as numbers; None is unknown."""
    times = sorted(row.latency for row in rows if row.outcome == "complete" and row.latency is not None)
    failed = [row for row in rows if row.outcome == "failed"]
    return {
        "target": name,
        "attempts": len(rows),
        "failed": len(failed),
        "rate_limited": sum((row.error or "").startswith(("RateLimited", "QuotaExhausted")) for row in failed),
        "latency_p50": quantile(times, 0.5),
        "latency_p95": quantile(times, 0.95),
        "last_error": failed[-1].error if failed else None,
    }


def _target(name: str, rows: Sequence[Row]) -> list[str]:
    facts = _facts(name, rows)
    return [
        name,
        *(f"{facts[count]:,}" for count in ("attempts", "failed", "rate_limited")),
        *("-" if facts[time] is None else f"{facts[time]:.2f}" for time in ("latency_p50", "latency_p95")),
        facts["last_error"] or "-",
    ]

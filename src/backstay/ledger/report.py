"""Reports: the ledger's rows summed by hour, day, model, task, tenant, provider or target.

Sums are integers, so a report equals the sum of its rows to the nano-dollar. A row of unknown cost is counted as such,
never as zero. Days and hours are those of a named time zone.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from array import array
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from backstay.chart.data import Bars
from backstay.errors import ConfigurationError
from backstay.ledger.row import Row
from backstay.parquet import write_parquet

TOKENS = tuple(name for name in Row.__struct_fields__ if name.endswith("_tokens"))


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One group. Latencies are seconds of completed attempts, None where there was none.

    `calls` counts distinct calls, `attempts` what was tried for them; `unknown` are attempts whose process died. `cost_usd`
    leaves out the `unpriced`; `saved_usd` is what answers from a cache had cost when they were made.
    """

    group: dict[str, str]
    calls: int
    attempts: int
    failed: int
    dropped: int
    unknown: int
    cached: int
    degraded: int
    recovered: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    cost_usd: Decimal
    estimated_usd: Decimal
    saved_usd: Decimal
    unpriced: int
    latency_avg: float | None
    latency_p50: float | None
    latency_p95: float | None
    latency_p99: float | None


def _local(row: Row, zone: ZoneInfo) -> dt.datetime:
    """The second in which `row` began: whole, because a float of nanoseconds rounds into the next day."""
    return dt.datetime.fromtimestamp(row.started_ns // 10**9, tz=zone)


def _hour(row: Row, zone: ZoneInfo) -> str:
    """The hour; the second one of its name, when clocks go back, with its offset."""
    local = _local(row, zone)
    return local.strftime("%Y-%m-%d %H:00 %z" if local.fold else "%Y-%m-%d %H:00")


KEYS: dict[str, Callable[[Row, ZoneInfo], str]] = {
    "hour": _hour,
    "day": lambda row, zone: _local(row, zone).strftime("%Y-%m-%d"),
    "month": lambda row, zone: _local(row, zone).strftime("%Y-%m"),
    "model": lambda row, zone: row.model,
    "provider": lambda row, zone: row.provider,
    "target": lambda row, zone: f"{row.provider}:{row.model}",
    "task": lambda row, zone: row.task or "",
    "tenant": lambda row, zone: row.tenant or "",
}
"""What rows can be grouped by."""


class _Sum:
    """A group in progress."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.attempts = self.failed = self.dropped = self.unknown = 0
        self.cached = self.degraded = self.recovered = 0
        self.tokens = dict.fromkeys(TOKENS, 0)
        self.nano = self.estimated = self.saved = self.unpriced = 0
        self.latencies = array("d")

    def add(self, row: Row) -> None:
        self.calls.add(row.call_id)
        self.attempts += 1
        self.failed += row.outcome == "failed"
        self.dropped += row.outcome == "dropped"
        self.unknown += row.state == "unknown"
        self.cached += row.is_cached
        self.degraded += row.is_degraded
        self.recovered += row.is_recovered
        for name in TOKENS:
            self.tokens[name] += getattr(row, name) or 0
        self.saved += row.saved_nano_usd or 0
        if row.cost_nano_usd is None:
            self.unpriced += 1
        else:
            self.nano += row.cost_nano_usd
            self.estimated += row.cost_nano_usd if row.is_estimate else 0
        if row.outcome == "complete" and row.latency is not None:
            self.latencies.append(row.latency)

    def line(self, group: dict[str, str]) -> Line:
        ordered = sorted(self.latencies)
        return Line(
            group=group,
            calls=len(self.calls),
            attempts=self.attempts,
            failed=self.failed,
            dropped=self.dropped,
            unknown=self.unknown,
            cached=self.cached,
            degraded=self.degraded,
            recovered=self.recovered,
            **self.tokens,
            cost_usd=Decimal(self.nano).scaleb(-9),
            estimated_usd=Decimal(self.estimated).scaleb(-9),
            saved_usd=Decimal(self.saved).scaleb(-9),
            unpriced=self.unpriced,
            latency_avg=sum(ordered) / len(ordered) if ordered else None,
            latency_p50=quantile(ordered, 0.50),
            latency_p95=quantile(ordered, 0.95),
            latency_p99=quantile(ordered, 0.99),
        )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of `ordered` do not exceed (nearest rank); None of nothing."""
    if not ordered:
        return None
    rank = -(-len(ordered) * round(share * 1000) // 1000)
    return ordered[max(rank, 1) - 1]


def zone_of(name: str) -> ZoneInfo:
    """The time zone called `name`. Raises ConfigurationError for one that is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"time zone {name!r}: is not known here; write it like Europe/Berlin or UTC"
        ) from error


def report(rows: Iterable[Row], by: Sequence[str] = ("day",), *, zone: str = "UTC") -> list[Line]:
    """`rows` summed by the keys `by`, in the order of the groups; one line with an empty group where `by` is empty.

    Raises ConfigurationError for an unknown key or time zone.
    """
    return report_with_total(rows, by, zone=zone)[0]


def report_with_total(
    rows: Iterable[Row], by: Sequence[str] = ("day",), *, zone: str = "UTC"
) -> tuple[list[Line], Line]:
    """The lines of `report`, and one of all rows together: calls that have attempts in two groups are one call in it."""
    unknown = [key for key in by if key not in KEYS]
    if unknown:
        raise ConfigurationError(f"report by {', '.join(unknown)}: there is {', '.join(KEYS)}")
    place = zone_of(zone)
    sums: dict[tuple[str, ...], _Sum] = {}
    total = _Sum()
    for row in rows:
        group = tuple(KEYS[key](row, place) for key in by)
        sums.setdefault(group, _Sum()).add(row)
        total.add(row)
    lines = [sums[group].line(dict(zip(by, group, strict=True))) for group in sorted(sums)]
    return lines, total.line({})


MONEY = tuple(name for name in Line.__struct_fields__ if name.endswith("_usd"))


def to_parquet(lines: Sequence[Line], by: Sequence[str], path: str | Path) -> int:
    """Write the lines to a Parquet file; their number. Money is DECIMAL(38, 9). Raises ConfigurationError without DuckDB."""
    figures = [name for name in Line.__struct_fields__ if name != "group"]
    kinds = {
        name: "money" if name in MONEY else "float" if name.startswith("latency") else "integer" for name in figures
    }
    rows = ([*(line.group[key] for key in by), *(getattr(line, name) for name in figures)] for line in lines)
    return write_parquet(path, dict.fromkeys(by, "text") | kinds, rows)


def charts(lines: Sequence[Line], by: Sequence[str]) -> tuple[Bars, ...]:
    """Cost and tokens of each line as bars; nothing for no lines."""
    if not lines:
        return ()
    labels = tuple(" ".join(line.group[key] or "-" for key in by) or "all" for line in lines)
    cost = tuple(float(line.cost_usd) for line in lines)
    tokens = [("input", tuple(float(line.input_tokens) for line in lines))]
    tokens.append(("output", tuple(float(line.output_tokens) for line in lines)))
    where = f" by {', '.join(by)}" if by else ""
    return (
        Bars(title=f"Cost{where}, USD", labels=labels, series=(("USD", cost),)),
        Bars(title=f"Tokens{where}", labels=labels, series=tuple(tokens)),
    )


def flat(line: Line) -> dict[str, Any]:
    """A line as one level of plain values: the group's keys, then the figures; money as text, exact."""
    facts = {name: getattr(line, name) for name in Line.__struct_fields__ if name != "group"}
    return line.group | {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in facts.items()}


def to_json(lines: Sequence[Line]) -> str:
    """The lines as an indented JSON array."""
    return msgspec.json.format(msgspec.json.encode([flat(line) for line in lines]), indent=2).decode()


def to_csv(lines: Sequence[Line], by: Sequence[str]) -> str:
    """The lines as CSV with a header."""
    out = io.StringIO()
    names = [*by, *(name for name in Line.__struct_fields__ if name != "group")]
    sheet = csv.DictWriter(out, names, lineterminator="\n")
    sheet.writeheader()
    sheet.writerows(flat(line) for line in lines)
    return out.getvalue()

"""View: a simulation's report for people: rows for tables, charts, and one page; a sweep's reports side by side.

Rows are text already, so a terminal, a page and a test see the same. `Cases` are runs by their name, in their order: one case is
a report, several are a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from backstay.chart import Bars, Lines, Section, Series, page, table
from backstay.sim.report import Over, Report
from backstay.sim.sketch import Percentiles

Cases: TypeAlias = Mapping[str, Report]

MOST_LIMITS: Final = 12
"""Limits that a table shows, the fullest first."""

MOST_STEPS: Final = 100
"""Steps of a line in a chart."""


class Table(NamedTuple):
    """A table's name, header and rows. All columns but the first hold figures, to the right, where `has_figures`."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    has_figures: bool = True

    @property
    def figures(self) -> tuple[str, ...]:
        """The columns that are aligned to the right."""
        return self.header[1:] if self.has_figures else ()


def seconds(value: float | None) -> str:
    """Seconds with three digits; a dash where there is none."""
    if value is None:
        return "-"
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 or value == 0 else 3
    return f"{value:,.{decimals}f}"


def share(value: float | None) -> str:
    """A share as per cent."""
    return "-" if value is None else f"{100 * value:.1f} %"


def of(part: int, whole: int) -> str:
    """A count with its share."""
    return f"{part:,} ({share(part / whole)})" if whole and part else f"{part:,}"


def usd(nano: int | None) -> str:
    """Money with four digits at least, exact to the nano-dollar in the JSON; what is unknown is said to be."""
    if nano is None:
        return "unknown"
    value = nano / 1e9
    return f"{value:,.2f}" if value >= 100 else f"{value:,.4f}"


def summary(report: Report) -> Table:
    """What came of it, one fact a line."""
    return Table("What came of it", ("what", "value"), tuple(_facts(report)), has_figures=False)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    calls = report.calls
    yield "calls", f"{calls:,} in {_span(report.traffic_seconds)}"
    yield "answered", of(report.complete, calls)
    yield "failed", of(report.failed, calls)
    yield (
        "refused by our layers",
        of(report.refused, calls) + (" of the calls, among the failed" if report.refused else ""),
    )
    if report.degraded:
        yield "degraded (of the answers)", of(report.degraded, report.complete)
    if report.cached or report.joined:
        yield "from the cache, joined", f"{report.cached:,}, {report.joined:,}"
    if report.cut:
        yield "cut at the output limit", of(report.cut, report.complete)
    yield "attempts", f"{report.attempts:,}"
    yield "retries and failovers", of(report.retries, report.attempts)
    yield "answered with a 429", of(report.rate_limited, report.attempts)
    cost = usd(report.cost_nano_usd) + (f", {report.unpriced:,} attempts without a price" if report.unpriced else "")
    yield "cost USD", cost
    if report.saved_nano_usd:
        yield "saved by the cache USD", usd(report.saved_nano_usd)
    if report.budget_end is not None:
        yield "a budget is spent after", _span(report.budget_end)
    yield "goodput", f"{report.goodput:,.2f} answers/s, {report.token_goodput:,.0f} tokens/s"


def _span(value: float) -> str:
    if value < 120:
        return f"{seconds(value)} s"
    return f"{value / 60:,.1f} min" if value < 7200 else f"{value / 3600:,.1f} h"


WAITS: Final = (
    ("latency", "latency"),
    ("first_token", "first token"),
    ("queue_wait", "queue"),
    ("limit_wait", "limits"),
)


def waits(report: Report) -> Table:
    """Seconds by class: median, 95th and 99th percentile of each wait."""
    header = ("class", "calls", "answered", *(f"{word}, s: p50 / p95 / p99" for _, word in WAITS))
    rows = [_waits(name, one.calls, one.complete, one) for name, one in report.classes.items()]
    if len(rows) > 1:
        rows.append(_waits("all", report.calls, report.complete, report))
    return Table("Waits", header, tuple(rows))


def _waits(name: str, calls: int, complete: int, source: object) -> tuple[str, ...]:
    return (name, f"{calls:,}", of(complete, calls), *(_three(getattr(source, field)) for field, _ in WAITS))


def _three(figures: Percentiles) -> str:
    return " / ".join(map(seconds, (figures.p50, figures.p95, figures.p99))) if figures.count else "-"


def limits(report: Report) -> Table:
    """How full each limit was."""
    header = ("limit", "capacity", "per", "mean use", "fullest", "refusals", "first after s")
    shown = list(report.limits.items())[:MOST_LIMITS]
    rows = tuple(
        (
            name,
            usd(use.capacity) + " USD" if use.dimension == "nano_usd" else f"{use.capacity:,}",
            use.window,
            share(use.mean),
            share(use.peak),
            f"{use.refusals:,}",
            seconds(use.first_refusal),
        )
        for name, use in shown
    )
    return Table("Limits", header, rows)


def failures(report: Report) -> Table:
    """Why calls and attempts failed: by kind, and by the limit that said no."""
    rows = [(f"calls: {name}", f"{count:,}") for name, count in report.failures.items()]
    rows += [(f"limit: {name}", f"{count:,}") for name, count in report.refused_by.items()]
    for target, one in report.targets.items():
        rows += [(f"attempts at {target}: {name}", f"{count:,}") for name, count in one.errors.items()]
    return Table("Failures", ("what", "count"), tuple(rows))


def comparison(cases: Cases) -> Table:
    """Several runs, one a line."""
    header = (
        "case", "answered", "refused", "429s", "retries", "cost USD", "latency p50 s", "p95 s", "p99 s", "first token p50 s",
        "queue p95 s", "limits p95 s", "answers/s", "budget ends s",
    )  # fmt: skip
    return Table("Comparison", header, tuple(_case(name, report) for name, report in cases.items()))


def _case(name: str, report: Report) -> tuple[str, ...]:
    latency = report.latency
    return (
        name,
        share(report.complete / report.calls if report.calls else None),
        f"{report.refused:,}",
        f"{report.rate_limited:,}",
        f"{report.retries:,}",
        usd(report.cost_nano_usd),
        *(seconds(value) for value in (latency.p50, latency.p95, latency.p99)),
        seconds(report.first_token.p50) if report.first_token.count else "-",
        seconds(report.queue_wait.p95),
        seconds(report.limit_wait.p95),
        f"{report.goodput:,.2f}",
        seconds(report.budget_end),
    )


def tables(cases: Cases) -> list[Table]:
    """What a terminal shows: a whole report of one run, the comparison of several."""
    if len(cases) > 1:
        return [comparison(cases)]
    (report,) = cases.values()
    found = [summary(report), waits(report), limits(report), failures(report)]
    return [one for one in found if one.rows]


def charts(cases: Cases) -> list[Lines | Bars]:
    """One run over time; several runs side by side."""
    if len(cases) > 1:
        return list(_compared(cases))
    (report,) = cases.values()
    return list(_over_time(report))


def _over_time(report: Report) -> Iterator[Lines | Bars]:
    over = report.over_time
    rates = [(name, over[name]) for name in ("arrived", "complete", "failed") if name in over]
    if rates:
        end = max(len(one.values) * one.width for _, one in rates)
        drawn = [(name, _coarse(_until(end, one))) for name, one in rates]
        series = tuple(Series(name=name, points=_points(one, 1 / one.width), is_step=True) for name, one in drawn)
        yield Lines(title="Calls a second", series=series, x_label="seconds", y_label="calls/s")
    if "usd" in over:
        total, points = 0.0, []
        for at, amount in _points(over["usd"], 1.0):
            total += amount
            points.append((at + over["usd"].width, total))
        marks = () if report.budget_end is None else ((report.budget_end, "a budget is spent"),)
        line = Series(name="USD", points=((0.0, 0.0), *points))
        yield Lines(title="Money spent, USD", series=(line,), x_label="seconds", y_label="USD", marks=marks)
    if len(report.classes) > 0 and any(one.complete for one in report.classes.values()):
        yield _latencies({name: one.latency for name, one in report.classes.items()}, "by class")


def _until(end: float, one: Over) -> Over:
    """`one`, with nothing in it from its last event on until `end`."""
    lacking = max(0, round(end / one.width) - len(one.values))
    return Over(width=one.width, values=one.values + (0.0,) * lacking)


def _coarse(one: Over) -> Over:
    """In at most `MOST_STEPS` bins: a line of more steps cannot be told from the one behind it."""
    while len(one.values) > MOST_STEPS:
        values = one.values
        merged = tuple(sum(values[place : place + 2]) for place in range(0, len(values), 2))
        one = Over(width=2 * one.width, values=merged)
    return one


def _points(one: Over, scale: float) -> tuple[tuple[float, float], ...]:
    return tuple((place * one.width, value * scale) for place, value in enumerate(one.values))


def _latencies(figures: Mapping[str, Percentiles], what: str) -> Bars:
    names = ("p50", "p95", "p99")
    series = tuple((name, tuple(getattr(one, name) for one in figures.values())) for name in names)
    return Bars(title=f"Latency {what}, seconds", labels=tuple(figures), series=series, y_label="seconds")


def _compared(cases: Cases) -> Iterator[Lines | Bars]:
    labels, reports = tuple(cases), tuple(cases.values())
    shares = (
        ("answered", tuple(100 * one.complete / max(one.calls, 1) for one in reports)),
        ("refused", tuple(100 * one.refused / max(one.calls, 1) for one in reports)),
    )
    yield Bars(title="Calls answered and refused, per cent", labels=labels, series=shares, y_label="%")
    yield _latencies({name: report.latency for name, report in cases.items()}, "by case")
    costs = tuple(one.cost_usd for one in reports)
    known = tuple(cost for cost in costs if cost is not None)
    if any(known) and len(known) == len(costs):  # a bar of height 0 would say that what is unknown costs nothing
        yield Bars(title="Cost, USD", labels=labels, series=(("USD", known),), y_label="USD")


def to_page(cases: Cases, *, note: str = "") -> str:
    """One HTML file: the charts, then every table; of several runs the comparison first, then each run's own."""
    sections = [Section(heading="Charts", charts=tuple(charts(cases)))]
    if len(cases) > 1:
        sections.insert(0, _section(comparison(cases)))
    for name, report in cases.items():
        prefix = f"{name}: " if len(cases) > 1 else ""
        sections += [_section(one, prefix) for one in tables({name: report})]
    return page("Simulation", sections, note=note)


def _section(one: Table, prefix: str = "") -> Section:
    return Section(heading=f"{prefix}{one.name}", html=table(one.header, one.rows, figures=one.figures))

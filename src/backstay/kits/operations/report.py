"""Report: a run or a comparison as charts, tables and a page.

    python -m backstay.kits.operations.report docs/kits/operations

draws the terminal of the documentation.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from backstay.chart import Bars, Lines, Section, Series, page, table
from backstay.kits.operations.compare import Course, Outcome, run_policy
from backstay.kits.operations.loop import Round
from backstay.kits.operations.screen import decided_by, drawn, line_of
from backstay.kits.operations.trace import waves

HEADER = ("configuration", "utility", "late", "periods", "mean ms", "servers", "dimmer")
FIGURES = HEADER[1:]
THOUGHT = ("at", "what", "said by", "in short")
DONE = ("at", "health", "said by", "action", "outcome", "why")


def rows_of(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """The cells of the comparison."""
    return [
        [
            one.name,
            f"{one.utility:,.0f}",
            f"{one.late}",
            f"{one.periods}",
            f"{one.mean_response_ms:,.0f}",
            f"{one.mean_servers:.2f}",
            f"{one.mean_dimmer:.2f}",
        ]
        for one in outcomes
    ]


def charts_of(rounds: Sequence[Round], *, goal_ms: float | None = None) -> tuple[Lines, ...]:
    """Response time, arrivals, servers, and dimmer over the minutes of a run; what was not measured is left out."""
    wanted = (
        ("Response time", "ms", ("response_time_ms",), False),
        ("Arrivals", "requests/s", ("arrival_rate_per_s",), False),
        ("Servers", "servers", ("server_count", "active_servers"), True),
        ("Dimmer", "share with optional content", ("dimmer",), True),
        ("Utilisation", "share of the active servers", ("utilisation",), False),
    )
    charts = []
    for title, unit, names, is_step in wanted:
        series = [one for name in names if (one := _series(rounds, name, is_step)).points]
        if title == "Response time" and goal_ms is not None and series:
            ends = (series[0].points[0][0], series[0].points[-1][0])
            series.append(Series(name="goal", points=tuple((x, goal_ms) for x in ends)))
        if series:
            charts.append(Lines(title=title, series=tuple(series), x_label="minutes", y_label=unit))
    return tuple(charts)


def _series(rounds: Sequence[Round], name: str, is_step: bool) -> Series:
    points = [(one.state.at / 60, value) for one in rounds if (value := one.state.get(name)) is not None]
    return Series(name=name, points=tuple(points), is_step=is_step)


def bars_of(outcomes: Sequence[Outcome]) -> Bars:
    """Utility of each run; what stands still is named by its servers and dimmer."""
    short = [one.name.removeprefix("static, servers ").replace(", dimmer ", "/") for one in outcomes]
    return Bars(
        title="Utility over the trace (2/0.75: two servers and dimmer 0.75 throughout)",
        labels=tuple(short),
        series=(("utility", tuple(one.utility for one in outcomes)),),
        y_label="utility",
    )


def actions_of(rounds: Sequence[Round]) -> list[list[str]]:
    """What was done or refused, and why, a row each."""
    return [
        [
            f"{one.state.at / 60:.0f} min",
            one.health,
            _by(one.advice.source, one.advice.is_degraded),
            _action(done.action.action_type, done.action.parameters),
            done.status + (f": {done.detail}" if done.status != "success" and done.detail else ""),
            done.action.rationale,
        ]
        for one in rounds
        for done in one.executions
    ]


def thoughts_of(rounds: Sequence[Round]) -> list[list[str]]:
    """World models, simulations, and notes of advice, a row each; nothing where no model was asked."""
    rows = []
    for one in rounds:
        at = f"{one.state.at / 60:.0f} min"
        if one.world is not None:
            rows.append([at, "world model", _by(one.world.source, one.world.is_degraded), one.world.trend])
        if one.advice.note:
            rows.append([at, "advice", _by(one.advice.source, one.advice.is_degraded), one.advice.note])
        for impact in one.impacts:
            said = f"{_action(impact.action_type, impact.parameters)}: risk {impact.risk_level}, success "
            said += f"{impact.success_probability:.2f}; {'; '.join(impact.effects)}"
            rows.append([at, "simulation", _by(impact.source, impact.is_degraded), said])
    return rows


def _by(source: str, is_degraded: bool) -> str:
    return f"{source} (degraded)" if is_degraded else source


def _action(name: str, parameters: dict[str, object]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in parameters.items())])


def run_page(rounds: Sequence[Round], *, note: str, goal_ms: float | None = None) -> str:
    """A run as one HTML page."""
    return page("Operations: a run", run_sections(rounds, goal_ms=goal_ms), note=note)


def run_sections(rounds: Sequence[Round], *, goal_ms: float | None = None) -> list[Section]:
    """The parts of a page that tell of a run."""
    return [
        Section(heading="Over time", charts=charts_of(rounds, goal_ms=goal_ms)),
        Section(heading="Actions", html=table(DONE, actions_of(rounds))),
        *(
            [Section(heading="What was thought", html=table(THOUGHT, thoughts))]
            if (thoughts := thoughts_of(rounds))
            else []
        ),
    ]


def comparison_page(outcomes: Sequence[Outcome], *, note: str, goal_ms: float, more: Sequence[Section] = ()) -> str:
    """A comparison as one HTML page: the table, the bars, and the best adaptive run over time."""
    best = next((one for one in outcomes if one.rounds), None)
    sections = [
        Section(heading="Utility", html=table(HEADER, rows_of(outcomes), figures=FIGURES), charts=(bars_of(outcomes),))
    ]
    if best is not None:
        sections += [Section(heading=f"The run of {best.name}", text="Its state at the end of each period.")]
        sections += run_sections(best.rounds, goal_ms=goal_ms)
    return page("Operations: policies compared", [*sections, *more], note=note)


def main(folder: Path) -> None:
    """Draw a terminal in which the simulated tier is looked after, into `folder`."""
    course = Course(deltas=list(waves(minutes=16, low=5, high=55, seed=1, cycle=40)), seed=1)
    outcome = asyncio.run(run_policy(course, "predictive"))
    lines = ["$ backstay operations run --minutes 16", *map(line_of, outcome.rounds)]
    lines.append(f"\n{len(outcome.rounds)} rounds, {decided_by(outcome.rounds)}\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "screen.svg").write_text(drawn("\n".join(lines), "backstay operations run"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Report: what the store holds, as one page of tables and plots, in HTML (one file) or Markdown (plots as SVG files beside it).

Every figure is read from the store when the report is made. It says how each pattern was found, by rules or by a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from backstay.chart import Bars, Section, page, table, to_svg
from backstay.errors import ConfigurationError
from backstay.kits.patterns.calibration import calibration_error, reviews
from backstay.kits.patterns.drift import actor_concentration, drifted
from backstay.kits.patterns.gate import queue
from backstay.kits.patterns.pattern import ExtractedPattern
from backstay.kits.patterns.predict import measure
from backstay.kits.patterns.setting import TYPES, Settings
from backstay.kits.patterns.store import PatternStore, Ruling
from backstay.kits.patterns.weight import pattern_base
from backstay.kits.patterns.workflow import calibrated

DECISIONS: Final = ("auto_pass", "correct", "partial", "review", "escalated", "blocked", "rejected")
"""Where a pattern can stand: with a person's word on it, or with the gate's."""

SHOWN: Final = 8
"""Patterns of each type that are listed; the file of `backstay patterns mine --json` has all."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the report."""

    heading: str
    text: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    figures: tuple[str, ...] = ()
    charts: tuple[Bars, ...] = ()


def build(store: PatternStore, settings: Settings | None = None) -> list[Table]:
    """The parts of the report. Raises ConfigurationError where the store holds no event."""
    rules = settings or Settings()
    events = store.events()
    if not events:
        raise ConfigurationError("there are no events: backstay patterns ingest FILE")
    patterns, rulings = store.patterns(), store.rulings()
    return [
        _events(store),
        _decisions(patterns.values(), rulings),
        *(_patterns(kind, patterns.values(), rulings) for kind in TYPES),
        _queue(store),
        _base(store, rules),
        _calibration(store),
        _drift(store, rules),
        _predictions(store),
    ]


def _events(store: PatternStore) -> Table:
    events = store.events()
    sources = store.sources()
    counts = Counter((event.domain, event.source_id) for event in events)
    rows = []
    for (domain, source), count in sorted(counts.items()):
        several = [event for event in events if (event.domain, event.source_id) == (domain, source)]
        index, band = actor_concentration(several)
        reliability = f"{sources[source].effective_reliability:.2f}" if source in sources else "not known"
        first, last = (pick(several, key=lambda event: event.at).when[:10] for pick in (min, max))
        cases = len({event.case_id for event in several if event.case_id})
        rows.append((domain, source, f"{count:,}", f"{cases:,}", first, last, reliability, f"{index:,.0f} ({band})"))
    header = ("domain", "source", "events", "cases", "first", "last", "reliability", "actors, HHI")
    return Table(heading="Events", header=header, rows=tuple(rows), figures=("events", "cases"))


def _decisions(patterns: Iterable[ExtractedPattern], rulings: dict[str, list[Ruling]]) -> Table:
    known = list(patterns)
    counts = Counter((one.pattern_type, standing(rulings.get(one.pattern_id, ())) or "review") for one in known)
    ways = Counter(one.extraction_source for one in known)
    series = tuple((word, tuple(float(counts[kind, word]) for kind in TYPES)) for word in DECISIONS)
    kept = tuple(one for one in series if any(one[1]))
    charts = (Bars(title="Patterns by type and decision", labels=TYPES, series=kept),) if kept else ()
    rows = tuple((kind, *(str(counts[kind, word]) for word in DECISIONS)) for kind in TYPES)
    found = ", ".join(f"{count} by {way}" for way, count in sorted(ways.items())) or "none yet"
    return Table(
        heading="Patterns",
        text=f"Found: {found}.",
        header=("type", *DECISIONS),
        rows=rows,
        figures=DECISIONS,
        charts=charts,
    )


def standing(rulings: Sequence[Ruling]) -> str:
    """Where a pattern with these rulings stands, oldest first: a person's last word over the gate's; empty without any."""
    final = next((one for one in reversed(rulings) if one.is_final), None)
    if final is not None:
        return "rejected" if final.result == "incorrect" else str(final.result)
    return rulings[-1].decision if rulings else ""


def _patterns(kind: str, patterns: Iterable[ExtractedPattern], rulings: dict[str, list[Ruling]]) -> Table:
    known = list(patterns)
    some = sorted(
        (one for one in known if one.pattern_type == kind), key=lambda one: (-one.llm_confidence, one.description)
    )
    rows = []
    for one in some[:SHOWN]:
        low, high = one.structured_pattern.get("interval", (None, None))
        interval = "" if low is None else f"{low:.2f} to {high:.2f}"
        stands = standing(rulings.get(one.pattern_id, ()))
        rows.append(
            (one.description, interval, f"{one.llm_confidence:.2f}", one.extraction_source, stands, one.pattern_id)
        )
    text = f"{len(some)} patterns" + (f", the surest {SHOWN} of them" if len(some) > SHOWN else "") + "."
    header = ("pattern", "95 % interval", "confidence", "found by", "stands at", "id")
    return Table(heading=kind.capitalize(), text=text, header=header, rows=tuple(rows), figures=("confidence",))


def _queue(store: PatternStore) -> Table:
    waiting = queue(store)
    rows = tuple(
        (
            ruling.decision,
            f"{ruling.confidence or 0:.2f}",
            one.pattern_type,
            one.description,
            "; ".join(ruling.reasons[1:]),
        )
        for ruling, one in waiting[:SHOWN]
    )
    return Table(
        heading="Waiting for a person",
        text=f"{len(waiting)} patterns wait; `backstay patterns review` lists them all.",
        header=("decision", "calibrated", "type", "pattern", "why"),
        rows=rows,
        figures=("calibrated",),
    )


def _base(store: PatternStore, settings: Settings) -> Table:
    base = pattern_base(store, settings, calibrated(store))
    rows = tuple(
        (
            one.pattern.description,
            f"{one.weight.value:.3f}",
            f"{one.weight.deviation:.3f}",
            "by hand" if one.weight.override is not None else "",
            one.pattern.result or "",
        )
        for one in base[: 2 * SHOWN]
    )
    return Table(
        heading="The base",
        text=f"{len(base)} accepted patterns. A weight is the mean of a Beta law that outcomes move and time fades.",
        header=("pattern", "weight", "deviation", "override", "review"),
        rows=rows,
        figures=("weight", "deviation"),
    )


def _calibration(store: PatternStore) -> Table:
    judged = reviews(store.patterns().values())
    fitted = calibrated(store)
    error, word = calibration_error((one.stated, one.found == 1.0) for one in judged)
    counts = Counter((one.pattern_type, one.found) for one in judged)
    rows = tuple((kind, *(str(counts[kind, worth]) for worth in (1.0, 0.5, 0.0))) for kind in TYPES)
    told = "not known with fewer than fifty reviews" if error is None else f"{error:.3f} ({word})"
    return Table(
        heading="Calibration",
        text=f"{len(judged)} reviewed patterns, method {fitted.method}. Calibration error of what was stated: {told}.",
        header=("type", "correct", "partial", "incorrect"),
        rows=rows,
        figures=("correct", "partial", "incorrect"),
    )


def _drift(store: PatternStore, settings: Settings) -> Table:
    events = store.events()
    middle = sorted(event.at for event in events)[len(events) // 2]
    rows = []
    for domain in sorted({event.domain for event in events}):
        several = [event for event in events if event.domain == domain]
        patterns = [one for one in store.patterns().values() if one.domain == domain]
        for one in drifted(patterns, several, cut=middle, mining=settings.mining)[:SHOWN]:
            before, after = (f"{side.rate:.2f} ({side.support} of {side.total})" for side in (one.before, one.after))
            rows.append((one.description, before, after, f"{one.q_value:.2g}"))
    text = (
        "Shares that changed between the earlier and the later half of the events." if rows else "No share has changed."
    )
    return Table(
        heading="Drift", text=text, header=("pattern", "before", "after", "q"), rows=tuple(rows), figures=("q",)
    )


def _predictions(store: PatternStore) -> Table:
    made = store.predictions()
    found = measure(made)
    rows = tuple(
        (
            ", ".join(f"{key}={value}" for key, value in one.given.items()),
            "=".join(one.then),
            f"{one.probability:.2f}",
            "open" if one.outcome is None else "yes" if one.outcome else "no",
        )
        for one in made[-SHOWN:]
    )
    brier = "" if found["brier"] is None else f", Brier score {found['brier']:.3f}"
    return Table(
        heading="Predictions",
        text=f"{found['made']} made, {found['resolved']} resolved{brier}.",
        header=("given", "then", "probability", "outcome"),
        rows=rows,
        figures=("probability",),
    )


def to_html(tables: Sequence[Table], title: str) -> str:
    """One HTML file without assets."""
    sections = [
        Section(
            heading=one.heading,
            text=one.text,
            html=table(one.header, one.rows, figures=one.figures) if one.rows else "",
            charts=one.charts,
        )
        for one in tables
    ]
    return page(title, sections)


def to_markdown(tables: Sequence[Table], title: str, *, plots: str = "") -> tuple[str, dict[str, str]]:
    """The page, and its plots by file name; `plots` is what their names begin with."""
    parts, files = [f"# {title}"], {}
    for one in tables:
        parts += [f"## {one.heading}", *([one.text] if one.text else [])]
        for chart in one.charts:
            words = "-".join(re.findall("[a-z0-9]+", chart.title.lower()))
            name = f"{words if words.startswith(plots) else plots + words}.svg"
            files[name] = to_svg(chart)
            parts.append(f"![{chart.title}]({name})")
        if one.rows:
            rule = ["---:" if name in one.figures else "---" for name in one.header]
            lines = [one.header, rule, *one.rows]
            parts.append("\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines))
    return "\n\n".join(parts) + "\n", files


def _cell(text: str) -> str:
    """A cell of a Markdown table: marks of the table, of HTML and of a line are no marks in it."""
    plain = " ".join(text.split())
    for mark, written in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("*", "\\*")):
        plain = plain.replace(mark, written)
    return plain


def write(tables: Sequence[Table], path: str | Path, *, title: str) -> list[Path]:
    """Write the report to a .html or .md file; gives every file that was written. Raises ConfigurationError for another
    ending."""
    target = Path(path)
    if target.suffix.lower() in (".html", ".htm"):
        target.write_text(to_html(tables, title), encoding="utf-8")
        return [target]
    if target.suffix.lower() != ".md":
        raise ConfigurationError(f"report {path}: must end in .html or .md")
    text, files = to_markdown(tables, title, plots=f"{target.stem}-")
    target.write_text(text, encoding="utf-8")
    for name, svg in files.items():
        target.with_name(name).write_text(svg, encoding="utf-8")
    return [target, *(target.with_name(name) for name in files)]

"""Timeline: a journal as one HTML page for a person: lanes of ticks, calls, tools, draws and snapshots, and tables below.

The lanes run in the order of the journal, one step an entry, because a game in virtual time has many entries at one instant: a
call is a bar from where it began to where it ended, so what was under way together overlaps. Times stand in the tooltips and
tables. Two journals side by side: the first tick that differs is marked in the lanes and spelt out above them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

import msgspec

from backstay.chart.page import Section, page, table
from backstay.replay.compare import Difference, compare, gist_of
from backstay.replay.entry import Answered, Began, Draw, Failed, Noted, Snapshot, Tick, ToolRun
from backstay.replay.journal import Journal, Recorded
from backstay.replay.stats import stats

STEP, LEFT, WIDE, LANE = 7, 74, 980, 17
PER_STRIP: Final = (WIDE - LEFT) // STEP
MOST_STRIPS: Final = 60
"""Strips of lanes on a page; a longer journal is shown as far as that, and the page says so."""

MOST_CALLS: Final = 500
COLORS: Final = {
    "answered": "#0072b2",
    "failed": "#d55e00",
    "dropped": "#777777",
    "tool": "#009e73",
    "draw": "#cc79a7",
    "snapshot": "#e69f00",
}
"""Okabe and Ito's colours, as in the charts; a failed call is striped too, for those who see none."""


def timeline(journal: Journal, *, name: str, against: Journal | None = None) -> str:
    """The page of `journal`; with `against`, the first tick that differs between the two is marked."""
    found = [] if against is None else compare(journal, against)
    sections = [Section(heading="Lanes", html=_legend() + "\n".join(_strips(journal, found)))]
    if against is not None:
        sections.insert(0, _differences(found))
    sections += [_calls(journal), _sums(journal)]
    return page(f"Run {name}", sections, note=_note(journal))


def _note(journal: Journal) -> str:
    sums = stats(journal)
    state = "finished" if journal.end is not None else "cut off before its end"
    return (
        f"{journal.header.library}, {state}: {sums.ticks} ticks, {sums.total.calls} calls, {sum(sums.tools.values())} tool runs, "
        f"{sum(sums.draws.values())} draws, {sums.snapshots} snapshots. From left to right: the order of the journal."
    )


def _differences(found: Sequence[Difference]) -> Section:
    if not found:
        return Section(heading="Compared", text="Both runs went the same way: no decision differs.")
    where = "before the first tick" if found[0].tick is None else f"in tick {found[0].tick}"
    rows = [
        [one.kind, one.what, change.path, _shown(change.old), _shown(change.new)]
        for one in found
        for change in one.changes
    ]
    return Section(
        heading=f"First difference: {where}",
        html=table(["decision", "which", "field", "this run", "the other"], rows),
    )


def _shown(value: Any) -> str:
    if value is msgspec.UNSET:
        return "(not there)"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 160 else f"{text[:157]}..."


def _legend() -> str:
    items = "".join(
        f'<span style="margin-right:1.2rem"><svg width="12" height="12" role="img" aria-hidden="true">'
        f'<rect width="12" height="12" fill="{color}"/></svg> {word}</span>'
        for word, color in COLORS.items()
    )
    return f"<p>{items}</p>\n"


def _strips(journal: Journal, found: Sequence[Difference]) -> Iterator[str]:
    tick = found[0].tick if found else None
    marked = _span_of(journal, tick) if found else (0, 0)
    calls = _rows_of(journal)
    strips = range(0, len(journal.entries), PER_STRIP)
    for start in strips[:MOST_STRIPS]:
        stop = min(start + PER_STRIP, len(journal.entries))
        yield "\n".join(_strip(journal, calls, (start, stop), marked))
    if len(strips) > MOST_STRIPS:
        yield f"<p>The lanes end here: {len(journal.entries) - MOST_STRIPS * PER_STRIP} entries are not drawn.</p>"


def _span_of(journal: Journal, tick: int | None) -> tuple[int, int]:
    """The places of the entries of `tick`: from its begin to the next one's."""
    starts = [(place, entry.tick) for place, entry in enumerate(journal.entries) if isinstance(entry, Tick)]
    first = starts[0][0] if starts else len(journal.entries)
    if tick is None:
        return 0, first
    ends = [place for place, _ in starts[1:]] + [len(journal.entries)]
    return next(((place, end) for (place, number), end in zip(starts, ends, strict=False) if number == tick), (0, 0))


def _rows_of(journal: Journal) -> list[tuple[int, int, int, Recorded]]:
    """Each call with the places of its begin and end, and a row in which no other bar is in its way."""
    free: list[int] = []
    rows: list[tuple[int, int, int, Recorded]] = []
    begins = {entry.call: place for place, entry in enumerate(journal.entries) if isinstance(entry, Began)}
    for number, call in journal.calls().items():
        begin = begins[number]
        end = call.places[-1] if call.end is not None else len(journal.entries)
        row = next((row for row, until in enumerate(free) if until < begin), len(free))
        if row == len(free):
            free.append(end)
        free[row] = end
        rows.append((begin, end, row, call))
    return rows


def _strip(
    journal: Journal, calls: list[tuple[int, int, int, Recorded]], span: tuple[int, int], marked: tuple[int, int]
) -> Iterator[str]:
    start, stop = span
    here = [call for call in calls if call[0] < stop and call[1] >= start]
    depth = 1 + max((row for _, _, row, _ in here), default=0)
    height = 26 + LANE * (depth + 3)
    yield f'<div class="wide"><svg viewBox="0 0 {WIDE} {height}" width="{WIDE}" height="{height}" role="img" '
    yield f'aria-label="entries {start} to {stop}" style="font:11px system-ui,sans-serif;background:#fff" fill="#333">'
    yield from _band(span, marked, height)
    lanes = [
        ("calls", 22),
        ("tools", 22 + LANE * depth),
        ("draws", 22 + LANE * (depth + 1)),
        ("states", 22 + LANE * (depth + 2)),
    ]
    for word, top in lanes:
        yield f'<text x="4" y="{top + 11}">{word}</text>'
        yield f'<line x1="{LEFT}" y1="{top - 2}" x2="{WIDE}" y2="{top - 2}" stroke="#eee"/>'
    for begin, end, row, call in here:
        yield _bar(call, max(begin, start) - start, min(end, stop - 1) - start, 22 + LANE * row)
    tops = dict(lanes)
    last = -99
    for place in range(start, stop):
        entry, x = journal.entries[place], LEFT + STEP * (place - start)
        if isinstance(entry, Tick):
            yield f'<line x1="{x}" y1="14" x2="{x}" y2="{height}" stroke="#ccc"/>'
            if x - last >= 34:
                yield f'<text x="{x}" y="11">{entry.tick}</text>'
                last = x
        else:
            yield from _mark(entry, x, tops)
    yield "</svg></div>"


def _band(span: tuple[int, int], marked: tuple[int, int], height: int) -> Iterator[str]:
    begin, end = max(span[0], marked[0]), min(span[1], marked[1])
    if begin < end:
        x, wide = LEFT + STEP * (begin - span[0]), STEP * (end - begin)
        yield f'<rect x="{x}" y="0" width="{wide}" height="{height}" fill="#ffd9cc"><title>the first difference</title></rect>'


def _bar(call: Recorded, begin: int, end: int, top: int) -> str:
    kind = _kind(call)
    wide = STEP * (end - begin) + STEP - 2
    dash = ' stroke="#000" stroke-dasharray="3 2"' if kind == "failed" else ""
    about = [
        f"call {call.began.call}, {call.began.task or 'no task'}, {kind}",
        gist_of(bytes(call.began.request)),
        told_of(call),
    ]
    if call.end is not None:
        about.append(f"{call.end.after:.3f} s, {len(call.chunks)} chunks")
    return (
        f'<rect x="{LEFT + STEP * begin}" y="{top}" width="{wide}" height="{LANE - 4}" rx="2" fill="{COLORS[kind]}"{dash}>'
        f"<title>{escape(chr(10).join(about))}</title></rect>"
    )


def _mark(entry: Noted, x: int, tops: dict[str, int]) -> Iterator[str]:
    if isinstance(entry, ToolRun):
        about = f"{entry.name} {bytes(entry.arguments).decode()}\n{_result(entry)}"
        top, color = tops["tools"], COLORS["failed" if entry.failure else "tool"]
    elif isinstance(entry, Draw):
        about, top, color = f"{entry.system}/{entry.name}: {entry.value}", tops["draws"], COLORS["draw"]
    elif isinstance(entry, Snapshot):
        about, top, color = f"sha256 {entry.sha256[:16]}", tops["states"], COLORS["snapshot"]
    else:
        return
    yield (
        f'<rect x="{x}" y="{top}" width="{STEP - 2}" height="{LANE - 4}" fill="{color}"><title>{escape(about)}</title></rect>'
    )


def _result(tool: ToolRun) -> str:
    return tool.failure.kind if tool.failure else bytes(tool.result).decode()[:200]


def _kind(call: Recorded) -> str:
    return "answered" if isinstance(call.end, Answered) else "failed" if isinstance(call.end, Failed) else "dropped"


def told_of(call: Recorded) -> str:
    end = call.end
    if isinstance(end, Answered):
        return " ".join(end.answer.text.split())[:160] or f"({end.answer.finish_reason})"
    if isinstance(end, Failed):
        return f"{end.failure.kind.partition(':')[2]}: {end.failure.args[0] if end.failure.args else ''}"[:160]
    return "left by the program" if end is not None else "cut off"


def _calls(journal: Journal) -> Section:
    calls = list(journal.calls().values())
    rows = [
        [
            str(call.began.call),
            "-" if call.began.tick is None else str(call.began.tick),
            call.began.task or "-",
            gist_of(bytes(call.began.request)),
            told_of(call),
            "-" if call.end is None else f"{call.end.after:.3f}",
        ]
        for call in calls[:MOST_CALLS]
    ]
    more = f"The first {MOST_CALLS} of {len(calls)}." if len(calls) > MOST_CALLS else ""
    header = ["call", "tick", "task", "question", "answer", "s"]
    return Section(heading="Calls", text=more, html=table(header, rows, figures=("call", "tick", "s")))


def _sums(journal: Journal) -> Section:
    sums = stats(journal)
    rows = [
        [
            line.group,
            str(line.calls),
            str(line.failed),
            str(line.input_tokens),
            str(line.output_tokens),
            cost_of(line.cost_nano_usd),
        ]
        for line in (*sums.lines, sums.total)
    ]
    header = ["task", "calls", "failed", "input", "output", "cost USD"]
    draws = ", ".join(f"{system}: {count}" for system, count in sums.draws.items()) or "none"
    return Section(heading="Sums", text=f"Draws by system: {draws}.", html=table(header, rows, figures=header[1:]))


def cost_of(nano_usd: int) -> str:
    """Nano-dollars as US dollars, exact, without trailing zeros."""
    return f"{nano_usd // 10**9}.{nano_usd % 10**9:09d}".rstrip("0").rstrip(".")

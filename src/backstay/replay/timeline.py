"""Timeline: a journal as one HTML page for a person: lanes of ticks, calls, tools, draws and snapshots, and tables below.

The lanes run in the order of the journal, one step an entry, because a game in virtual time has many entries at one instant: a
call is a bar from where it began to where it ended, so what was under way together overlaps. Times stand in the tooltips and
tables. Two journals side by side: the first tick that differs is marked in the lanes and spelt out above them. Of a long journal
the lanes show a part, which begins with the run or shortly before the difference (`excerpt.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

import msgspec

from backstay.chart.page import Section, page, table
from backstay.replay.compare import Difference, compare, gist_of
from backstay.replay.entry import Answered, Draw, Failed, Noted, Snapshot, Tick, ToolRun
from backstay.replay.excerpt import NOTHING, Excerpt, Shown, excerpt
from backstay.replay.reading import Source
from backstay.replay.stats import Stats, stats
from backstay.replay.under_way import Ending

STEP, LEFT, WIDE, LANE = 7, 74, 980, 17
LANES: Final = ("tools", "draws", "states")
"""The lanes below the calls."""
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


MARK: Final = "#ffd9cc"
HOW: Final = (
    "From left to right stands what happened, in the order of the journal, one step an entry. The figures above are ticks. A bar "
    "is a call, from its question to its end; bars that overlap were under way together. Point at anything to read what it says."
)


def timeline(source: Source, *, name: str, against: Source | None = None) -> str:
    """The page of a journal; with `against`, the first tick that differs between the two is marked. Raises JournalDamaged."""
    found = [] if against is None else compare(source, against)
    part = excerpt(
        source, most=MOST_STRIPS * PER_STRIP, most_calls=MOST_CALLS, mark=found[0].tick if found else NOTHING
    )
    sections = [Section(heading="Lanes", text=HOW, html=_legend(has_mark=bool(found)) + "\n".join(_strips(part)))]
    if against is not None:
        sections.insert(0, _differences(found))
    sums = stats(source)
    sections += [_calls(part, sums.total.calls), _sums(sums)]
    return page(f"Run {name}", sections, note=_note(source, sums))


def _note(source: Source, sums: Stats) -> str:
    state = "finished" if source.end is not None else "cut off before its end"
    return (
        f"{source.header.library}, {state}: {sums.ticks} ticks, {sums.total.calls} calls, {sum(sums.tools.values())} tool runs, "
        f"{sum(sums.draws.values())} draws, {sums.snapshots} snapshots."
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


def _legend(*, has_mark: bool) -> str:
    colors = {**COLORS, "first difference": MARK} if has_mark else COLORS
    items = "".join(
        f'<span style="margin-right:1.2rem"><svg width="12" height="12" style="margin:0" role="img" aria-hidden="true">'
        f'<rect width="12" height="12" fill="{color}"/></svg> {word}</span>'
        for word, color in colors.items()
    )
    return f"<p>{items}</p>\n"


def _strips(part: Excerpt) -> Iterator[str]:
    rows = _rows_of(part)
    stop = part.start + len(part.entries)
    if part.start:
        yield f"<p>The lanes begin after {part.start:,} entries.</p>"
    for start in range(part.start, stop, PER_STRIP):
        yield "\n".join(_strip(part, rows, (start, min(start + PER_STRIP, stop))))
    if part.total > stop:
        yield f"<p>The lanes end here: {part.total - stop:,} entries are not drawn.</p>"


def _rows_of(part: Excerpt) -> list[tuple[int, Shown]]:
    """Each call with a row in which no other bar is in its way."""
    free: list[int] = []
    rows: list[tuple[int, Shown]] = []
    for call in part.drawn:
        row = next((row for row, until in enumerate(free) if until < call.place), len(free))
        if row == len(free):
            free.append(0)
        free[row] = part.total if call.end_place is None else call.end_place
        rows.append((row, call))
    return rows


def _strip(part: Excerpt, rows: list[tuple[int, Shown]], span: tuple[int, int]) -> Iterator[str]:
    start, stop = span
    here = [(row, call) for row, call in rows if call.place < stop and (call.end_place or part.total) >= start]
    depth = 1 + max((row for row, _ in here), default=0)
    height = 26 + LANE * (depth + 3)
    yield f'<div class="wide"><svg viewBox="0 0 {WIDE} {height}" width="{WIDE}" height="{height}" role="img" '
    yield f'aria-label="entries {start} to {stop}" style="font:11px system-ui,sans-serif;background:#fff" fill="#333">'
    yield from _band(span, part.marked, height)
    lanes = {word: 22 + LANE * place for word, place in (("calls", 0), *((w, depth + n) for n, w in enumerate(LANES)))}
    for word, top in lanes.items():
        yield f'<text x="4" y="{top + 11}">{word}</text>'
        yield f'<line x1="{LEFT}" y1="{top - 2}" x2="{WIDE}" y2="{top - 2}" stroke="#eee"/>'
    for row, call in here:
        end = stop - 1 if call.end_place is None else min(call.end_place, stop - 1)
        yield _bar(call, max(call.place, start) - start, end - start, 22 + LANE * row)
    yield from _marks(part, span, lanes, height)
    yield "</svg></div>"


def _marks(part: Excerpt, span: tuple[int, int], lanes: dict[str, int], height: int) -> Iterator[str]:
    """What is no call: ticks as lines over all lanes, everything else in its own."""
    last = -99
    for place in range(*span):
        entry, x = part.entries[place - part.start], LEFT + STEP * (place - span[0])
        if not isinstance(entry, Tick):
            yield from _mark(entry, x, lanes)
            continue
        yield f'<line x1="{x}" y1="14" x2="{x}" y2="{height}" stroke="#ccc"/>'
        if x - last >= 34:
            yield f'<text x="{x}" y="11">{entry.tick}</text>'
            last = x


def _band(span: tuple[int, int], marked: tuple[int, int], height: int) -> Iterator[str]:
    begin, end = max(span[0], marked[0]), min(span[1], marked[1])
    if begin < end:
        x, wide = LEFT + STEP * (begin - span[0]), STEP * (end - begin)
        yield f'<rect x="{x}" y="0" width="{wide}" height="{height}" fill="{MARK}"><title>the first difference</title></rect>'


def _bar(call: Shown, begin: int, end: int, top: int) -> str:
    kind = _kind(call)
    wide = STEP * (end - begin) + STEP - 2
    dash = ' stroke="#000" stroke-dasharray="3 2"' if kind == "failed" else ""
    about = [
        f"call {call.began.call}, {call.began.task or 'no task'}, {kind}",
        gist_of(bytes(call.began.request)),
        told_of(call.end),
    ]
    if call.end is not None:
        about.append(f"{call.end.after:.3f} s, {call.chunks} chunks")
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


def _kind(call: Shown) -> str:
    return "answered" if isinstance(call.end, Answered) else "failed" if isinstance(call.end, Failed) else "dropped"


def told_of(end: Ending | None) -> str:
    """How a call ended, on one line."""
    if isinstance(end, Answered):
        return " ".join(end.answer.text.split())[:160] or f"({end.answer.finish_reason})"
    if isinstance(end, Failed):
        return f"{end.failure.kind.partition(':')[2]}: {end.failure.args[0] if end.failure.args else ''}"[:160]
    return "left by the program" if end is not None else "cut off"


def _calls(part: Excerpt, total: int) -> Section:
    rows = [
        [
            str(call.began.call),
            "-" if call.began.tick is None else str(call.began.tick),
            call.began.task or "-",
            gist_of(bytes(call.began.request)),
            told_of(call.end),
            "-" if call.end is None else f"{call.end.after:.3f}",
        ]
        for call in part.calls
    ]
    more = f"The first {len(rows)} of {total}." if total > len(rows) else ""
    header = ["call", "tick", "task", "question", "answer", "seconds"]
    return Section(heading="Calls", text=more, html=table(header, rows, figures=("call", "tick", "seconds")))


def _sums(sums: Stats) -> Section:
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

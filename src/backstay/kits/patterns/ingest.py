"""Ingest: files to events. CSV, JSON Lines of any columns, event logs in the manner of XES, our own events, and plain log
lines.

Columns are known by the names that their formats use (`COLUMNS`; IEEE 1849-2016 for XES), and what no field takes is kept as
an attribute. A line of a log becomes an event whose `what` is its template (`template.py`) and whose `raw_text` is the line,
and its case is the request, block, instance or process that it names. A file is taken whole or refused with every fault, so
that no share is ever counted over a part of it.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.patterns.event import Event
from backstay.kits.patterns.logline import read_line, read_time
from backstay.kits.patterns.template import TemplateMiner

Form: TypeAlias = Literal["auto", "csv", "jsonl", "log"]
MOST_FAULTS: Final = 10

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "what": ("what", "concept:name", "activity", "event", "action", "task"),
    "when": ("when", "time:timestamp", "timestamp", "datetime", "occurred_at", "time", "date"),
    "who": ("who", "org:resource", "resource", "actor", "user", "agent", "component"),
    "where": ("where", "org:group", "location", "place", "node", "host"),
    "how": ("how", "lifecycle:transition"),
    "why": ("why", "reason"),
    "case_id": ("case_id", "case", "case:concept:name", "caseid", "case id", "trace", "trace_id"),
    "content": ("content", "message", "msg"),
}
"""The names of a field's column, the likeliest first; compared without case."""

TIMES: Final = frozenset({"date", "day", "time", "timestamp"})
"""Columns that the time is made of; they tell nothing else."""

CASE: Final = re.compile(
    r"instance: ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(blk_-?\d+)|\b(req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
)
"""What a line is about: the ids that programs write into their logs."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is read. `ignore` names columns that are left out; `year` is that of log lines which tell none; `case` is a
    pattern whose first group is the case of a line."""

    source_id: str = ""
    domain: str = "general"
    ignore: tuple[str, ...] = ()
    year: int = 1970
    case: str | None = None


def read_events(path: str | Path, *, form: Form = "auto", reading: Reading | None = None) -> list[Event]:
    """The events of a file, in its order. Raises ConfigurationError that names the line of what cannot be read, up to ten."""
    file = Path(path)
    how = reading or Reading()
    how = how if how.source_id else msgspec.structs.replace(how, source_id=file.stem)
    try:
        text = file.read_text(encoding="utf-8-sig", errors="strict")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"{path}: cannot be read ({reason})") from error
    kind = _form(file, text) if form == "auto" else form
    read = {
        "log": lambda: _log_rows(text, how),
        "jsonl": lambda: _json_rows(text, path),
        "csv": lambda: _table_rows(text),
    }
    rows = read[kind]()
    if not rows:
        raise ConfigurationError(f"{path}: holds no event: {'it is empty' if not text.strip() else 'a heading only'}")
    return _events(rows, how, str(path))


def _form(file: Path, text: str) -> Form:
    by_name: dict[str, Form] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".log": "log"}
    if file.suffix.lower() in by_name:
        return by_name[file.suffix.lower()]
    return "jsonl" if text.lstrip().startswith("{") else "log"


def _table_rows(text: str) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a table, each with the line that it ends on."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    return [(reader.line_num, row) for row in reader]


def _json_rows(text: str, path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    rows, faults = [], []
    for number, line in enumerate(text.split("\n"), 1):  # a JSON text may hold U+2028
        if line.strip():
            try:
                rows.append((number, msgspec.json.decode(line, type=dict[str, Any])))
            except msgspec.DecodeError as error:
                faults.append(f"{path}:{number}: is no JSON object ({error})")
    if faults:
        raise ConfigurationError(*faults[:MOST_FAULTS])
    return rows


def _log_rows(text: str, how: Reading) -> list[tuple[int, dict[str, Any]]]:
    """The lines of a log as rows; one without a time goes on with the line before (a stack trace)."""
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        found = read_line(line, how.year)
        if found is not None:
            rows.append((number, found))
        elif rows and line.strip():
            rows[-1][1]["content"] += "\n" + line
        elif line.strip():
            rows.append((number, {"content": line, "when": ""}))
    return rows


def _events(rows: Iterable[tuple[int, Mapping[str, Any]]], how: Reading, place: str) -> list[Event]:
    """One event for each row. The place in its case (in the file, without one) tells events apart that look alike."""
    given = [(number, _flat(row, how.ignore)) for number, row in rows]
    columns = _columns({name for _, row in given for name in row})
    templates = _templates(given, columns)
    numbers: Counter[str] = Counter()
    events, faults = [], []
    for number, row in given:
        try:
            events.append(_event(row, columns, how, templates, numbers))
        except ValueError as error:
            faults.append(f"{place}:{number}: {error}")
    if faults:
        raise ConfigurationError(*faults[:MOST_FAULTS])
    return events


def _flat(row: Mapping[str, Any], ignore: tuple[str, ...]) -> dict[str, Any]:
    """A row without what is ignored or empty. A spreadsheet's surplus cells have no column and are left out."""
    dropped = {name.lower() for name in ignore}
    return {
        str(name): value
        for name, value in row.items()
        if name is not None and str(name).lower() not in dropped and value not in (None, "", [])
    }


def _columns(names: set[str]) -> dict[str, str]:
    """Which column each field is read from."""
    lowered = {name.lower(): name for name in sorted(names)}
    found: dict[str, str] = {}
    for field, known in COLUMNS.items():
        column = next(
            (lowered[name] for name in known if name in lowered and lowered[name] not in found.values()), None
        )
        if column is not None:
            found[field] = column
    return found


def _templates(rows: list[tuple[int, dict[str, Any]]], columns: Mapping[str, str]) -> dict[str, str]:
    """The template of each message; none where the rows say what happened."""
    column = columns.get("content")
    if column is None or "what" in columns:
        return {}
    texts = [str(row[column]) for _, row in rows if column in row]
    return dict(zip(texts, TemplateMiner().fit(texts), strict=True))


def _event(
    row: dict[str, Any], columns: Mapping[str, str], how: Reading, templates: Mapping[str, str], numbers: Counter[str]
) -> Event:
    value = {field: row.get(column) for field, column in columns.items()}
    content = str(value.get("content") or "")
    case = _text(value.get("case_id")) or _case_of(content, how)
    who = value.get("who")
    names = tuple(map(str, who)) if isinstance(who, list) else (_text(who),) if who else ()
    when = _when(row, value, how.year)
    place = f"{case}#{numbers[case]}"
    numbers[case] += 1
    own = _own(row)
    return Event(
        what=_text(value.get("what")) or templates.get(content, ""),
        when=when,
        who=names,
        where=_text(value.get("where")),
        how=_text(value.get("how")) or None,
        why=_text(value.get("why")) or None,
        source_id=own.get("source_id") or how.source_id,
        source_url=own.get("source_url"),
        raw_text=own.get("raw_text") or content,
        domain=own.get("domain") or how.domain,
        event_type=own.get("event_type") or ("log" if content else "event"),
        case_id=case,
        record=own.get("record") or ("" if own else place),
        attributes=_attributes(row, columns, own),
    )


def _own(row: Mapping[str, Any]) -> dict[str, str]:
    """The further fields of a row that is an event of ours already: it has what, when and source_id."""
    if not {"what", "when", "source_id"} <= row.keys():
        return {}
    names = ("source_id", "source_url", "raw_text", "domain", "event_type", "record")
    return {name: str(row[name]) for name in names if row.get(name)}


def _attributes(row: Mapping[str, Any], columns: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    taken = {*columns.values(), *own} | {name for name in row if name.lower() in TIMES}
    inner = row.get("attributes")
    found = {name: _text(value) for name, value in inner.items()} if isinstance(inner, dict) else {}
    taken |= {"attributes"} if isinstance(inner, dict) else set()
    return found | {name: _text(value) for name, value in row.items() if name not in taken}


def _text(value: Any) -> str:
    """A cell as text: JSON for what is not text, so that `true` and `1` stay what they were."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else msgspec.json.encode(value).decode()


def _case_of(content: str, how: Reading) -> str:
    found = (re.compile(how.case) if how.case else CASE).search(content)
    return "" if found is None else next((group for group in found.groups() if group), found[0])


def _when(row: Mapping[str, Any], value: Mapping[str, Any], year: int) -> str:
    """The time of a row as ISO 8601 text: of its column, or of the date and the time that stand in columns of their own."""
    lowered = {name.lower(): _text(one) for name, one in row.items()}
    joined = " ".join(lowered[name] for name in ("date", "day", "time") if name in lowered)
    both = joined if {"date", "time"} <= lowered.keys() else ""
    for text in (both, _text(value.get("when")), lowered.get("time", "")):
        found = read_time(text, year)
        if found is not None:
            return text if _is_iso(text) else found.isoformat()
    raise ValueError(f"no time in {_text(value.get('when')) or joined or 'it'!r}")


def _is_iso(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True

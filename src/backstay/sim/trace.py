"""Trace: arrivals from a file, in the forms in which traces are published, and from our own ledger; read as they are needed.

    CSV      a header, then a call a line. Azure's public traces: TIMESTAMP, ContextTokens, GeneratedTokens
    JSONL    an object a line. Mooncake's public traces: timestamp (milliseconds), input_length, output_length, hash_ids
    ledger   the SQLite file of this library: every call that was answered, at the time of its first attempt

A column is found by any of its usual names (`NAMES`), so a trace of one's own needs no conversion. Times are seconds, dates,
or milliseconds where the name says so or, in JSONL, where it is Mooncake's. Priority, tenant, task, model and content are
optional. The first call stands at 0.0.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from backstay.canonical import digest
from backstay.errors import ConfigurationError
from backstay.ledger.row import Row
from backstay.sim.workload import Arrival, in_order, priority_of

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "at": ("timestamp", "at", "arrived_at", "time", "arrival_time", "timestamp_ms", "at_ms", "ts"),
    "input_tokens": ("input_tokens", "contexttokens", "input_length", "prompt_tokens", "request tokens", "num_prefill_tokens"),
    "output_tokens": (
        "output_tokens", "generatedtokens", "output_length", "completion_tokens", "response tokens", "num_decode_tokens",
    ),
    "priority": ("priority",),
    "tenant": ("tenant",),
    "task": ("task",),
    "model": ("target",),
    "content": ("content", "hash_ids"),
}  # fmt: skip
"""Each field with the names under which it is found, in any case."""

NEEDED: Final = ("at", "input_tokens", "output_tokens")
SQLITE: Final = b"SQLite format 3\0"
WINDOW: Final = 900.0
"""Seconds that a ledger's call may take from its first attempt to its answer; one that takes longer is left out."""


def read_trace(path: str | Path) -> Iterator[Arrival]:
    """The calls of the file at `path`, in order, from 0.0 on. Raises ConfigurationError that names the file and the line."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ConfigurationError(f"trace {path}: cannot be read ({error.strerror})") from error
    if head.startswith(SQLITE):
        from backstay.ledger.sqlite import read_rows

        return in_order(from_ledger(read_rows(path)))
    return in_order(_from_json(path) if head.lstrip()[:1] == b"{" else _from_csv(path))


def time_of_day(path: str | Path) -> float:
    """Seconds after midnight at which the trace begins; noon where its times are no dates. For budgets that end with a day."""
    with Path(path).open("rb") as file:
        if file.read(16) == SQLITE:
            return NOON
    raw = next(_raw_times(Path(path)), None)
    if isinstance(raw, str) and (date := _date(raw)) is not None:
        return date.hour * 3600.0 + date.minute * 60.0 + date.second
    return NOON


NOON: Final = 43_200.0
LATEST: Final = 1e12
"""Seconds: beyond this a float has no milliseconds, and a time was meant in another unit."""


def _raw_times(path: Path) -> Iterator[Any]:
    with _text(path) as file:
        first = file.readline()
        if first.lstrip().startswith("{"):
            yield from (record.get(_columns(record, path)["at"]) for record in [msgspec.json.decode(first)])
            return
        columns = _columns(next(csv.reader([first]), []), path)
        yield from (row.get(columns["at"]) for row in csv.DictReader(file, next(csv.reader([first]))))


@contextlib.contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The file as text; one that is none is a ConfigurationError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"trace {path}: is neither CSV, JSON Lines nor a ledger ({error})") from error


def _columns(names: Iterable[str], path: Path) -> dict[str, str]:
    """Which column holds which field."""
    found = {name.strip().lower(): name for name in names if name}
    columns = {
        field: next(found[each] for each in usual if each in found)
        for field, usual in NAMES.items()
        if any(each in found for each in usual)
    }
    if lacking := [field for field in NEEDED if field not in columns]:
        words = "; ".join(f"{field}: one of {', '.join(NAMES[field][:4])}" for field in lacking)
        raise ConfigurationError(f"trace {path}: no column for {words}")
    return columns


def _from_csv(path: Path) -> Iterator[Arrival]:
    with _text(path) as file:
        reader = csv.DictReader(file)
        columns = _columns(reader.fieldnames or (), path)
        when = _Time(columns["at"], is_mooncake=False)
        for row in reader:
            yield _arrival(row, columns, when, f"trace {path}, line {reader.line_num}")


def _from_json(path: Path) -> Iterator[Arrival]:
    columns: dict[str, str] | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError as error:
                raise ConfigurationError(f"trace {path}, line {number}: {error}") from error
            if columns is None:
                columns = _columns(record, path)
                when = _Time(columns["at"], is_mooncake="hash_ids" in record)
            yield _arrival(record, columns, when, f"trace {path}, line {number}")


class _Time:
    """Reads the times of one file. Dates are counted from the first one, so that no digit of them is lost in a float."""

    def __init__(self, name: str, *, is_mooncake: bool) -> None:
        self._unit = 1e-3 if is_mooncake or name.strip().lower().endswith("_ms") else 1.0
        self._first: dt.datetime | None = None

    def __call__(self, value: Any) -> float:
        if isinstance(value, (int, float)):
            return value * self._unit
        text = str(value).strip()
        try:
            return float(text) * self._unit
        except ValueError:
            date = _date(text)
        if date is None:
            raise ValueError(f"{text!r} is no time")
        self._first = self._first or date
        return (date - self._first).total_seconds()


def _date(text: str) -> dt.datetime | None:
    """A date with its time, digits beyond the microsecond cut off."""
    whole, dot, rest = text.strip().partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    try:
        date = dt.datetime.fromisoformat(f"{whole}{dot}{digits[:6]:0<6}{rest[len(digits) :]}" if dot else whole)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)


def _arrival(row: Mapping[str, Any], columns: Mapping[str, str], when: Callable[[Any], float], place: str) -> Arrival:
    try:
        facts: dict[str, Any] = {field: row[name] for field, name in columns.items() if row.get(name) not in (None, "")}
        at = when(facts.pop("at"))
        facts |= {field: _count(facts[field], field) for field in NEEDED[1:]}
        if not abs(at) < LATEST:
            raise ValueError(f"{at} is no time")
        if "priority" in facts:
            facts["priority"] = priority_of(str(facts["priority"]).lower())
        if isinstance(facts.get("content"), list):  # the same blocks in the same order are the same question
            facts["content"] = digest(*map(str, facts["content"]))[:16]
        known: dict[str, Any] = {field: value if type(value) is int else str(value) for field, value in facts.items()}
        return Arrival(at=at, **known)
    except KeyError as error:
        raise ConfigurationError(f"{place}: no {error.args[0]}") from error
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _count(value: Any, field: str) -> int:
    number = float(value)
    if not 0 <= number < 1e9 or number != int(number):
        raise ValueError(f"{field} = {value}: must be a whole number of tokens")
    return int(number)


def from_ledger(rows: Iterable[Row]) -> Iterator[Arrival]:
    """The answered calls of `rows`, which come in the order of their start; each at the start of its first attempt."""
    begun: dict[str, int] = {}
    for row in rows:
        started = begun.setdefault(row.call_id, row.started_ns)
        if row.outcome == "complete" and row.input_tokens is not None and row.output_tokens is not None:
            del begun[row.call_id]
            yield Arrival(
                at=started / 1e9,
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                tenant=row.tenant,
                task=row.task,
            )
        if len(begun) > 10_000:
            begun = {call: at for call, at in begun.items() if row.started_ns - at < WINDOW * 1e9}

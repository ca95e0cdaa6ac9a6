"""Records: extractions as JSON Lines, JSON, CSV or a table.

One record per document: `source`, `status`, `data`, `fields`, `provenance`, and `cost_usd`, `attempts`, `warnings`, `errors`.
JSON Lines are written as each document is done, so an interrupted run keeps what it finished.
"""

from __future__ import annotations

import abc
import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TextIO

import msgspec

from backstay.cli.table import visible
from backstay.extract.extraction import Extraction
from backstay.extract.schema import leaves


def record_of(extraction: Extraction) -> dict[str, Any]:
    """The record of one document, as JSON data."""
    provenance = extraction.provenance
    cost = extraction.cost
    return {
        "source": extraction.source,
        "status": extraction.status,
        "data": extraction.data,
        "fields": {
            path: {
                "value": field.value,
                "confidence": round(field.confidence, 4),
                "evidence": list(field.evidence) if field.evidence else None,
                "grounded": field.grounded,
                **({"reason": field.reason} if field.reason else {}),
                **({"signals": field.signals} if field.signals else {}),
            }
            for path, field in extraction.fields.items()
        },
        "provenance": {
            "target": provenance.target,
            "degraded": provenance.degraded,
            "cached": provenance.cached,
            "recovered": provenance.recovered,
            "rule": provenance.rule,
            "attempts": [msgspec.to_builtins(attempt) for attempt in provenance.attempts],
            "notes": list(provenance.notes),
        },
        "attempts": extraction.attempts,
        "cost_usd": None if cost is None else f"{cost.usd:f}",
        "retry_cost_usd": None if extraction.retry_cost is None else f"{extraction.retry_cost.usd:f}",
        "gate": None if extraction.gate is None else msgspec.to_builtins(extraction.gate),
        "errors": list(extraction.errors),
        "warnings": list(extraction.warnings),
    }


class Writer(Protocol):
    """Takes extractions one by one; `close` writes what was held back."""

    def add(self, extraction: Extraction) -> None: ...
    def close(self) -> None: ...


class LineWriter:
    """JSON Lines, each written and flushed when its document is done."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, extraction: Extraction) -> None:
        self._out.write(msgspec.json.encode(record_of(extraction)).decode() + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is held back."""


class GatheringWriter(abc.ABC):
    """A writer that needs all extractions before it can write: a JSON array, a CSV with its header, a table."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._all: list[Extraction] = []

    def add(self, extraction: Extraction) -> None:
        self._all.append(extraction)

    def close(self) -> None:
        self.write(self._out, self._all)

    @abc.abstractmethod
    def write(self, out: TextIO, extractions: Sequence[Extraction]) -> None:
        """Write them all."""


class JsonWriter(GatheringWriter):
    """One indented JSON array."""

    def write(self, out: TextIO, extractions: Sequence[Extraction]) -> None:
        encoded = msgspec.json.encode([record_of(extraction) for extraction in extractions])
        out.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


class CsvWriter(GatheringWriter):
    """One row per document: source, status, then the leaves of `data` and the confidence of each.

    Cells are what was read, letter by letter: no apostrophe is put before =, +, - or @, because -12.50 and +49 40 123 are values
    and a program reads them. Whoever opens the file in a spreadsheet imports the columns as text.
    """

    def write(self, out: TextIO, extractions: Sequence[Extraction]) -> None:
        rows = [dict(leaves(extraction.data)) for extraction in extractions]
        names = list(dict.fromkeys(name for row in rows for name in row))
        sheet = csv.writer(out, lineterminator="\n")
        sheet.writerow(["source", "status", *names, *(f"{name}:confidence" for name in names)])
        for extraction, row in zip(extractions, rows, strict=True):
            sheet.writerow(
                [
                    extraction.source,
                    extraction.status,
                    *(_cell(row.get(name)) for name in names),
                    *(_confidence(extraction, name) for name in names),
                ]
            )


class TableWriter(GatheringWriter):
    """A table for people: a row per document, the uncertain and the missing marked."""

    def write(self, out: TextIO, extractions: Sequence[Extraction]) -> None:
        from rich.console import Console

        console = Console(file=out, highlight=False)
        for extraction in extractions:
            console.print(_card(extraction))


def _card(extraction: Extraction) -> Any:
    from rich.table import Table
    from rich.text import Text

    title = f"{extraction.source}  [{extraction.status}]  {extraction.provenance.target or ''}"
    table = Table(title=Text(visible(title)), title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    table.add_column("field", no_wrap=True)
    table.add_column("value", overflow="fold", ratio=1)
    table.add_column("sure", justify="right")
    for path, value in leaves(extraction.data):
        field = extraction.fields.get(path)
        if value in (None, [], {}):
            continue
        sure = "" if field is None else f"{field.confidence:.0%}"
        style = "" if field is None or field.confidence >= 0.9 else ("yellow" if field.confidence >= 0.75 else "red")
        mark = "" if field is None or field.grounded else " (not in the document)"
        shown = "\n".join(visible(line) for line in _cell(value).split("\n"))
        table.add_row(Text(visible(path)), Text(f"{shown}{mark}"), Text(sure, style=style))
    missing = [path for path, value in leaves(extraction.data) if value in (None, [], {})]
    if missing:
        table.add_row("", Text(f"not found: {visible(', '.join(missing))}", style="dim"), "")
    return table


def _cell(value: Any) -> str:
    if value is None or value in ([], {}):
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _confidence(extraction: Extraction, name: str) -> str:
    field = extraction.fields.get(name)
    return "" if field is None else f"{field.confidence:.2f}"


FORMATS: dict[str, Callable[[TextIO], Writer]] = {
    "jsonl": LineWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
    "table": TableWriter,
}
"""The writers by the name of their format."""


def render(extractions: Sequence[Extraction], format: str) -> str:
    """All of `extractions` in one of the formats, as text."""
    out = io.StringIO()
    writer = FORMATS[format](out)
    for extraction in extractions:
        writer.add(extraction)
    writer.close()
    return out.getvalue()

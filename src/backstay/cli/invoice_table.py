"""The table that `backstay invoice` writes, CSV or Parquet: its columns, its rows, and those of an earlier run that it keeps."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from backstay.kits.invoices.record import Record

Row: TypeAlias = Sequence[Any]

COLUMNS: Final[dict[str, str]] = {
    "source": "text",
    "decision": "text",
    "kind": "text",
    "confidence": "float",
    "field_count": "integer",
    "number": "text",
    "issue_date": "text",
    "due_date": "text",
    "seller": "text",
    "buyer": "text",
    "currency": "text",
    "net_total": "money",
    "tax_total": "money",
    "grand_total": "money",
    "layout": "text",
    "tier": "text",
    "target": "text",
    "is_degraded": "boolean",
    "is_validated": "boolean",
    "cost_usd": "money",
    "reasons": "json",
    "checks": "json",
    "lines": "json",
    "fields": "json",
    "error": "text",
}
"""The columns of a Parquet or CSV file, and their kinds. The first is the document."""

MAX_CELL: Final = 2**31 - 1
"""The fields of a long document pass the 131072 characters at which `csv` stops by default."""


def read_rows(path: Path) -> dict[str, Row]:
    """The rows of an earlier run by their document; none where there is no file. Raises ValueError for another file."""
    if not path.exists() or not path.stat().st_size:
        return {}
    if path.suffix == ".parquet":
        from backstay.parquet import read_parquet

        names, rows = read_parquet(path)
    else:
        names, rows = _read_csv(path)
    if names != list(COLUMNS):
        raise ValueError("its columns are others")
    return {row[0]: row for row in rows}


def _read_csv(path: Path) -> tuple[list[str], list[Row]]:
    before = csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file, strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    finally:
        csv.field_size_limit(before)
    if any(len(row) != len(names) for row in rows):
        raise ValueError("its rows are not of one length")
    return names, list(rows)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the table; `path` has it whole or not at all."""
    if path.suffix == ".parquet":
        from backstay.parquet import write_parquet

        write_parquet(path, COLUMNS, rows)
        return
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(COLUMNS)
    sheet.writerows(["" if cell is None else cell for cell in row] for row in rows)
    replace(path, text.getvalue().encode())


def replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`: written beside it, on the disk, and then renamed. A link keeps leading there, and a
    file keeps its permissions."""
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def row_of(record: Record) -> list[Any]:
    """The cells of one record, in the order of `COLUMNS`."""
    import msgspec

    from backstay.kits.invoices.check import amount

    facts = msgspec.to_builtins(record)
    cells = {**facts["data"], **{name: facts[name] for name in COLUMNS if name in facts}}
    row: list[Any] = []
    for name, kind in COLUMNS.items():
        cell = cells.get(name)
        if kind == "money" and amount(cell) is None:
            cell = None  # what is no amount would spoil the column; the fields and the reasons have it
        row.append(msgspec.json.encode(cell).decode() if kind == "json" and cell is not None else cell)
    return row

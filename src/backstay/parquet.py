"""Parquet files, written by DuckDB (`pip install 'backstay[parquet]'`): typed columns, money exact, whole or not at all."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from backstay.errors import ConfigurationError

TYPES: Final[Mapping[str, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "money": "DECIMAL(38, 9)",
    "date": "DATE",
    "json": "JSON",
}
"""The kinds of columns, and what DuckDB calls them."""

BATCH: Final = 500
MISSING: Final = "Parquet needs DuckDB: pip install 'backstay[parquet]'"


def check_parquet() -> None:
    """Raises ConfigurationError where DuckDB is not installed: to be called before anything costly is done for the table."""
    if importlib.util.find_spec("duckdb") is None:
        raise ConfigurationError(MISSING)


def write_parquet(path: str | Path, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> int:
    """The number of rows written to `path`, which appears when it is whole. `columns`: name to kind (`TYPES`), in order.

    A value that does not fit its column's kind raises ValueError that names the row. Raises ConfigurationError without DuckDB.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    with duckdb.connect(":memory:") as database:
        kinds = ", ".join(f"{_quoted(name)} {TYPES[kind]}" for name, kind in columns.items())
        database.execute(f"CREATE TABLE sheet ({kinds})")
        batch: list[Sequence[Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                count += _insert(database, batch, count, duckdb.Error)
                batch = []
        count += _insert(database, batch, count, duckdb.Error)
        try:
            target = str(draft).replace("'", "''")
            database.execute(f"COPY sheet TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return count


def read_parquet(path: str | Path) -> tuple[list[str], list[Sequence[Any]]]:
    """The names of the columns and the rows of a Parquet file. Raises ValueError where it is none, ConfigurationError without
    DuckDB."""
    try:
        import duckdb
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    with duckdb.connect(":memory:") as database:
        try:
            found = database.read_parquet(str(path))
            return list(found.columns), list(found.fetchall())
        except duckdb.Error as error:
            raise ValueError(f"no Parquet file that can be read: {str(error).splitlines()[0]}") from error


def _insert(database: Any, batch: Sequence[Sequence[Any]], before: int, failure: type[Exception]) -> int:
    if not batch:
        return 0
    marks = f"({', '.join('?' * len(batch[0]))})"
    try:
        database.execute(
            f"INSERT INTO sheet VALUES {', '.join([marks] * len(batch))}", [value for row in batch for value in row]
        )
    except failure as error:
        raise ValueError(f"rows {before + 1} to {before + len(batch)} do not fit their columns: {error}") from error
    return len(batch)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""A file of ours in SQLite: its tables are made once, and another program's file is never touched.

The file says what it is in SQLite's own header: `application_id` whose it is, `user_version` of which version.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from backstay.errors import ConfigurationError

HEADER = (
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) "
    "FROM pragma_application_id, pragma_user_version"
)


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    tables: Iterable[str],
    *,
    kind: str,
    application_id: int,
    version: int,
    synchronous: Literal["FULL", "NORMAL"],
    begin: Callable[[sqlite3.Connection], object] = lambda _: None,
) -> None:
    """Make the `tables` in an empty file, then `begin`, in one transaction; two processes that open it wait for each other.

    Raises ConfigurationError that names the `kind` of file for another program's, or one of a later version.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        application, found, there = connection.execute(HEADER).fetchone()
        if application not in (0, application_id) or (application == 0 and there) or found > version:
            raise ConfigurationError(
                f"{kind} {path}: is the file of another program, or of a later version; set another path"
            )
        if not there:
            for statement in tables:
                connection.execute(statement)
            begin(connection)
            connection.execute(f"PRAGMA application_id = {application_id}")
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise

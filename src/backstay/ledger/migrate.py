"""Migrate: bring a ledger's file to the version of this program, by numbered SQL files, each in one transaction.

The file says what it is in SQLite's own header: `application_id` that it is a ledger of backstay's, `user_version` of which
version. So another program's database is never touched, and a later version's is never misread.
"""

from __future__ import annotations

import pkgutil
import sqlite3
from typing import Final

from backstay.errors import ConfigurationError

APPLICATION_ID: Final = 0x6261636B
"""The bytes "back"."""

HEADER: Final = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
    FROM pragma_application_id, pragma_user_version
"""
"""One statement and so one moment of the file: another process may be making the tables."""

STEPS: Final = ("001_attempt.sql", "002_kinds.sql", "003_saved.sql")
"""The files that bring a ledger from nothing to this version, in order."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the file: 0 for an empty one. Raises ConfigurationError where it is none of ours, or of the future."""
    application, version, tables = connection.execute(HEADER).fetchone()
    if application not in (0, APPLICATION_ID) or (application == 0 and tables and not version):
        raise ConfigurationError("is the database of another program: set ledger.path to a file of its own")
    if version > len(STEPS):
        raise ConfigurationError(f"is of version {version}, this program knows {len(STEPS)}: update backstay")
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that the file has not seen. Raises ConfigurationError as `version_of` does."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)
        for number, name in enumerate(STEPS[version:], version + 1):
            for statement in _read(name).split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _read(name: str) -> str:
    text = pkgutil.get_data("backstay.ledger", f"migrations/{name}")
    if text is None:
        raise FileNotFoundError(f"backstay.ledger/migrations/{name}: is missing from this installation")
    return text.decode()

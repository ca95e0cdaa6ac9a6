"""PostgreSQL: connections that are either clean or closed, tables made by numbered migrations, errors of this library's own.

A connection goes back to the pool only after the block that used it ended well. A block that was cancelled, timed out or failed
on the wire closes it: a connection on which a command is half done would hand the next caller the answer of the last one (the
defect of redis-py, CVE-2023-28858, which no driver is above). The server then ends the transaction.

Migrations run under an advisory lock, so processes that start together make the tables once. Needs `pip install
'backstay[postgres]'`.
"""

from __future__ import annotations

import asyncio
import contextlib
import pkgutil
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from backstay.errors import ConfigurationError
from backstay.secret import Secret
from backstay.stores.failure import StoreFailed

if TYPE_CHECKING:
    import asyncpg

STEPS: Final = ("001_attempt.sql", "002_limit.sql", "003_conversation.sql")
"""The files that bring a schema from nothing to this version, in order."""

MIGRATING: Final = 0x6261636B_6D696772
"""The advisory lock of migrations: the bytes "backmigr"."""

SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Database:
    """A pool of connections to `url`, opened at the first use, on one event loop. All tables are in `schema`.

    `timeout` is the most seconds that a block may take, its wait for a connection included; at most `max_connections` are open.
    Raises ConfigurationError where the driver is missing or the address is none.
    """

    def __init__(
        self, url: str | Secret, *, schema: str = "backstay", max_connections: int = 4, timeout: float = 10.0
    ) -> None:
        if SCHEMA.fullmatch(schema) is None:
            raise ConfigurationError(f"PostgreSQL schema {schema!r}: is no name of small letters, digits and _")
        self._driver = _driver()
        self._url = Secret(url)
        self.schema = schema
        self._timeout = timeout
        self._room = asyncio.Semaphore(max_connections)
        self._idle: list[asyncpg.Connection[Any]] = []
        self._is_ready = False
        self._preparing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection for one block. Raises StoreFailed for what the server or the network does wrong inside of it."""
        try:
            async with asyncio.timeout(self._timeout), self._room:
                connection = await self._taken()
                is_clean = False
                try:
                    yield connection
                    is_clean = True
                finally:
                    if is_clean:
                        self._idle.append(connection)
                    else:
                        connection.terminate()
        except TimeoutError as error:
            raise StoreFailed(f"PostgreSQL took longer than {self._timeout:g} s", is_uncertain=True) from error
        except (OSError, self._driver.PostgresError, self._driver.InterfaceError) as error:
            raise failed(error) from error

    async def _taken(self) -> asyncpg.Connection[Any]:
        """An idle connection that is still open, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        connection = await self.connect()
        if not self._is_ready:
            try:
                async with self._preparing:
                    if not self._is_ready:
                        await migrate(connection, self.schema)
                        self._is_ready = True
            except BaseException:
                connection.terminate()
                raise
        return connection

    async def connect(self) -> asyncpg.Connection[Any]:
        """A connection outside of the pool, which the caller closes; its tables may not be there yet."""
        try:
            return await self._driver.connect(
                self._url.reveal(), server_settings={"search_path": self.schema}, timeout=self._timeout
            )
        except (ValueError, self._driver.ClientConfigurationError) as error:
            raise ConfigurationError("the address of PostgreSQL is none: postgresql://user@host/database") from error

    async def aclose(self) -> None:
        """Close the connections that are idle. Idempotent."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=self._timeout)
            except (OSError, TimeoutError, self._driver.PostgresError, self._driver.InterfaceError):
                connection.terminate()  # the server is gone, so there is nobody to say goodbye to


async def migrate(connection: asyncpg.Connection[Any], schema: str) -> None:
    """Apply the migrations that `schema` has not seen, each with its number in one transaction. Safe to run in many processes.

    Raises ConfigurationError where the schema is of a later version.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {schema}.migration (number integer PRIMARY KEY, name text NOT NULL)"
        )
        version = await connection.fetchval(f"SELECT coalesce(max(number), 0) FROM {schema}.migration")
        if version > len(STEPS):
            raise ConfigurationError(
                f"PostgreSQL schema {schema} is of version {version}, this program knows {len(STEPS)}: update backstay"
            )
        for number, name in enumerate(STEPS[version:], version + 1):
            await connection.execute(_read(name))
            await connection.execute(f"INSERT INTO {schema}.migration VALUES ($1, $2)", number, name)


def failed(error: Exception) -> StoreFailed:
    """`error` of the driver or the network as one of this library's. The driver's text names no password."""
    state = getattr(error, "sqlstate", None)
    is_refused = state is not None and not state.startswith(
        ("08", "57P")
    )  # connection exceptions, operator intervention
    what = f"{type(error).__name__}: {error}" if is_refused else f"cannot be reached: {type(error).__name__}"
    return StoreFailed(f"PostgreSQL {what}", is_uncertain=not is_refused)


def _read(name: str) -> str:
    text = pkgutil.get_data("backstay.stores", f"migrations/{name}")
    if text is None:
        raise FileNotFoundError(f"backstay.stores/migrations/{name}: is missing from this installation")
    return text.decode()


def _driver() -> Any:
    try:
        import asyncpg
    except ImportError:
        raise ConfigurationError("PostgreSQL needs its driver: pip install 'backstay[postgres]'") from None
    return asyncpg

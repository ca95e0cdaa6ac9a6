"""Connections to real servers: clean or closed, whatever happens to the caller or to the server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.servers import PostgresServer, Server, Unavailable, ValkeyServer, running

from backstay.errors import ConfigurationError
from backstay.secret import Secret
from backstay.stores.failure import StoreFailed
from backstay.stores.postgres import STEPS, Database, migrate
from backstay.stores.redis import Redis, Script

pytestmark = pytest.mark.server


async def storm(server: Server, ask: Callable[[str], Awaitable[str]]) -> int:
    """Cancel a question at each step of its way while the server is paused, then ask others; how many answers were foreign."""
    wrong = 0
    for steps in range(12):
        await ask("ready")
        pids = server.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        cancelled = asyncio.ensure_future(ask(f"cancelled-{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        cancelled.cancel()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        others = await asyncio.gather(
            cancelled, *(ask(f"{steps}-{number}") for number in range(3)), return_exceptions=True
        )
        wrong += sum(answer != f"{steps}-{number}" for number, answer in enumerate(others[1:]))
    return wrong


async def test_a_cancelled_command_gives_nobody_a_foreign_answer(valkey: Server) -> None:
    """Commands that are cancelled anywhere on their way: nobody is handed what another asked for."""
    redis = Redis(valkey.url, max_connections=2)

    async def ask(text: str) -> str:
        return str((await redis.command("ECHO", text)).decode())

    assert await storm(valkey, ask) == 0
    await redis.aclose()


class Dirty(Redis):
    """The broken variant: a connection goes back whatever happened on it."""

    async def _over(self, connection: Any, parts: tuple[Any, ...]) -> Any:
        try:
            await connection.connect()
            await connection.send_packed_command(connection.pack_command(*parts), check_health=False)
            return await connection.read_response(disconnect_on_error=False)
        finally:
            self._idle.append(connection)


async def test_the_storm_finds_a_dirty_connection(valkey: Server) -> None:
    """The broken variant is caught."""
    redis = Dirty(valkey.url, max_connections=2)

    async def ask(text: str) -> str:
        return str((await redis.command("ECHO", text)).decode())

    assert await storm(valkey, ask) > 0
    await redis.aclose()


async def test_a_cancelled_query_gives_nobody_a_foreign_answer(postgres: Server) -> None:
    """As with Redis; and no transaction stays open."""
    database = Database(postgres.url, schema="storm", max_connections=2)

    async def ask(text: str) -> str:
        async with database.connection() as connection:
            return str(await connection.fetchval("SELECT $1::text", text))

    assert await storm(postgres, ask) == 0
    async with database.connection() as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await connection.fetchval(count) == 0
    await database.aclose()


async def test_a_script_is_sent_once_and_again_after_it_was_forgotten(valkey: Server) -> None:
    """One command an operation, except the first time; a server that forgot it is told again."""
    redis = Redis(valkey.url)
    script = Script("return ARGV[1] .. #KEYS")
    await redis.command("SCRIPT", "FLUSH")
    assert await redis.run(script, ["a"], ["x"]) == b"x1"
    assert redis.commands == 3
    assert await redis.run(script, [], ["y"]) == b"y0"
    assert redis.commands == 4
    await redis.command("SCRIPT", "FLUSH")
    assert await redis.run(script, [], ["z"]) == b"z0"
    await redis.aclose()


async def test_a_restart_in_between_is_not_noticed() -> None:
    """Idle connections that the server closed are replaced; a server that is down is StoreFailed."""
    try:
        with running(ValkeyServer) as server:
            redis = Redis(server.url)
            await redis.command("SET", "a", "1")
            server.kill()
            with pytest.raises(StoreFailed, match="cannot be reached"):
                await redis.command("GET", "a")
            server.start()
            assert await redis.command("GET", "a") == b"1"
            server.kill()
            server.start()
            assert await redis.command("GET", "a") == b"1"
            await redis.aclose()
    except Unavailable as reason:
        pytest.skip(str(reason))


async def test_postgres_comes_back() -> None:
    """A killed server fails the block that was open, and serves the next one."""
    try:
        with running(PostgresServer) as server:
            database = Database(server.url)
            async with database.connection() as connection:
                await connection.execute("CREATE TABLE kept (n int)")
            server.kill()
            with pytest.raises(StoreFailed):
                async with database.connection() as connection:
                    await connection.execute("INSERT INTO kept VALUES (1)")
            server.start()
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT count(*) FROM kept") == 0
            await database.aclose()
    except Unavailable as reason:
        pytest.skip(str(reason))


async def test_a_slow_answer_is_an_error_in_time(valkey: Server, postgres: Server) -> None:
    """A server that hangs holds nobody for longer than the time-out."""
    redis = Redis(valkey.url, timeout=0.05)
    with pytest.raises(StoreFailed, match="longer than") as raised:
        await redis.command("BLPOP", "nothing", 0)
    assert raised.value.is_uncertain
    assert await redis.command("ECHO", "next") == b"next"
    database = Database(postgres.url, schema="slow", timeout=1.0)
    async with database.connection() as connection:
        await connection.fetchval("SELECT 1")
    database._timeout = 0.05
    with pytest.raises(StoreFailed, match="longer than"):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(10)")
    await redis.aclose()
    await database.aclose()


async def test_an_error_of_the_server_is_told(valkey: Server, postgres: Server) -> None:
    """A refusal is certain, and the connection stays usable."""
    redis = Redis(valkey.url)
    with pytest.raises(StoreFailed, match="refused") as raised:
        await redis.command("INCR")
    assert not raised.value.is_uncertain
    assert await redis.command("ECHO", "next") == b"next"
    database = Database(postgres.url, schema="slow")
    with pytest.raises(StoreFailed, match="UndefinedTable") as refused:
        async with database.connection() as connection:
            await connection.execute("SELECT * FROM nowhere")
    assert not refused.value.is_uncertain
    await redis.aclose()
    await database.aclose()


async def test_processes_that_start_together_make_the_tables_once(postgres: Server) -> None:
    """Eight pools at once on an empty schema; every step is applied once; a later version is refused."""
    databases = [Database(postgres.url, schema="together") for _ in range(8)]

    async def use(database: Database) -> int:
        async with database.connection() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM migration"))

    assert await asyncio.gather(*map(use, databases)) == [len(STEPS)] * 8
    async with databases[0].connection() as connection:
        await connection.execute("INSERT INTO migration VALUES (99, 'later')")
        with pytest.raises(ConfigurationError, match="update backstay"):
            await migrate(connection, "together")
    for database in databases:
        await database.aclose()


def test_an_address_that_is_none_is_refused_without_being_told() -> None:
    """The message names the form of an address, not the password in it."""
    with pytest.raises(ConfigurationError, match="redis://host") as raised:
        Redis(Secret("http://user:hidden@host"))
    assert "hidden" not in str(raised.value)
    with pytest.raises(ConfigurationError, match="schema"):
        Database("postgresql://host/db", schema='x"; DROP TABLE y')

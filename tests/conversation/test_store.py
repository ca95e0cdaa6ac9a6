"""Each store keeps the one list of promises; what has a medium keeps it over the end of the program."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conversation.store_conformance import CHECKS, NOW, Check, OpenStore, made, refuses_an_older_version
from tests.servers import PostgresServer, Server, Unavailable, running

from backstay.conversation.conversation import Conversation, read_conversation
from backstay.conversation.postgres import PostgresConversations
from backstay.conversation.sqlite import SQLiteConversations
from backstay.conversation.store import ConversationConflict, MemoryConversations
from backstay.errors import ConfigurationError
from backstay.stores.postgres import Database


def run(work: Any) -> Any:
    """Run a coroutine on a real loop: the stores' threads and sockets have no virtual time."""
    assert inspect.iscoroutine(work)
    with asyncio.Runner() as runner:
        return runner.run(work)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL for these tests."""
    try:
        with running(PostgresServer) as server:
            yield server
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "kind", ["memory", "sqlite", pytest.param("postgres", marks=[pytest.mark.server, pytest.mark.slow])]
)
def test_every_store_keeps_the_promises(
    kind: str, check: Check, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """One list of checks on every backend."""
    if kind == "memory":
        run(check(MemoryConversations))
    elif kind == "sqlite":
        run(check(lambda: SQLiteConversations(tmp_path / "c.db")))
    else:
        url, schema = request.getfixturevalue("postgres").url, f"s{secrets.token_hex(8)}"

        async def checked() -> None:
            database = Database(url, schema=schema)
            await check(lambda: PostgresConversations(database))
            await database.aclose()

        run(checked())


def test_the_list_sees_a_store_without_versions() -> None:
    """The broken variant: a store that takes any version fails the list."""

    class Careless(MemoryConversations):
        async def save(self, conversation: Conversation) -> Conversation:
            self._kept.pop(conversation.id, None)
            return await super().save(msgspec.structs.replace(conversation, version=0))

    with pytest.raises(pytest.fail.Exception):
        run(refuses_an_older_version(Careless))


def test_a_file_outlives_its_program(tmp_path: Path) -> None:
    """Closed and opened again, and by two at once, the file gives what was saved; it is readable by its owner only."""
    path = tmp_path / "folder" / "c.db"

    async def first() -> None:
        one, other = SQLiteConversations(path), SQLiteConversations(path)
        saved = await one.save(made())
        assert await other.load("c1", now_ns=NOW) == saved
        await other.save(saved)
        with pytest.raises(ConversationConflict):
            await one.save(saved)
        await one.aclose()
        await other.aclose()
        await one.aclose()

    async def second() -> None:
        store = SQLiteConversations(path)
        found = await store.load("c1", now_ns=NOW)
        assert found is not None
        assert found.version == 2
        await store.aclose()

    run(first())
    run(second())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Another program's tables, and a later version's, are refused."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()

    async def use() -> None:
        store = SQLiteConversations(path)
        try:
            with pytest.raises(ConfigurationError, match="another program"):
                await store.save(made())
        finally:
            await store.aclose()

    run(use())


def test_export_and_import_are_each_others_inverse() -> None:
    """A conversation written as JSON is read back equal; damage and a later format are refused."""
    whole = made(tenant="north")
    assert read_conversation(whole.export()) == whole
    for damaged in (b"", b"{}", whole.export()[:-5], whole.export().replace(b'"format":1', b'"format":2')):
        with pytest.raises(ConfigurationError):
            read_conversation(damaged)


_: Callable[[OpenStore], Any] = refuses_an_older_version

"""Conversations in PostgreSQL: shared by many machines, with the meaning that the other stores have.

The table comes from the numbered migrations of `stores/postgres.py`, whose pool is used as well. Needs the extra `postgres`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from backstay.conversation.conversation import Conversation, read_conversation
from backstay.conversation.store import conflict
from backstay.stores.postgres import Database

INSERT: Final = "INSERT INTO conversation VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id"
UPDATE: Final = """
    UPDATE conversation SET version = $3, updated_ns = $4, expires_ns = $5, body = $6
    WHERE id = $1 AND tenant IS NOT DISTINCT FROM $2 AND version = $3 - 1 RETURNING id
"""
MINE: Final = "tenant IS NOT DISTINCT FROM $1"
ALIVE: Final = "(expires_ns IS NULL OR expires_ns > $2)"


class PostgresConversations:
    """A ConversationStore in `database`, which whoever made it closes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, conversation: Conversation) -> Conversation:
        newer = msgspec.structs.replace(conversation, version=conversation.version + 1)
        facts = (newer.id, newer.tenant, newer.version, newer.updated_ns, newer.expires_ns, newer.export())
        async with self._database.connection() as connection:
            written = await connection.fetchval(INSERT if conversation.version == 0 else UPDATE, *facts)
        if written is None:
            raise conflict(conversation.id, conversation.version)
        return newer

    async def load(self, id: str, *, tenant: str | None = None, now_ns: int) -> Conversation | None:
        async with self._database.connection() as connection:
            body = await connection.fetchval(
                f"SELECT body FROM conversation WHERE {MINE} AND {ALIVE} AND id = $3", tenant, now_ns, id
            )
        return None if body is None else read_conversation(body)

    async def delete(self, id: str, *, tenant: str | None = None) -> bool:
        async with self._database.connection() as connection:
            gone = await connection.fetchval(
                f"DELETE FROM conversation WHERE {MINE} AND id = $2 RETURNING id", tenant, id
            )
        return gone is not None

    async def ids(self, *, tenant: str | None = None, now_ns: int, limit: int = 100) -> list[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT id FROM conversation WHERE {MINE} AND {ALIVE} ORDER BY updated_ns DESC, id LIMIT $3",
                tenant,
                now_ns,
                limit,
            )
        return [row["id"] for row in rows]

    async def sweep(self, *, now_ns: int) -> int:
        async with self._database.connection() as connection:
            gone = await connection.fetch("DELETE FROM conversation WHERE expires_ns <= $1 RETURNING id", now_ns)
        return len(gone)

    async def aclose(self) -> None:
        """The database is its maker's."""

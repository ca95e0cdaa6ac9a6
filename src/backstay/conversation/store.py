"""ConversationStore: where conversations are kept; its protocol, and the store in memory.

Two programs that go on with the same conversation at once can't both win: `save` takes a conversation only in the place of the
version that it was made from, and raises ConversationConflict else. So no turn is lost in silence, and of two agents that resume
the same run one stops before it runs a tool.
"""

from __future__ import annotations

import threading
from typing import Protocol

import msgspec

from backstay.conversation.conversation import Conversation, read_conversation
from backstay.errors import LLMError


class ConversationConflict(LLMError):
    """Somebody else changed the conversation since it was loaded; load it again."""

    def __init__(self, message: str, *, id: str) -> None:
        super().__init__(message)
        self.id = id


def conflict(id: str, version: int) -> ConversationConflict:
    """The error of a conversation that is no longer at `version`."""
    what = "is there already" if version == 0 else f"is no longer at version {version}"
    return ConversationConflict(f"conversation {id} {what}: somebody else saved it; load it again", id=id)


class ConversationStore(Protocol):
    """Keeps conversations by id. Another tenant's conversation is one that is not there.

    One list of tests, `tests/conversation/store_conformance.py`, runs on every backend. Methods raise StoreFailed where the
    backend is not to be had.
    """

    async def save(self, conversation: Conversation) -> Conversation:
        """Keep it durably, and give it back with its version raised by 1. Raises ConversationConflict as the module says."""
        ...

    async def load(self, id: str, *, tenant: str | None = None, now_ns: int) -> Conversation | None:
        """The conversation; None where there is none, it has expired, or it is another tenant's."""
        ...

    async def delete(self, id: str, *, tenant: str | None = None) -> bool:
        """Forget it; whether it was there."""
        ...

    async def ids(self, *, tenant: str | None = None, now_ns: int, limit: int = 100) -> list[str]:
        """The conversations of `tenant` that have not expired, the one changed last first."""
        ...

    async def sweep(self, *, now_ns: int) -> int:
        """Forget those that have expired; how many they were."""
        ...

    async def aclose(self) -> None:
        """Release the backend. Idempotent."""
        ...


class MemoryConversations:
    """A ConversationStore that lives as long as the program. It may be shared by threads and event loops: nothing in it waits."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def _read(self, id: str) -> Conversation | None:
        data = self._kept.get(id)
        return None if data is None else read_conversation(data)

    async def save(self, conversation: Conversation) -> Conversation:
        newer = msgspec.structs.replace(conversation, version=conversation.version + 1)
        data = newer.export()
        with self._lock:
            old = self._read(conversation.id)
            if (0 if old is None else old.version) != conversation.version:
                raise conflict(conversation.id, conversation.version)
            if old is not None and old.tenant != conversation.tenant:
                raise conflict(conversation.id, conversation.version)
            self._kept[conversation.id] = data
        return newer

    async def load(self, id: str, *, tenant: str | None = None, now_ns: int) -> Conversation | None:
        with self._lock:
            found = self._read(id)
        return None if found is None or found.tenant != tenant or found.is_expired(now_ns) else found

    async def delete(self, id: str, *, tenant: str | None = None) -> bool:
        with self._lock:
            found = self._read(id)
            if found is None or found.tenant != tenant:
                return False
            del self._kept[id]
            return True

    async def ids(self, *, tenant: str | None = None, now_ns: int, limit: int = 100) -> list[str]:
        with self._lock:
            known = [read_conversation(data) for data in self._kept.values()]
        alive = [one for one in known if one.tenant == tenant and not one.is_expired(now_ns)]
        return [one.id for one in sorted(alive, key=lambda one: (-one.updated_ns, one.id))][:limit]

    async def sweep(self, *, now_ns: int) -> int:
        with self._lock:
            dead = [id for id, data in self._kept.items() if read_conversation(data).is_expired(now_ns)]
            for id in dead:
                del self._kept[id]
        return len(dead)

    async def aclose(self) -> None:
        """Nothing is to be released."""

"""What every ConversationStore promises, as a list of checks: `CHECKS` runs on each backend.

A check takes `open_store()`, which gives a store of the backend; called again, one on the same data where there is a medium.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from backstay.conversation.conversation import Conversation, Turn
from backstay.conversation.store import ConversationConflict, ConversationStore
from backstay.types import Image, Text, ToolCall, ToolResult, assistant, tool, user

NOW = 1_795_000_000 * 10**9
SECOND = 10**9
OpenStore = Callable[[], ConversationStore]
Check = Callable[[OpenStore], Awaitable[None]]


def made(id: str = "c1", *, tenant: str | None = None, ends: int | None = None, changed: int = 0) -> Conversation:
    """A conversation with a part of each kind that stores must keep."""
    messages = (
        user("hi", Image(data=b"\x00\xff", media_type="image/png")),
        assistant(Text(text="ü\u2028"), ToolCall(id="t1", name="f", arguments={"a": [1, None]})),
        tool(ToolResult(call_id="t1", content=(Text(text="x"),), is_error=True)),
    )
    turns = tuple(Turn(id=f"{id}.{n}", message=one, created_ns=NOW + n) for n, one in enumerate(messages))
    return Conversation(
        id=id,
        tenant=tenant,
        turns=turns,
        metadata={"topic": "maps"},
        created_ns=NOW,
        updated_ns=NOW + changed,
        expires_ns=ends,
        begun=("t1",),
        state={"agent": {"n": 1}},
    )


async def keeps_all_of_it(open_store: OpenStore) -> None:
    """What is loaded is what was saved, at the next version."""
    store = open_store()
    saved = await store.save(made())
    assert saved == msgspec.structs.replace(made(), version=1)
    assert await store.load("c1", now_ns=NOW) == saved
    again = await store.save(saved)
    assert again.version == 2
    await store.aclose()


async def refuses_an_older_version(open_store: OpenStore) -> None:
    """Of two that go on from one version, the second is refused and changes nothing."""
    store = open_store()
    saved = await store.save(made())
    newer = await store.save(msgspec.structs.replace(saved, system="first"))
    for stale in (saved, made(), msgspec.structs.replace(newer, version=7)):
        with pytest.raises(ConversationConflict):
            await store.save(msgspec.structs.replace(stale, system="second"))
    with pytest.raises(ConversationConflict):
        await store.save(msgspec.structs.replace(made("never"), version=3))
    assert await store.load("c1", now_ns=NOW) == newer
    await store.aclose()


async def lets_one_of_many_win(open_store: OpenStore) -> None:
    """Ten that save the same version at once: one succeeds."""
    store = open_store()
    saved = await store.save(made())
    done = await asyncio.gather(
        *(store.save(msgspec.structs.replace(saved, system=str(n))) for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(one, Conversation) for one in done) == 1
    assert sum(isinstance(one, ConversationConflict) for one in done) == 9
    await store.aclose()


async def keeps_tenants_apart(open_store: OpenStore) -> None:
    """Another tenant can neither read, change, list nor forget it."""
    store = open_store()
    saved = await store.save(made(tenant="north"))
    assert await store.load("c1", now_ns=NOW) is None
    assert await store.load("c1", tenant="south", now_ns=NOW) is None
    assert await store.ids(tenant="south", now_ns=NOW) == []
    assert not await store.delete("c1", tenant="south")
    with pytest.raises(ConversationConflict):
        await store.save(msgspec.structs.replace(saved, tenant="south"))
    with pytest.raises(ConversationConflict):
        await store.save(made(tenant="south"))
    assert await store.load("c1", tenant="north", now_ns=NOW) == saved
    assert await store.delete("c1", tenant="north")
    assert not await store.delete("c1", tenant="north")
    await store.aclose()


async def forgets_what_has_expired(open_store: OpenStore) -> None:
    """An expired one is not there, and a sweep removes it for good."""
    store = open_store()
    await store.save(made("short", ends=NOW + SECOND))
    await store.save(made("long", ends=NOW + 9 * SECOND))
    await store.save(made("ever"))
    assert await store.load("short", now_ns=NOW + SECOND - 1) is not None
    assert await store.load("short", now_ns=NOW + SECOND) is None
    assert sorted(await store.ids(now_ns=NOW + SECOND)) == ["ever", "long"]
    assert await store.sweep(now_ns=NOW + SECOND) == 1
    assert await store.sweep(now_ns=NOW + SECOND) == 0
    assert await store.load("short", now_ns=NOW) is None
    await store.aclose()


async def lists_the_latest_first(open_store: OpenStore) -> None:
    """By their last change, as many as are asked for."""
    store = open_store()
    for n in (2, 3, 1):
        await store.save(made(f"c{n}", changed=n))
    assert await store.ids(now_ns=NOW) == ["c3", "c2", "c1"]
    assert await store.ids(now_ns=NOW, limit=2) == ["c3", "c2"]
    await store.aclose()


CHECKS: tuple[Check, ...] = (
    keeps_all_of_it,
    refuses_an_older_version,
    lets_one_of_many_win,
    keeps_tenants_apart,
    forgets_what_has_expired,
    lists_the_latest_first,
)

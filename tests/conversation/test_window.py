"""The window leaves out the oldest and never breaks what belongs together; a chat lives in its store."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.client import Client
from backstay.conversation import Chat, Conversation, ConversationConflict, MemoryConversations, Turn
from backstay.conversation.window import Window, fit_window
from backstay.errors import ContextLengthExceeded, NotFound
from backstay.ledger.memory import MemoryLedger
from backstay.offline.scripted import Scripted
from backstay.sim import sim_world
from backstay.types import Message, Request, Response, ToolCall, ToolResult, assistant, tool, user

WORDS = st.text("ab ", max_size=200)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Conversations of user turns, answers and tool exchanges, some of them pinned."""
    messages: list[Message] = [user(draw(WORDS))]
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["user", "answer", "tool"]))
        if kind == "tool":
            messages.append(assistant(ToolCall(id=f"t{number}", name="f")))
            messages.append(tool(ToolResult(call_id=f"t{number}", content=draw(WORDS))))
        else:
            messages.append(user(draw(WORDS)) if kind == "user" else assistant(draw(WORDS)))
    turns = tuple(
        Turn(id=str(n), message=one, created_ns=n, is_pinned=draw(st.integers(0, 5)) == 0)
        for n, one in enumerate(messages)
    )
    return Conversation(id="c", system=draw(WORDS), turns=turns)


def is_whole(window: Window) -> bool:
    """True when each call that is sent has its result with it, and each result its call."""
    parts = [part for message in window.messages for part in message.parts]
    calls = {part.id for part in parts if isinstance(part, ToolCall)}
    return calls == {part.call_id for part in parts if isinstance(part, ToolResult)}


@given(conversations(), st.integers(1, 900))
def test_a_window_is_whole_and_fits(conversation: Conversation, room: int) -> None:
    """No half of an exchange, pinned turns and the last one kept, the order kept, and the bound kept unless it says so."""
    window = fit_window(conversation, room)
    assert is_whole(window)
    assert window.is_over or window.tokens <= room
    kept = [turn.id for turn in window.turns]
    assert kept == [turn.id for turn in conversation.turns if turn.id in kept]
    assert {turn.id for turn in conversation.turns if turn.is_pinned} <= set(kept)
    assert conversation.turns[-1].id in kept
    assert len(window.turns) + len(window.left_out) == len(conversation.turns)


def test_the_window_test_sees_a_cut_exchange() -> None:
    """The broken variant: turns cut one by one leave a result without its call."""
    turns = tuple(
        Turn(id=str(n), message=one, created_ns=n)
        for n, one in enumerate([user("a"), assistant(ToolCall(id="t", name="f")), tool(ToolResult(call_id="t"))])
    )
    assert not is_whole(Window(turns=turns[2:], left_out=turns[:2], tokens=0))


def test_without_a_bound_all_is_sent() -> None:
    """None is no bound; nothing at all is a window too."""
    assert fit_window(Conversation(id="c"), 1).turns == ()
    turns = tuple(Turn(id=str(n), message=user("x" * 500), created_ns=n) for n in range(50))
    assert len(fit_window(Conversation(id="c", turns=turns), None).turns) == 50


def chat(*lines: Any, **settings: Any) -> tuple[Chat, Scripted, Client]:
    """A chat with a script, in virtual time."""
    script = Scripted(*lines, is_endless=True)
    world = sim_world()
    client = Client("scripted:demo", services={"scripted": script}, world=world, ledger=MemoryLedger(owner="t"))
    return Chat(client, world=world, **settings), script, client


async def test_an_answer_that_arrives_is_kept_at_its_end() -> None:
    """Events, then the exchange in the store, as `say` keeps it; the next question is sent with it."""
    made, script, client = chat("First.", "Second.")
    id = (await made.begin()).id
    async with made.stream(id, "One?") as answer:
        texts = [text async for text in answer.texts()]
        said = await answer.said()
    assert "".join(texts) == said.response.text == "First."
    assert await made.load(id) == said.conversation
    await made.say(id, "Two?")
    assert [message.text for message in script.requests[1].messages] == ["One?", "First.", "Two?"]
    await client.aclose()


async def test_an_answer_that_is_left_is_not_kept() -> None:
    """The question stays, the half of an answer does not; iterating to the end keeps it without another word."""
    made, _, client = chat("A long answer.")
    id = (await made.begin()).id
    async with made.stream(id, "One?") as answer:
        await anext(aiter(answer))
    assert [turn.message.role for turn in (await made.load(id)).turns] == ["user"]
    async with made.stream(id, "Two?") as answer:
        async for _ in answer:
            pass
    assert [turn.message.role for turn in (await made.load(id)).turns] == ["user", "user", "assistant"]
    await client.aclose()


async def test_a_chat_remembers() -> None:
    """The second question is sent with the first and its answer; the sums grow."""
    made, script, client = chat("First.", "Second.", system="Be brief.")
    id = (await made.begin(metadata={"topic": "maps"})).id
    await made.say(id, "One?")
    said = await made.say(id, "Two?", temperature=0.5)
    sent = script.requests[1]
    assert [message.text for message in sent.messages] == ["One?", "First.", "Two?"]
    assert (sent.system, sent.temperature) == ("Be brief.", 0.5)
    assert (said.response.text, said.conversation.spent.calls) == ("Second.", 2)
    assert (await made.load(id)).metadata == {"topic": "maps"}
    await client.aclose()


async def test_a_chat_is_its_tenants_and_expires() -> None:
    """Another tenant finds nothing; after its time nobody does, and a sweep removes it."""
    made, script, client = chat("Yes.", ttl=60)
    id = (await made.begin(tenant="north")).id
    with pytest.raises(NotFound):
        await made.say(id, "Hello?")
    await made.say(id, "Hello?", tenant="north")
    assert script.requests[0].metadata.tenant == "north"
    await asyncio.sleep(61)
    with pytest.raises(NotFound):
        await made.say(id, "Still there?", tenant="north")
    assert await made.sweep() == 1
    await client.aclose()


async def test_old_turns_are_left_out_but_kept() -> None:
    """A long chat sends what fits and stores all; what can't be left out and does not fit is an error of its own."""
    made, script, client = chat("a " * 200, max_tokens=1_000)
    id = (await made.begin()).id
    for _ in range(10):
        said = await made.say(id, "b " * 100)
    assert said.left_out > 0
    assert len(said.conversation.turns) == 20
    assert script.requests[-1].messages[0].role == "user"
    with pytest.raises(ContextLengthExceeded):
        await made.say(id, "c " * 5_000)
    await client.aclose()


async def test_a_summary_takes_the_place_of_old_turns() -> None:
    """What no longer fits is summed up by the model, once and again, and the summary is sent."""

    def answer(request: Request) -> str:
        return "They spoke of maps." if request.metadata.task == "summarize_conversation" else "a " * 200

    made, script, client = chat(answer, max_tokens=1_000, is_summarizing=True)
    id = (await made.begin()).id
    for _ in range(12):
        said = await made.say(id, "b " * 100)
    summaries = [turn for turn in said.conversation.turns if turn.is_summary]
    assert len(summaries) == 1
    assert said.conversation.turns[0] == summaries[0]
    assert "They spoke of maps." in script.requests[-1].messages[0].text
    asked = [request for request in script.requests if request.metadata.task == "summarize_conversation"]
    assert len(asked) > 1
    assert "They spoke of maps." in asked[-1].messages[0].text
    assert said.conversation.spent.calls == 12 + len(asked)
    await client.aclose()


async def test_two_at_once_do_not_overwrite_each_other() -> None:
    """Of two that speak at once in one conversation, one is told."""
    store = MemoryConversations()

    async def slow(request: Any, **settings: Any) -> Response:
        await asyncio.sleep(1)
        return Response(parts=assistant("ok").parts)

    class Slow:
        generate = staticmethod(slow)

    made = Chat(Slow(), store, world=sim_world())
    id = (await made.begin()).id
    done = await asyncio.gather(made.say(id, "a"), made.say(id, "b"), return_exceptions=True)
    assert sum(isinstance(one, ConversationConflict) for one in done) == 1
    await store.aclose()


def test_turns_are_pinned_and_freed() -> None:
    """By their id; an id that is not there is a mistake."""
    one = Conversation(id="c", turns=(Turn(id="t", message=user("x"), created_ns=1),))
    assert one.pin("t").turns[0].is_pinned
    assert one.pin("t").pin("t", is_pinned=False) == one
    with pytest.raises(KeyError):
        one.pin("u")
    assert msgspec.structs.asdict(one)["version"] == 0

"""Chat: a conversation of many turns with a model, kept in a store, within the model's context.

    chat = Chat(client, SQLiteConversations("chats.db"), system="You are a librarian.")
    conversation = await chat.begin(metadata={"topic": "maps"})
    said = await chat.say(conversation.id, "Which atlas was the first?")

The user's turn is saved before the model is asked and its answer after, so a crash in between loses no question. Two `say` on one
conversation at once: the second to save gets ConversationConflict.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Self, Unpack

import msgspec

from backstay.ask import Settings
from backstay.conversation.conversation import Conversation, Turn
from backstay.conversation.store import ConversationStore, MemoryConversations
from backstay.conversation.window import Asker, Streams, fit_window, summarize
from backstay.errors import ContextLengthExceeded, NotFound
from backstay.event import Event
from backstay.ports import World
from backstay.types import Message, Request, Response, user

MAX_TOKENS = 100_000


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange: the model's `response`, the `conversation` after it, and how many turns were `left_out` of what was sent."""

    response: Response
    conversation: Conversation
    left_out: int = 0


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One turn on its way to the model: the conversation with it, what is sent, and how."""

    conversation: Conversation
    request: Request
    settings: dict[str, Any]
    left_out: int


class Telling:
    """An exchange whose answer arrives bit by bit. One consumer. It is kept once its end is here, and not before."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Question]],
        client: Asker,
        keep: Callable[[Question, Response], Awaitable[Said]],
    ) -> None:
        self._ask = ask
        self._client = client
        self._keep = keep
        self._question: Question | None = None
        self._answer: Any = None
        self._said: Said | None = None

    async def _started(self) -> Any:
        if self._answer is None:
            if not isinstance(self._client, Streams):
                raise TypeError(f"{type(self._client).__name__} has no stream(): use say()")
            self._question = await self._ask()
            self._answer = self._client.stream(self._question.request, **self._question.settings)
        return self._answer

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for event in await self._started():
            yield event
        await self.said()

    async def texts(self) -> AsyncIterator[str]:
        """The answer's text, fragment by fragment; other events are passed over."""
        async for text in (await self._started()).texts():
            yield text
        await self.said()

    async def said(self) -> Said:
        """The exchange, kept; reads what is left of the answer. Raises what the stream raises, or ConversationConflict."""
        if self._said is None:
            response = await (await self._started()).response()
            assert self._question is not None
            self._said = await self._keep(self._question, response)
        return self._said

    async def response(self) -> Response:
        """The whole answer, kept; see `said`."""
        return (await self.said()).response

    async def aclose(self) -> None:
        """Leave; what has not arrived is dropped, and the answer is not kept. Idempotent."""
        if self._answer is not None:
            await self._answer.aclose()

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


class Chat:
    """Conversations with one client. `max_tokens` bounds what is sent (an upper bound; None for no bound), `ttl` is seconds.

    With `is_summarizing`, turns that no longer fit are replaced by a summary that the model writes; otherwise they are left out
    of what is sent and stay in the store.
    """

    def __init__(
        self,
        client: Asker,
        store: ConversationStore | None = None,
        *,
        system: str | None = None,
        max_tokens: int | None = MAX_TOKENS,
        ttl: float | None = None,
        is_summarizing: bool = False,
        world: World | None = None,
    ) -> None:
        self.store = store or MemoryConversations()
        self._client = client
        self._system = system
        self._max_tokens = max_tokens
        self._ttl = ttl
        self._is_summarizing = is_summarizing
        self._world = world or World.real()

    async def begin(self, *, tenant: str | None = None, metadata: dict[str, str] | None = None) -> Conversation:
        """A new conversation, saved."""
        fresh = new_conversation(
            self._world, tenant=tenant, system=self._system, metadata=metadata or {}, ttl=self._ttl
        )
        return await self.store.save(fresh)

    async def load(self, id: str, *, tenant: str | None = None) -> Conversation:
        """The conversation as it is kept. Raises NotFound where there is none of that tenant, or its time is over."""
        return await load_conversation(self.store, self._world, id, tenant)

    async def say(self, id: str, prompt: str | Message, **settings: Unpack[Settings]) -> Said:
        """The model's answer to one more turn, both kept. Raises NotFound, ConversationConflict, LLMError.

        The setting `tenant` must be the conversation's own.
        """
        question = await self._ask(id, prompt, settings)
        response = await self._client.generate(question.request, **question.settings)
        return await self._keep(question, response)

    def stream(self, id: str, prompt: str | Message, **settings: Unpack[Settings]) -> Telling:
        """As `say`, while the answer arrives: `async with chat.stream(id, "...") as answer: async for event in answer`, then
        `await answer.said()`. An answer that is left before its end is not kept; the question is.
        """
        return Telling(partial(self._ask, id, prompt, settings), self._client, self._keep)

    async def _ask(self, id: str, prompt: str | Message, settings: Settings) -> Question:
        """The question as it is sent: the turn is saved, and the window chosen."""
        conversation = await self.load(id, tenant=settings.get("tenant"))
        message = user(prompt) if isinstance(prompt, str) else prompt
        conversation = await self.store.save(conversation.with_turn(new_turn(self._world, message)))
        window = fit_window(conversation, self._max_tokens)
        if window.left_out and self._is_summarizing:
            shorter = await summarize(conversation, self._client, window, world=self._world)
            conversation = await self.store.save(shorter)
            window = fit_window(conversation, self._max_tokens)
        if window.is_over:
            raise ContextLengthExceeded(
                f"conversation {id}: the last turn and what is pinned are {window.tokens} tokens, {self._max_tokens} fit",
                status=400,
            )
        return Question(
            conversation=conversation,
            request=Request(system=conversation.system, messages=window.messages),
            settings={"task": "chat", **settings, "tenant": conversation.tenant},
            left_out=len(window.left_out),
        )

    async def _keep(self, question: Question, response: Response) -> Said:
        answered = question.conversation.with_response(response, new_turn(self._world, response.message))
        saved = await self.store.save(answered)
        return Said(response=response, conversation=saved, left_out=question.left_out)

    async def sweep(self) -> int:
        """Forget the conversations whose time is over; how many they were."""
        return await self.store.sweep(now_ns=self._world.clock.wall_ns())


def new_conversation(
    world: World,
    *,
    tenant: str | None = None,
    system: str | None = None,
    metadata: dict[str, str] | None = None,
    ttl: float | None = None,
) -> Conversation:
    """An empty conversation that begins now and ends after `ttl` seconds."""
    now_ns = world.clock.wall_ns()
    return Conversation(
        id=world.ids.new(),
        tenant=tenant,
        system=system,
        metadata=metadata or {},
        created_ns=now_ns,
        updated_ns=now_ns,
        expires_ns=None if ttl is None else now_ns + round(ttl * 1e9),
    )


def new_turn(world: World, message: Message, *, is_pinned: bool = False) -> Turn:
    """`message` as a turn of now."""
    return Turn(id=world.ids.new(), message=message, created_ns=world.clock.wall_ns(), is_pinned=is_pinned)


async def load_conversation(store: ConversationStore, world: World, id: str, tenant: str | None) -> Conversation:
    """The conversation `id` of `tenant`. Raises NotFound."""
    found = await store.load(id, tenant=tenant, now_ns=world.clock.wall_ns())
    if found is None:
        raise NotFound(f"there is no conversation {id!r}, or its time is over", status=404)
    return found

"""The blocking face: the async client on one background loop.

    from backstay.sync import Client
    with Client("openai:gpt-5-mini") as client:
        print(client.generate("Why is the sky blue?").text)

It works in scripts, in threads, inside a running event loop (a notebook, a handler) and after a fork: the forked child gets a
loop, connections and a ledger connection of its own. The verbs are the async client's, with the same settings and errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from backstay.ask import Prompt, Settings
from backstay.client import Client as AsyncClient
from backstay.client import Streaming as AsyncStreaming
from backstay.event import Event
from backstay.portal import Portal
from backstay.types import Metadata, Response

if TYPE_CHECKING:
    from backstay.answer import JsonAnswer, TokenCount
    from backstay.assembly import Status
    from backstay.codecs.embedding import Embeddings
    from backstay.conversation import AgentResult, Conversation
    from backstay.conversation import Chat as AsyncChat
    from backstay.conversation.chat import Said
    from backstay.conversation.chat import Telling as AsyncTelling
    from backstay.document.document import Document
    from backstay.estimate import Estimate
    from backstay.extract.door import Extracting as AsyncExtracting
    from backstay.extract.door import What
    from backstay.extract.extraction import Extraction
    from backstay.extract.plan import Options
    from backstay.tools import ToolRegistry
    from backstay.types import Message
    from backstay.usage import Summary

T = TypeVar("T")


class Client:
    """The async `Client`'s verbs, blocking. It takes the same arguments, and makes its async client on first use."""

    def __init__(self, model: str | None = None, **arguments: Any) -> None:
        self._make: Callable[[], AsyncClient] = lambda: AsyncClient(model, **arguments)
        self._portal = Portal()
        self._lock = threading.Lock()
        self._client: AsyncClient | None = None
        self._generation = 0
        self._ensure()

    @classmethod
    def from_env(cls) -> Self:
        """A client with everything from the settings file and the environment."""
        return cls()

    def _ensure(self) -> AsyncClient:
        """The async client of this process: after a fork it is another one, because its loop is."""
        with self._lock:
            self._portal.run(_nothing())
            if self._client is None or self._generation != self._portal.generation:
                self._client = self._portal.run(_call(self._make))
                self._generation = self._portal.generation
            return self._client

    @property
    def model(self) -> str:
        """The model that is asked where a call names none."""
        return self._ensure().model

    def generate(self, prompt: Prompt, **settings: Unpack[Settings]) -> Response:
        """The whole answer to `prompt`."""
        return self._portal.run(self._ensure().generate(prompt, **settings))

    def generate_json(self, prompt: Prompt, **settings: Unpack[Settings]) -> JsonAnswer:
        """The answer to `prompt` as JSON; see the async client."""
        return self._portal.run(self._ensure().generate_json(prompt, **settings))

    def stream(self, prompt: Prompt, **settings: Unpack[Settings]) -> Streaming:
        """The answer to `prompt` as it arrives: `with client.stream("...") as answer: for event in answer`."""
        return Streaming(self._portal, self._ensure().stream(prompt, **settings))

    def extract(
        self, what: What, document: str | Document, /, *, source: str = "", **settings: Unpack[Options]
    ) -> Extraction:
        """The facts of `document` (a text or a Document) by the schema `what`; see the async client."""
        return self._portal.run(self._ensure().extract(what, document, source=source, **settings))

    def stream_extract(
        self, what: What, document: str | Document, /, *, source: str = "", **settings: Unpack[Options]
    ) -> Extracting:
        """As `extract`, while it arrives: `for partial in client.stream_extract(...)`, then its `.extraction()`."""
        return Extracting(self._portal, self._ensure().stream_extract(what, document, source=source, **settings))

    def estimate(self, prompt: Prompt, **settings: Unpack[Settings]) -> Estimate:
        """What `prompt` may cost at most."""
        return self._ensure().estimate(prompt, **settings)

    def count_tokens(self, prompt: Prompt, **settings: Unpack[Settings]) -> TokenCount:
        """The input tokens of `prompt`."""
        return self._portal.run(self._ensure().count_tokens(prompt, **settings))

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> Embeddings:
        """One vector for each text; see the async client."""
        client = self._ensure()
        return self._portal.run(
            client.embed(texts, model=model, dimensions=dimensions, timeout=timeout, metadata=metadata)
        )

    def run_agent(self, tools: ToolRegistry, objective: str, **settings: Any) -> AgentResult:
        """Work on `objective` with `tools`; `settings` are those of `conversation.Agent`, `store=` among them."""
        from backstay.conversation import Agent

        return self._portal.run(Agent(self._ensure(), tools, **settings).run(objective))

    def resume_agent(self, tools: ToolRegistry, conversation_id: str, **settings: Any) -> AgentResult:
        """Go on with what a crash broke off, from the conversation in `store=`; no side effect is done twice."""
        from backstay.conversation import Agent

        return self._portal.run(Agent(self._ensure(), tools, **settings).resume(conversation_id))

    def chat(self, **settings: Any) -> Chat:
        """Conversations that block; `settings` are those of `conversation.Chat`, `store=` among them."""
        from backstay.conversation import Chat as AsyncChat

        return Chat(self._portal, AsyncChat(self._ensure(), **settings))

    def status(self) -> Status:
        """How the layers stand now; see the async client."""
        return self._portal.run(self._ensure().status())

    def summary(self) -> Summary:
        """Calls, tokens, cost and latency of this client so far."""
        return self._ensure().usage.summary()

    def close(self) -> None:
        """Close connections, ledger and the background loop. Idempotent."""
        with self._lock:
            if self._client is not None and self._generation == self._portal.generation:
                self._portal.run(self._client.aclose())
            self._client = None
            self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Streaming:
    """A stream in blocking form: enter it, iterate its events or its texts, then read the folded response."""

    def __init__(self, portal: Portal, inner: AsyncStreaming | AsyncTelling) -> None:
        self._portal = portal
        self._inner = inner

    def __iter__(self) -> Iterator[Event]:
        return self._portal.iterate(aiter(self._inner))

    def texts(self) -> Iterator[str]:
        """The answer's text, fragment by fragment."""
        return self._portal.iterate(self._inner.texts())

    def response(self) -> Response:
        """The whole answer; reads what is left of it."""
        return self._portal.run(self._inner.response())

    def close(self) -> None:
        """Leave; what has not arrived is dropped."""
        self._portal.run(self._inner.aclose())

    def __enter__(self) -> Self:
        self._portal.run(self._inner.__aenter__())
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Extracting:
    """An extraction while it arrives, in blocking form: iterate its partial objects, then read the whole."""

    def __init__(self, portal: Portal, inner: AsyncExtracting) -> None:
        self._portal = portal
        self._inner = inner

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._portal.iterate(aiter(self._inner))

    def extraction(self) -> Extraction:
        """The whole Extraction, once it is there."""
        return self._portal.run(self._inner.extraction())

    def close(self) -> None:
        """Leave; what is under way is dropped."""
        self._portal.run(self._inner.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


async def _nothing() -> None:
    """Start the portal's loop."""


async def _call(make: Callable[[], T]) -> T:
    return make()


class Chat:
    """The blocking face of `conversation.Chat`."""

    def __init__(self, portal: Portal, inner: AsyncChat) -> None:
        self._portal = portal
        self._inner = inner

    def begin(self, *, tenant: str | None = None, metadata: dict[str, str] | None = None) -> Conversation:
        """A new conversation, saved."""
        return self._portal.run(self._inner.begin(tenant=tenant, metadata=metadata))

    def load(self, id: str, *, tenant: str | None = None) -> Conversation:
        """The conversation as it is kept. Raises NotFound."""
        return self._portal.run(self._inner.load(id, tenant=tenant))

    def say(self, id: str, prompt: str | Message, **settings: Unpack[Settings]) -> Said:
        """The model's answer to one more turn, both kept."""
        return self._portal.run(self._inner.say(id, prompt, **settings))

    def stream(self, id: str, prompt: str | Message, **settings: Unpack[Settings]) -> Telling:
        """As `say`, while the answer arrives; see `conversation.Chat.stream`."""
        return Telling(self._portal, self._inner.stream(id, prompt, **settings))


class Telling(Streaming):
    """An exchange while its answer arrives, in blocking form: iterate its events or its texts, then read what was `said`."""

    def __init__(self, portal: Portal, inner: AsyncTelling) -> None:
        super().__init__(portal, inner)
        self._telling = inner

    def said(self) -> Said:
        """The exchange, kept; reads what is left of the answer."""
        return self._portal.run(self._telling.said())

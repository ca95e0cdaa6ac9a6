"""Client: the front door. Ask with `generate`, `generate_json`, `stream` or `extract`; know the price with `estimate`.

    async with Client("openai:gpt-5-mini") as client:
        response = await client.generate("Why is the sky blue?")
        print(response.text, response.cost.usd)

A client without arguments takes the model from the configuration, and with no key at all it answers from offline rules and says
so. Everything it needs from outside (settings, transport, world, ledger, services) can be given, which is how tests and
simulations put a world of their own around it. It belongs to one event loop; `backstay.sync.Client` is the blocking face.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

import msgspec

from backstay.ask import Prompt, Settings, build_request
from backstay.assembly import Assembly, Status
from backstay.config import Config, Loaded, load
from backstay.dispatch import Dispatch, timeouts_of
from backstay.errors import ConfigurationError
from backstay.estimate import Estimate, estimate_cost
from backstay.event import Event, TextDelta
from backstay.layers.alert import Channel, log_channel
from backstay.layers.telemetry import Listener
from backstay.offline.local import Local
from backstay.offline.provider import Offline
from backstay.offline.rules import SHIPPED
from backstay.ports import World
from backstay.replay.current import current_world
from backstay.secret import Secret
from backstay.service import Call, Reply, Service, stack
from backstay.target import parse_model
from backstay.transport.base import Transport
from backstay.types import Metadata, Request, Response
from backstay.usage import Meter

if TYPE_CHECKING:
    from backstay.answer import JsonAnswer, TokenCount
    from backstay.codecs.embedding import Embeddings
    from backstay.document.document import Document
    from backstay.extract.door import Extracting, Notify, Order, Send, What
    from backstay.extract.extraction import Extraction
    from backstay.extract.plan import Options
    from backstay.layers.semantic_cache import Embed
    from backstay.ledger.base import Ledger
    from backstay.stores.cache import CacheStore
    from backstay.stores.limit import LimitStore


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """What else a client can be given. `listener` hears of every call and attempt (`layers/telemetry.py`), `channels` of budgets
    that near their end; `limits` and `cache` are stores that several clients share, and whoever made them closes them."""

    listener: Listener | None = None
    limits: LimitStore | None = None
    cache: CacheStore | None = None
    channels: tuple[Channel, ...] = (log_channel,)


class Client:
    """Asks models through the default stack. Use it as a context manager, or call `aclose()`.

    `model` is "provider:model"; None takes the configured one. `key` is the key of that model's provider, given in code. `loaded`
    are settings from `backstay.config.load`; None loads them from file and environment. `services` answer for provider names of
    their own; one without `is_remote = True` counts as part of this process, with no circuit, limits and cache. Raises
    ConfigurationError with all faults.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        key: str | Secret | None = None,
        loaded: Loaded | None = None,
        transport: Transport | None = None,
        world: World | None = None,
        ledger: Ledger | None = None,
        services: Mapping[str, Service] | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        self._loaded = (
            loaded if loaded is not None else load(arguments={"model": model}, services=("local", *(services or ())))
        )
        self.model = model if model is not None and ":" in model else self._loaded.model
        self._world = world or World.real()
        self._transport = transport
        self._owns_transport = transport is None
        self.usage = Meter.open(self._loaded, ledger, self._world)
        self._local = Local(
            self._loaded.config.local.path,
            threads=self._loaded.config.local.threads,
            context=self._loaded.config.local.context,
            timeouts=timeouts_of(self._loaded),
            world=self._world,
        )
        wired = wiring or Wiring()
        self.layers = Assembly(
            self._loaded,
            meter=self.usage,
            world=self._world,
            listener=wired.listener,
            limits=wired.limits,
            cache=wired.cache,
            channels=wired.channels,
            embed=self._embedder(),
        )
        self._dispatch = Dispatch(
            self._loaded,
            services={"offline": Offline(SHIPPED), "local": self._local, **(services or {})},
            keys={} if key is None else {parse_model(self.model)[0]: Secret(key)},
            transport=self._open_transport,
            world=self._world,
            layers=self.layers.target_layers,
        )
        self.layers.exempt(self._dispatch.is_inside)
        self._service = stack(self._dispatch, *self.layers.call_layers())

    @property
    def config(self) -> Config:
        """The settings that hold for this client."""
        return self._loaded.config

    @classmethod
    def from_env(cls) -> Self:
        """A client with everything from the settings file and the environment."""
        return cls()

    def _open_transport(self) -> Transport:
        if self._transport is None:
            from backstay.transport.http import HTTPTransport

            proxy = self._loaded.proxy()
            self._transport = HTTPTransport(proxy=proxy.reveal() if proxy else None)
        return self._transport

    def _embedder(self) -> Embed | None:
        """What turns a question into a vector for the semantic cache: a model in this process, or a provider's."""
        model = self._loaded.config.semantic_cache.model
        if model is None:
            return None
        from backstay.minilm import NAME, MiniLM

        if model == NAME:
            return MiniLM()

        async def embed(text: str) -> Sequence[float]:
            return (await self.embed(text, model=model)).vectors[0]

        return embed

    def request(self, prompt: Prompt, settings: Mapping[str, Any]) -> Request:
        """The Request that a verb would send for `prompt` and `settings`, with its id made and its settings checked."""
        return build_request(prompt, settings, model=self.model, **self.identity())

    async def send(self, request: Request, *, stream: bool = False, timeout: float | None = None) -> Reply:
        """The Reply to `request`: what every other verb is made of. `timeout` (seconds) replaces the configured total."""
        total = timeout if timeout is not None else self._loaded.config.timeouts.total
        now = asyncio.get_running_loop().time()
        deadline = None if total is None else now + total
        is_fresh = self._dispatch.is_free(request.model)
        return await self._service(Call(request=request, stream=stream, deadline=deadline, is_fresh=is_fresh))

    async def generate(self, prompt: Prompt, **settings: Unpack[Settings]) -> Response:
        """The whole answer to `prompt`. Raises LLMError; see `ask.Settings` for the settings."""
        reply = await self.send(self.request(prompt, settings), timeout=settings.get("timeout"))
        return await reply.response()

    async def generate_json(self, prompt: Prompt, **settings: Unpack[Settings]) -> JsonAnswer:
        """The answer to `prompt` as JSON: recovered from what the model wrote, aligned to `schema` where one is given.

        Raises RecoveryFailed when there is no JSON in the answer, SchemaMismatch when it does not fit the schema.
        """
        from backstay.answer import ask_json

        return await ask_json(self, prompt, settings)

    def stream(self, prompt: Prompt, **settings: Unpack[Settings]) -> Streaming:
        """The answer to `prompt` as it arrives: `async with client.stream("...") as answer: async for event in answer`.

        Nothing is sent before the `async with` or the first event. Faults of the request are raised here, at once.
        """
        request = self.request(prompt, settings)
        return Streaming(lambda: self.send(request, stream=True, timeout=settings.get("timeout")))

    async def extract(
        self, what: What, document: str | Document, /, *, source: str = "", **settings: Unpack[Options]
    ) -> Extraction:
        """The facts of `document` (a text or a Document) by the schema `what`: a built-in name, a JSON Schema, its file, a type.

        Every field has a value, a confidence, its evidence in the text, and whether it is grounded there. See
        `extract.plan.Options` for the settings. One deadline holds for all that is asked.
        """
        from backstay.extract.door import run

        order, send = self._order(what, document, source, settings)
        return await run(order, send)

    def stream_extract(
        self, what: What, document: str | Document, /, *, source: str = "", **settings: Unpack[Options]
    ) -> Extracting:
        """As `extract`, while it arrives: `async for partial in client.stream_extract(...)`, then its `.extraction()`."""
        from backstay.extract.door import Extracting, run

        def begin(notify: Notify) -> Awaitable[Extraction]:
            order, send = self._order(what, document, source, settings)
            return run(order, send, notify=notify)

        return Extracting(begin)

    def _order(
        self, what: What, document: str | Document, source: str, settings: Mapping[str, Any]
    ) -> tuple[Order, Send]:
        from backstay.extract.door import plan_of, read_order, split_settings
        from backstay.extract.question import is_sample

        asked, options = split_settings(settings)
        request = self.request("extract", asked)
        base = plan_of(request.model, self._dispatch, self.usage.catalog, self._loaded.config.extract)
        order = read_order(what, document, source, request=request, options=options, base=base)
        timeout = asked.get("timeout")
        total = timeout if timeout is not None else self._loaded.config.timeouts.total
        deadline = None if total is None else asyncio.get_running_loop().time() + total

        async def send(question: Request, is_stream: bool) -> Reply:
            return await self._service(
                Call(
                    request=question,
                    stream=is_stream,
                    deadline=deadline,
                    parent_id=request.id,
                    is_fresh=is_sample(question) or self._dispatch.is_free(question.model),
                )
            )

        return order, send

    def estimate(self, prompt: Prompt, **settings: Unpack[Settings]) -> Estimate:
        """What `prompt` may cost at most, before it is sent: an upper bound of its tokens, and their price."""
        return estimate_cost(self.request(prompt, settings), self.usage.catalog)

    async def count_tokens(self, prompt: Prompt, **settings: Unpack[Settings]) -> TokenCount:
        """The input tokens of `prompt`: the provider's own count where it has an endpoint for it, else an upper bound."""
        from backstay.answer import count_tokens

        request, timeout = self.request(prompt, settings), settings.get("timeout")
        total = timeout if timeout is not None else self._loaded.config.timeouts.total
        return await count_tokens(
            self._dispatch,
            self._open_transport,
            request,
            layers=self.layers.count_layers(request.model),
            timeouts=timeouts_of(self._loaded),
            clock=self._world.clock,
            deadline=None if total is None else asyncio.get_running_loop().time() + total,
        )

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> Embeddings:
        """One vector for each text, in their order, with usage and cost: retried, timed and booked as any call.

        `model` is "provider:model", the client's own by default; `dimensions` is the vectors' length where the model lets one
        choose. Raises ConfigurationError where the provider has no embeddings, InvalidRequest with every fault, LLMError.
        """
        from backstay.answer import embed

        return await embed(self, texts, model=model, dimensions=dimensions, timeout=timeout, metadata=metadata)

    async def status(self) -> Status:
        """How the layers stand now: who runs and waits, circuits, health, cache, limits and budgets in use."""
        return await self.layers.status()

    def identity(self) -> dict[str, Any]:
        """The id and the creation time (Unix seconds) of a request that is made now; in a replay, the recorded ones."""
        world = current_world(self._world)
        return {"id": world.ids.new(), "created_at": world.clock.wall_ns() / 1e9}

    async def aclose(self) -> None:
        """Close pooled connections and the ledger, as far as the client opened them. Idempotent."""
        if self._transport is not None and self._owns_transport:
            await self._transport.aclose()
            self._transport = None
        await self._local.aclose()
        await self.layers.aclose()
        await self.usage.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


class Streaming:
    """A stream that begins when it is entered, iterated or awaited to its end. One consumer."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        self._begin = begin
        self._reply: Reply | None = None

    async def _started(self) -> Reply:
        if self._reply is None:
            self._reply = await self._begin()
        return self._reply

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def _events(self) -> AsyncIterator[Event]:
        async for event in await self._started():
            yield event

    async def texts(self) -> AsyncIterator[str]:
        """The answer's text, fragment by fragment; other events are passed over."""
        async for event in await self._started():
            if isinstance(event, TextDelta):
                yield event.text

    async def response(self) -> Response:
        """The whole answer, once the stream has ended; reads what is left of it."""
        return await (await self._started()).response()

    async def aclose(self) -> None:
        """Leave; what has not arrived is dropped."""
        if self._reply is not None:
            await self._reply.aclose()

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


def create_client(
    provider: str, *, key: str | Secret | None = None, model: str | None = None, max_retries: int | None = None
) -> Client:
    """A client for one provider: its key (else the configured one), model (else its default) and retries after the first try.

    Raises ConfigurationError for an unknown provider, a missing model or a negative number of retries.
    """
    if max_retries is not None and max_retries < 0:
        raise ConfigurationError(f"max_retries = {max_retries}: must be 0 or more; 0 means one attempt")
    arguments: dict[str, Any] = {"model": provider if model is None else f"{provider}:{model}"}
    if max_retries is not None:
        arguments["retry.max_attempts"] = max_retries + 1
    return Client(loaded=load(arguments=arguments), key=key)

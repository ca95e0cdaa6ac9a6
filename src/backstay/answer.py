"""What the verbs beyond `generate` give: JSON answers and token counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from backstay.errors import (
    ConfigurationError,
    InvalidRequest,
    LLMError,
    ProtocolError,
    RecoveryFailed,
    SchemaMismatch,
)
from backstay.ports import Clock, SystemClock
from backstay.recover import Aligned, Parsed, Status, align, parse
from backstay.service import Call, Layer, Reply, Service, stack
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts, Transport
from backstay.types import Metadata, Request, Response, ResponseFormat, Usage
from backstay.wire import HTTPRequest

if TYPE_CHECKING:
    from backstay.ask import Prompt
    from backstay.client import Client
    from backstay.codecs.base import Decoder
    from backstay.codecs.embedding import Embeddings
    from backstay.dispatch import Dispatch


class JsonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer read as JSON: its `value`, how it was recovered (`parsed`), and the whole `response`."""

    value: Any
    parsed: Parsed | Aligned
    response: Response


class TokenCount(msgspec.Struct, frozen=True, kw_only=True):
    """Input tokens of a request. `is_exact` when the provider or its tokenizer counted; else an upper bound by `method`."""

    input_tokens: int
    is_exact: bool
    method: str


async def ask_json(client: Client, prompt: Prompt, settings: Mapping[str, Any]) -> JsonAnswer:
    """Ask for JSON in the model's strongest form and read what comes back.

    Raises RecoveryFailed when the answer holds no JSON, SchemaMismatch (with faults by path) when it does not fit the schema.
    """
    request = client.request(prompt, settings)
    if request.response_format is None:
        request = msgspec.structs.replace(request, response_format=ResponseFormat())
    reply = await client.send(request, timeout=settings.get("timeout"))
    response = await reply.response()
    schema = request.response_format.schema if request.response_format else None
    parsed = parse(response.text) if schema is None else align(response.text, schema)
    if parsed.status is Status.FAILED:
        faults = [str(error) for error in parsed.errors]
        if schema is not None and parse(response.text).status is not Status.FAILED:
            raise SchemaMismatch("the answer does not fit the schema: " + "; ".join(faults), faults=faults)
        raise RecoveryFailed("the answer holds no JSON: " + "; ".join(faults), text=response.text)
    if parsed.status is not Status.SUCCESS:
        provenance = msgspec.structs.replace(response.provenance, recovered=True)
        response = msgspec.structs.replace(response, provenance=provenance)
    return JsonAnswer(value=parsed.value, parsed=parsed, response=response)


async def embed(
    client: Client,
    texts: str | Sequence[str],
    *,
    model: str | None,
    dimensions: int | None,
    timeout: float | None,
    metadata: Metadata | None,
) -> Embeddings:
    """The vectors of `texts`, one for each. Raises ProtocolError where the provider sent fewer or more."""
    from backstay.codecs.embedding import Embeddings, ask_for_vectors, texts_of

    given = (texts,) if isinstance(texts, str) else tuple(texts)
    request = ask_for_vectors(
        model or client.model, given, dimensions=dimensions, metadata=metadata or Metadata(), **client.identity()
    )
    texts_of(request)  # every fault at once, before anything is opened or booked
    reply = await client.send(request, timeout=timeout)
    response = await reply.response()
    if not isinstance(response, Embeddings):
        raise ConfigurationError(f"{request.model} gives no vectors: name a model of embeddings")
    if len(response.vectors) != len(given):
        raise ProtocolError(f"{len(response.vectors)} vectors came back for {len(given)} texts")
    return response


async def count_tokens(
    dispatch: Dispatch,
    transport: Callable[[], Transport],
    request: Request,
    *,
    layers: Sequence[Layer] = (),
    timeouts: Timeouts | None = None,
    clock: Clock | None = None,
    deadline: float | None = None,
) -> TokenCount:
    """The provider's own count where its codec knows an endpoint for it, else a tokenizer's, else the stated upper bound.

    A provider is asked within `layers` (journal, retry, time-outs as any call), until `deadline` at the latest. Counting is free
    of charge, so the ledger has no row of it. A tokenizer is exact for the texts and not for what the provider puts around
    them, so its count is not said to be exact.
    """
    from backstay.target import parse_model
    from backstay.tokenizer import counter_of
    from backstay.tokens import estimate_request, upper_bound

    provider, model = parse_model(request.model)
    if not dispatch.is_service(provider):

        async def counted(call: Call) -> Reply:
            service = _counter(dispatch, transport, request, timeouts or DEFAULT_TIMEOUTS, clock or SystemClock())
            return Reply(response=Response()) if service is None else await service(call)

        facts = {name: getattr(request, name) for name in request.__struct_fields__}
        reply = await stack(counted, *layers)(Call(request=CountQuestion(**facts), deadline=deadline))
        found = (await reply.response()).usage.input_tokens
        if found is not None:
            return TokenCount(input_tokens=found, is_exact=True, method=f"{provider} counted")
    count, vocabulary = counter_of(model, upper_bound)
    if vocabulary is not None:
        method = f"upper bound: texts counted with {vocabulary}, their framing at most"
        return TokenCount(input_tokens=estimate_request(request, count), is_exact=False, method=method)
    return TokenCount(input_tokens=estimate_request(request), is_exact=False, method="upper bound from its bytes")


def _counter(
    dispatch: Dispatch, transport: Callable[[], Transport], request: Request, timeouts: Timeouts, clock: Clock
) -> Service | None:
    """The service that answers with a count; None where the provider has no endpoint for it."""
    from backstay.codecs.base import Counting
    from backstay.provider import Provider
    from backstay.target import parse_model

    provider, model = parse_model(request.model)
    target = dispatch.target(provider, model)
    if not isinstance(target.codec, Counting):
        return None
    asked = target.codec.encode_count_tokens(msgspec.structs.replace(request, model=model))
    if asked is None:
        return None
    counting = msgspec.structs.replace(target, codec=CountingCodec(codec=target.codec, asked=asked))
    return Provider(counting, transport(), timeouts=timeouts, clock=clock)


class CountQuestion(Request, frozen=True, kw_only=True):
    """What is asked for a count: to a journal another question than the same words asked for an answer."""


class CountingCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect whose question is `asked`, for a count, and whose answer is a Response that holds nothing but the count.

    So a count is a call like any other, and the layers around it are those of any call.
    """

    codec: Any
    asked: HTTPRequest

    @property
    def name(self) -> str:
        """The dialect's own name."""
        return str(self.codec.name)

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The question, made before, because whether there is one had to be known."""
        return self.asked

    def decode(self, body: bytes) -> Response:
        """A Response with the count as its input tokens. Raises ProtocolError where there is none."""
        return Response(usage=Usage(input_tokens=self.codec.decode_count_tokens(body)))

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The dialect's own reading of it."""
        error: LLMError = self.codec.decode_error(status, headers, body)
        return error

    def decoder(self, request: Request | None = None) -> Decoder:
        """Raises InvalidRequest: a count comes whole."""
        raise InvalidRequest("a count of tokens is not streamed")

"""What the verbs beyond `generate` give: JSON answers and token counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from backstay.errors import ConfigurationError, ProtocolError, RecoveryFailed, SchemaMismatch
from backstay.recover import Aligned, Parsed, Status, align, parse
from backstay.types import Metadata, Request, Response, ResponseFormat

if TYPE_CHECKING:
    from backstay.ask import Prompt
    from backstay.client import Client
    from backstay.codecs.embedding import Embeddings
    from backstay.dispatch import Dispatch
    from backstay.transport.base import Transport


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


async def count_tokens(dispatch: Dispatch, transport: Callable[[], Transport], request: Request) -> TokenCount:
    """The provider's own count where its codec knows an endpoint for it, else a tokenizer's, else the stated upper bound.

    A tokenizer is exact for the texts and not for what the provider puts around them, so its count is not said to be exact.
    """
    from backstay.target import parse_model
    from backstay.tokenizer import counter_of
    from backstay.tokens import estimate_request, upper_bound

    provider, model = parse_model(request.model)
    if not dispatch.is_service(provider):
        counted = await _ask_count(dispatch, transport, provider, msgspec.structs.replace(request, model=model))
        if counted is not None:
            return TokenCount(input_tokens=counted, is_exact=True, method=f"{provider} counted")
    count, vocabulary = counter_of(model, upper_bound)
    if vocabulary is not None:
        method = f"upper bound: texts counted with {vocabulary}, their framing at most"
        return TokenCount(input_tokens=estimate_request(request, count), is_exact=False, method=method)
    return TokenCount(input_tokens=estimate_request(request), is_exact=False, method="upper bound from its bytes")


async def _ask_count(
    dispatch: Dispatch, transport: Callable[[], Transport], provider: str, request: Request
) -> int | None:
    """The provider's count of the input tokens; None where it has no endpoint for it."""
    from backstay.codecs.base import Counting

    target = dispatch.target(provider, request.model)
    codec = target.codec
    if not isinstance(codec, Counting) or (asked := codec.encode_count_tokens(request)) is None:
        return None
    raw = await transport().send(target.address(asked))
    try:
        body = await raw.read()
    finally:
        await raw.aclose()
    if raw.status >= 300:
        raise target.scrubbed(target.codec.decode_error(raw.status, raw.headers, body))
    return codec.decode_count_tokens(body)

"""What the verbs beyond `generate` give: JSON answers and token counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from backstay.errors import RecoveryFailed, SchemaMismatch
from backstay.recover import Aligned, Parsed, Status, align, parse
from backstay.types import Request, Response, ResponseFormat

if TYPE_CHECKING:
    from backstay.ask import Prompt
    from backstay.client import Client
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


async def count_tokens(dispatch: Dispatch, transport: Callable[[], Transport], request: Request) -> TokenCount:
    """The provider's own count where its codec knows an endpoint for it, else the stated upper bound."""
    from backstay.target import parse_model
    from backstay.tokens import estimate_request

    provider, model = parse_model(request.model)
    if not dispatch.is_service(provider):
        target = dispatch.target(provider, model)
        encode = getattr(target.codec, "encode_count_tokens", None)
        if encode is not None:
            http = target.address(encode(msgspec.structs.replace(request, model=model)))
            raw = await transport().send(http)
            try:
                body = await raw.read()
            finally:
                await raw.aclose()
            if raw.status >= 300:
                raise target.codec.decode_error(raw.status, raw.headers, body)
            counted: int = target.codec.decode_count_tokens(body)  # type: ignore[attr-defined]
            return TokenCount(input_tokens=counted, is_exact=True, method=f"{provider} counted")
    return TokenCount(input_tokens=estimate_request(request), is_exact=False, method="upper bound from its bytes")

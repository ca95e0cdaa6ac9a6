"""Discover: which local model servers answer on their usual ports, and with which models.

A server is asked for its list of models at the address of its registry row, over loopback, with a short time-out; what does not
answer in the OpenAI form is not taken for a model server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from backstay.codecs.registry import ProviderRow
from backstay.errors import LLMError
from backstay.transport.base import Timeouts, Transport
from backstay.wire import HTTPRequest

PROBE = Timeouts(connect=0.3, first_event=1.0, between_events=1.0, total=1.5)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A local server that answered: its provider name, address and the names of its models."""

    provider: str
    base_url: str
    models: tuple[str, ...]


class _Entry(msgspec.Struct):
    id: str


class _Listing(msgspec.Struct):
    data: list[_Entry]


async def find_servers(transport: Transport, rows: Iterable[ProviderRow]) -> tuple[Server, ...]:
    """The local servers of `rows` that answer, in the order of the rows; two rows on one port are asked as one."""
    by_address: dict[str, ProviderRow] = {}
    for row in rows:
        if row.is_local and row.base_url:
            by_address.setdefault(row.base_url, row)
    found = await asyncio.gather(*(ask_server(transport, row.name, url) for url, row in by_address.items()))
    return tuple(server for server in found if server is not None)


async def ask_server(transport: Transport, provider: str, base_url: str) -> Server | None:
    """The Server at `base_url`; None where nothing, or something else, answers."""
    request = HTTPRequest(method="GET", url=f"{base_url.rstrip('/')}/models", headers={"accept": "application/json"})
    try:
        raw = await transport.send(request, timeouts=PROBE)
        try:
            body = await raw.read(1 << 20)
        finally:
            await raw.aclose()
        listing = msgspec.json.decode(body, type=_Listing)
    except (LLMError, msgspec.DecodeError):
        return None
    models = tuple(entry.id for entry in listing.data)
    return Server(provider=provider, base_url=base_url, models=models) if raw.status == 200 and models else None

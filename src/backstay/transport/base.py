"""Transport: sends one HTTPRequest, gives back status, headers and chunks of bytes. No retry, no redirect, no decoding of JSON.

The protocol is two methods wide so that a fake, a simulator and a recorder fit in its place. What it promises:

- An error is of the exact class: `ConnectFailed` when nothing was sent, `ReadFailed` and `TimedOut` with `sent` when the
  provider may have seen the request. A retry decides on that.
- Cancelling `send` or a read closes the connection at once; a connection goes back to the pool only after its answer was
  read to the end.
- Bodies and headers are bounded, compressed bodies by their decompressed size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

import msgspec

from backstay.wire import HTTPRequest


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, None for no limit.

    `connect`: name lookup, TCP and TLS. `first_event`: from the request sent to the first byte of the answer's body (a
    provider applies it to the first content event). `between_events`: between two chunks. `total`: all of it.
    """

    connect: float | None = 10.0
    first_event: float | None = 120.0
    between_events: float | None = 60.0
    total: float | None = 600.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class RawResponse(Protocol):
    """An HTTP answer whose body is still arriving. Iterate it once for chunks, then, or instead, `aclose()` it."""

    @property
    def status(self) -> int:
        """The HTTP status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header values by lower-case name; repeated ones are joined with ", "."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of the body as they arrive, decompressed, never empty."""

    async def read(self, max_bytes: int | None = None) -> bytes:
        """The whole body. Raises ProtocolError when it is longer than `max_bytes` or than the transport's own bound."""

    async def aclose(self) -> None:
        """Release the connection: to the pool if the body was read to its end, else closed. Idempotent."""


class Transport(Protocol):
    """Sends requests; `aclose()` closes what is pooled."""

    async def send(
        self, request: HTTPRequest, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, deadline: float | None = None
    ) -> RawResponse:
        """The answer's status and headers, its body still to be read.

        `deadline` is an instant on the event loop's clock (`loop.time()`); the earlier of it and `timeouts.total` counts.
        Raises TransportError and ProtocolError, never an HTTP status as an error.
        """

    async def aclose(self) -> None:
        """Close pooled connections. Answers still being read are cut off. Idempotent."""

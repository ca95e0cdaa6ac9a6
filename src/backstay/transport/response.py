"""HTTPResponse: the consumer's end of one answer; see `transport.base.RawResponse`.

It holds the connection only to close it: when the consumer stops early, is cancelled while it waits, or loses the answer without
closing it. After the body's last byte the connection is back in its pool already, whether or not the chunks were taken out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from backstay.errors import ProtocolError, ReadFailed
from backstay.transport.inbox import Inbox

if TYPE_CHECKING:
    from backstay.transport.connection import Connection


class HTTPResponse:
    """An HTTP answer whose body is still arriving. Iterate it once, or `read()` it; then, or instead, `aclose()`."""

    __slots__ = ("_connection", "_inbox")

    def __init__(self, connection: Connection, inbox: Inbox) -> None:
        self._connection = connection
        self._inbox = inbox

    def __repr__(self) -> str:
        return f"HTTPResponse(status={self.status}, peer={self._inbox.peer!r})"

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self._inbox.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header values by lower-case name; repeated ones are joined with ", "."""
        return self._inbox.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The bytes that have arrived since the last call, decompressed, never empty. Raises what broke the body."""
        inbox = self._inbox
        while not inbox.waiting:
            if inbox.is_whole:
                raise StopAsyncIteration
            if inbox.error is not None:
                raise inbox.error
            await self._wait()
        data = inbox.take()
        self._connection.resume(inbox)
        return data

    async def read(self, max_bytes: int | None = None) -> bytes:
        """The whole body (what is left of it). Raises ProtocolError when it is longer than `max_bytes`."""
        inbox = self._inbox
        bound = inbox.gather = inbox.max_body if max_bytes is None else max_bytes
        while not inbox.is_whole and inbox.error is None and inbox.waiting <= bound:
            self._connection.resume(inbox)
            await self._wait()
        if inbox.waiting > bound:
            error = ProtocolError(f"{inbox.peer} sent more than {bound} bytes in one answer")
            self._connection.drop(inbox, error)
            inbox.take()
            raise error
        if inbox.error is not None:
            raise inbox.error
        return inbox.take()

    async def _wait(self) -> None:
        arrival = self._inbox.arrival()
        try:
            await arrival
        except BaseException:
            self._cut("its reader was cancelled")
            raise

    def _cut(self, reason: str) -> None:
        inbox = self._inbox
        self._connection.drop(inbox, ReadFailed(f"{inbox.peer}: the answer was closed before its end: {reason}"))

    async def aclose(self) -> None:
        """Close the connection unless the body has arrived to its end. Idempotent; nothing to await, nothing to cancel."""
        if not self._inbox.is_whole and self._inbox.error is None:
            self._cut("by aclose()")

    def __del__(self) -> None:
        if not self._inbox.is_whole and self._inbox.error is None:
            self._connection.abandon(self._inbox)

"""Inbox: one answer as it arrives; the connection puts in, the consumer takes out.

It knows no socket: the connection tells it the head, the chunks, the end or the error, and it wakes whoever waits. Chunks that
wait are handed out joined, so a stream of small events costs one wake-up for each read from the socket, not for each event. A
consumer who wants the whole body is woken once, at its end.

An error is raised after the chunks that arrived before it: what was received is never lost, and an error never looks like an end.
"""

from __future__ import annotations

import asyncio

from backstay.errors import LLMError, ProtocolError
from backstay.transport.inflate import Inflater, inflater_for

MAX_HEADERS = 256
"""Header lines of one answer; providers send 10 to 40."""

MAX_JOINED = 1 << 14
"""Bytes of a repeated header's values together: joining them costs the square of it."""


class Inbox:
    """The state of one answer. `error` and `is_whole` are its two ends; exactly one of them comes."""

    __slots__ = (
        "_chunks", "_fields", "_headers", "_inflater", "_loop", "_waiter",
        "error", "gather", "has_body", "has_head", "is_whole", "max_body", "peer", "received", "status", "waiting",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str, max_body: int) -> None:
        self._loop = loop
        self.max_body = max_body
        self._waiter: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._fields: dict[bytes, bytes] = {}
        self._headers: dict[str, str] | None = None
        self._inflater: Inflater | None = None
        self.peer = peer
        self.status = 0
        self.error: LLMError | None = None
        self.has_head = self.has_body = self.is_whole = False
        self.received = self.waiting = 0  # bytes in all, and those that were not taken out yet
        self.gather: int | None = None  # a consumer that wants the whole body, up to so many bytes, sleeps until then

    # what the connection puts in

    def put_field(self, name: bytes, value: bytes) -> None:
        """One header line. Repeated ones are joined. Raises ProtocolError when there are too many."""
        key, fields = name.lower(), self._fields
        if key in fields:
            fields[key] += b", " + value
            if len(fields[key]) > MAX_JOINED:
                raise ProtocolError(f"{self.peer} sent one header again and again")
        else:
            fields[key] = value
            if len(fields) > MAX_HEADERS:
                raise ProtocolError(f"{self.peer} sent more than {MAX_HEADERS} headers")

    def drop_fields(self) -> None:
        """Forget the header lines: they belonged to an interim answer (1xx)."""
        self._fields.clear()

    def has_length(self) -> bool:
        """True when the headers say where the body ends; otherwise it ends with the connection."""
        return b"content-length" in self._fields or b"chunked" in self._fields.get(b"transfer-encoding", b"").lower()

    def open(self, status: int) -> None:
        """The head is complete. Raises ProtocolError for a content-encoding that is not understood."""
        self.status = status
        if (encoding := self._fields.get(b"content-encoding")) is not None:
            try:
                self._inflater = inflater_for(encoding.decode("latin-1"), max_bytes=self.max_body)
            except ProtocolError as error:
                raise ProtocolError(f"{self.peer}: {error}") from error
        self.has_head = True

    def put(self, data: bytes) -> None:
        """A piece of the body. Raises ProtocolError for damaged compression and for a body beyond its bound."""
        self.has_body = True
        if self._inflater is not None:
            try:
                data = self._inflater.feed(data)
            except ProtocolError as error:
                raise ProtocolError(f"{self.peer}: {error}") from error
            if not data:
                return
        size = len(data)
        self._chunks.append(data)
        self.waiting += size
        self.received += size
        if self.received > self.max_body:
            raise ProtocolError(f"{self.peer} sent more than {self.max_body} bytes in one answer")

    def end(self) -> None:
        """The body is complete. Raises ProtocolError when its compressed stream is not."""
        if self._inflater is not None:
            try:
                self._inflater.finish()
            except ProtocolError as error:
                raise ProtocolError(f"{self.peer}: {error}") from error
        self.is_whole = True

    def fail(self, error: LLMError) -> None:
        """The answer will not be completed. The first error counts."""
        if self.error is None and not self.is_whole:
            self.error = error
            self.wake()

    def wake(self) -> None:
        """Let the consumer go on, where it waits for what is there now."""
        waiter, gather = self._waiter, self.gather
        if waiter is None:
            return
        if gather is None or self.waiting > gather or self.is_whole or self.error is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # what the consumer takes out

    @property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name."""
        if self._headers is None:
            self._headers = {
                name.decode("latin-1"): value.decode("latin-1").strip() for name, value in self._fields.items()
            }
        return self._headers

    async def wait_head(self) -> None:
        """Returns when status and headers are there. Raises what came instead."""
        while not self.has_head:
            if self.error is not None:
                raise self.error
            await self.arrival()

    def arrival(self) -> asyncio.Future[None]:
        """Done when something has happened. One consumer at a time: a second one is a RuntimeError."""
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("this answer is already being read by another task")
        self._waiter = self._loop.create_future()
        return self._waiter

    def take(self) -> bytes:
        """All bytes that wait, joined; empty when none do."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.waiting = 0
        return data

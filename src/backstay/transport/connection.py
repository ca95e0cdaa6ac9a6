"""Connection: one HTTP/1.1 connection as an asyncio protocol over llhttp (`httptools`).

It carries one exchange at a time. The parser's callbacks fill a head and a bounded buffer of body chunks; a consumer takes them
out. When the buffer is full the socket is no longer read, so a slow consumer slows the provider and not the memory. All time
limits of an exchange share one timer that is re-armed only when it fires.

Whatever goes wrong becomes one LLMError, kept in `_error` and raised to whoever waits or asks next; the socket is closed at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from backstay.errors import LLMError, ProtocolError, ReadFailed, TimedOut
from backstay.transport.inflate import Inflater, inflater_for

HIGH_WATER, LOW_WATER = 1 << 18, 1 << 16
"""Bytes of undelivered body at which reading from the socket stops and goes on."""


class Bounds:
    """What an answer may grow to: bytes of its head, bytes of its decompressed body."""

    __slots__ = ("body", "head")

    def __init__(self, *, head: int, body: int) -> None:
        self.head = head
        self.body = body


class Connection(asyncio.Protocol):
    """One connection; `exchange` begins an exchange, `chunk` gives body bytes until None, `close` ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bounds: Bounds, peer: str) -> None:
        self._loop = loop
        self._bounds = bounds
        self.peer = peer
        self.transport: Any = None
        self.idle_since = 0.0
        self.exchanges = 0
        self._is_lost = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_busy = False
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._error: LLMError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._buffered = self._received = self._head_bytes = self._header_bytes = 0
        self._has_head = self._is_complete = self._is_paused = self._has_length = False
        self._keeps_alive = True
        self._inflater: Inflater | None = None
        self._phase = "first_event"
        self._between: float | None = None
        self._total: float | None = None
        self._limit: float | None = None
        self._since = 0.0

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._is_busy and not self._is_complete:
            self._end_of_stream(exc)

    def eof_received(self) -> bool:
        if self._is_busy and not self._is_complete:
            self._end_of_stream(None)
        self._is_lost = True
        return False

    def data_received(self, data: bytes) -> None:
        if not self._is_busy or self._is_complete:
            self.abort()  # bytes that nobody asked for: whatever they are, the next answer must not begin with them
            return
        if self._error is not None:
            return
        if not self._has_head:
            self._head_bytes += len(data)
        self._since = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._on_garbage(error)
            return
        if not self._has_head and self._head_bytes > self._bounds.head:
            self._fail(ProtocolError(f"{self.peer} sent more than {self._bounds.head} bytes of headers"))
        self._wake()

    def _on_garbage(self, error: Exception) -> None:
        """The parser gave up; after a whole answer that only means that this connection is of no further use."""
        if self._is_complete:
            self.abort()
            self._wake()
            return
        cause = error.__context__ if isinstance(error.__context__, LLMError) else None
        self._fail(cause or ProtocolError(f"{self.peer} does not speak HTTP/1.1: {error}"))

    def _end_of_stream(self, exc: Exception | None) -> None:
        if self._has_head and not self._has_length and exc is None and self._error is None:
            self._keeps_alive = False
            self._complete()
            self._wake()
            return
        where = "after its headers" if self._has_head else "before it answered"
        if self._received:
            where = f"inside its answer, after {self._received} bytes"
        reason = f": {type(exc).__name__}" if exc is not None else ""
        self._fail(ReadFailed(f"{self.peer} closed the connection {where}{reason}"))

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_complete:
            self._keeps_alive = False
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self._bounds.head:
            raise ProtocolError(f"{self.peer} sent more than {self._bounds.head} bytes of headers")
        if self._has_head:
            return  # a trailer
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        known = self.headers.get(key)
        self.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._is_complete:
            self._keeps_alive = False
            return
        if 100 <= status < 200:
            self.headers = {}
            return
        self.status = status
        self._has_length = (
            "content-length" in self.headers
            or "chunked" in self.headers.get("transfer-encoding", "").lower()
            or status in (204, 304)
        )
        self._has_head = True
        self._inflater = inflater_for(self.headers.get("content-encoding", ""))

    def on_body(self, data: bytes) -> None:
        if self._is_complete:
            return
        if self._inflater is not None:
            data = self._inflater.feed(data)
        if not data:
            return
        self._phase = "between_events"
        self._received += len(data)
        if self._received > self._bounds.body:
            raise ProtocolError(f"{self.peer} sent more than {self._bounds.body} bytes in one answer")
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered > HIGH_WATER and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._has_head and not self._is_complete:
            self._keeps_alive = self._keeps_alive and self._parser.should_keep_alive()
            self._complete()

    def _complete(self) -> None:
        if self._inflater is not None and self._received:
            self._inflater.finish()
        self._is_complete = True
        self._disarm()

    # the consumer's side

    @property
    def is_usable(self) -> bool:
        """True while another exchange may begin on it."""
        return (
            not self._is_lost and not self._is_busy and self.transport is not None and not self.transport.is_closing()
        )

    async def exchange(
        self, request: bytes, *, first: float | None, between: float | None, deadline: float | None
    ) -> None:
        """Send `request` and wait for the answer's head. `first` and `deadline` are instants, `between` is seconds."""
        self._reset()
        self._is_busy = True
        self.exchanges += 1
        self._limit, self._between, self._total = first, between, deadline
        self._since = self._loop.time()
        self.transport.write(request)
        self._arm()
        try:
            while not self._has_head:
                await self._wait()
        except BaseException:
            self.abort()
            raise

    async def chunk(self) -> bytes | None:
        """The body bytes that have arrived, or None at the end of the body. Raises what broke it."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._is_complete:
                return None
            self._since = self._loop.time()
            try:
                await self._wait()
            except BaseException:
                self.abort()
                raise
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        if self._is_paused:
            self._is_paused = False
            if not self._is_lost:
                self.transport.resume_reading()
        return data

    def release(self) -> bool:
        """End the exchange; True when the connection can carry another one, else it is closed."""
        is_clean = self._is_complete and self._keeps_alive and self._error is None
        self._disarm()
        self._is_busy = False
        if is_clean and self.is_usable:
            self.idle_since = self._loop.time()
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Close the socket at once. Idempotent."""
        self._disarm()
        self._is_lost = True
        if self.transport is not None:
            self.transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._chunks:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: LLMError) -> None:
        if self._error is None:
            self._error = error
        self._is_complete = False
        self.abort()
        self._wake()

    # time

    def _next_limit(self) -> tuple[float, str] | None:
        """The instant of the earliest limit that holds now, and its name."""
        if self._phase == "first_event":
            limit = self._limit
        elif self._between is None or (self._chunks and self._is_paused):
            limit = None
        else:
            limit = self._since + self._between
        if self._total is not None and (limit is None or self._total <= limit):
            return self._total, "total"
        return None if limit is None else (limit, self._phase)

    def _arm(self) -> None:
        """One timer at most. While no limit holds (a paused reader), it looks again when the last limit would have passed."""
        upcoming = self._next_limit()
        if upcoming is not None:
            self._timer = self._loop.call_at(upcoming[0], self._check)
        elif self._between is not None:
            self._timer = self._loop.call_later(self._between, self._check)

    def _check(self) -> None:
        self._timer = None
        upcoming = self._next_limit()
        if upcoming is not None and upcoming[0] <= self._loop.time() and not self._chunks:
            self._fail(TimedOut(f"{self.peer} sent nothing in time ({upcoming[1]})", phase=upcoming[1], sent=True))
        elif upcoming is not None and upcoming[0] <= self._loop.time():
            self._timer = self._loop.call_later(self._between or 1.0, self._check)
        else:
            self._arm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""Connection: one HTTP/1.1 connection as an asyncio protocol over llhttp (`httptools`); one exchange at a time.

The socket is read into one buffer that all connections of a loop share, because llhttp copies what it keeps before the read
returns. When the consumer is slow and HIGH_WATER bytes wait, the socket is no longer read, so that the provider slows down and
the memory does not grow. All time limits share one timer, which is set again only when it fires: an exchange of a few
milliseconds on a kept connection sets none.

Every fault becomes one LLMError in the inbox, and the socket is closed at once. A connection returns to its pool only after a
whole answer, a whole request, and not one byte more.
"""

from __future__ import annotations

import asyncio
import select
from math import inf
from typing import Any, Protocol

import httptools
import msgspec

from backstay.errors import LLMError, ProtocolError, ReadFailed, TimedOut
from backstay.transport.address import Head
from backstay.transport.inbox import Inbox

HIGH_WATER, LOW_WATER = 1 << 17, 1 << 15
"""Bytes of undelivered body at which reading from the socket stops, and goes on."""

JOIN_BYTES = 1 << 16
"""Up to here head and body are copied together and leave in one system call."""

TRUSTED_IDLE = 0.1
"""Seconds of idleness after which a kept connection's socket is asked whether it was closed, before it is used again."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that an answer may grow to: its head (and any stretch without body), and its decompressed body."""

    head: int
    body: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one exchange: seconds until the first body byte, seconds between two reads, and the instant when all ends."""

    first: float = inf
    between: float = inf
    end: float = inf


class Owner(Protocol):
    """Who keeps connections: the pool."""

    def take_back(self, connection: Connection) -> None:
        """The exchange ended cleanly; the connection can carry another one."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""


class Connection(asyncio.BufferedProtocol):
    """One connection. `start` begins an exchange, `drop` ends it early; `key` and `idle_since` are the pool's own notes."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: Owner, peer: str, *, scratch: memoryview, bounds: Bounds
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._peer = peer
        self._scratch = scratch
        self._bounds = bounds
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._outlet: Any = None
        self._inbox: Inbox | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._limits = Limits()
        self._limit = inf
        self._unsent = 0
        self._quiet = 0
        self._is_head_only = self._is_interim = self._is_lost = False
        self._is_paused = self._is_reusable = False
        self.key: Any = None
        self.idle_since = 0.0

    def start(self, head: Head, body: bytes, limits: Limits, *, is_head_only: bool = False) -> Inbox:
        """Write the request; the inbox where its answer arrives."""
        inbox = self._inbox = Inbox(self._loop, self._peer, self._bounds.body)
        self._limits = limits
        self._is_head_only = is_head_only
        self._quiet = 0
        if len(body) <= JOIN_BYTES:
            self._transport.write(head.data + body)
        else:
            self._transport.write(head.data)
            self._transport.write(body)
        self._unsent = self._outlet.get_write_buffer_size()
        self._arm(self._loop.time() + limits.first)
        return inbox

    def is_usable(self, now: float) -> bool:
        """True when the connection can carry another exchange, as far as can be known from this side."""
        if self._is_lost or self._transport.is_closing():
            return False
        return now - self.idle_since < TRUSTED_IDLE or not _is_readable(self._transport)

    def drop(self, inbox: Inbox, error: LLMError) -> None:
        """End the exchange of `inbox` with `error` and close the socket at once. Nothing happens if it has ended."""
        if self._inbox is inbox:
            self._fail(error)

    def cut(self, reason: str) -> None:
        """Close the socket at once; an exchange under way fails."""
        self._fail(ReadFailed(f"{self._peer}: the answer was cut off: {reason}"))

    def abandon(self, inbox: Inbox) -> None:
        """As `drop`, for an answer that was lost without being closed; called from a finalizer, so from any thread."""
        if not self._loop.is_closed():
            error = ReadFailed(f"{self._peer}: the answer was lost before its end: it was never closed")
            self._loop.call_soon_threadsafe(self.drop, inbox, error)

    def resume(self, inbox: Inbox) -> None:
        """Read the socket again after bytes were taken out of `inbox`, or when all of them are wanted."""
        if self._is_paused and self._inbox is inbox and (inbox.waiting <= LOW_WATER or inbox.gather is not None):
            self._is_paused = False
            self._transport.resume_reading()
            self._arm(self._loop.time() + self._limits.between)

    def abort(self) -> None:
        """Close the socket at once. Idempotent."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: Any, outlet: Any = None) -> None:
        """`outlet` is the transport below TLS: it alone knows what has not left yet."""
        self._transport = transport
        self._outlet = transport if outlet is None else outlet
        # So that `resume_writing` says when the request is out. Not 0: asyncio's TLS would call an empty buffer full.
        transport.set_write_buffer_limits(high=1, low=0)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        inbox = self._inbox
        if inbox is None:
            self.abort()  # bytes that nobody asked for: the next answer must not begin with them
            return
        self._quiet += nbytes
        try:
            self._parser.feed_data(self._scratch[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._on_garbage(error)
        if self._inbox is None:
            self._settle()
        elif self._quiet > self._bounds.head:
            self._fail(ProtocolError(f"{self._peer} sent more than {self._bounds.head} bytes of headers"))
        elif inbox.has_body:
            self._on_progress(inbox)

    def resume_writing(self) -> None:
        self._unsent = 0
        if self._inbox is not None and not self._inbox.has_body:
            self._arm(self._loop.time() + self._limits.first)

    def eof_received(self) -> None:
        inbox = self._inbox
        if inbox is not None and inbox.has_head and not inbox.has_length():
            self._complete(is_reusable=False)
        self._on_end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end(exc)
        self._is_lost = True
        self._parser = None  # it holds this object's methods: a cycle
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._owner.forget(self)

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._inbox is None:
            self._is_reusable = False  # more bytes than the answer

    def on_header(self, name: bytes, value: bytes) -> None:
        inbox = self._inbox
        if inbox is None or inbox.has_head:  # a trailer
            return
        try:
            inbox.put_field(name, value)
        except ProtocolError as error:
            self._fail(error)

    def on_headers_complete(self) -> None:
        inbox = self._inbox
        if inbox is None:
            return
        status = self._parser.get_status_code()
        self._is_interim = 100 <= status < 200
        if status == 101:
            self._fail(ProtocolError(f"{self._peer} switches protocols (101), which nobody asked for"))
        elif self._is_interim:
            inbox.drop_fields()
        else:
            self._on_head(inbox, status)

    def on_body(self, data: bytes) -> None:
        self._quiet = 0
        inbox = self._inbox
        if inbox is None:
            return
        try:
            inbox.put(data)
        except ProtocolError as error:
            self._fail(error)

    def on_message_complete(self) -> None:
        if self._inbox is not None and not self._is_interim:
            self._complete(is_reusable=self._parser.should_keep_alive())

    # one exchange

    def _on_head(self, inbox: Inbox, status: int) -> None:
        try:
            inbox.open(status)
        except ProtocolError as error:
            self._fail(error)
            return
        if self._is_head_only:
            self._complete(is_reusable=False)  # llhttp cannot be told that an answer to HEAD has no body
        inbox.wake()

    def _on_progress(self, inbox: Inbox) -> None:
        if inbox.waiting > HIGH_WATER and inbox.gather is None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
            self._limit = self._limits.end  # the consumer's time now, not the provider's
        else:
            self._arm(self._loop.time() + self._limits.between)
        inbox.wake()

    def _on_garbage(self, error: Exception) -> None:
        """The parser gave up; after a whole answer that only means that this connection is of no further use."""
        self._is_reusable = False
        if self._inbox is not None:
            self._fail(ProtocolError(f"{self._peer} does not speak HTTP/1.1: {error}"))

    def _on_end(self, exc: Exception | None) -> None:
        """The connection ended; an exchange that is still under way ends with it. A body without a length is whole only after
        an end that the other side announced (`eof_received`): over TLS anybody on the way can cut the rest.
        """
        inbox = self._inbox
        if inbox is None:
            return
        where = "before it answered" if not inbox.has_head else f"inside its answer, after {inbox.received} bytes"
        reason = f" ({type(exc).__name__})" if exc is not None else ""
        self._fail(ReadFailed(f"{self._peer} closed the connection {where}{reason}"))

    def _complete(self, *, is_reusable: bool) -> None:
        inbox = self._inbox
        if inbox is None:
            return
        try:
            inbox.end()
        except ProtocolError as error:
            self._fail(error)
            return
        self._inbox = None
        self._is_reusable = is_reusable and not self._outlet.get_write_buffer_size()
        inbox.wake()

    def _settle(self) -> None:
        """After the read that ended an exchange."""
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        if self._is_reusable and not self._is_lost:
            self._is_reusable = False
            self._owner.take_back(self)
        else:
            self.abort()

    def _fail(self, error: LLMError) -> None:
        inbox, self._inbox = self._inbox, None
        self._is_reusable = False
        self.abort()
        if inbox is not None:
            inbox.fail(error)

    # time

    def _arm(self, limit: float) -> None:
        """The exchange ends at `limit`, or at its last instant if that is earlier, unless this is called again before."""
        self._limit = limit = min(limit, self._limits.end)
        timer = self._timer
        if limit < inf and (timer is None or timer.when() > limit):
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(limit, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        inbox = self._inbox
        if inbox is None:
            return
        now = self._loop.time()
        if self._unsent and not inbox.has_body and now < self._limits.end:
            unsent = self._outlet.get_write_buffer_size()
            if unsent < self._unsent:  # slow, but it moves
                self._unsent = unsent
                self._limit = now + self._limits.first
        if now < self._limit:
            self._arm(self._limit)
            return
        self._fail(self._overdue(inbox, now))

    def _overdue(self, inbox: Inbox, now: float) -> TimedOut:
        if now >= self._limits.end:
            return TimedOut(f"{self._peer}: the time for the whole call is over", phase="total", sent=True)
        if not inbox.has_body:
            reason = f"no answer within {self._limits.first:g} s"
            return TimedOut(f"{self._peer}: {reason}", phase="first_event", sent=True)
        reason = f"nothing more within {self._limits.between:g} s, after {inbox.received} bytes"
        return TimedOut(f"{self._peer}: {reason}", phase="between_events", sent=True)


def _is_readable(transport: Any) -> bool:
    """True when the socket has something to say. On an idle connection that is its end, or garbage; both spoil it."""
    socket = transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return False
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([socket.fileno()], [], [], 0)[0])

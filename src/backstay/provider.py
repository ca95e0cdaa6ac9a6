"""Provider: a codec driven over a transport; the innermost service of every stack that leaves the machine.

It encodes the request, sends it, and decodes what comes back. A stream is read ahead to its first content event before the
Reply is handed out (the commit point), so that an error that a provider sends inside a 200 stream, before any content, is
raised from the call, where retry and failover see it. After that point every failure is a `StreamInterrupted`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from backstay.codecs.base import Decoder
from backstay.codecs.limit import limits
from backstay.errors import LLMError, ProtocolError, StreamInterrupted
from backstay.event import CONTENT_EVENTS, Event, Finished
from backstay.ports import Clock
from backstay.service import Call, Reply
from backstay.target import Target
from backstay.transport.base import RawResponse, Timeouts, Transport
from backstay.types import Limit, Provenance, Response
from backstay.wire import HTTPRequest

REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-ds-trace-id")
MAX_ERROR_BYTES = 1 << 20


class Provider:
    """A service that asks one target. Raises LLMError; the Reply's Response says what it cost in time."""

    def __init__(self, target: Target, transport: Transport, *, timeouts: Timeouts, clock: Clock) -> None:
        self._target = target
        self._transport = transport
        self._clock = clock
        self._stream_timeouts = timeouts
        self._whole_timeouts = msgspec.structs.replace(timeouts, first_event=None, between_events=None)

    async def __call__(self, call: Call, /) -> Reply:
        started = self._clock.monotonic()
        request = msgspec.structs.replace(call.request, model=self._target.model)
        http = self._target.address(self._target.codec.encode(request, stream=call.stream))
        timeouts = self._stream_timeouts if call.stream else self._whole_timeouts
        raw = await self._transport.send(http, timeouts=timeouts, deadline=call.deadline)
        if raw.status >= 300:
            raise await self._refusal(raw)
        if call.stream:
            return await self._streamed(call, raw, http, started)
        return Reply(response=self._finish(await self._whole(raw), raw, http, started))

    async def _refusal(self, raw: RawResponse) -> LLMError:
        try:
            body = await raw.read(MAX_ERROR_BYTES)
        except LLMError:
            body = b""
        finally:
            await raw.aclose()
        error = self._target.codec.decode_error(raw.status, raw.headers, body)
        error.limits = self._limits(raw)
        return self._target.scrubbed(error)

    def _limits(self, raw: RawResponse) -> tuple[Limit, ...]:
        """What the answer's headers say of the provider's rate limits."""
        return limits(raw.headers, now=self._clock.wall_ns() / 1e9).entries

    async def _whole(self, raw: RawResponse) -> Response:
        try:
            body = await raw.read()
        finally:
            await raw.aclose()
        try:
            return self._target.codec.decode(body)
        except LLMError as error:
            self._target.scrubbed(error)
            raise

    def _finish(self, response: Response, raw: RawResponse, http: HTTPRequest, started: float) -> Response:
        return msgspec.structs.replace(
            response,
            request_id=request_id(raw.headers),
            latency=self._clock.monotonic() - started,
            provenance=Provenance(target=self._target.name, notes=http.notes, limits=self._limits(raw)),
        )

    async def _streamed(self, call: Call, raw: RawResponse, http: HTTPRequest, started: float) -> Reply:
        decoder = self._target.codec.decoder(call.request)
        chunks = aiter(raw)
        try:
            head, is_open = await _read_ahead(decoder, chunks)
        except BaseException as error:
            await raw.aclose()
            if isinstance(error, LLMError):
                self._target.scrubbed(error)
            raise
        first = self._clock.monotonic() - started
        rest = _batches(decoder, chunks, self._target.scrubbed) if is_open else _nothing()
        reply = Reply(rest, head=head, close=raw.aclose)

        def amend(response: Response) -> Response:
            return msgspec.structs.replace(self._finish(response, raw, http, started), time_to_first_token=first)

        reply.amend(amend)
        return reply


async def _read_ahead(decoder: Decoder, chunks: AsyncIterator[bytes]) -> tuple[list[Event], bool]:
    """Events up to the first that commits the call, and whether the stream goes on."""
    head: list[Event] = []
    async for chunk in chunks:
        events = decoder.feed(chunk)
        head += events
        if any(isinstance(event, CONTENT_EVENTS) or type(event) is Finished for event in events):
            return head, True
    try:
        head += decoder.finish()
    except StreamInterrupted as error:
        raise ProtocolError(f"the stream ended before any content: {error.message}") from error
    return head, False


async def _batches(
    decoder: Decoder, chunks: AsyncIterator[bytes], scrub: Callable[[LLMError], LLMError]
) -> AsyncIterator[Sequence[Event]]:
    """The rest of a committed stream; whatever breaks it is a StreamInterrupted."""
    try:
        async for chunk in chunks:
            if events := decoder.feed(chunk):
                yield events
        if events := decoder.finish():
            yield events
    except StreamInterrupted:
        raise
    except LLMError as error:
        raise StreamInterrupted(f"the stream broke after its first content: {scrub(error)}") from error


async def _nothing() -> AsyncIterator[Sequence[Event]]:
    return
    yield


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's own name of the HTTP request, to quote to its support; None where it sends none."""
    for name in REQUEST_ID_HEADERS:
        if value := headers.get(name):
            return value
    return None

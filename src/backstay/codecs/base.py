"""Codec: one wire dialect, pure, in both directions.

Forward (we are the client): `encode` a Request, `decode` a whole body, `decoder()` for a stream, `decode_error` for a
status of 400 and above. Mirror (we are the server, as in the gateway): `decode_request`, `encode_response`, `encoder()` for
a stream, `encode_error`. Having both in one file buys the property `decode_request(encode(r)) == r`.

Codecs are strict in what they send (`encode` raises InvalidRequest with all faults at once) and lenient in what they read:
unknown fields, missing fields, nulls and unknown kinds pass through. They do no I/O, read no clock and know no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from backstay.errors import LLMError
from backstay.event import Event
from backstay.types import Request, Response
from backstay.wire import HTTPRequest


class Decoder(Protocol):
    """A stream's state machine: bytes in any split, events out."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises StatusError for an error inside the stream, ProtocolError for garbage."""

    def finish(self) -> list[Event]:
        """The last events, at the end of the body. Raises StreamInterrupted where the dialect's own end was not seen."""


class Encoder(Protocol):
    """The mirror of a Decoder: events in, bytes of the dialect's stream out."""

    def encode(self, event: Event) -> bytes:
        """The bytes that say `event`; may be empty."""

    def finish(self) -> bytes:
        """The bytes that end the stream cleanly."""

    def encode_error(self, error: LLMError) -> bytes:
        """The bytes that end the stream with an error, in the dialect's own form."""


class HTTPAnswer(Protocol):
    """What a server sends back: status, headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Asking(Protocol):
    """The forward half of a dialect: all that a provider needs."""

    @property
    def name(self) -> str:
        """The dialect's name in the registry and in `Request.options`."""

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every reason the provider would refuse it for."""

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body. Raises ProtocolError, or StatusError for an error inside a 200."""

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The typed error of an answer with status 400 or above, `retryable` and `retry_after` set. Never raises."""

    def decoder(self, request: Request | None = None) -> Decoder:
        """A fresh decoder for one stream."""


@runtime_checkable
class Counting(Protocol):
    """A dialect that may know an endpoint which counts input tokens without answering."""

    def encode_count_tokens(self, request: Request) -> HTTPRequest | None:
        """The HTTP request that asks for the count; None where this server has no such endpoint. Raises InvalidRequest."""

    def decode_count_tokens(self, body: bytes) -> int:
        """The count in its answer. Raises ProtocolError where there is none."""


class EmbeddingCodec(Asking, Protocol):
    """A dialect of embeddings: `decode` gives `Embeddings`, and nothing is streamed."""


class Codec(Asking, Protocol):
    """One dialect. Immutable and shared; all state is in the decoders and encoders that it makes."""

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent. Raises BadRequest naming the field that is wrong."""

    def is_stream(self, http: HTTPRequest) -> bool:
        """True when that client asked for a stream."""

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""

    def encoder(self, request: Request) -> Encoder:
        """A fresh encoder for one stream."""

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""

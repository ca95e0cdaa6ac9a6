"""The Responses dialect, stateless: the codec that joins its parts.

`responses_request` holds requests, `responses_answer` whole answers, `responses_stream` and `responses_encoder` streams;
`responses_history` and `responses_item` are common to them. Errors are those of `openai_error`.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from backstay.codecs.lenient import count_of, object_of, read_json
from backstay.codecs.openai_error import error_in_body, read_error, write_error
from backstay.codecs.responses_answer import read_answer, write_answer
from backstay.codecs.responses_encoder import ResponsesEncoder
from backstay.codecs.responses_item import DIALECT
from backstay.codecs.responses_request import read_request, write_request
from backstay.codecs.responses_stream import ResponsesDecoder
from backstay.errors import InvalidRequest, LLMError, ProtocolError
from backstay.fold import fold
from backstay.types import Request, Response
from backstay.wire import HTTPRequest

_COUNTED: Final = frozenset(
    ("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "truncation")
)
"""The fields that input_tokens takes."""


class OpenAIResponses:
    """The codec. It has no rules: servers of this dialect differ in what they leave out, not in what they want."""

    __slots__ = ()

    name: Final = DIALECT

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every reason the API would refuse it for."""
        body, draft = write_request(request, stream=stream)
        if draft.faults:
            raise InvalidRequest(*draft.faults)
        return HTTPRequest(
            url="/responses",
            headers={
                "content-type": "application/json",
                "accept": "text/event-stream" if stream else "application/json",
            },
            body=msgspec.json.encode(body),
            notes=tuple(draft.notes),
        )

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body; a server that streams unasked is understood too."""
        if body[:64].lstrip()[:5] in (b"data:", b"event"):
            decoder = self.decoder()
            return fold(decoder.feed(body) + decoder.finish())
        return read_answer(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The typed error of an answer with status 400 or above."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> ResponsesDecoder:
        """A fresh decoder for one stream."""
        return ResponsesDecoder()

    def encode_count_tokens(self, request: Request) -> HTTPRequest:
        """The POST that asks for the input tokens of `request`, without answering it."""
        http = self.encode(request)
        body = {name: value for name, value in msgspec.json.decode(http.body).items() if name in _COUNTED}
        return msgspec.structs.replace(http, url="/responses/input_tokens", body=msgspec.json.encode(body))

    def decode_count_tokens(self, body: bytes) -> int:
        """The count of input tokens in the answer to `encode_count_tokens`. Raises ProtocolError where there is none."""
        answer = object_of(read_json(body))
        error = error_in_body(answer)
        if error is not None:
            raise error
        counted = count_of(answer.get("input_tokens"))
        if counted is None:
            raise ProtocolError("the answer states no count of input tokens")
        return counted

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent."""
        return read_request(http.body)

    def is_stream(self, http: HTTPRequest) -> bool:
        """True when that client asked for a stream."""
        try:
            return msgspec.json.decode(http.body, type=_Stream).stream is True
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""
        return write_answer(response)

    def encoder(self, request: Request) -> ResponsesEncoder:
        """A fresh encoder for one stream."""
        return ResponsesEncoder(request)

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""
        return write_error(error)


class _Stream(msgspec.Struct):
    stream: bool | None = None

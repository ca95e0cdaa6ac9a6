"""The Chat Completions dialect, spoken by OpenAI and by nearly every other server: the codec that joins its parts.

`openai_request` and `openai_request_read` hold requests, `openai_answer` whole answers, `openai_stream` and `openai_encoder`
streams, `openai_error` errors; what is common to them is `openai_history` (messages), `openai_turn` (an assistant's turn),
`openai_part` (content parts), `openai_outcome` (usage and finish reasons). How a server differs is `ChatRules`.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from backstay.codecs.openai_answer import read_answer, write_answer
from backstay.codecs.openai_encoder import ChatEncoder
from backstay.codecs.openai_error import read_error, write_error
from backstay.codecs.openai_part import DIALECT
from backstay.codecs.openai_request import write_request
from backstay.codecs.openai_request_read import read_request
from backstay.codecs.openai_rule import ChatRules
from backstay.codecs.openai_stream import ChatDecoder
from backstay.errors import InvalidRequest, LLMError
from backstay.fold import fold
from backstay.types import Request, Response
from backstay.wire import HTTPRequest

_JSON: Final = {"content-type": "application/json"}


class OpenAIChat:
    """The codec for one server: `rules` says how it differs from OpenAI's own."""

    __slots__ = ("rules",)

    name: Final = DIALECT

    def __init__(self, rules: ChatRules | None = None) -> None:
        self.rules = rules or ChatRules()

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every reason the server would refuse it for."""
        body, draft = write_request(request, self.rules, stream=stream)
        if draft.faults:
            raise InvalidRequest(*draft.faults)
        accept = "text/event-stream" if stream else "application/json"
        return HTTPRequest(
            url=self.rules.path,
            headers={**_JSON, "accept": accept},
            body=msgspec.json.encode(body),
            notes=tuple(draft.notes),
        )

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body; a server that streams unasked is understood too."""
        if body[:64].lstrip()[:5] in (b"data:", b"event"):
            decoder = ChatDecoder()
            return fold(decoder.feed(body) + decoder.finish())
        return read_answer(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The typed error of an answer with status 400 or above."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> ChatDecoder:
        """A fresh decoder for one stream; the request's length helps to make unique ids for calls that have none."""
        return ChatDecoder(str(len(request.messages)) if request is not None else "")

    def encode_count_tokens(self, request: Request) -> HTTPRequest | None:
        """The POST that asks for the input tokens of `request`, where the server has an endpoint for that; else None."""
        if self.rules.count_path is None:
            return None
        from backstay.codecs.anthropic import AnthropicCodec

        return msgspec.structs.replace(AnthropicCodec().encode_count_tokens(request), url=self.rules.count_path)

    def decode_count_tokens(self, body: bytes) -> int:
        """The count of input tokens in the answer to `encode_count_tokens`."""
        from backstay.codecs.anthropic import AnthropicCodec

        return AnthropicCodec().decode_count_tokens(body)

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent."""
        return read_request(http.body, asks_usage=self.rules.stream_usage)

    def is_stream(self, http: HTTPRequest) -> bool:
        """True when that client asked for a stream."""
        try:
            return msgspec.json.decode(http.body, type=_Stream).stream is True
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""
        return write_answer(response)

    def encoder(self, request: Request) -> ChatEncoder:
        """A fresh encoder for one stream."""
        return ChatEncoder(request)

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""
        return write_error(error)


class _Stream(msgspec.Struct):
    stream: bool | None = None

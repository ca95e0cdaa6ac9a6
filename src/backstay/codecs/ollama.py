"""The native Ollama dialect: the codec that joins `ollama_request` and `ollama_answer`.

Source: https://docs.ollama.com/api/chat
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from backstay.codecs.ollama_answer import OllamaDecoder, OllamaEncoder, read_answer, write_answer, write_error_text
from backstay.codecs.ollama_request import DIALECT, read_request, write_request
from backstay.codecs.openai_error import read_error
from backstay.errors import InvalidRequest, LLMError
from backstay.types import Request, Response
from backstay.wire import HTTPRequest


class Ollama:
    """The codec."""

    __slots__ = ()

    name: Final = DIALECT

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every reason the server would refuse it for."""
        body, draft = write_request(request, stream=stream)
        if draft.faults:
            raise InvalidRequest(*draft.faults)
        headers = {"content-type": "application/json"}
        return HTTPRequest(url="/api/chat", headers=headers, body=msgspec.json.encode(body), notes=tuple(draft.notes))

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body."""
        return read_answer(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The typed error of an answer with status 400 or above."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> OllamaDecoder:
        """A fresh decoder for one stream; the request's length helps to make unique ids for calls that have none."""
        return OllamaDecoder(str(len(request.messages)) if request is not None else "")

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent."""
        return read_request(http.body)

    def is_stream(self, http: HTTPRequest) -> bool:
        """True unless the client asked for no stream: this dialect streams by default."""
        try:
            return msgspec.json.decode(http.body, type=_Stream).stream is not False
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""
        return write_answer(response)

    def encoder(self, request: Request) -> OllamaEncoder:
        """A fresh encoder for one stream."""
        return OllamaEncoder(request)

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""
        return write_error_text(error)


class _Stream(msgspec.Struct):
    stream: bool | None = None

"""Google Gemini's generateContent, both directions: the codec that puts the parts of the dialect together.

The model and the verb stand in the path, which is the same on the Gemini API and on Vertex AI; only the base URL and the way to
count tokens differ. A stream is asked for with `alt=sse`, without which the API sends one JSON array.

Source: https://ai.google.dev/api/generate-content, https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

from backstay.codecs.gemini_answer import read_answer, read_token_count, write_answer
from backstay.codecs.gemini_encoder import GeminiEncoder
from backstay.codecs.gemini_error import read_error, write_error
from backstay.codecs.gemini_part import Draft
from backstay.codecs.gemini_request import write_body
from backstay.codecs.gemini_request_read import read_request
from backstay.codecs.gemini_stream import GeminiDecoder
from backstay.codecs.gemini_wire import DIALECT, Wire
from backstay.codecs.trait import traits
from backstay.errors import InvalidRequest, LLMError, StatusError
from backstay.fold import fold
from backstay.types import Request, Response
from backstay.wire import HTTPRequest

_HEADERS = {"content-type": "application/json"}
_STREAM_VERB = "streamGenerateContent"


class GeminiCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The generateContent dialect. `host` says how tokens are counted: "api" wraps the request, "vertex" sends it as it is."""

    host: Literal["api", "vertex"] = "api"

    @property
    def name(self) -> str:
        """ "gemini", for both hosts: options and unknown parts are the same."""
        return DIALECT

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The POST that asks `request`. Raises InvalidRequest with every reason the API would refuse it for."""
        body, notes = self._body(request)
        verb = f"{_STREAM_VERB}?alt=sse" if stream else "generateContent"
        return HTTPRequest(
            url=_path(request.model, verb), headers=_HEADERS, body=msgspec.json.encode(body), notes=notes
        )

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body, or of the array that a stream without `alt=sse` is.

        Raises ProtocolError, or the typed error that stands in a 200.
        """
        if body.lstrip()[:1] != b"[":
            return read_answer(body)
        decoder = GeminiDecoder()
        return fold(decoder.feed(body) + decoder.finish())

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
        """The typed error of an answer with status 400 or above; never raises."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> GeminiDecoder:
        """A fresh decoder for one stream."""
        return GeminiDecoder()

    def encode_count_tokens(self, request: Request) -> HTTPRequest:
        """The POST that asks for the input tokens of `request`, without answering it."""
        body, notes = self._body(request)
        if self.host == "api":
            name = request.model if "/" in request.model else f"models/{request.model}"
            body = {"generateContentRequest": {"model": name, **body}}
        url = _path(request.model, "countTokens")
        return HTTPRequest(url=url, headers=_HEADERS, body=msgspec.json.encode(body), notes=notes)

    def decode_count_tokens(self, body: bytes) -> int:
        """The count of input tokens in the answer to `encode_count_tokens`."""
        return read_token_count(body)

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent. Raises BadRequest naming the field that is wrong."""
        return read_request(http.body, model=_model_in_path(http.url))

    def is_stream(self, http: HTTPRequest) -> bool:
        """True when the path asks for a stream."""
        return http.url.partition("?")[0].endswith(f":{_STREAM_VERB}")

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""
        return write_answer(response)

    def encoder(self, request: Request) -> GeminiEncoder:
        """A fresh encoder for one stream."""
        return GeminiEncoder(request.model)

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""
        return write_error(error)

    def _body(self, request: Request) -> tuple[Wire, tuple[str, ...]]:
        draft = Draft()
        body = write_body(request, traits(DIALECT, request.model), draft)
        faults = [*([] if request.model else ["model: a name is needed"]), *draft.faults]
        if faults:
            raise InvalidRequest(*faults)
        return body, tuple(draft.notes)


def _path(model: str, verb: str) -> str:
    """A bare name is a model; one with a slash ("tunedModels/x", "endpoints/7") is a path of its own."""
    name = model if "/" in model else f"models/{model}"
    return f"/{quote(name, safe='/@')}:{verb}"


def _model_in_path(url: str) -> str:
    """The model of a path ("/v1beta/models/{model}:generateContent"); a tuned one keeps its collection's name."""
    head, found, _ = url.partition("?")[0].rpartition(":")
    if not found:
        return ""
    *_, collection, name = ["", "", *unquote(head).split("/")]
    return name if collection in ("models", "") else f"{collection}/{name}"

"""Anthropic Messages, both directions: the codec that puts the parts of the dialect together.

One body format has three hosts: Anthropic's own API (the version in a header, the model in the body), Vertex AI and
Bedrock's InvokeModel (the version in the body, the model in the path). A codec is made for one version and one host; that is
all it knows of where it is spoken. Version 2023-06-01 is the default, because it still takes a temperature where the model
does; 2026-10-21 has no sampling parameters.

Source: https://platform.claude.com/docs/en/api/messages and /api/versioning
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import msgspec

from backstay.codecs.anthropic_answer import read_answer, read_token_count, write_answer
from backstay.codecs.anthropic_check import find_faults
from backstay.codecs.anthropic_encoder import AnthropicEncoder
from backstay.codecs.anthropic_error import read_error, write_error
from backstay.codecs.anthropic_part import Draft
from backstay.codecs.anthropic_request import write_body
from backstay.codecs.anthropic_request_read import read_object, read_request
from backstay.codecs.anthropic_stream import AnthropicDecoder
from backstay.codecs.anthropic_wire import DIALECT
from backstay.codecs.lenient import object_of, text_of
from backstay.codecs.trait import traits
from backstay.errors import InvalidRequest, LLMError, StatusError
from backstay.secret import Secret
from backstay.types import Request, Response
from backstay.wire import HTTPRequest

VERSION: Final = "2023-06-01"
VERTEX_VERSION: Final = "vertex-2023-10-16"
_COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
)
"""The fields that count_tokens takes."""


class AnthropicCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The Messages dialect. `host` says where version and model go: "api" (header, body) or "vertex" (body, path)."""

    version: str = VERSION
    host: Literal["api", "vertex"] = "api"

    @property
    def name(self) -> str:
        """ "anthropic", for every host: options and unknown blocks are the same."""
        return DIALECT

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The POST that asks `request`. Raises InvalidRequest with every reason the API would refuse it for."""
        body, notes = self._body(request)
        if stream:
            body["stream"] = True
        if self.host == "vertex":
            path = f"/{quote(request.model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}"
        else:
            path, body = "/v1/messages", {"model": request.model, **body}
        return HTTPRequest(url=path, headers=self._headers(request), body=msgspec.json.encode(body), notes=notes)

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body. Raises ProtocolError, or the typed error that stands in a 200."""
        return read_answer(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
        """The typed error of an answer with status 400 or above; never raises."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> AnthropicDecoder:
        """A fresh decoder for one stream."""
        return AnthropicDecoder()

    def encode_count_tokens(self, request: Request) -> HTTPRequest:
        """The POST that asks for the input tokens of `request`, without answering it."""
        body, notes = self._body(request)
        counted = {key: value for key, value in {"model": request.model, **body}.items() if key in _COUNTED}
        if self.host == "vertex":
            counted["anthropic_version"] = self.version
        path = "/count-tokens:rawPredict" if self.host == "vertex" else "/v1/messages/count_tokens"
        return HTTPRequest(url=path, headers=self._headers(request), body=msgspec.json.encode(counted), notes=notes)

    def decode_count_tokens(self, body: bytes) -> int:
        """The count of input tokens in the answer to `encode_count_tokens`."""
        return read_token_count(body)

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent. Raises BadRequest naming the field that is wrong."""
        flags = text_of(http.headers.get("anthropic-beta"))
        betas = [flag.strip() for flag in flags.split(",") if flag.strip()]
        return read_request(http.body, model=_model_in_path(http.url), betas=betas)

    def is_stream(self, http: HTTPRequest) -> bool:
        """True when the client asked for a stream."""
        return read_object(http.body).get("stream") is True

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""
        return write_answer(response)

    def encode_token_count(self, count: int) -> bytes:
        """The body that answers a client's count_tokens."""
        return msgspec.json.encode({"input_tokens": count})

    def encoder(self, request: Request) -> AnthropicEncoder:
        """A fresh encoder for one stream."""
        return AnthropicEncoder(request.model)

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""
        return write_error(error)

    def _body(self, request: Request) -> tuple[dict[str, Any], tuple[str, ...]]:
        draft, rules = Draft(), traits(DIALECT, request.model)
        body = write_body(request, rules, self.version, draft)
        faults = [*([] if request.model else ["model: a name is needed"]), *draft.faults]
        faults += find_faults(body, rules, self.version)
        if faults:
            raise InvalidRequest(*faults)
        if self.host == "vertex":
            body["anthropic_version"] = self.version
        return body, tuple(draft.notes)

    def _headers(self, request: Request) -> dict[str, str | Secret]:
        headers: dict[str, str | Secret] = {"content-type": "application/json"}
        if self.host == "api":
            headers["anthropic-version"] = self.version
        betas = object_of(request.options.get(DIALECT)).get("betas")
        if betas:
            headers["anthropic-beta"] = ",".join(betas)
        return headers


def _model_in_path(url: str) -> str:
    """The model of a Vertex path ("/{model}:rawPredict"), "" for any other."""
    last = url.partition("?")[0].rsplit("/", 1)[-1]
    model, found, _ = last.rpartition(":")
    return unquote(model) if found else ""

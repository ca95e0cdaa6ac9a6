"""AWS Bedrock Converse and ConverseStream, both directions: the codec that puts the parts of the dialect together.

The model (a name, an inference profile or an ARN) stands in the path, encoded, colons included. The key is a Bedrock API key
as a bearer token, or an access key whose signature `sigv4.sign` puts on the absolute request.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from backstay.codecs.bedrock_answer import read_answer, read_token_count, write_answer
from backstay.codecs.bedrock_encoder import BedrockEncoder
from backstay.codecs.bedrock_error import read_error, write_error
from backstay.codecs.bedrock_part import Draft
from backstay.codecs.bedrock_request import write_body
from backstay.codecs.bedrock_request_read import read_request
from backstay.codecs.bedrock_stream import BedrockDecoder
from backstay.codecs.bedrock_wire import DIALECT, Wire
from backstay.codecs.trait import traits
from backstay.errors import InvalidRequest, LLMError, StatusError
from backstay.types import Request, Response
from backstay.wire import HTTPRequest

_STREAM: Final = "converse-stream"
_COUNTED: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class BedrockCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The Converse dialect."""

    @property
    def name(self) -> str:
        """ "bedrock"."""
        return DIALECT

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The POST that asks `request`. Raises InvalidRequest with every reason the API would refuse it for."""
        body, notes = self._body(request)
        accept = "application/vnd.amazon.eventstream" if stream else "application/json"
        return HTTPRequest(
            url=_path(request.model, _STREAM if stream else "converse"),
            headers={"content-type": "application/json", "accept": accept},
            body=msgspec.json.encode(body),
            notes=notes,
        )

    def decode(self, body: bytes) -> Response:
        """The Response of a whole body. Raises ProtocolError where it is none."""
        return read_answer(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
        """The typed error of an answer with status 400 or above; never raises."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> BedrockDecoder:
        """A fresh decoder for one stream."""
        return BedrockDecoder()

    def encode_count_tokens(self, request: Request) -> HTTPRequest:
        """The POST that asks for the input tokens of `request`, without answering it."""
        body, notes = self._body(request)
        counted = {"input": {"converse": {key: body[key] for key in _COUNTED if key in body}}}
        return HTTPRequest(
            url=_path(request.model, "count-tokens"),
            headers={"content-type": "application/json", "accept": "application/json"},
            body=msgspec.json.encode(counted),
            notes=notes,
        )

    def decode_count_tokens(self, body: bytes) -> int:
        """The count of input tokens in the answer to `encode_count_tokens`."""
        return read_token_count(body)

    def decode_request(self, http: HTTPRequest) -> Request:
        """The Request that a client of this dialect sent. Raises BadRequest naming the field that is wrong."""
        segments = http.url.partition("?")[0].split("/")
        return read_request(http.body, model=unquote(segments[-2]) if len(segments) > 2 else "")

    def is_stream(self, http: HTTPRequest) -> bool:
        """True when the path asks for a stream."""
        return http.url.partition("?")[0].endswith(f"/{_STREAM}")

    def encode_response(self, response: Response) -> bytes:
        """The body of a whole answer."""
        return write_answer(response)

    def encoder(self, request: Request) -> BedrockEncoder:
        """A fresh encoder for one stream."""
        return BedrockEncoder()

    def encode_error(self, error: LLMError) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that tell a client of this dialect about `error`."""
        return write_error(error)

    def _body(self, request: Request) -> tuple[Wire, tuple[str, ...]]:
        rules = traits(DIALECT, request.model)
        draft = Draft(needs_signature=rules.thinking is not None)
        body = write_body(request, rules, draft)
        faults = [*([] if request.model else ["model: a name is needed"]), *draft.faults]
        if faults:
            raise InvalidRequest(*faults)
        return body, tuple(draft.notes)


def _path(model: str, verb: str) -> str:
    return f"/model/{quote(model, safe='')}/{verb}"

"""Embeddings: texts to vectors, as a question and an answer like any other, and the OpenAI dialect of them in both directions.

An `EmbeddingRequest` is a Request whose messages are the texts, and `Embeddings` a Response with vectors, so every layer that
knows a Call and a Reply (retry, time-outs, bookkeeping) serves them unchanged. Nearly every server of embeddings speaks this
dialect. Vectors come as arrays of numbers or as base64 of little-endian 32-bit floats, and in any order: `index` says whose they
are.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from backstay.codecs.base import Decoder
from backstay.codecs.lenient import count_of, objects_of, read_json, text_or_none
from backstay.codecs.media import from_base64, to_base64
from backstay.codecs.openai_error import error_in_body, read_error
from backstay.codecs.openai_outcome import read_usage
from backstay.errors import BadRequest, InvalidRequest, LLMError, ProtocolError
from backstay.types import Metadata, Request, Response, Usage, user
from backstay.wire import HTTPRequest

DIALECT: Final = "openai_embedding"
_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}


class EmbeddingRequest(Request, frozen=True, kw_only=True):
    """Texts to make vectors of, each a user message. `dimensions`: the vectors' length, None for the model's own."""

    dimensions: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, in order."""
        return tuple(message.text for message in self.messages)


class Embeddings(Response, frozen=True, kw_only=True):
    """One vector for each text, in the order of the texts; usage, cost and provenance are those of any Response."""

    vectors: tuple[tuple[float, ...], ...] = ()


def ask_for_vectors(model: str, texts: Sequence[str], **facts: Any) -> EmbeddingRequest:
    """The EmbeddingRequest for `texts`; `facts` are further fields of it."""
    facts.setdefault("max_output_tokens", 0)
    return EmbeddingRequest(model=model, messages=tuple(user(text) for text in texts), temperature=None, **facts)


def texts_of(request: Request) -> tuple[str, ...]:
    """The texts of a request for vectors. Raises InvalidRequest with every fault, and for a request of another kind."""
    if not isinstance(request, EmbeddingRequest):
        raise InvalidRequest("an embedding model gives vectors: ask it with embed()")
    faults = [] if request.model else ["model: there must be one"]
    if not request.texts:
        faults.append("texts: there must be one at least")
    faults += [f"texts[{number}]: an empty text has no vector" for number, text in enumerate(request.texts) if not text]
    if request.dimensions is not None and request.dimensions < 1:
        faults.append(f"dimensions: must be 1 or more, not {request.dimensions}")
    if faults:
        raise InvalidRequest(*faults)
    return request.texts


class VectorCodec(msgspec.Struct, frozen=True, kw_only=True):
    """What the dialects of embeddings share: errors, and that nothing is streamed. `path` is joined to the base URL."""

    path: str = "/embeddings"

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The typed error of an answer with status 400 or above."""
        return read_error(status, headers, body)

    def decoder(self, request: Request | None = None) -> Decoder:
        """Raises InvalidRequest: vectors come whole."""
        raise InvalidRequest("embeddings are not streamed: ask with embed()")


class OpenAIEmbedding(VectorCodec, frozen=True, kw_only=True):
    """The dialect of OpenAI and of the servers like it; some have another word for the length of a vector."""

    dimensions_field: str = "dimensions"

    @property
    def name(self) -> str:
        """ "openai_embedding"."""
        return DIALECT

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every fault."""
        body: dict[str, Any] = {"model": request.model, "input": list(texts_of(request))}
        if isinstance(request, EmbeddingRequest) and request.dimensions is not None:
            body[self.dimensions_field] = request.dimensions
        body |= request.options.get(DIALECT, {})
        return HTTPRequest(url=self.path, headers=_HEADERS, body=msgspec.json.encode(body))

    def decode(self, body: bytes) -> Embeddings:
        """The vectors of a body; see `decode_embedding`."""
        return decode_embedding(body)


def decode_embedding(body: bytes, count: int | None = None) -> Embeddings:
    """The vectors of a body, in the order of the texts.

    Raises StatusError for an error inside a 200, and ProtocolError where a vector is missing, double or unreadable; with
    `count`, also where there is not one vector for each text.
    """
    answer = read_json(body)
    error = error_in_body(answer)
    if error is not None:
        raise error
    rows = objects_of(answer.get("data")) if isinstance(answer, dict) else []
    vectors: dict[int, tuple[float, ...]] = {}
    for place, row in enumerate(rows):
        index = count_of(row.get("index"))
        vectors[place if index is None else index] = read_vector(row.get("embedding"))
    wanted = len(rows) if count is None else count
    if not rows or len(vectors) != wanted or set(vectors) != set(range(wanted)):
        raise ProtocolError(f"the answer holds vectors for {sorted(vectors)[:10]}, not one for each of {wanted} texts")
    usage = read_usage(answer.get("usage"), DIALECT) or Usage()
    if usage.input_tokens is None:  # Voyage states the total alone, and an embedding has no output
        usage = msgspec.structs.replace(usage, input_tokens=usage.stated_total_tokens)
    usage = msgspec.structs.replace(usage, output_tokens=0)
    return Embeddings(
        vectors=tuple(vectors[index] for index in range(wanted)),
        model=text_or_none(answer.get("model")),
        usage=usage,
    )


def read_vector(value: Any) -> tuple[float, ...]:
    """A vector as numbers or as base64. Raises ProtocolError for anything else, and for a vector of nothing."""
    if isinstance(value, str):
        data = from_base64(value)
        if not data or len(data) % 4:
            raise ProtocolError("a vector is no base64 of 32-bit floats")
        return struct.unpack(f"<{len(data) // 4}f", data)
    try:
        vector = msgspec.convert(value, tuple[float, ...])
    except msgspec.ValidationError as error:
        raise ProtocolError(f"a vector is no array of numbers: {error}") from error
    if not vector:
        raise ProtocolError("a vector is empty")
    return vector


class _Body(msgspec.Struct):
    """A client's request on the wire; `input` may hold texts or lists of token ids."""

    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: str = "float"
    user: str | None = None


def decode_embedding_request(http: HTTPRequest) -> EmbeddingRequest:
    """The request of a client; the encoding that it wants is left in `options`. Raises BadRequest that names the wrong field.

    Token ids are refused: they mean something to one tokenizer only.
    """
    try:
        body = msgspec.json.decode(http.body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise BadRequest(f"the request body is not as it should be: {fault}", status=400) from fault
    given = [body.input] if isinstance(body.input, str) else body.input
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) != len(given) or not texts:
        raise BadRequest("input: give one text or more; token ids are not taken", status=400)
    options = {} if body.encoding_format == "float" else {DIALECT: {"encoding_format": body.encoding_format}}
    metadata = Metadata(user=body.user)
    return ask_for_vectors(body.model, texts, dimensions=body.dimensions, options=options, metadata=metadata)


def encode_embedding_response(embeddings: Embeddings, encoding_format: str = "float") -> bytes:
    """The body for a client of this dialect, in the encoding that it asked for ("float" or "base64")."""
    is_packed = encoding_format == "base64"
    rows = [
        {"object": "embedding", "index": index, "embedding": _pack(vector) if is_packed else vector}
        for index, vector in enumerate(embeddings.vectors)
    ]
    tokens = embeddings.usage.input_tokens or 0
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": rows, "model": embeddings.model or "", "usage": usage})


def _pack(vector: tuple[float, ...]) -> str:
    return to_base64(struct.pack(f"<{len(vector)}f", *vector))

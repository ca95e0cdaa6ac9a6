"""Embeddings in the OpenAI dialect, which nearly every server of embeddings speaks, in both directions.

Vectors come as arrays of numbers or as base64 of little-endian 32-bit floats, and in any order: `index` says whose they are.
Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from backstay.codecs.lenient import count_of, objects_of, read_json, text_or_none
from backstay.codecs.media import from_base64, to_base64
from backstay.codecs.openai_error import error_in_body
from backstay.codecs.openai_outcome import read_usage
from backstay.errors import BadRequest, InvalidRequest, ProtocolError
from backstay.types import Usage
from backstay.wire import HTTPRequest

DIALECT: Final = "openai_embedding"


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """One vector for each text, in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...]
    model: str | None = None
    usage: Usage = Usage()


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of this dialect asked for; `input` may hold texts or lists of token ids."""

    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: str = "float"
    user: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts. Raises BadRequest where token ids were given: they mean something to one tokenizer only."""
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = tuple(text for text in given if isinstance(text, str))
        if len(texts) != len(given) or not texts:
            raise BadRequest("input: give one text or more; token ids are not taken", status=400)
        return texts


def encode_embedding(model: str, texts: Sequence[str], dimensions: int | None = None) -> HTTPRequest:
    """The HTTP request for the vectors of `texts`, its url a path. Raises InvalidRequest with every fault."""
    faults = [] if model else ["model: there must be one"]
    if not texts:
        faults.append("texts: there must be one at least")
    faults += [f"texts[{number}]: an empty text has no vector" for number, text in enumerate(texts) if not text]
    if dimensions is not None and dimensions < 1:
        faults.append(f"dimensions: must be 1 or more, not {dimensions}")
    if faults:
        raise InvalidRequest(*faults)
    body: dict[str, Any] = {"model": model, "input": list(texts)}
    if dimensions is not None:
        body["dimensions"] = dimensions
    headers = {"content-type": "application/json", "accept": "application/json"}
    return HTTPRequest(url="/embeddings", headers=headers, body=msgspec.json.encode(body))


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
        vectors[place if index is None else index] = _read_vector(row.get("embedding"))
    wanted = len(rows) if count is None else count
    if not rows or len(vectors) != wanted or set(vectors) != set(range(wanted)):
        raise ProtocolError(f"the answer holds vectors for {sorted(vectors)[:10]}, not one for each of {wanted} texts")
    usage = read_usage(answer.get("usage"), DIALECT) or Usage()
    if usage.input_tokens is None:  # Voyage states the total alone, and an embedding has no output
        usage = msgspec.structs.replace(usage, input_tokens=usage.stated_total_tokens)
    return Embeddings(
        vectors=tuple(vectors[index] for index in range(wanted)),
        model=text_or_none(answer.get("model")),
        usage=usage,
    )


def _read_vector(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        data = from_base64(value)
        if not data or len(data) % 4:
            raise ProtocolError("a vector is no base64 of 32-bit floats")
        return struct.unpack(f"<{len(data) // 4}f", data)
    try:
        return msgspec.convert(value, tuple[float, ...])
    except msgspec.ValidationError as error:
        raise ProtocolError(f"a vector is no array of numbers: {error}") from error


def decode_embedding_request(http: HTTPRequest) -> EmbeddingRequest:
    """The request of a client. Raises BadRequest that names the field which is wrong."""
    try:
        return msgspec.json.decode(http.body, type=EmbeddingRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise BadRequest(f"the request body is not as it should be: {fault}", status=400) from fault


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

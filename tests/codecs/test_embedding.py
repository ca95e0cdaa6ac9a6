"""Embeddings: vectors in the order of the texts, whatever the encoding and order on the wire; none missing in silence."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import errors
from backstay.codecs.embedding import (
    Embeddings,
    decode_embedding,
    decode_embedding_request,
    encode_embedding,
    encode_embedding_response,
)
from backstay.errors import BadRequest, InvalidRequest, ProtocolError
from backstay.types import Usage
from backstay.wire import HTTPRequest

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.lists(FLOATS, min_size=1, max_size=4).map(tuple), min_size=1, max_size=4),
    st.sampled_from(["float", "base64"]),
)
def test_vectors_survive_the_wire(vectors: list[tuple[float, ...]], encoding: str) -> None:
    """In both encodings, every 32-bit float comes back as it was."""
    given_ = Embeddings(vectors=tuple(vectors), model="m", usage=Usage(input_tokens=3))
    back = decode_embedding(encode_embedding_response(given_, encoding), len(vectors))
    assert (back.vectors, back.model, back.usage.input_tokens) == (given_.vectors, "m", 3)


def test_a_request_survives_the_wire() -> None:
    """Model, texts and dimensions, and nothing that was not asked for."""
    http = encode_embedding("m", ["a", "b"], 8)
    assert http.url == "/embeddings"
    asked = decode_embedding_request(http)
    assert (asked.model, asked.texts, asked.dimensions, asked.encoding_format) == ("m", ("a", "b"), 8, "float")
    assert "dimensions" not in msgspec.json.decode(encode_embedding("m", ["a"]).body)


def test_faults_come_at_once() -> None:
    """No model, an empty text, no dimension."""
    with pytest.raises(InvalidRequest) as caught:
        encode_embedding("", ["a", ""], 0)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["model", "texts[1]", "dimensions"]
    with pytest.raises(InvalidRequest):
        encode_embedding("m", [])


def row(index: int | None, vector: Any = (1.0,)) -> dict[str, Any]:
    return {"embedding": vector} if index is None else {"index": index, "embedding": vector}


def test_the_index_says_whose_vector_it_is() -> None:
    """Answers in another order are put right; without indices the order stands."""
    assert decode_embedding(json.dumps({"data": [row(1, [2.0]), row(0, [1.0])]}).encode()).vectors == ((1.0,), (2.0,))
    assert decode_embedding(json.dumps({"data": [row(None, [2]), row(None, [1])]}).encode()).vectors == ((2.0,), (1.0,))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"data": [row(0), row(0)]},
        {"data": [row(1)]},
        {"data": [row(0, "x")]},
        {"data": [row(0, ["x"])]},
        {"data": [row(0, None)]},
        [],
    ],
)
def test_a_missing_or_damaged_vector_is_no_answer(body: Any) -> None:
    """Never fewer vectors than texts, never a vector of nothing."""
    with pytest.raises(ProtocolError):
        decode_embedding(json.dumps(body).encode())


def test_the_count_of_texts_is_checked() -> None:
    """One vector for two texts is an error although the answer looks well."""
    body = json.dumps({"data": [row(0)]}).encode()
    assert len(decode_embedding(body, 1).vectors) == 1
    with pytest.raises(ProtocolError, match="not one for each of 2 texts"):
        decode_embedding(body, 2)


def test_an_error_in_a_200_is_typed() -> None:
    """As for answers."""
    with pytest.raises(errors.RateLimited):
        decode_embedding(b'{"error": {"message": "x", "code": 429}}')


def test_a_total_alone_is_the_input() -> None:
    """An embedding has no output, so the only count is the input's."""
    body = {"data": [row(0)], "usage": {"total_tokens": 7}}
    assert decode_embedding(json.dumps(body).encode()).usage.input_tokens == 7


@pytest.mark.parametrize("given_", [[1, 2], [[1], [2]], []])
def test_token_ids_are_not_taken(given_: Any) -> None:
    """They belong to one tokenizer, so a gateway cannot send them elsewhere."""
    asked = decode_embedding_request(HTTPRequest(url="/", body=json.dumps({"model": "m", "input": given_}).encode()))
    with pytest.raises(BadRequest):
        _ = asked.texts
    with pytest.raises(BadRequest, match="input"):
        decode_embedding_request(HTTPRequest(url="/", body=b'{"model": "m", "input": 7}'))

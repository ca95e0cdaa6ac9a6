"""Embeddings: vectors in the order of the texts, whatever the encoding and order on the wire; none missing in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_record import read_records

from backstay import errors
from backstay.codecs.embedding import (
    Embeddings,
    OpenAIEmbedding,
    ask_for_vectors,
    decode_embedding,
    decode_embedding_request,
    encode_embedding_response,
)
from backstay.codecs.embedding_other import GeminiEmbedding, OllamaEmbedding, VertexEmbedding
from backstay.codecs.registry import provider
from backstay.errors import BadRequest, InvalidRequest, ProtocolError
from backstay.types import Request, Usage
from backstay.wire import HTTPRequest

CODEC = OpenAIEmbedding()
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
    given_ = ask_for_vectors("m", ["a", "b"], dimensions=8, options={"openai_embedding": {"encoding_format": "base64"}})
    http = CODEC.encode(given_)
    assert http.url == "/embeddings"
    assert decode_embedding_request(http) == given_
    assert set(msgspec.json.decode(CODEC.encode(ask_for_vectors("m", ["a"])).body)) == {"model", "input"}


def test_a_server_may_have_its_own_word_for_dimensions() -> None:
    """Mistral's is `output_dimension`."""
    body = msgspec.json.decode(
        provider("mistral").embedding_codec().encode(ask_for_vectors("m", ["a"], dimensions=8)).body
    )
    assert body == {"model": "m", "input": ["a"], "output_dimension": 8}


def test_faults_come_at_once() -> None:
    """No model, an empty text, no dimension."""
    with pytest.raises(InvalidRequest) as caught:
        CODEC.encode(ask_for_vectors("", ["a", ""], dimensions=0))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["model", "texts[1]", "dimensions"]
    with pytest.raises(InvalidRequest):
        CODEC.encode(ask_for_vectors("m", []))
    with pytest.raises(InvalidRequest, match="embed"):
        CODEC.encode(Request(model="m"))
    with pytest.raises(InvalidRequest, match="not streamed"):
        CODEC.decoder()


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
        {"data": [row(0, [])]},
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
    with pytest.raises(BadRequest, match="token ids"):
        decode_embedding_request(HTTPRequest(url="/", body=json.dumps({"model": "m", "input": given_}).encode()))
    with pytest.raises(BadRequest, match="input"):
        decode_embedding_request(HTTPRequest(url="/", body=b'{"model": "m", "input": 7}'))


GOOGLE = ask_for_vectors("gemini-embedding-001", ["a", "b"], dimensions=8)
NEWER = ask_for_vectors("gemini-embedding-2", ["a"])


def test_gemini_takes_a_batch_and_says_the_model_twice() -> None:
    """One request for each text, the model in the path and in each of them."""
    http = GeminiEmbedding(path="batchEmbedContents").encode(GOOGLE)
    rows = msgspec.json.decode(http.body)["requests"]
    assert http.url == "/models/gemini-embedding-001:batchEmbedContents"
    assert [row["content"]["parts"][0]["text"] for row in rows] == ["a", "b"]
    assert {(row["model"], row["outputDimensionality"]) for row in rows} == {("models/gemini-embedding-001", 8)}


def test_vertex_has_a_verb_for_older_and_one_for_newer_models() -> None:
    """`predict` takes many texts, `embedContent` one; more are refused here."""
    codec = VertexEmbedding(path="predict")
    old, new = codec.encode(GOOGLE), codec.encode(NEWER)
    assert old.url == "/models/gemini-embedding-001:predict"
    assert msgspec.json.decode(old.body) == {
        "instances": [{"content": "a"}, {"content": "b"}],
        "parameters": {"outputDimensionality": 8},
    }
    assert new.url == "/models/gemini-embedding-2:embedContent"
    with pytest.raises(InvalidRequest, match="one text a request"):
        codec.encode(ask_for_vectors("gemini-embedding-2", ["a", "b"]))


@pytest.mark.parametrize(
    ("body", "count", "tokens"),
    [
        ({"embeddings": [{"values": [1, 2]}, {"values": [3, 4]}]}, 2, None),
        ({"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 4}}, 1, 4),
        ({"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 3.0}}}]}, 1, 3),
        ({"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 3}}}] * 2}, 2, 6),
    ],
)
def test_google_answers_in_three_shapes(body: Any, count: int, tokens: int | None) -> None:
    """Batch, single and prediction; tokens where they are told."""
    found = VertexEmbedding().decode(json.dumps(body).encode())
    assert (len(found.vectors), found.usage.input_tokens) == (count, tokens)


@pytest.mark.parametrize("body", [{}, {"embeddings": []}, {"embeddings": [{}]}, {"embedding": {"values": ["x"]}}, []])
@pytest.mark.parametrize("codec", [GeminiEmbedding(), OllamaEmbedding()])
def test_no_vector_is_no_answer(codec: Any, body: Any) -> None:
    """In the other dialects too."""
    with pytest.raises(ProtocolError):
        codec.decode(json.dumps(body).encode())


def test_ollama_takes_texts_and_gives_bare_vectors() -> None:
    """`/api/embed`, with its count of tokens."""
    codec = OllamaEmbedding(path="/api/embed")
    assert msgspec.json.decode(codec.encode(GOOGLE).body) == {
        "model": "gemini-embedding-001",
        "input": ["a", "b"],
        "dimensions": 8,
    }
    found = codec.decode(b'{"model": "m", "embeddings": [[1, 2]], "prompt_eval_count": 5}')
    assert (found.vectors, found.model, found.usage.total_tokens) == (((1.0, 2.0),), "m", 5)
    with pytest.raises(errors.LLMError):
        codec.decode(b'{"error": "model not found"}')


@pytest.mark.corpus
def test_recorded_embeddings_are_read(corpus: Path) -> None:
    """Every recorded answer gives vectors of one length; every recorded error is typed."""
    kinds = {"embeddings": OpenAIEmbedding(), "embedContent": VertexEmbedding(), "ollama_embed": OllamaEmbedding()}
    count = 0
    for record in read_records(corpus / "wire" / "dev.jsonl.gz"):
        dialect = kinds.get(record.api)
        if dialect is None:
            continue
        count += 1
        if record.kind == "error":
            assert isinstance(dialect.decode_error(record.status, record.headers, record.body), errors.StatusError)
            continue
        found = dialect.decode(record.body)
        if record.request is not None:
            texts = record.request.get("input") or record.request.get("requests") or "one"
            assert len(found.vectors) == (1 if isinstance(texts, str) else len(texts)), record.id
        assert len({len(vector) for vector in found.vectors}) == 1
    assert count >= 30

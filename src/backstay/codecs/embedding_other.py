"""Embeddings of Gemini, of Vertex AI and of Ollama's own API: the dialects beside OpenAI's.

Gemini embeds a batch under one verb and counts its tokens in newer models only. Vertex has two verbs: `predict` for the older
models, `embedContent`, one text at a time, for the newer ones.

Source: https://ai.google.dev/api/embeddings, https://docs.ollama.com/api/embed,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from backstay.codecs import gemini_error
from backstay.codecs.embedding import EmbeddingRequest, Embeddings, VectorCodec, read_vector, texts_of
from backstay.codecs.lenient import count_of, object_of, objects_of, read_json, text_or_none
from backstay.codecs.openai_error import error_in_body
from backstay.errors import InvalidRequest, LLMError, ProtocolError
from backstay.types import Request, Usage
from backstay.wire import HTTPRequest

_HEADERS: Final = {"content-type": "application/json"}
_PREDICTED: Final = ("gemini-embedding-001", "text-embedding-", "text-multilingual-embedding-", "textembedding-")
"""How the names of the models begin that Vertex serves under `predict`."""


def _post(url: str, body: dict[str, Any], request: Request, dialect: str) -> HTTPRequest:
    return HTTPRequest(
        url=url, headers=_HEADERS, body=msgspec.json.encode({**body, **request.options.get(dialect, {})})
    )


def _dimensions(request: Request) -> int | None:
    return request.dimensions if isinstance(request, EmbeddingRequest) else None


def _sized(name: str, request: Request) -> dict[str, Any]:
    size = _dimensions(request)
    return {} if size is None else {name: size}


class GeminiEmbedding(VectorCodec, frozen=True, kw_only=True):
    """Gemini's own; `path` is the verb."""

    @property
    def name(self) -> str:
        """ "gemini_embedding"."""
        return "gemini_embedding"

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every fault."""
        texts = texts_of(request)
        model = request.model if "/" in request.model else f"models/{request.model}"
        rows = [
            {"model": model, "content": {"parts": [{"text": text}]}, **_sized("outputDimensionality", request)}
            for text in texts
        ]
        return _post(f"/{quote(model, safe='/@')}:{self.path}", {"requests": rows}, request, self.name)

    def decode(self, body: bytes) -> Embeddings:
        """The vectors of a body, of one text or of many. Raises ProtocolError where there are none."""
        return _read_google(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
        """The typed error of an answer with status 400 or above."""
        return gemini_error.read_error(status, headers, body)


class VertexEmbedding(GeminiEmbedding, frozen=True, kw_only=True):
    """The same models on Vertex AI; `path` is the verb of the older ones."""

    @property
    def name(self) -> str:
        """ "vertex_embedding"."""
        return "vertex_embedding"

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every fault."""
        texts, model = texts_of(request), quote(request.model, safe="@")
        if request.model.startswith(_PREDICTED):
            size = _sized("outputDimensionality", request)
            body = {"instances": [{"content": text} for text in texts], **({"parameters": size} if size else {})}
            return _post(f"/models/{model}:{self.path}", body, request, self.name)
        if len(texts) > 1:
            raise InvalidRequest(f"texts: {request.model} embeds one text a request on Vertex; ask for each by itself")
        content = {"content": {"parts": [{"text": texts[0]}]}, **_sized("outputDimensionality", request)}
        return _post(f"/models/{model}:embedContent", content, request, self.name)


class OllamaEmbedding(VectorCodec, frozen=True, kw_only=True):
    """Ollama's own."""

    @property
    def name(self) -> str:
        """ "ollama_embedding"."""
        return "ollama_embedding"

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        """The HTTP request, its url a path. Raises InvalidRequest with every fault."""
        body = {"model": request.model, "input": list(texts_of(request)), **_sized("dimensions", request)}
        return _post(self.path, body, request, self.name)

    def decode(self, body: bytes) -> Embeddings:
        """The vectors of a body. Raises ProtocolError where there are none."""
        answer = _read(body)
        rows = answer.get("embeddings") or [answer.get("embedding")]  # the older API gives one vector by itself
        if not isinstance(rows, list) or rows == [None]:
            raise ProtocolError("the answer holds no vectors")
        usage = Usage(input_tokens=count_of(answer.get("prompt_eval_count")), output_tokens=0)
        vectors = tuple(read_vector(row) for row in rows)
        return Embeddings(vectors=vectors, model=text_or_none(answer.get("model")), usage=usage)


def _read(body: bytes) -> dict[str, Any]:
    """The object of a body. Raises ProtocolError, or the typed error that stands in a 200."""
    answer = read_json(body)
    error = error_in_body(answer)
    if error is not None:
        raise error
    return object_of(answer)


def _read_google(body: bytes) -> Embeddings:
    answer = _read(body)
    predictions = [object_of(row.get("embeddings")) for row in objects_of(answer.get("predictions"))]
    rows = predictions or objects_of(answer.get("embeddings")) or [object_of(answer.get("embedding"))]
    vectors = tuple(read_vector(row.get("values")) for row in rows)
    stated = count_of(object_of(answer.get("usageMetadata")).get("promptTokenCount"))
    counts = [count_of(object_of(row.get("statistics")).get("token_count")) for row in predictions]
    known = [count for count in counts if count is not None]
    if stated is None and predictions and len(known) == len(counts):
        stated = sum(known)
    return Embeddings(vectors=vectors, usage=Usage(input_tokens=stated, output_tokens=0))

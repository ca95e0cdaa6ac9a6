"""What the mirrors write has the shape that the official OpenAI SDK's types demand, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response as SDKResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from backstay.codecs.embedding import Embeddings, encode_embedding_response
from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.openai_responses import OpenAIResponses
from backstay.fold import unfold
from backstay.types import (
    AnyPart,
    Reasoning,
    Refusal,
    Request,
    Response,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)

CALL = ToolCall(id="call_1", name="add", arguments={"a": 1})
ANSWERS: dict[str, tuple[AnyPart, ...]] = {
    "text": (Text(text="Hello"),),
    "reasoning and text": (Reasoning(text="Hm", signature="s"), Text(text="Hello")),
    "refusal": (Refusal(text="No."),),
    "calls": (Text(text="So:"), CALL, ToolCall(id="call_2", name="mul")),
    "nothing": (),
}


def answer(name: str) -> Response:
    reason: Any = {"calls": "tool_call", "refusal": "refusal"}.get(name, "stop")
    return Response(
        parts=ANSWERS[name],
        finish_reason=reason,
        id="r_1",
        model="m",
        created_at=5.0,
        usage=Usage(input_tokens=3, output_tokens=2),
        logprobs=(TokenLogprob(token="H", logprob=-0.1, top=(("J", -2.0),)),) if name == "text" else None,
    )


def events(codec: Any, name: str) -> list[bytes]:
    encoder = codec.encoder(Request(model="m"))
    body = b"".join(encoder.encode(event) for event in unfold(answer(name))) + encoder.finish()
    return [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ") and line != b"data: [DONE]"]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_chat_answer_fits(name: str) -> None:
    """A whole answer validates strictly and says the same."""
    found = ChatCompletion.model_validate_json(OpenAIChat().encode_response(answer(name)))
    message = found.choices[0].message
    assert (message.content or "") == answer(name).text
    assert message.refusal == answer(name).refusal
    assert [call.id for call in message.tool_calls or []] == [call.id for call in answer(name).tool_calls]
    assert found.usage is not None
    assert found.usage.total_tokens == 5


@pytest.mark.parametrize("name", ANSWERS)
def test_a_chat_stream_fits(name: str) -> None:
    """Every chunk validates; the last but one holds the finish reason, the last the usage."""
    chunks = [ChatCompletionChunk.model_validate_json(data) for data in events(OpenAIChat(), name)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == answer(name).text
    assert chunks[-2].choices[0].finish_reason is not None
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


@pytest.mark.parametrize("name", ANSWERS)
def test_a_responses_answer_fits(name: str) -> None:
    """A whole answer validates and says the same."""
    found = SDKResponse.model_validate_json(OpenAIResponses().encode_response(answer(name)))
    assert found.output_text == answer(name).text
    assert found.status == "completed"


@pytest.mark.parametrize("name", ANSWERS)
def test_a_responses_stream_fits(name: str) -> None:
    """Every event validates as one of the SDK's kinds; the last one holds the whole answer."""
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    found = [adapter.validate_json(data) for data in events(OpenAIResponses(), name)]
    assert found[-1].type == "response.completed"
    assert found[-1].response.output_text == answer(name).text
    deltas = [event.delta for event in found if event.type == "response.output_text.delta"]
    assert "".join(deltas) == answer(name).text


def test_embeddings_fit() -> None:
    """Vectors, order and usage."""
    body = encode_embedding_response(
        Embeddings(vectors=((1.0, 2.0), (3.0, 4.0)), model="m", usage=Usage(input_tokens=2))
    )
    found = CreateEmbeddingResponse.model_validate(json.loads(body))
    assert [row.embedding for row in found.data] == [[1.0, 2.0], [3.0, 4.0]]

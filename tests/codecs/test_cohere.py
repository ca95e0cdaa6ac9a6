"""Cohere is asked at its Chat Completions endpoint: address, key, fields, a stream, vectors and an error of its own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.config import load
from backstay.errors import AuthenticationFailed
from backstay.ledger.memory import MemoryLedger
from backstay.secret import Secret
from backstay.sim import sim_world
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer
from backstay.types import Tool

BASE = "https://api.cohere.ai/compatibility/v1"
HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "command-a-03-2025"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def sse(*chunks: dict[str, Any]) -> Answer:
    body = "".join(f"data: {json.dumps({**HEAD, **chunk})}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Answer(headers={"content-type": "text/event-stream"}, body=body.encode())


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def client(tmp_path: Path, *answers: Answer) -> tuple[Client, FakeTransport]:
    transport = FakeTransport(*answers)
    loaded = load(
        environ={"COHERE_API_KEY": "made-up"},
        arguments={"model": "cohere:command-a-03-2025"},
        cwd=tmp_path,
        user_folder=tmp_path,
    )
    return Client(loaded=loaded, transport=transport, world=sim_world(1), ledger=MemoryLedger()), transport


async def test_a_stream_with_a_call(tmp_path: Path) -> None:
    """Text, a tool call in fragments, and the usage; the request has no field that the endpoint refuses."""
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": '{"city":"Oslo"}'}}
    asked, transport = client(
        tmp_path,
        sse(
            delta(role="assistant", content="I will"),
            delta(content=" look."),
            delta(tool_calls=[call]),
            delta(tool_calls=[more]),
            {**delta("tool_calls"), "usage": USAGE},
        ),
    )
    tool = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
    async with asked.stream("Weather in Oslo?", tools=(tool,), tool_choice="required") as answer:
        response = await answer.response()
    assert response.text == "I will look."
    assert [(made.name, made.arguments) for made in response.tool_calls] == [("weather", {"city": "Oslo"})]
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5, 2)
    sent = transport.requests[0]
    assert sent.url == f"{BASE}/chat/completions"
    assert sent.headers["authorization"] == Secret("Bearer made-up")
    wire = json.loads(sent.body)
    assert wire["model"] == "command-a-03-2025"
    assert wire["tool_choice"] == "required"
    assert not {"top_k", "user", "parallel_tool_calls"} & wire.keys()


async def test_vectors(tmp_path: Path) -> None:
    """Embeddings come from the same endpoint."""
    rows = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    asked, transport = client(tmp_path, Answer(body=json.dumps({"data": rows, "usage": {"prompt_tokens": 3}}).encode()))
    found = await asked.embed("a text", model="cohere:embed-v4.0")
    assert found.vectors == ((0.5, 0.25),)
    assert transport.requests[0].url == f"{BASE}/embeddings"


async def test_an_error_in_its_own_form(tmp_path: Path) -> None:
    """The message stands at the top level."""
    asked, _ = client(tmp_path, Answer(status=401, body=b'{"id":"e1","message":"invalid api token"}'))
    with pytest.raises(AuthenticationFailed, match="invalid api token"):
        await asked.generate("Hi")

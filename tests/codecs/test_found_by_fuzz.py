"""What mutated traffic has broken once: each case ends in an answer or in one of our errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backstay.codecs.eventstream import write_message
from backstay.codecs.registry import codec
from backstay.errors import LLMError
from backstay.event import PartDone
from backstay.fold import fold
from backstay.types import Request, Response


def chunk(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def choice(**fields: Any) -> list[Any]:
    return [{"index": 0, "delta": {"content": "a"}, **fields}]


@pytest.mark.parametrize("odd", [[1], "x", 7, True])
@pytest.mark.parametrize("name", ["choice", "message"])
def test_a_top_field_may_have_the_name_of_a_lower_one(name: str, odd: Any) -> None:
    """Unknown fields are kept by their place; one of another kind in that place gives way."""
    body = chunk(id="c", choices=choice(), **{name: odd})
    body += chunk(id="c", choices=[{"index": 0, "delta": {"content": "b", "odd": 1}, "odd": 1}])
    body += chunk(id="c", choices=choice(finish_reason="stop")) + b"data: [DONE]\n\n"
    decoder = codec("openai_chat").decoder()
    assert fold([*decoder.feed(body), *decoder.finish()]).text == "aba"


@pytest.mark.parametrize("created", [float("nan"), float("inf"), 1e300, -1, 1_765_887_568_000])
@pytest.mark.parametrize("client", ["openai_chat", "openai_responses", "ollama"])
def test_a_time_that_is_none_is_not_passed_on(client: str, created: float) -> None:
    """NaN, the far future and milliseconds tell no time; the answer is worth as much without one."""
    body = {"id": "c", "created": created, "choices": [{"index": 0, "message": {"content": "a"}}]}
    response = codec("openai_chat").decode(json.dumps(body).encode())
    assert response.created_at is None
    assert codec(client).decode(codec(client).encode_response(response)).text == "a"


def event(kind: str, **payload: Any) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return write_message(headers, json.dumps({"contentBlockIndex": 0, **payload}).encode())


@pytest.mark.parametrize("start", [{"input": {}}, {"input": 7}, {"input": None}, {}])
@pytest.mark.parametrize("delta", [{"input": {}}, {"input": "{}"}, {"input": [1]}])
def test_a_servers_tool_in_pieces_of_any_kind(start: Any, delta: Any) -> None:
    """A block that has no name here is joined from its pieces, whatever they are."""
    tool = {"toolUseId": "t", "name": "n", "type": "server_tool_use", **start}
    body = event("contentBlockStart", start={"toolUse": tool}) + event("contentBlockDelta", delta={"toolUse": delta})
    body += event("contentBlockStart", start={"toolResult": "x"}, contentBlockIndex=1)
    body += event("contentBlockDelta", delta={"toolResult": [{"text": "y"}]}, contentBlockIndex=1)
    body += event("contentBlockStop") + event("contentBlockStop", contentBlockIndex=1)
    body += event("messageStop", stopReason="end_turn")
    dialect = codec("bedrock")
    decoder, encoder = dialect.decoder(), dialect.encoder(Request(model="m"))
    try:
        events = [*decoder.feed(body), *decoder.finish()]
    except LLMError:
        return
    for each in events:
        encoder.encode(each)
    assert isinstance(fold(events), Response)
    assert any(isinstance(each, PartDone) for each in events)

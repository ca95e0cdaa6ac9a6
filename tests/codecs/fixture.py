"""Answers and streams of Chat Completions servers, written for these tests after the quirks of each kind of server.

Each is a `Record`, so that the wire table checks it as it checks recorded traffic; `STREAMS` also says the Response in words.
"""

from __future__ import annotations

import json
from typing import Any

from wire_record import Record

HEAD = {"id": "c-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m-1"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def sse(*chunks: Any, done: bool = True, end: str = "\n\n") -> bytes:
    """An event stream of JSON chunks; a string is written as it stands."""
    frames = [chunk if isinstance(chunk, str) else "data: " + json.dumps(chunk, ensure_ascii=False) for chunk in chunks]
    frames += ["data: [DONE]"] if done else []
    return "".join(frame + end for frame in frames).encode()


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk with one choice."""
    return {**HEAD, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **fields}


def call(index: int | None, *, id: str | None = None, name: str | None = None, text: str = "") -> dict[str, Any]:
    """One fragment of a tool call."""
    function = {"arguments": text} if name is None else {"name": name, "arguments": text}
    fragment: dict[str, Any] = {"function": function}
    for field, value in (("index", index), ("id", id)):
        if value is not None:
            fragment[field] = value
    return {"tool_calls": [fragment]}


def answer(message: dict[str, Any], finish: str | None = "stop", **fields: Any) -> dict[str, Any]:
    """A whole answer."""
    body = {"id": "c-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m-1", "usage": USAGE}
    return {**body, "choices": [{"index": 0, "message": message, "finish_reason": finish}], **fields}


def record(body: Any, *, name: str, status: int = 200, headers: dict[str, str] | None = None) -> Record:
    """A body as the table takes it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    is_stream = status < 400 and isinstance(body, bytes)
    return Record(
        id=name,
        api="chat_completions",
        provider="fixture",
        model="m-1",
        status=status,
        is_streaming=is_stream,
        headers=headers or {},
        body=data,
        request=None,
        fidelity="fixture",
        tags=(),
    )


CALLS = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]

ANSWERS: dict[str, Any] = {
    "text": answer({"role": "assistant", "content": "Hello"}),
    "refusal": answer({"role": "assistant", "content": None, "refusal": "No."}),
    "calls said to be a stop": answer({"role": "assistant", "content": None, "tool_calls": CALLS}),
    "calls said to be calls": answer({"role": "assistant", "content": "", "tool_calls": CALLS}, "tool_calls"),
    "calls cut by the limit": answer({"role": "assistant", "content": None, "tool_calls": CALLS}, "length"),
    "arguments that are no object": answer(
        {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": '{"a": '}}]}, "length"
    ),
    "arguments encoded twice": answer(
        {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": '"{\\"a\\": 2}"'}}]}
    ),
    "reasoning_content": answer({"role": "assistant", "content": "4", "reasoning_content": "2 + 2"}),
    "reasoning": answer({"role": "assistant", "content": "4", "reasoning": "2 + 2"}),
    "reasoning_details": answer(
        {
            "role": "assistant",
            "content": "4",
            "reasoning": "2 + 2",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "2 + 2", "signature": "sig", "format": "f-1", "index": 0},
                {"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "rs_1", "format": "f-1", "index": 1},
            ],
        }
    ),
    "thinking parts": answer(
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "2 + 2"}]},
                {"type": "text", "text": "4"},
            ],
        }
    ),
    "usage with reasoning on top": answer(
        {"role": "assistant", "content": "4"},
        usage={
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 22,
            "completion_tokens_details": {"reasoning_tokens": 7},
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    ),
    "usage with the cache beside": answer(
        {"role": "assistant", "content": "4"},
        usage={
            "prompt_tokens": 3,
            "completion_tokens": 5,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
    ),
    "a legacy function call": answer(
        {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}}, "function_call"
    ),
    "an error in a 200": {"error": {"message": "Provider failed", "code": 502}},
    "an error in the choice": {"choices": [{"index": 0, "message": {}, "error": {"message": "x", "code": 502}}]},
}

STREAMS: dict[str, bytes] = {
    "text": sse(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, "stop"),
    ),
    "separators inside the text": sse(chunk({"content": "a\u2028b\u0085c"}), chunk({}, "stop")),
    "carriage returns": sse(chunk({"content": "Hello"}), chunk({}, "stop"), end="\r\n\r\n"),
    "comments and pings": sse(": PROCESSING", chunk({"content": "Hello"}), ": keep-alive", chunk({}, "stop")),
    "usage in a last chunk": sse(
        chunk({"content": "Hello"}, usage=None), chunk({}, "stop", usage=None), {**HEAD, "choices": [], "usage": USAGE}
    ),
    "usage with the finish, twice": sse(
        chunk({"content": "Hello"}), chunk({}, "stop", usage=USAGE), chunk({}, "stop", usage=USAGE)
    ),
    "usage in the server's own object": sse(chunk({"content": "Hello"}), chunk({}, "stop", x_groq={"usage": USAGE})),
    "a first chunk without a choice": sse(
        {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": []},
        chunk({"content": "Hello"}),
        chunk({}, "stop"),
    ),
    "no [DONE]": sse(chunk({"content": "Hello"}), chunk({}, "stop"), done=False),
    "no finish reason": sse(chunk({"content": "Hello"})),
    "calls in fragments": sse(
        chunk(call(0, id="call_1", name="add")),
        chunk(call(0, text='{"a"')),
        chunk(call(1, id="call_2", name="mul", text="{")),
        chunk(call(0, text=": 1}")),
        chunk(call(1, text="}")),
        chunk({}, "tool_calls"),
    ),
    "calls whole, said to be a stop": sse(
        chunk(call(0, id="call_1", name="add", text="{}")),
        chunk(call(1, id="call_2", name="mul", text="{}")),
        chunk({}, "stop"),
    ),
    "a call without index": sse(chunk(call(None, id="call_1", name="add", text='{"a": 1}')), chunk({}, "tool_calls")),
    "reasoning then text": sse(
        chunk({"reasoning_content": "2 "}),
        chunk({"reasoning_content": "+ 2"}),
        chunk({"content": "4"}),
        chunk({}, "stop"),
    ),
    "reasoning beside nulls": sse(
        chunk({"content": None, "reasoning": "2 + 2", "tool_calls": None}),
        chunk({"content": "4", "reasoning": None}),
        chunk({}, "stop"),
    ),
    "reasoning details": sse(
        chunk({"reasoning": "2 ", "reasoning_details": [{"type": "reasoning.text", "text": "2 ", "index": 0}]}),
        chunk({"reasoning": "+ 2", "reasoning_details": [{"type": "reasoning.text", "text": "+ 2", "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "sig", "format": "f-1", "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "b3Bh", "id": "rs_1", "index": 1}]}),
        chunk({"content": "4"}),
        chunk({}, "stop"),
    ),
    "thinking parts": sse(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "2 "}]}]}),
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "+ 2"}]}]}),
        chunk({"content": "4"}),
        chunk({}, "stop"),
    ),
    "a refusal": sse(chunk({"refusal": "No"}), chunk({"refusal": "."}), chunk({}, "stop")),
    "a filter result without a delta": sse(
        chunk({"content": "Hello"}),
        {**HEAD, "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"start": 0}}]},
        chunk({}, "stop"),
    ),
    "a second choice": sse(
        chunk({"content": "Hello"}), {**HEAD, "choices": [{"index": 1, "delta": {"content": "x"}}]}, chunk({}, "stop")
    ),
    "an error first": sse({"error": {"message": "busy", "type": "overloaded_error", "code": 529}}),
    "an error midway": sse(
        chunk({"content": "Hel"}), 'event: error\ndata: {"error": {"message": "x", "code": "server_error"}}', done=False
    ),
}

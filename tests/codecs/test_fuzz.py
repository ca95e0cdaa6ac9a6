"""Bodies in which any value may be of any kind: decoding, encoding again and reading requests end in our errors or not at all.

The mutations keep the JSON well formed and change what it says: a null for a list, a number for a name, a missing field. That is
what servers do to us, and it reaches deeper than damaged bytes, which already fail at the JSON reader.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from fixture import ANSWERS, STREAMS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ollama import FIXTURES as OLLAMA
from test_responses import FIXTURES as RESPONSES

from backstay.codecs.base import Codec
from backstay.codecs.registry import codec
from backstay.errors import LLMError
from backstay.fold import fold
from backstay.types import Request
from backstay.wire import HTTPRequest

ODD: list[Any] = [None, [], {}, 7, -1, 1.5, True, "x", "", [None], [1], [{}], {"a": 1}, ["x"]]
BODIES: dict[str, list[Any]] = {
    "openai_chat": [*ANSWERS.values(), *STREAMS.values()],
    "openai_responses": list(RESPONSES.values()),
    "ollama": list(OLLAMA.values()),
}
CALL = {"id": "c", "call_id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CLIENT: dict[str, Any] = {
    "model": "m",
    "instructions": "x",
    "stream": True,
    "messages": [
        {"role": "system", "content": "x"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:,"}}],
        },
        {"role": "assistant", "content": "x", "tool_calls": [CALL], "reasoning_details": [{"type": "t", "text": "x"}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}], "images": ["x"]},
    ],
    "input": [
        {"role": "developer", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "x"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
    ],
    "tools": [{"type": "function", "name": "f", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": {"type": "function", "name": "f", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"anyOf": [{}]}}},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
    "reasoning": {"effort": "low"},
    "options": {"seed": 1, "stop": ["x"]},
    "include": ["x"],
    "format": {},
    "stream_options": {"include_usage": True},
}


def mutate(value: Any, chance: random.Random, rate: float) -> Any:
    """`value` with some of its parts replaced or missing."""
    if chance.random() < rate:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {name: mutate(field, chance, rate) for name, field in value.items() if chance.random() > rate / 2}
    return [mutate(item, chance, rate) for item in value] if isinstance(value, list) else value


def mutate_body(body: Any, chance: random.Random, rate: float) -> bytes:
    """A JSON body, or each JSON line of a stream, mutated."""
    if not isinstance(body, bytes):
        return json.dumps(mutate(body, chance, rate)).encode()
    lines = []
    for line in body.split(b"\n"):
        start, text = (line[:6], line[6:]) if line.startswith(b"data: ") else (b"", line)
        is_json = text.startswith(b"{") and text.endswith(b"}")
        lines.append(start + json.dumps(mutate(json.loads(text), chance, rate)).encode() if is_json else line)
    return b"\n".join(lines)


def both_ways(dialect: Codec, body: bytes) -> None:
    """Decode as an answer and as a stream, and encode what came out."""
    for read in (dialect.decode, lambda data: stream(dialect, data)):
        try:
            dialect.encode_response(read(body))
        except LLMError:
            continue


def stream(dialect: Codec, body: bytes) -> Any:
    decoder, encoder = dialect.decoder(), dialect.encoder(Request(model="m"))
    events = decoder.feed(body) + decoder.finish()
    for event in events:
        encoder.encode(event)
    encoder.finish()
    return fold(events)


def client(dialect: Codec, body: bytes) -> None:
    """Read as a client's request, and encode what came out."""
    try:
        dialect.encode(dialect.decode_request(HTTPRequest(url="/", body=body)))
    except LLMError:
        pass


@pytest.mark.parametrize("name", BODIES)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 1000), rate=st.sampled_from([0.02, 0.05, 0.2]))
@settings(max_examples=250, deadline=None)
def test_answers_of_any_kinds_raise_only_our_errors(name: str, seed: int, which: int, rate: float) -> None:
    """decode, decoder, encode_response and encoder hold for every mutation."""
    bodies = BODIES[name]
    both_ways(codec(name), mutate_body(bodies[which % len(bodies)], random.Random(seed), rate))


@pytest.mark.parametrize("name", BODIES)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.0, 0.02, 0.05, 0.2]))
@settings(max_examples=250, deadline=None)
def test_requests_of_any_kinds_raise_only_our_errors(name: str, seed: int, rate: float) -> None:
    """decode_request and encode hold for every mutation of a client's body."""
    client(codec(name), mutate_body(CLIENT, random.Random(seed), rate))


@pytest.mark.parametrize("name", BODIES)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 1000), status=st.integers(400, 599))
@settings(max_examples=100, deadline=None)
def test_errors_of_any_kinds_are_errors(name: str, seed: int, which: int, status: int) -> None:
    """decode_error never raises, and its error can be encoded again."""
    bodies = BODIES[name]
    dialect = codec(name)
    error = dialect.decode_error(status, {}, mutate_body(bodies[which % len(bodies)], random.Random(seed), 0.1))
    assert dialect.encode_error(error)[0] == status


def test_the_fuzz_finds_a_fragile_reader() -> None:
    """A reader that trusts one field is found within a few hundred mutations: the checks above can fail."""
    fragile: Callable[[bytes], Any] = lambda body: json.loads(body)["choices"][0]["message"]["content"].strip()  # noqa: E731
    failures = 0
    for seed in range(300):
        try:
            fragile(mutate_body(ANSWERS["text"], random.Random(seed), 0.05))
        except (KeyError, TypeError, IndexError, AttributeError):
            failures += 1
    assert failures > 10

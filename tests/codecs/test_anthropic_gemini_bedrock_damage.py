"""Damaged traffic: one wrong field anywhere in a recorded body costs a typed error or nothing, never a crash."""

from __future__ import annotations

import base64
import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay.codecs.anthropic import AnthropicCodec
from backstay.codecs.base import Codec
from backstay.codecs.bedrock import BedrockCodec
from backstay.codecs.eventstream import EventStreamParser, write_message
from backstay.codecs.gemini import GeminiCodec
from backstay.errors import LLMError
from backstay.fold import fold
from backstay.types import Request
from backstay.wire import HTTPRequest

pytestmark = pytest.mark.corpus
CODECS: dict[str, Codec] = {
    "messages": AnthropicCodec(),
    "generateContent": GeminiCodec(),
    "streamGenerateContent": GeminiCodec(),
    "converse": BedrockCodec(),
    "converse_stream": BedrockCodec(),
}
OTHERS: tuple[Any, ...] = (None, 0, -1, 1.5, True, "", "x", [], [1], {}, {"a": 1}, [None], [{}], ["x"])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def damaged(value: Any, rng: random.Random) -> bytes:
    """`value` as JSON, with one field, anywhere, replaced by a value of another kind or left out."""
    found = places(value)[1:]
    copy = msgspec.json.decode(msgspec.json.encode(value))
    if found:
        *path, key = rng.choice(found)
        place = copy
        for step in path:
            place = place[step]
        if rng.random() < 0.15 and isinstance(place, dict):
            del place[key]
        else:
            place[key] = rng.choice(OTHERS)
    return msgspec.json.encode(copy)


def damaged_body(record: dict[str, Any], rng: random.Random) -> bytes | None:
    body = record["response_body"]
    if record["body_encoding"] == "base64":
        messages = EventStreamParser().feed(base64.b64decode(body))
        hit = rng.randrange(len(messages))
        return b"".join(
            write_message(headers, damaged(msgspec.json.decode(payload), rng) if index == hit else payload)
            for index, (headers, payload) in enumerate(messages)
        )
    lines = body.replace("\r\n", "\n").split("\n")
    events = [index for index, line in enumerate(lines) if line.startswith("data: {")]
    if events:
        hit = rng.choice(events)
        lines[hit] = "data: " + damaged(msgspec.json.decode(lines[hit][6:]), rng).decode()
        return "\n".join(lines).encode()
    try:
        return damaged(msgspec.json.decode(body), rng)
    except msgspec.DecodeError:
        return None


def survive(attempt: Callable[[], Any]) -> Any:
    """What `attempt` gives, None where it ends in one of the library's own errors; any other exception fails the test."""
    try:
        return attempt()
    except LLMError:
        return None


def read_stream(codec: Codec, data: bytes) -> None:
    decoder, encoder = codec.decoder(), codec.encoder(Request(model="m"))
    events = decoder.feed(data) + decoder.finish()
    fold(events)
    b"".join(encoder.encode(event) for event in events)
    encoder.finish()


def read_damaged(codec: Codec, record: dict[str, Any], rng: random.Random) -> bool:
    """Put one damaged copy of everything in `record` through `codec`; False where its body cannot be damaged."""
    if isinstance(record["request"], dict):
        http = HTTPRequest(url=record["url"] or "/model/m/converse", body=damaged(record["request"], rng))
        request = survive(lambda: codec.decode_request(http))
        if request is not None:
            survive(lambda: codec.encode(request))
    data = damaged_body(record, rng)
    if data is None:
        return False
    codec.decode_error(record["status"], {}, data)
    survive(lambda: read_stream(codec, data))
    response = survive(lambda: codec.decode(data))
    if response is not None:
        codec.encode_response(response)
    return True


def test_no_damage_crashes_a_codec(corpus: Path) -> None:
    """Requests, answers, streams and errors with one wrong field are read, or refused with a typed error."""
    rng, tried = random.Random(20261121), 0
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        records = [msgspec.json.decode(line) for line in lines]
    for record in records:
        codec = CODECS.get(record["api"])
        tried += codec is not None and read_damaged(codec, record, rng)
    assert tried > 700


def test_a_crash_is_noticed() -> None:
    """Only the library's own errors are taken for survival."""
    with pytest.raises(KeyError):
        survive(lambda: {}["absent"])

"""The Bedrock dialect on recorded traffic: every Converse request, answer, stream and error; requests fit the service model."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from genai_prices import extract_usage

from backstay.codecs.bedrock import BedrockCodec
from backstay.codecs.eventstream import EventStreamParser, write_message
from backstay.codecs.shown import join_blanks
from backstay.errors import InvalidRequest, StatusTable, StreamInterrupted
from backstay.event import Event
from backstay.fold import fold
from backstay.types import Response
from backstay.wire import HTTPRequest

pytestmark = pytest.mark.corpus
CODEC = BedrockCodec()
Record = dict[str, Any]


@lru_cache(maxsize=1)
def records(corpus: Path) -> tuple[Record, ...]:
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        found = tuple(msgspec.json.decode(line) for line in lines)
    return tuple(record for record in found if record["api"] in ("converse", "converse_stream"))


def data_of(record: Record) -> bytes:
    """The body as it came over the wire; recordings that kept only the events' JSON are framed again."""
    if record["body_encoding"] == "base64":
        return base64.b64decode(record["response_body"])
    if not record["streaming"]:
        return bytes(record["response_body"].encode())
    events = [msgspec.json.decode(line) for line in record["response_body"].splitlines() if line.strip()]
    return b"".join(
        write_message({":event-type": kind, ":message-type": "event"}, msgspec.json.encode(payload))
        for event in events
        for kind, payload in event.items()
    )


def http_of(record: Record) -> HTTPRequest:
    url = record["url"] or "/model/amazon.nova-lite-v1%3A0/converse"
    return HTTPRequest(url=url, body=msgspec.json.encode(record["request"]))


def answered(corpus: Path) -> Iterator[Record]:
    return (record for record in records(corpus) if record["status"] == 200)


def streams(corpus: Path) -> list[tuple[Record, bytes]]:
    return [(record, data_of(record)) for record in answered(corpus) if record["streaming"]]


def decode(data: bytes, *cuts: int) -> list[Event]:
    decoder, events, start = CODEC.decoder(), [], 0
    for cut in (*cuts, len(data)):
        events += decoder.feed(data[start:cut])
        start = cut
    return events + decoder.finish()


def response_of(record: Record) -> Response:
    return fold(decode(data_of(record))) if record["streaming"] else CODEC.decode(data_of(record))


def payloads(data: bytes) -> list[tuple[str, Record]]:
    return [(headers[":event-type"], msgspec.json.decode(body)) for headers, body in EventStreamParser().feed(data)]


def find_faults(value: Any, name: str, shapes: Record, place: str = "$") -> list[str]:
    """What the service model finds wrong with `value`: a small reading of its shapes, enough for JSON bodies."""
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        if shape.get("document"):
            return []
        if not isinstance(value, dict):
            return [f"{place} is no object"]
        members = shape["members"]
        faults = [f"{place}.{key} is unknown" for key in value if key not in members]
        faults += [
            f"{place}.{key} is missing" for key in shape.get("required", ()) if key not in value and key != "modelId"
        ]
        if shape.get("union") and len(value) != 1:
            faults.append(f"{place} has {len(value)} members of a union")
        for key in value.keys() & members.keys():
            faults += find_faults(value[key], members[key]["shape"], shapes, f"{place}.{key}")
        return faults
    if kind == "list":
        if not isinstance(value, list) or len(value) < shape.get("min", 0):
            return [f"{place} is no list of {shape.get('min', 0)} or more"]
        return [
            fault
            for i, item in enumerate(value)
            for fault in find_faults(item, shape["member"]["shape"], shapes, f"{place}[{i}]")
        ]
    if kind == "map":
        return [] if isinstance(value, dict) else [f"{place} is no map"]
    return find_scalar_faults(value, shape, place)


def find_scalar_faults(value: Any, shape: Record, place: str) -> list[str]:
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "blob": (str,),
        "boolean": (bool,),
        "integer": (int,),
        "long": (int,),
        "float": (int, float),
        "double": (int, float),
    }
    if not isinstance(value, kinds[shape["type"]]):
        return [f"{place} is no {shape['type']}"]
    if "enum" in shape and value not in shape["enum"]:
        return [f"{place}: {value!r} is not in the enum"]
    if shape["type"] == "string":
        length_is_right = shape.get("min", 0) <= len(value) <= shape.get("max", 1 << 60)
        pattern = shape.get("pattern")
        return (
            []
            if length_is_right and (not pattern or re.fullmatch(pattern, value))
            else [f"{place}: {value!r} does not fit"]
        )
    if shape["type"] in ("integer", "float") and not shape.get("min", value) <= value <= shape.get("max", value):
        return [f"{place}: {value} is out of range"]
    return []


def test_every_accepted_request_fits_the_service_model(corpus: Path) -> None:
    """Read, written and read again a recorded request is the same body, and the service model finds nothing wrong with it."""
    shapes = msgspec.json.decode((corpus / "wire/specs/bedrock-runtime-service-2.json").read_bytes())["shapes"]
    assert find_faults({"messages": [{"role": "robot", "content": [{"text": 1}]}], "x": 1}, "ConverseRequest", shapes)
    count = refused = 0
    for record in answered(corpus):
        if record["request"] is None:
            continue
        try:
            http = CODEC.encode(CODEC.decode_request(http_of(record)), stream=record["streaming"])
        except InvalidRequest:
            refused += 1
            continue
        assert find_faults(msgspec.json.decode(http.body), "ConverseRequest", shapes) == [], record["id"]
        again = CODEC.encode(CODEC.decode_request(http), stream=record["streaming"])
        assert again.body == http.body, record["id"]
        sent, recorded = msgspec.json.decode(http.body), record["request"]
        assert sent.get("inferenceConfig", {}) == {
            k: v for k, v in (recorded.get("inferenceConfig") or {}).items() if v not in (None, [])
        }
        assert sent.get("additionalModelRequestFields") == recorded.get("additionalModelRequestFields"), record["id"]
        count += 1
    assert count > 125
    assert refused <= 1, "one recording is of a stand-in server that takes structured output from a model without it"


def test_every_answer_is_read(corpus: Path) -> None:
    """Text, reasoning, calls and stop reason are those of the raw body, streamed or not."""
    count = 0
    for record in answered(corpus):
        data, response = data_of(record), response_of(record)
        if record["streaming"]:
            deltas = [body["delta"] for kind, body in payloads(data) if kind == "contentBlockDelta"]
            text = "".join(delta.get("text", "") for delta in deltas)
            thought = "".join(
                delta["reasoningContent"].get("text", "") for delta in deltas if "reasoningContent" in delta
            )
            starts = [body["start"] for kind, body in payloads(data) if kind == "contentBlockStart"]
            names = [
                start["toolUse"]["name"]
                for start in starts
                if start.get("toolUse", {}).get("type") != "server_tool_use" and "toolUse" in start
            ]
            reason = next(body["stopReason"] for kind, body in payloads(data) if kind == "messageStop")
        else:
            body = msgspec.json.decode(data)
            blocks = body["output"]["message"]["content"]
            text = "".join(
                block.get("text", "") + "".join(c["text"] for c in block.get("citationsContent", {}).get("content", ()))
                for block in blocks
            )
            thought = "".join(
                block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "") for block in blocks
            )
            names = [block["toolUse"]["name"] for block in blocks if "toolUse" in block]
            reason = body["stopReason"]
        assert (response.text, response.reasoning, response.raw_finish_reason) == (text, thought, reason), record["id"]
        assert [call.name for call in response.tool_calls] == names, record["id"]
        assert response.finish_reason not in (None, "other"), record["id"]
        count += 1
    assert count > 140


def test_usage_agrees_with_an_independent_reader(corpus: Path) -> None:
    """Counts are those that genai-prices finds, and ours add up to the provider's own total."""
    compared = 0
    for record in answered(corpus):
        usage = response_of(record).usage
        if usage.stated_total_tokens is not None:
            assert usage.total_tokens == usage.stated_total_tokens, record["id"]
        if record["streaming"]:
            continue
        raw = {"model": "amazon.nova-lite-v1:0", **msgspec.json.decode(data_of(record))}
        try:
            theirs = extract_usage(raw, provider_id="aws").usage
        except (LookupError, ValueError):
            continue
        cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
        assert theirs.input_tokens in (usage.input_tokens, (usage.input_tokens or 0) - cached), record["id"]
        assert usage.output_tokens == theirs.output_tokens, record["id"]
        compared += 1
    assert compared > 90


def test_every_answer_goes_back_as_it_came(corpus: Path) -> None:
    """An answer written for a client of this dialect, whole or as a stream, reads as the same answer."""
    for record in answered(corpus):
        response = response_of(record)
        again = CODEC.decode(CODEC.encode_response(response))
        kept = tuple(part for _, part in join_blanks(response.parts))
        assert again.parts == kept, record["id"]
        assert again.finish_reason == response.finish_reason, record["id"]
        assert again.usage == response.usage or response.usage.input_tokens is None, record["id"]
        if record["streaming"]:
            events = decode(data_of(record))
            encoder = CODEC.encoder(CODEC.decode_request(HTTPRequest(url="/model/m/converse", body=b"{}")))
            written = b"".join(encoder.encode(event) for event in events) + encoder.finish()
            folded = fold(decode(written))
            assert (folded.text, folded.reasoning, folded.tool_calls) == (
                response.text,
                response.reasoning,
                response.tool_calls,
            )
            assert folded.usage == response.usage or response.usage.input_tokens is None, record["id"]


def test_every_error_is_typed(corpus: Path) -> None:
    """Recorded errors get the class of their type; a limit by the day is a quota, a bad token an authentication failure."""
    kinds = set()
    for record in records(corpus):
        if record["status"] < 400:
            continue
        headers = {name.lower(): value for name, value in record["response_headers"].items()}
        found = CODEC.decode_error(record["status"], headers, data_of(record))
        kinds.add(type(found).__name__)
        if record["status"] != 403:
            assert isinstance(found, StatusTable.lookup(record["status"])), record["id"]
        assert found.message
    assert {"AuthenticationFailed", "RateLimited", "QuotaExhausted", "BadRequest"} <= kinds


def test_streams_split_anywhere_say_the_same(corpus: Path) -> None:
    """A sample of cuts of every stream gives the same events."""
    for number, (record, data) in enumerate(streams(corpus)):
        whole = decode(data)
        for cut in range(1 + number % 7, len(data), max(len(data) // 12, 1)):
            assert decode(data, cut) == whole, (record["id"], cut)


@pytest.mark.slow
def test_streams_split_everywhere_say_the_same(corpus: Path) -> None:
    """Every cut of every stream gives the same events, and so do single bytes."""
    for record, data in streams(corpus):
        if len(data) > 8000:
            continue
        whole = decode(data)
        assert decode(data, *range(1, len(data))) == whole, record["id"]
        for cut in range(1, len(data)):
            assert decode(data, cut) == whole, (record["id"], cut)


def test_streams_cut_anywhere_before_their_end_are_interrupted(corpus: Path) -> None:
    """No prefix without `messageStop`, and none that ends inside a message, is a clean end."""
    for record, data in streams(corpus):
        end = [kind for kind, _ in payloads(data)].index("messageStop")
        bound = 0
        for _ in range(end + 1):
            for cut in (bound, bound + 5):
                decoder = CODEC.decoder()
                decoder.feed(data[:cut])
                with pytest.raises(StreamInterrupted):
                    decoder.finish()
            bound += int.from_bytes(data[bound : bound + 4], "big")
        assert decode(data[:bound]), record["id"]


def test_recorded_token_counts_are_asked_for_and_read(corpus: Path) -> None:
    """A recorded count-tokens conversation, read and written again, is the same; its answer is a number."""
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        found = [msgspec.json.decode(line) for line in lines]
    counted = [r for r in found if (r["api"], r["provider"], r["status"]) == ("count_tokens", "bedrock", 200)]
    for record in counted:
        asked = record["request"]["input"]["converse"]
        request = CODEC.decode_request(HTTPRequest(url=record["url"], body=msgspec.json.encode(asked)))
        sent = msgspec.json.decode(CODEC.encode_count_tokens(request).body)["input"]["converse"]
        assert sent["messages"] == asked["messages"], record["id"]
        assert CODEC.decode_count_tokens(record["response_body"].encode()) > 0
    assert len(counted) >= 3

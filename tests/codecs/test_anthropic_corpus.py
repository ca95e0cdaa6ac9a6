"""The Anthropic dialect on recorded traffic: every request, answer, stream and error of the Messages API, here and on Vertex."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from genai_prices import extract_usage

from backstay.codecs.anthropic import VERTEX_VERSION, AnthropicCodec
from backstay.errors import BadRequest, InvalidRequest, LLMError, StatusTable, StreamInterrupted
from backstay.event import Event
from backstay.fold import fold
from backstay.types import Response
from backstay.wire import HTTPRequest

pytestmark = pytest.mark.corpus
Record = dict[str, Any]


@lru_cache(maxsize=1)
def records(corpus: Path) -> tuple[Record, ...]:
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        found = tuple(msgspec.json.decode(line) for line in lines)
    return tuple(record for record in found if record["api"] in ("messages", "vertex_rawPredict"))


def codec_of(record: Record) -> AnthropicCodec:
    is_vertex = record["api"] == "vertex_rawPredict"
    return AnthropicCodec(host="vertex", version=VERTEX_VERSION) if is_vertex else AnthropicCodec()


def http_of(record: Record) -> HTTPRequest:
    request = record["request"]
    body = request.encode() if isinstance(request, str) else msgspec.json.encode(request)
    return HTTPRequest(url=record["url"], headers=record["request_headers"] or {}, body=body)


def accepted(corpus: Path) -> Iterator[Record]:
    return (record for record in records(corpus) if record["status"] == 200 and record["request"] is not None)


def streams(corpus: Path) -> list[Record]:
    return [record for record in records(corpus) if record["streaming"] and record["status"] == 200]


def decode(data: bytes, *cuts: int) -> list[Event]:
    decoder, events, start = AnthropicCodec().decoder(), [], 0
    for cut in (*cuts, len(data)):
        events += decoder.feed(data[start:cut])
        start = cut
    return events + decoder.finish()


def has_error(record: Record) -> bool:
    return "event: error" in record["response_body"]


def wire_message(record: Record) -> Record:
    """The raw answer: the body, or what a stream's frames add up to, put together without the codec."""
    if not record["streaming"]:
        message: Record = msgspec.json.decode(record["response_body"])
        return message
    message = {"content": [], "usage": {}}
    for line in record["response_body"].split("\n"):
        event = msgspec.json.decode(line[5:]) if line.startswith("data:") and "[DONE]" not in line else {}
        kind = event.get("type")
        if kind == "message_start":
            message = {**event["message"], "content": list(event["message"]["content"])}
        elif kind == "content_block_start":
            message["content"].append(dict(event["content_block"]))
        elif kind == "content_block_delta":
            for key in ("text", "thinking", "partial_json"):
                if key in event["delta"]:
                    block = message["content"][-1]
                    block[key] = block.get(key, "") + event["delta"][key]
        elif kind == "message_delta":
            message["stop_reason"] = event["delta"].get("stop_reason")
            message["usage"] = {**message["usage"], **{k: v for k, v in event["usage"].items() if v is not None}}
        elif kind == "message_stop":
            break  # one recording holds several messages one after another: the first is the answer
    return message


def assert_says(response: Response, raw: Record, place: str) -> None:
    blocks = raw["content"]
    assert response.text == "".join(block["text"] for block in blocks if block["type"] == "text"), place
    assert response.reasoning == "".join(block.get("thinking", "") for block in blocks), place
    calls = [block for block in blocks if block["type"] == "tool_use"]
    assert [(call.id, call.name) for call in response.tool_calls] == [
        (block["id"], block["name"]) for block in calls
    ], place
    for call, block in zip(response.tool_calls, calls, strict=True):
        text = block.get("partial_json")
        assert call.arguments == (msgspec.json.decode(text) if text else block["input"]) or call.raw_arguments, place
    assert len(response.parts) == len([block for block in blocks if block.get("text") != ""]), place
    assert response.raw_finish_reason == raw.get("stop_reason"), place


def test_every_accepted_request_is_read_and_written_again(corpus: Path) -> None:
    """Read, written and read again, a recorded request is the same; only blank texts, merged turns and order differ."""
    count = 0
    for record in accepted(corpus):
        codec = codec_of(record)
        request = codec.decode_request(http_of(record))
        http = codec.encode(request, stream=record["streaming"])
        assert http.notes == (), record["id"]
        again = codec.decode_request(http)
        assert codec.encode(again, stream=record["streaming"]).body == http.body, record["id"]
        sent, recorded = msgspec.json.decode(http.body), msgspec.json.decode(http_of(record).body)
        for key in (
            "max_tokens",
            "temperature",
            "top_p",
            "top_k",
            "tool_choice",
            "thinking",
            "metadata",
            "cache_control",
        ):
            assert sent.get(key) == recorded.get(key), (record["id"], key)
        assert [tool["name"] for tool in sent.get("tools", ())] == [
            tool["name"] for tool in recorded.get("tools") or ()
        ]
        count += 1
    assert count > 300


def test_every_request_fits_the_published_schema(corpus: Path) -> None:
    """What is sent validates, and holds no key that the schema does not name."""
    schema = msgspec.json.decode(
        (corpus / "wire/specs/anthropic-2.11.0-beta-MessageCreateParams.schema.json").read_bytes()
    )
    plain = msgspec.json.decode((corpus / "wire/specs/anthropic-2.11.0-MessageCreateParams.schema.json").read_bytes())
    validator = jsonschema_rs.validator_for(schema)
    known = named_keys(schema) | named_keys(plain) | {"temperature", "top_p", "top_k"}
    for record in accepted(corpus):
        codec = codec_of(record)
        if codec.host == "vertex":
            continue
        body = msgspec.json.decode(codec.encode(codec.decode_request(http_of(record))).body)
        assert validator.is_valid(body), (record["id"], next(validator.iter_errors(body)).message[:200])
        assert set(body) <= known | {"output_config"}, (record["id"], set(body) - known)


def named_keys(schema: Record) -> set[str]:
    """The top-level keys that a schema of request parameters names, in whatever branch."""
    found = set(schema.get("properties", ()))
    for branch in (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ())):
        name = branch.get("$ref", "").rpartition("/")[2]
        found |= named_keys(schema["$defs"][name] if name else branch)
    return found


def test_requests_that_the_api_refused_are_refused_or_at_least_typed(corpus: Path) -> None:
    """Of the recorded 400s for a bad field, each is found before sending, or cannot be seen from the request."""
    seen = 0
    for record in records(corpus):
        if record["status"] != 400 or record["request"] is None:
            continue
        codec = codec_of(record)
        try:
            codec.encode(codec.decode_request(http_of(record)))
        except (BadRequest, InvalidRequest):
            seen += 1
    assert seen >= 4


def test_every_answer_is_read(corpus: Path) -> None:
    """Text, reasoning, calls, stop reason and the number of parts are those of the raw body, streamed or not."""
    count = 0
    for record in records(corpus):
        if record["status"] != 200 or has_error(record):
            continue
        data = record["response_body"].encode()
        response = fold(decode(data)) if record["streaming"] else codec_of(record).decode(data)
        assert_says(response, wire_message(record), record["id"])
        assert response.finish_reason not in (None, "other"), record["id"]
        count += 1
    assert count > 380


def test_every_answer_goes_back_as_it_came(corpus: Path) -> None:
    """An answer written for a client of this dialect and read again is the same answer."""
    for record in records(corpus):
        if record["status"] != 200 or record["streaming"]:
            continue
        codec = codec_of(record)
        response = codec.decode(record["response_body"].encode())
        again = codec.decode(codec.encode_response(response))
        kept = tuple(part for part in response.parts if getattr(part, "text", "x").strip() or not hasattr(part, "text"))
        if kept == response.parts and response.id and response.model is not None:
            assert msgspec.structs.replace(again, usage=response.usage) == response, record["id"]


def test_usage_agrees_with_an_independent_reader(corpus: Path) -> None:
    """Tokens of every kind are those that genai-prices finds in the same raw usage."""
    compared = 0
    for record in records(corpus):
        if record["status"] != 200 or has_error(record):
            continue
        data, raw = record["response_body"].encode(), wire_message(record)
        ours = (fold(decode(data)) if record["streaming"] else codec_of(record).decode(data)).usage
        try:
            theirs = extract_usage(
                {"model": raw.get("model") or "claude-sonnet-4-5", "usage": raw["usage"]}, provider_id="anthropic"
            ).usage
        except (LookupError, ValueError, KeyError):
            continue
        assert ours.input_tokens == theirs.input_tokens, record["id"]
        assert ours.output_tokens == theirs.output_tokens, record["id"]
        assert (ours.cache_read_tokens or 0) == (theirs.cache_read_tokens or 0), record["id"]
        assert (ours.cache_write_tokens or 0) == (theirs.cache_write_tokens or 0), record["id"]
        compared += 1
    assert compared > 350


def test_every_error_is_typed(corpus: Path) -> None:
    """Recorded errors get the class of their status or a more exact one, with message and request id."""
    for record in records(corpus):
        if record["status"] < 400:
            continue
        headers = {name.lower(): value for name, value in record["response_headers"].items()}
        found = codec_of(record).decode_error(record["status"], headers, record["response_body"].encode())
        assert isinstance(found, StatusTable.lookup(record["status"])), record["id"]
        assert found.code, record["id"]
        if '"request_id":"' in record["response_body"]:
            assert found.request_id, record["id"]


def test_an_error_event_raises(corpus: Path) -> None:
    """A stream with an `error` event never ends cleanly."""
    failing = [record for record in streams(corpus) if has_error(record)]
    assert failing
    for record in failing:
        decoder = AnthropicCodec().decoder()
        assert decoder.feed(record["response_body"].encode())
        with pytest.raises(LLMError):
            decoder.finish()


def test_streams_split_anywhere_say_the_same(corpus: Path) -> None:
    """A sample of cuts of every stream gives the same events."""
    for number, record in enumerate(streams(corpus)):
        if has_error(record):
            continue
        data = record["response_body"].encode()
        whole = decode(data)
        for cut in range(1 + number % 7, len(data), max(len(data) // 12, 1)):
            assert decode(data, cut) == whole, (record["id"], cut)


@pytest.mark.slow
def test_streams_split_everywhere_say_the_same(corpus: Path) -> None:
    """Every cut of every stream gives the same events, and so do single bytes."""
    for record in streams(corpus):
        if has_error(record):
            continue
        data = record["response_body"].encode()
        if len(data) > 20000:
            continue
        whole = decode(data)
        assert decode(data, *range(1, len(data))) == whole, record["id"]
        for cut in range(1, len(data)):
            assert decode(data, cut) == whole, (record["id"], cut)


def test_streams_cut_after_any_event_are_interrupted(corpus: Path) -> None:
    """No prefix of a stream that lacks message_stop ends cleanly."""
    for record in streams(corpus):
        if has_error(record):
            continue
        frames = record["response_body"].replace("\r\n", "\n").split("\n\n")
        end = next(index for index, frame in enumerate(frames) if '"message_stop"' in frame)
        for count in range(0, end, max(end // 40, 1)):
            decoder = AnthropicCodec().decoder()
            decoder.feed("\n\n".join([*frames[:count], ""]).encode())
            with pytest.raises(StreamInterrupted):
                decoder.finish()


def test_streams_survive_the_gateway(corpus: Path) -> None:
    """A recorded stream, written again by the encoder, folds into the same text, calls, reason and usage."""
    for record in streams(corpus):
        if has_error(record) or record["response_body"].count('"message_start"') > 1:
            continue  # what a gateway sent it cannot take back, so an answer that begins again is no case here
        events = decode(record["response_body"].encode())
        encoder = AnthropicCodec().encoder(
            AnthropicCodec().decode_request(HTTPRequest(url="", body=b'{"messages":[]}'))
        )
        data = b"".join(encoder.encode(event) for event in events) + encoder.finish()
        first, second = fold(events), fold(decode(data))
        assert (second.text, second.reasoning, second.raw_finish_reason) == (
            first.text,
            first.reasoning,
            first.raw_finish_reason,
        ), record["id"]
        assert [(c.id, c.name, c.arguments) for c in second.tool_calls] == [
            (c.id, c.name, c.arguments) for c in first.tool_calls
        ]
        assert second.usage.total_tokens == first.usage.total_tokens, record["id"]


def test_recorded_token_counts_are_asked_for_and_read(corpus: Path) -> None:
    """A recorded count_tokens request, read and written again, asks for the same fields; its answer is a number."""
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        found = [msgspec.json.decode(line) for line in lines]
    counted = [r for r in found if (r["api"], r["provider"], r["status"]) == ("count_tokens", "anthropic", 200)]
    for record in counted:
        codec = AnthropicCodec()
        http = codec.encode_count_tokens(codec.decode_request(http_of(record)))
        assert set(msgspec.json.decode(http.body)) == set(record["request"]), record["id"]
        assert codec.decode_count_tokens(record["response_body"].encode()) > 0
    assert len(counted) >= 8

"""The Gemini dialect on recorded traffic: every request, answer, stream and error of generateContent, here and on Vertex."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from genai_prices import extract_usage

from backstay.codecs.gemini import GeminiCodec
from backstay.codecs.gemini_wire import field, items
from backstay.errors import ContextLengthExceeded, StatusTable, StreamInterrupted
from backstay.event import Event
from backstay.fold import fold
from backstay.types import Request, Response, ToolResult, tool, user
from backstay.wire import HTTPRequest

pytestmark = pytest.mark.corpus
CODEC = GeminiCodec()
Record = dict[str, Any]


@lru_cache(maxsize=1)
def records(corpus: Path) -> tuple[Record, ...]:
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        found = tuple(msgspec.json.decode(line) for line in lines)
    return tuple(record for record in found if record["api"] in ("generateContent", "streamGenerateContent"))


def http_of(record: Record) -> HTTPRequest:
    return HTTPRequest(url=record["url"], body=msgspec.json.encode(record["request"]))


def answered(corpus: Path) -> Iterator[Record]:
    return (record for record in records(corpus) if record["status"] == 200)


def decode(data: bytes, *cuts: int) -> list[Event]:
    decoder, events, start = CODEC.decoder(), [], 0
    for cut in (*cuts, len(data)):
        events += decoder.feed(data[start:cut])
        start = cut
    return events + decoder.finish()


def chunks(record: Record) -> list[Record]:
    """The raw answer objects of a record, in order, found without the codec."""
    body = record["response_body"]
    if not record["streaming"] or body.lstrip()[:1] in "[{":
        whole = msgspec.json.decode(body)
        return whole if isinstance(whole, list) else [whole]
    return [
        msgspec.json.decode(line[5:]) for line in body.replace("\r\n", "\n").split("\n") if line.startswith("data:")
    ]


def response_of(record: Record) -> Response:
    data = record["response_body"].encode()
    return fold(decode(data)) if record["streaming"] else CODEC.decode(data)


def test_every_accepted_request_is_read_and_written_again(corpus: Path) -> None:
    """Written and read again a recorded request is the same body, with its numbers, names and signatures in place."""
    count = 0
    for record in answered(corpus):
        if record["request"] is None:
            continue
        request = CODEC.decode_request(http_of(record))
        assert request.model == record["model"] or record["model"] is None, record["id"]
        http = CODEC.encode(request, stream=record["streaming"])
        again = CODEC.decode_request(http)
        assert CODEC.encode(again, stream=record["streaming"]).body == http.body, record["id"]
        text = http.body.decode()
        for content in items(record["request"]["contents"]):
            for part in items(content.get("parts")):
                signature = field(part, "thoughtSignature")
                assert signature is None or signature in text, record["id"]
        config, sent = (
            field(record["request"], "generationConfig") or {},
            msgspec.json.decode(http.body).get("generationConfig", {}),
        )
        for name in ("maxOutputTokens", "temperature", "topP", "topK", "seed"):
            assert sent.get(name) == field(config, name), (record["id"], name)
        count += 1
    assert count > 250


def test_every_answer_is_read(corpus: Path) -> None:
    """Text, thoughts, calls, finish reason and signatures are those of the raw objects, streamed or not."""
    count = 0
    for record in answered(corpus):
        if record["streaming"] and "error" in chunks(record)[0]:
            continue
        response, raw = response_of(record), chunks(record)
        parts = [p for c in raw for p in items((c.get("candidates") or [{}])[0].get("content", {}).get("parts"))]
        assert response.text == "".join(p["text"] for p in parts if "text" in p and not p.get("thought")), record["id"]
        assert response.reasoning == "".join(p["text"] for p in parts if "text" in p and p.get("thought")), record["id"]
        named = [p["functionCall"]["name"] for p in parts if p.get("functionCall", {}).get("name")]
        assert [call.name for call in response.tool_calls] == named, record["id"]
        assert len({call.id for call in response.tool_calls}) == len(named), record["id"]
        assert response.finish_reason not in (None, "other"), record["id"]
        assert (response.finish_reason == "tool_call") <= bool(named), record["id"]
        back = CODEC.encode(ask_again(response)).body.decode()
        for part in parts:
            assert part.get("thoughtSignature", "") in back, record["id"]
        count += 1
    assert count > 270


def ask_again(response: Response) -> Request:
    """A request whose history holds the answer, its calls answered."""
    results = (
        [tool(*(ToolResult(call_id=call.id, content="ok") for call in response.tool_calls))]
        if response.tool_calls
        else []
    )
    return Request(model="gemini-2.5-flash", messages=(user("Go"), response.message, *results, user("On")))


def test_usage_agrees_with_an_independent_reader(corpus: Path) -> None:
    """Counts are those that genai-prices finds, and ours add up to the provider's own total."""
    compared = 0
    for record in answered(corpus):
        if record["streaming"] and "error" in chunks(record)[0]:
            continue
        usage = response_of(record).usage
        merged: Record = {}
        for chunk in chunks(record):
            merged.update(chunk.get("usageMetadata", {}))
        if usage.stated_total_tokens is not None:
            assert usage.total_tokens == usage.stated_total_tokens, record["id"]
        try:
            theirs = extract_usage(
                {"modelVersion": "gemini-2.5-flash", "usageMetadata": merged}, provider_id="google"
            ).usage
        except (LookupError, ValueError, AttributeError):
            continue
        extra = merged.get("toolUsePromptTokenCount", 0) or 0
        assert (usage.input_tokens or 0) in (theirs.input_tokens, (theirs.input_tokens or 0) + extra), record["id"]
        assert usage.output_tokens == theirs.output_tokens, record["id"]
        assert (usage.cache_read_tokens or 0) == (theirs.cache_read_tokens or 0), record["id"]
        compared += 1
    assert compared > 200


def test_every_answer_goes_back_as_it_came(corpus: Path) -> None:
    """An answer written for a client of this dialect reads as the same answer."""
    for record in answered(corpus):
        if record["streaming"] and "error" in chunks(record)[0]:
            continue
        response = response_of(record)
        again = CODEC.decode(CODEC.encode_response(response))
        assert again.parts == response.parts, record["id"]
        assert (again.finish_reason, again.usage.total_tokens) == (response.finish_reason, response.usage.total_tokens)
        encoder = CODEC.encoder(ask_again(response))
        events = decode(record["response_body"].encode()) if record["streaming"] else None
        if events is not None:
            data = b"".join(encoder.encode(event) for event in events) + encoder.finish()
            folded = fold(decode(data))
            assert (folded.text, folded.reasoning, len(folded.tool_calls)) == (
                response.text,
                response.reasoning,
                len(response.tool_calls),
            )


def test_every_error_is_typed(corpus: Path) -> None:
    """Recorded errors get the class of their status or a more exact one."""
    kinds = {}
    for record in records(corpus):
        if record["status"] < 400:
            continue
        found = CODEC.decode_error(record["status"], {}, record["response_body"].encode())
        kinds[record["id"]] = type(found).__name__
        assert found.code, record["id"]
        if kinds[record["id"]] != "AuthenticationFailed":
            assert isinstance(found, StatusTable.lookup(record["status"])), record["id"]
    assert {"AuthenticationFailed", "QuotaExhausted", "RateLimited", "Overloaded", "NotFound"} <= set(kinds.values())
    assert ContextLengthExceeded.__name__ in kinds.values()


def whole_streams(corpus: Path) -> Iterator[tuple[Record, bytes]]:
    for record in answered(corpus):
        data = record["response_body"].encode()
        if record["streaming"] and data.lstrip()[:1] not in b"[{":
            yield record, data


def test_streams_split_anywhere_say_the_same(corpus: Path) -> None:
    """A sample of cuts of every stream gives the same events."""
    for number, (record, data) in enumerate(whole_streams(corpus)):
        whole = decode(data)
        for cut in range(1 + number % 7, len(data), max(len(data) // 12, 1)):
            assert decode(data, cut) == whole, (record["id"], cut)


@pytest.mark.slow
def test_streams_split_everywhere_say_the_same(corpus: Path) -> None:
    """Every cut of every stream gives the same events, and so do single bytes."""
    for record, data in whole_streams(corpus):
        if len(data) > 8000:
            continue
        whole = decode(data)
        assert decode(data, *range(1, len(data))) == whole, record["id"]
        for cut in range(1, len(data)):
            assert decode(data, cut) == whole, (record["id"], cut)


def test_streams_cut_before_the_finish_reason_are_interrupted(corpus: Path) -> None:
    """No prefix of a stream without its finish reason ends cleanly, cut between objects or inside one."""
    for _, data in whole_streams(corpus):
        end = data.index(b'"finishReason"') if b'"finishReason"' in data else len(data)
        for cut in range(0, end, max(end // 20, 1)):
            decoder = CODEC.decoder()
            decoder.feed(data[:cut])
            with pytest.raises(StreamInterrupted):
                decoder.finish()


def test_recorded_token_counts_are_read(corpus: Path) -> None:
    """Every recorded countTokens answer is a number."""
    with gzip.open(corpus / "wire" / "dev.jsonl.gz") as lines:
        found = [msgspec.json.decode(line) for line in lines]
    counted = [r for r in found if (r["api"], r["status"]) == ("countTokens", 200)]
    for record in counted:
        assert CODEC.decode_count_tokens(record["response_body"].encode()) > 0, record["id"]
    assert len(counted) >= 7

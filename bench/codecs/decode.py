#!/usr/bin/env python3
"""CPU time of the codecs: microseconds for each event of a stream, and for each whole answer.

Streams are made here (ordinary text chunks of about 250 bytes, as OpenAI sends them) and fed in chunks of 4 KiB, as a network
delivers them. Each figure is the best of five runs. Usage: python bench/codecs/decode.py [EVENTS]
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable

import msgspec

from backstay.codecs.anthropic import AnthropicCodec
from backstay.codecs.gemini import GeminiCodec
from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.openai_responses import OpenAIResponses
from backstay.codecs.sse import SSEParser
from backstay.fold import Folding
from backstay.types import Request, Tool, user

NETWORK_CHUNK = 4096
RUNS = 5


def chat_stream(events: int, end: str = "\n\n") -> bytes:
    """A Chat Completions stream of `events` text chunks."""
    chunk = {
        "id": "chatcmpl-0123456789abcdefghijklmnop",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": [{"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}],
        "usage": None,
    }
    last = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    one = "data: " + json.dumps(chunk, separators=(",", ":")) + end
    return (one * events + "data: " + json.dumps(last) + end + "data: [DONE]" + end).encode()


def responses_stream(events: int) -> bytes:
    """A Responses stream of `events` text deltas."""
    delta = {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": " word",
        "logprobs": [],
    }
    done = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
    frames = [
        f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n" for event in (delta, done)
    ]
    return (frames[0] * events + frames[1]).encode()


def anthropic_stream(events: int) -> bytes:
    """A Messages stream of `events` text deltas."""
    start = {"type": "message_start", "message": {"id": "m", "model": "c", "content": [], "usage": {"input_tokens": 9}}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " word"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    frames = [
        start,
        block,
        *[delta] * events,
        {"type": "content_block_stop", "index": 0},
        end,
        {"type": "message_stop"},
    ]
    return b"".join(
        f"event: {frame['type']}\ndata: {json.dumps(frame, separators=(',', ':'))}\n\n".encode() for frame in frames
    )


def gemini_stream(events: int) -> bytes:
    """A generateContent stream of `events` chunks, in CRLF, with the counts in each, as Google sends it."""
    chunk = {
        "candidates": [{"content": {"parts": [{"text": " word"}], "role": "model"}, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 40,
            "totalTokenCount": 49,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "0123456789abcdef",
    }
    last = {**chunk, "candidates": [{"content": {"parts": [], "role": "model"}, "index": 0, "finishReason": "STOP"}]}
    return b"".join(
        f"data: {json.dumps(each, separators=(',', ':'))}\r\n\r\n".encode() for each in (*[chunk] * events, last)
    )


def single(body: bytes, end: bytes = b"\n\n") -> list[bytes]:
    """A network chunk for each event."""
    return [part + end for part in body.split(end) if part]


def pieces(body: bytes) -> list[bytes]:
    return [body[start : start + NETWORK_CHUNK] for start in range(0, len(body), NETWORK_CHUNK)]


def best(work: Callable[[], None], count: int) -> float:
    """The best CPU time of `work` for each of `count` things, in microseconds."""
    times = []
    gc.disable()
    for _ in range(RUNS):
        start = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - start)
        gc.collect()
    gc.enable()
    return min(times) / count / 1000


def drain(make: Callable[[], object], chunks: list[bytes], *, is_folded: bool = False) -> Callable[[], None]:
    def work() -> None:
        decoder = make()
        folding = Folding()
        for chunk in chunks:
            events = decoder.feed(chunk)  # type: ignore[attr-defined]
            if is_folded:
                for event in events:
                    folding.add(event)
        decoder.finish()  # type: ignore[attr-defined]

    return work


def floor(frames: list[bytes]) -> Callable[[], None]:
    """What decoding the JSON of the frames costs by itself: below it no decoder of ours can be."""
    texts = [frame.partition(b"data: ")[2].strip() for frame in frames if b"{" in frame]

    def work() -> None:
        decode = msgspec.json.Decoder().decode
        for text in texts:
            decode(text)

    return work


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    chat, responses, anthropic, gemini = OpenAIChat(), OpenAIResponses(), AnthropicCodec(), GeminiCodec()
    messages, google = anthropic_stream(count), gemini_stream(count)
    body = chat_stream(count)
    crlf, response_body = chat_stream(count, "\r\n\r\n"), responses_stream(count)
    answer = json.dumps(
        {
            "id": "c",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "word " * 200}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 200, "total_tokens": 210},
        }
    ).encode()
    request = Request(model="gpt-4.1", system="Be brief.", messages=(user("word " * 200),), tools=(Tool(name="f"),))

    def times(work: Callable[[], object]) -> Callable[[], None]:
        def repeat() -> None:
            for _ in range(2000):
                work()

        return repeat

    rows = [
        ("frames of a stream, LF", best(drain(SSEParser, pieces(body)), count)),
        ("frames of a stream, CRLF", best(drain(SSEParser, pieces(crlf)), count)),
        ("chat events", best(drain(chat.decoder, pieces(body)), count)),
        ("chat events, CRLF", best(drain(chat.decoder, pieces(crlf)), count)),
        ("chat events, folded", best(drain(chat.decoder, pieces(body), is_folded=True), count)),
        (
            "chat events, a chunk for each",
            best(drain(chat.decoder, single(body)), count),
        ),
        ("responses events", best(drain(responses.decoder, pieces(response_body)), count)),
        ("responses events, a chunk for each", best(drain(responses.decoder, single(response_body)), count)),
        ("anthropic events", best(drain(anthropic.decoder, pieces(messages)), count)),
        ("anthropic events, a chunk for each", best(drain(anthropic.decoder, single(messages)), count)),
        ("gemini events (CRLF)", best(drain(gemini.decoder, pieces(google)), count)),
        ("gemini events, a chunk for each", best(drain(gemini.decoder, single(google, b"\r\n\r\n")), count)),
        ("JSON alone: chat, gemini", best(floor(single(body)), count), best(floor(single(google, b"\r\n\r\n")), count)),
        ("whole chat answer (1.2 kB)", best(times(lambda: chat.decode(answer)), 2000)),
        ("chat request encoded (1.2 kB)", best(times(lambda: chat.encode(request)), 2000)),
    ]
    for name, *microseconds in rows:
        print(f"{name:<38}" + "".join(f"{each:8.2f} us" for each in microseconds))


if __name__ == "__main__":
    main()

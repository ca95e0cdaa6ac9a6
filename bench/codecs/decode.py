#!/usr/bin/env python3
"""CPU time of the codecs: microseconds for each event of a stream, and for each whole answer.

Streams are made here: ordinary text deltas with the fields that each provider sends, those that change from one event to the
next changing. They are fed in reads of 4 KiB, as a fast network delivers them, and in a read for each event, as a slow model
does. Each figure is the best of five runs. Usage: python bench/codecs/decode.py [EVENTS]
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec

from backstay.codecs.anthropic import AnthropicCodec
from backstay.codecs.bedrock import BedrockCodec
from backstay.codecs.eventstream import write_message
from backstay.codecs.gemini import GeminiCodec
from backstay.codecs.ollama import Ollama
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
    """A Responses stream of `events` text deltas, each with its serial number and a padding, as OpenAI sends them."""
    frames = []
    for number in range(events):
        delta = {
            "type": "response.output_text.delta",
            "sequence_number": number + 4,
            "item_id": "msg_0123456789abcdef0123456789abcdef",
            "output_index": 0,
            "content_index": 0,
            "delta": " word",
            "logprobs": [],
            "obfuscation": "0123456789"[: number % 11],
        }
        frames.append(named(delta))
    done = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
    return "".join((*frames, named(done))).encode()


def named(event: Mapping[str, object]) -> str:
    """One event of a stream that names its events."""
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n"


def anthropic_stream(events: int) -> bytes:
    """A Messages stream of `events` text deltas."""
    start: dict[str, object] = {
        "type": "message_start",
        "message": {"id": "m", "model": "c", "content": [], "usage": {"input_tokens": 9}},
    }
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " word"}}
    end: dict[str, object] = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 9},
    }
    frames: list[dict[str, object]] = [
        start,
        block,
        *[delta] * events,
        {"type": "content_block_stop", "index": 0},
        end,
        {"type": "message_stop"},
    ]
    return "".join(named(frame) for frame in frames).encode()


def gemini_stream(events: int) -> bytes:
    """A generateContent stream of `events` chunks, in CRLF, with counts that grow in each, as Google sends it."""
    frames = []
    for number in range(events + 1):
        content = {"parts": [{"text": " word"}] if number < events else [], "role": "model"}
        candidate = {"content": content, "index": 0} | ({"finishReason": "STOP"} if number == events else {})
        counts = {"promptTokenCount": 9, "candidatesTokenCount": number, "totalTokenCount": number + 9}
        chunk = {
            "candidates": [candidate],
            "usageMetadata": counts | {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}]},
            "modelVersion": "gemini-2.5-flash",
            "responseId": "0123456789abcdef",
        }
        frames.append(f"data: {json.dumps(chunk, separators=(',', ':'))}\r\n\r\n")
    return "".join(frames).encode()


def bedrock_stream(events: int) -> list[bytes]:
    """The messages of a ConverseStream of `events` text deltas, padded as AWS pads them."""

    def message(kind: str, payload: dict[str, object]) -> bytes:
        headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
        return write_message(headers, json.dumps(payload, separators=(",", ":")).encode())

    deltas = [
        message(
            "contentBlockDelta",
            {"contentBlockIndex": 0, "delta": {"text": " word"}, "p": "abcdefghijklmnopqrstuvwxyz"[: number % 27]},
        )
        for number in range(events)
    ]
    usage = {"inputTokens": 9, "outputTokens": events, "totalTokens": events + 9}
    return [
        message("messageStart", {"role": "assistant", "p": "abc"}),
        *deltas,
        message("contentBlockStop", {"contentBlockIndex": 0, "p": "abcdef"}),
        message("messageStop", {"stopReason": "end_turn", "p": "abc"}),
        message("metadata", {"usage": usage, "metrics": {"latencyMs": 900}, "p": "abcd"}),
    ]


def ollama_stream(events: int) -> bytes:
    """A native Ollama stream of `events` lines, each with its own time."""
    lines: list[dict[str, object]] = [
        {
            "model": "qwen3:4b",
            "created_at": f"2026-02-03T04:05:06.{number:09d}Z",
            "message": {"role": "assistant", "content": " word"},
            "done": False,
        }
        for number in range(events)
    ]
    lines.append({**lines[0], "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


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
    texts = [frame[frame.index(b"{") :].strip() for frame in frames if b"{" in frame]

    def work() -> None:
        decode = msgspec.json.Decoder().decode
        for text in texts:
            decode(text)

    return work


def streams(count: int) -> Iterator[tuple[str, Callable[[], object], bytes, list[bytes]]]:
    """Each dialect's stream: its name, its decoder, the body, and the body with a network chunk for each event."""
    chat, crlf, gemini = chat_stream(count), chat_stream(count, "\r\n\r\n"), gemini_stream(count)
    responses, anthropic, ollama = responses_stream(count), anthropic_stream(count), ollama_stream(count)
    messages = bedrock_stream(count)
    yield "chat", OpenAIChat().decoder, chat, single(chat)
    yield "chat, CRLF", OpenAIChat().decoder, crlf, single(crlf, b"\r\n\r\n")
    yield "responses", OpenAIResponses().decoder, responses, single(responses)
    yield "anthropic", AnthropicCodec().decoder, anthropic, single(anthropic)
    yield "gemini, CRLF", GeminiCodec().decoder, gemini, single(gemini, b"\r\n\r\n")
    yield "bedrock, event stream", BedrockCodec().decoder, b"".join(messages), messages
    yield "ollama, lines of JSON", Ollama().decoder, ollama, single(ollama, b"\n")


def show(name: str, *microseconds: float) -> None:
    print(f"{name:<34}" + "".join(f"{each:10.2f}" for each in microseconds), flush=True)


def show_whole() -> None:
    """A whole answer read and a request written."""
    chat = OpenAIChat()
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

    show("whole chat answer, 1.2 kB", best(times(lambda: chat.decode(answer)), 2000))
    show("chat request encoded, 1.2 kB", best(times(lambda: chat.encode(request)), 2000))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{'us of CPU an event':<34}{'4 KiB read':>10}{'one read':>10}{'JSON only':>10}")
    for name, make, body, events in streams(count):
        known = [] if name.startswith("bedrock") else [best(floor(events), count)]
        show(name, best(drain(make, pieces(body)), count), best(drain(make, events), count), *known)
        if name == "chat":
            show("chat, folded too", best(drain(make, pieces(body), is_folded=True), count))
            show("frames of chat alone", *(best(drain(SSEParser, chunks), count) for chunks in (pieces(body), events)))
    show_whole()


if __name__ == "__main__":
    main()

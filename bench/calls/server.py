"""A provider for benchmarks: answers OpenAI chat and Anthropic messages at once, whole or as a stream of events, over loopback.

Written on asyncio protocols with prepared bytes, so that it costs little next to the clients that are measured. Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import ClassVar

TEXT = "The sky is blue because air scatters short waves more than long ones. " * 10
EVENTS = 200


def response(body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chat() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    usage = {"prompt_tokens": 20, "completion_tokens": 160, "total_tokens": 180}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return response(
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-5-mini",
                "choices": [choice],
                "usage": usage,
            }
        ).encode()
    )


def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-5-mini",
        "choices": [choice],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chat_stream() -> bytes:
    usage = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini", "choices": [],
             "usage": {"prompt_tokens": 20, "completion_tokens": 200, "total_tokens": 220}}  # fmt: skip
    pieces = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": f" word{n}"}) for n in range(EVENTS))]
    pieces += [chunk({}, "stop"), b"data: " + json.dumps(usage).encode() + b"\n\n", b"data: [DONE]\n\n"]
    return response(b"".join(pieces), "text/event-stream")


def messages() -> bytes:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "content": [{"type": "text", "text": TEXT}],
        "usage": {"input_tokens": 20, "output_tokens": 160},
    }
    return response(json.dumps(body).encode())


class Server(asyncio.Protocol):
    """One connection: finds whole requests in the bytes and answers each."""

    answers: ClassVar[dict[bool | None, bytes]] = {True: chat_stream(), False: chat(), None: messages()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while True:
            head, found, rest = self.pending.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.lower().split(b"\r\n")
            size = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            if len(rest) < size:
                return
            body, self.pending = rest[:size], rest[size:]
            is_stream: bool | None = b'"stream":true' in body.replace(b" ", b"")
            if b"/messages" in lines[0]:
                is_stream = None
            self.transport.write(self.answers[is_stream])


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

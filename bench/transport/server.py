"""The other end of the benchmark: a server in its own process that answers at once, and prints its port.

A POST to /json gets about 1 KB of JSON, one to /sse 200 server-sent events, each in a chunk and a write of its own.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

EVENTS = 200
BODY = json.dumps(
    {"id": "1", "choices": [{"message": {"role": "assistant", "content": "word " * 170}}], "usage": {"n": 7}}
)
EVENT = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'

WHOLE = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}".encode()
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)


class Server(asyncio.Protocol):
    """One connection. Requests come whole in one read or head and body apart; lengths are small and known."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.pending) < end + 4 + length:
                return
            self.pending = self.pending[end + 4 + length :]
            if b"/sse" in head[:40]:
                self.stream(EVENTS)
            else:
                self.transport.write(WHOLE)

    def stream(self, left: int) -> None:
        if left == EVENTS:
            self.transport.write(STREAM_HEAD)
        if left and not self.transport.is_closing():
            self.transport.write(CHUNK)
            asyncio.get_running_loop().call_soon(self.stream, left - 1)
        else:
            self.transport.write(b"0\r\n\r\n")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

"""Recorded HTTP exchanges as the wire table reads them: one JSON object a line, gzipped or not.

A binary event stream that was recorded as decoded lines of JSON is framed again, so that it can be decoded as it was sent.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIALECTS = {
    "chat_completions": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic",
    "vertex_rawPredict": "anthropic",
    "generateContent": "gemini",
    "streamGenerateContent": "gemini",
    "converse": "bedrock",
    "converse_stream": "bedrock",
    "ollama_chat": "ollama",
}
"""The API of a record, and the dialect that decodes it."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One exchange. `kind` is "answer", "stream" or "error"."""

    id: str
    api: str
    provider: str
    model: str | None
    status: int
    is_streaming: bool
    headers: dict[str, str]
    body: bytes
    request: Any
    fidelity: str
    tags: tuple[str, ...]

    @property
    def kind(self) -> str:
        if self.status >= 400:
            return "error"
        return "stream" if self.is_streaming else "answer"

    @property
    def dialect(self) -> str | None:
        return DIALECTS.get(self.api)


def read_records(path: Path) -> Iterator[Record]:
    """Every record of the file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as lines:
        for line in lines:
            if line.strip():
                yield _record(json.loads(line))


def _record(raw: dict[str, Any]) -> Record:
    body = raw.get("response_body") or ""
    data = base64.b64decode(body) if raw.get("body_encoding") == "base64" else body.encode("utf-8", "surrogatepass")
    headers = {name.lower(): str(value) for name, value in (raw.get("response_headers") or {}).items()}
    if raw.get("api") == "converse_stream" and data[:1] == b"{" and raw.get("streaming"):
        data = b"".join(frame(json.loads(line)) for line in data.split(b"\n") if line.strip())
    return Record(
        id=raw.get("id", ""),
        api=raw.get("api", ""),
        provider=raw.get("provider", ""),
        model=raw.get("model"),
        status=raw.get("status") or 200,
        is_streaming=bool(raw.get("streaming")),
        headers=headers,
        body=data,
        request=raw.get("request"),
        fidelity=raw.get("fidelity", ""),
        tags=tuple(raw.get("tags") or ()),
    )


def frame(event: dict[str, Any]) -> bytes:
    """One message of the binary event stream: `{"messageStop": {...}}` is an event of that type with that payload."""
    kind, payload = next(iter(event.items()))
    headers = b""
    for name, value in ((":message-type", "event"), (":event-type", kind), (":content-type", "application/json")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))

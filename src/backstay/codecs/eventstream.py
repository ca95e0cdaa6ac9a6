"""The AWS event stream: binary messages in any split, `(headers, payload)` out, and the way back.

A message is a prelude (total length, length of the headers, CRC of the two), headers, a payload and a CRC of everything before
it; numbers are big-endian, checksums CRC-32. A wrong checksum is a ProtocolError: what follows it cannot be trusted.
Source: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html and botocore's eventstream module.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, TypeAlias
from zlib import crc32

from backstay.errors import ProtocolError

Headers: TypeAlias = Mapping[str, str]
Message: TypeAlias = tuple[Headers, bytes]

MAX_MESSAGE_BYTES: Final = 24 << 20
"""The protocol's own bound: 16 MiB of payload and 128 KiB of headers fit below it."""

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_OVERHEAD: Final = 16
_STRING: Final = 7
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of header values by type; types 6 (bytes) and 7 (string) carry a length of two bytes."""
_MAX_CACHED: Final = 64


class EventStreamParser:
    """One stream's parser. `pending` is the number of bytes that belong to a message not yet complete."""

    __slots__ = ("_seen", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._seen: dict[bytes, Headers] = {}

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, in order. Raises ProtocolError for a wrong length or checksum."""
        tail = self._tail
        tail += data
        messages: list[Message] = []
        start, end = 0, len(tail)
        while end - start >= _OVERHEAD:
            total, head, check = _PRELUDE.unpack_from(tail, start)
            if crc32(tail[start : start + 8]) != check:
                raise ProtocolError("the event stream is damaged: a prelude's checksum is wrong")
            if not _OVERHEAD + head <= total <= MAX_MESSAGE_BYTES:
                raise ProtocolError(f"the event stream is damaged: a message of {total} bytes with {head} of headers")
            if end - start < total:
                break
            body = bytes(tail[start : start + total])
            if crc32(body[:-4]) != _CRC.unpack_from(body, total - 4)[0]:
                raise ProtocolError("the event stream is damaged: a message's checksum is wrong")
            messages.append((self._headers(body[12 : 12 + head]), body[12 + head : -4]))
            start += total
        if start:
            del tail[:start]
        return messages

    @property
    def pending(self) -> int:
        """Bytes of a message that is not complete yet."""
        return len(self._tail)

    def _headers(self, block: bytes) -> Headers:
        """The headers of a block; the few that a stream repeats are read once."""
        found = self._seen.get(block)
        if found is None:
            found = _read_headers(block)
            if len(self._seen) < _MAX_CACHED:
                self._seen[block] = found
        return found


def _read_headers(block: bytes) -> Headers:
    headers: dict[str, str] = {}
    at, end = 0, len(block)
    try:
        while at < end:
            stop = at + 1 + block[at]
            name, kind, at = block[at + 1 : stop].decode(), block[stop], stop + 1
            size = _FIXED.get(kind)
            if size is None:
                size, at = int.from_bytes(block[at : at + 2], "big"), at + 2
            if at + size > end:
                raise ProtocolError("the event stream is damaged: a header runs over its end")
            if kind == _STRING:
                headers[name] = block[at : at + size].decode()
            at += size
    except (IndexError, UnicodeDecodeError) as fault:
        raise ProtocolError("the event stream is damaged: its headers cannot be read") from fault
    return headers


def write_message(headers: Headers, payload: bytes) -> bytes:
    """One message as bytes; every header is a string."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + bytes([_STRING]) + len(value.encode()).to_bytes(2, "big") + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", _OVERHEAD + len(block) + len(payload), len(block))
    head = prelude + _CRC.pack(crc32(prelude)) + block + payload
    return head + _CRC.pack(crc32(head))

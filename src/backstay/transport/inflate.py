"""Inflate: gzip and deflate bodies, decompressed as they arrive and never beyond their bounds.

We ask for no compression (`docs/decisions/transport.md` says why), but servers and proxies compress unasked. A few kilobytes can
stand for gigabytes, so the output is drawn in steps and its ratio to the input is watched at each.

Source: RFC 1952 (gzip, members one after another), RFC 1950 and 1951; RFC 9110 section 8.4.1. "deflate" may be raw, because
some servers send it so.
"""

from __future__ import annotations

import zlib
from typing import Final

from backstay.errors import ProtocolError

MAX_RATIO: Final = 100
RATIO_FLOOR: Final = 1 << 20
"""Up to 1 MiB of output no ratio is suspicious; beyond it 100 to 1 is more than answers compress to."""

STEP: Final = 1 << 16

GZIP: Final = zlib.MAX_WBITS | 16


class Inflater:
    """Decompresses one body. Raises ProtocolError for damage, for an end in the middle, and for a bomb."""

    __slots__ = ("_encoding", "_engine", "_head", "_made", "_max_bytes", "_read")

    def __init__(self, encoding: str, *, max_bytes: int) -> None:
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._engine = None if encoding == "deflate" else zlib.decompressobj(GZIP)
        self._head = b""
        self._read = self._made = 0

    def feed(self, data: bytes) -> bytes:
        """What `data` decompresses to; may be empty."""
        self._read += len(data)
        engine = self._engine
        if engine is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return b""  # two bytes tell a zlib header from raw deflate
            engine = self._engine = zlib.decompressobj(_window(data))
        pieces: list[bytes] = []
        is_full = False
        while data or is_full:  # a full step may leave output inside zlib with no input left to push it out
            if engine.eof and data:
                engine = self._engine = zlib.decompressobj(GZIP if self._encoding != "deflate" else _window(data))
            piece = self._step(engine, data)
            pieces.append(piece)
            is_full = len(piece) == STEP
            data = engine.unconsumed_tail or engine.unused_data
        return b"".join(pieces)

    def _step(self, engine: zlib._Decompress, data: bytes) -> bytes:
        try:
            piece = engine.decompress(data, STEP)
        except zlib.error as error:
            raise ProtocolError(f"the {self._encoding} body is damaged: {error}") from error
        self._made += len(piece)
        if self._made > RATIO_FLOOR and self._made > MAX_RATIO * self._read:
            raise ProtocolError(f"the {self._encoding} body grew {self._made // self._read}-fold: refused as a bomb")
        if self._made > self._max_bytes:
            raise ProtocolError(f"the {self._encoding} body grew to more than {self._max_bytes} bytes")
        return piece

    def finish(self) -> None:
        """The body ended. Raises ProtocolError when the compressed stream did not; an empty body is a whole one."""
        if self._read and (self._engine is None or not self._engine.eof):
            raise ProtocolError(f"the {self._encoding} body ended in the middle")


def _window(head: bytes) -> int:
    """zlib's window argument for a "deflate" body: with the header of RFC 1950 section 2.2, or raw without one."""
    is_zlib = len(head) > 1 and head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


def inflater_for(encoding: str, *, max_bytes: int) -> Inflater | None:
    """The Inflater for a content-encoding; None for none. Raises ProtocolError for one that is not understood."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return Inflater(name, max_bytes=max_bytes)
    raise ProtocolError(f"content-encoding {name[:40]!r} was not asked for and is not understood")

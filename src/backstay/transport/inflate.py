"""Inflate: gzip and deflate bodies, decompressed as they arrive and never beyond their bounds.

We ask for no compression (answers are small, and their first bytes matter more than their number), but servers and proxies
compress unasked. A few kilobytes can stand for gigabytes, so the output is drawn in steps and counted.
"""

from __future__ import annotations

import zlib

from backstay.errors import ProtocolError

MAX_RATIO = 200
RATIO_FLOOR = 1 << 20
"""Up to 1 MiB of output no ratio is suspicious; beyond it 200 to 1 is more than text compresses to."""

STEP = 1 << 18


class Inflater:
    """Decompresses one body. Raises ProtocolError for damage, for an end in the middle, and for a bomb."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._engine = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._is_first = True
        self._read = self._made = 0

    def feed(self, data: bytes) -> bytes:
        """What `data` decompresses to; may be empty."""
        self._read += len(data)
        pieces: list[bytes] = []
        while data:
            piece = self._step(data)
            self._made += len(piece)
            if self._made > RATIO_FLOOR and self._made > MAX_RATIO * self._read:
                raise ProtocolError(
                    f"a compressed body grew {self._made // max(self._read, 1)}-fold: refused as a bomb"
                )
            pieces.append(piece)
            data = self._engine.unconsumed_tail
        return b"".join(pieces)

    def _step(self, data: bytes) -> bytes:
        try:
            piece = self._engine.decompress(data, STEP)
        except zlib.error as error:
            if not self._is_first or self._encoding != "deflate":
                raise ProtocolError(f"the {self._encoding} body is damaged: {error}") from error
            self._engine = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers send raw deflate under that name
            self._is_first = False
            return self._step(data)
        self._is_first = False
        return piece

    def finish(self) -> None:
        """The body ended. Raises ProtocolError when the compressed stream did not."""
        if not self._engine.eof:
            raise ProtocolError(f"the {self._encoding} body ended in the middle")


def inflater_for(encoding: str) -> Inflater | None:
    """The Inflater for a content-encoding; None for none. Raises ProtocolError for one that is not understood."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return Inflater(name)
    raise ProtocolError(f"content-encoding {name!r} was not asked for and is not understood")

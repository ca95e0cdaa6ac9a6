"""Newline-delimited JSON: bytes in any split, lines out. Blank lines say nothing; a last line may lack its line end."""

from __future__ import annotations

from typing import Final

from backstay.errors import ProtocolError

MAX_LINE_BYTES: Final = 32 << 20


class LineParser:
    """One stream's parser: `feed` bytes, then `finish` once."""

    __slots__ = ("_max_bytes", "_tail")

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._tail = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends. Raises ProtocolError for one longer than `max_bytes`."""
        end = data.rfind(b"\n")
        if not self._tail and 0 < end == len(data) - 1 == data.find(b"\n") and not data.isspace():
            return [data[:-1]]  # a line in a read of its own: how most tokens arrive
        if end < 0:
            self._tail += data
            if len(self._tail) > self._max_bytes:
                raise ProtocolError(f"a line of the stream is longer than {self._max_bytes} bytes")
            return []
        whole = bytes(self._tail) + data[:end]
        self._tail = bytearray(data[end + 1 :])
        return [line for line in whole.split(b"\n") if line and not line.isspace()]

    def finish(self) -> list[bytes]:
        """The line that the body ended in; it may be cut: the caller must judge."""
        rest, self._tail = bytes(self._tail), bytearray()
        return [rest] if rest and not rest.isspace() else []

"""Server-sent events: bytes in any split, frames `(event, data)` out.

Lines end in LF, CR or CRLF; a blank line ends a frame; several `data` lines are joined by LF; lines that begin with a colon
are comments; `id` and `retry` mean nothing here, because no model API resumes a stream. Splitting is by those bytes alone, so
U+2028 inside a JSON text stays where it is. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html

Three departures, each because servers do it: a last frame without its blank line is given at the end (`finish`), not
dropped; a body that begins with a brace or bracket is no event stream but a plain JSON answer to a request for one, and is
collected in `plain`; a frame has a size bound.

Nearly every frame is one `data` line, or an `event` line and a `data` line: those two shapes are taken apart without a loop
over lines.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from backstay.errors import ProtocolError

Frame: TypeAlias = tuple[str, bytes]
"""The event's name ("" where none is given) and its data."""

MAX_FRAME_BYTES: Final = 1 << 20
MAX_PLAIN_BYTES: Final = 64 << 20
_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"


class SSEParser:
    """One stream's parser. `feed` bytes, then `finish` once.

    Args:
        max_bytes: The longest frame that is taken; raise it for a dialect that streams pictures.

    After `finish`, `plain` holds the whole body where it was JSON and not an event stream, else None. `pending` is the number of
    bytes that belong to a frame not yet complete.
    """

    __slots__ = ("_at_start", "_ends_in_cr", "_max_bytes", "_plain", "_tail")

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._tail = bytearray()
        self._max_bytes = max_bytes
        self._at_start = True
        self._ends_in_cr = False
        self._plain = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order. Raises ProtocolError when one is longer than `max_bytes`."""
        if self._at_start or self._plain:
            data = self._feed_start(data)
            if self._plain:
                return []
        if self._ends_in_cr or b"\r" in data:
            if not (self._tail or self._ends_in_cr) and data.startswith(b"data: ") and data.endswith(b"\r\n\r\n"):
                end = data.find(b"\r")
                if end == len(data) - 4 <= self._max_bytes and data.find(b"\n") == end + 1:
                    return [("", data[6:-4])]
            data = self._normalize(data)
        tail = self._tail
        if not tail and data.endswith(b"\n\n"):
            if data.startswith(b"data: ") and data.find(b"\n") == len(data) - 2 and len(data) <= self._max_bytes:
                return [("", data[6:-2])]  # one frame of one line in a read of its own: how most tokens arrive
            return self._frames(data)
        searched = len(tail)
        tail += data
        end = tail.rfind(b"\n\n", max(searched - 1, 0))
        if end < 0:
            if len(tail) > self._max_bytes:
                raise self._too_long()
            return []
        whole = bytes(tail[:end])
        del tail[: end + 2]
        return self._frames(whole)

    def finish(self) -> list[Frame]:
        """The frame that the body ended in, if it was not closed by a blank line. It may be cut: the caller must judge."""
        if self._plain:
            return []
        rest, self._tail = bytes(self._tail), bytearray()
        return self._frames(rest)

    @property
    def plain(self) -> bytes | None:
        """The body so far where it is a JSON text instead of an event stream."""
        return bytes(self._tail) if self._plain else None

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._tail)

    def _feed_start(self, data: bytes) -> bytes:
        """Drop the byte order mark and leading blanks; notice a plain JSON body, which is collected and not parsed."""
        self._tail += data
        if self._plain:
            if len(self._tail) > MAX_PLAIN_BYTES:
                raise ProtocolError(f"the answer is JSON of more than {MAX_PLAIN_BYTES} bytes")
            return b""
        seen = bytes(self._tail)
        if seen != _BOM and _BOM.startswith(seen):
            return b""
        seen = seen.removeprefix(_BOM).lstrip(_BLANK)
        self._tail.clear()
        if not seen:
            return b""
        self._at_start = False
        self._plain = seen[0] in b"{["
        if self._plain:
            self._tail += seen
            return b""
        return seen

    def _normalize(self, data: bytes) -> bytes:
        """Every line end as LF; an LF that follows a CR across two reads is the same line end."""
        if self._ends_in_cr and data.startswith(b"\n"):
            data = data[1:]
            self._ends_in_cr = False
            if not data:
                return data
        if data:
            self._ends_in_cr = data.endswith(b"\r")
        data = data.replace(b"\r\n\r\n", b"\n\n")  # nearly all of them, in one pass
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data

    def _frames(self, whole: bytes) -> list[Frame]:
        frames: list[Frame] = []
        for block in whole.split(b"\n\n"):
            if block.startswith(b"data: ") and b"\n" not in block:
                frames.append(("", block[6:]))
            elif block:
                frame = _parse(block)
                if frame is not None:
                    frames.append(frame)
        if len(whole) > self._max_bytes and any(len(data) > self._max_bytes for _, data in frames):
            raise self._too_long()
        return frames

    def _too_long(self) -> ProtocolError:
        return ProtocolError(f"an event of the stream is longer than {self._max_bytes} bytes")


def _parse(block: bytes) -> Frame | None:
    """The frame of a block of lines; None where it holds no data."""
    if block.startswith(b"event: "):
        name, found, rest = block[7:].partition(b"\n")
        if found and rest.startswith(b"data: ") and b"\n" not in rest:
            return name.decode("utf-8", "replace"), rest[6:]
    return _parse_lines(block)


def _parse_lines(block: bytes) -> Frame | None:
    event, data = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            event = value.removeprefix(b" ")
    return (event.decode("utf-8", "replace"), b"\n".join(data)) if data else None


def write_frame(data: bytes, event: str = "") -> bytes:
    """One frame as bytes; `data` is one line (JSON without line breaks)."""
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n" if event else b"data: " + data + b"\n\n"

"""Server-sent events: bytes in any split, the data of each event out.

Lines end in LF, CR or CRLF; a blank line ends an event; several `data` lines are joined by LF; lines that begin with a colon
are comments; `id` and `retry` mean nothing here, because no model API resumes a stream; nor does an event's name, because
every dialect that sends names repeats them in the data. Splitting is by those bytes alone, so U+2028 inside a JSON text stays
where it is. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html

Three departures, each because servers do it: a last event without its blank line is given at the end (`finish`), not
dropped; a body that begins with a brace or bracket is no event stream but a plain JSON answer to a request for one, and is
collected in `plain`; an event has a size bound.

Nearly every event is one `data` line, or an `event` line and a `data` line. A read that is one such event, and a read of many
of the same shape, are taken apart by a few searches, without a loop over lines.
"""

from __future__ import annotations

from typing import Final

from backstay.errors import ProtocolError

MAX_EVENT_BYTES: Final = 1 << 20
MAX_PLAIN_BYTES: Final = 64 << 20
_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"


class SSEParser:
    """One stream's parser. `feed` bytes, then `finish` once.

    Args:
        max_bytes: The longest event that is taken; raise it for a dialect that streams pictures.

    After `finish`, `plain` holds the whole body where it was JSON and not an event stream, else None. `pending` is the number of
    bytes that belong to an event not yet complete.
    """

    __slots__ = ("_at_start", "_ends_in_cr", "_is_between", "_max_bytes", "_plain", "_tail")

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._tail = bytearray()
        self._max_bytes = max_bytes
        self._at_start = True
        self._ends_in_cr = False
        self._plain = False
        self._is_between = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes, in order. Raises ProtocolError when one is longer than `max_bytes`."""
        if self._is_between:
            found = _read_single(data)
            if found is not None and len(found) <= self._max_bytes:
                return [found]
        return self._feed_any(data)

    def _feed_any(self, data: bytes) -> list[bytes]:
        if self._at_start or self._plain:
            data = self._feed_start(data)
            if self._plain:
                return []
        if self._ends_in_cr or b"\r" in data:
            data = self._normalize(data)
        tail = self._tail
        searched = len(tail)
        tail += data
        end = tail.rfind(b"\n\n", max(searched - 1, 0))
        if end < 0:
            self._is_between = False
            if len(tail) > self._max_bytes:
                raise self._too_long()
            return []
        whole = bytes(tail[:end])
        del tail[: end + 2]
        self._is_between = not tail and not self._ends_in_cr
        return self._read_block(whole)

    def finish(self) -> list[bytes]:
        """The data of the event that the body ended in without a blank line. It may be cut: the caller must judge."""
        if self._plain:
            return []
        rest, self._tail = bytes(self._tail), bytearray()
        return self._read_block(rest) if rest else []

    @property
    def plain(self) -> bytes | None:
        """The body so far where it is a JSON text instead of an event stream."""
        return bytes(self._tail) if self._plain else None

    @property
    def pending(self) -> int:
        """Bytes of an event that is not complete yet."""
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
        data = data.replace(b"\r\n\r\ndata: ", b"\n\ndata: ")  # nearly all of them; long needles are found fast
        rest = data.find(b"\r")
        return data if rest < 0 else data[:rest] + data[rest:].replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read_block(self, whole: bytes) -> list[bytes]:
        """The data of the events in `whole`, which ends before a blank line."""
        found = _read_alike(whole)
        if found is None:
            found = [data for block in whole.split(b"\n\n") if (data := _read_event(block)) is not None]
        if len(whole) > self._max_bytes and any(len(data) > self._max_bytes for data in found):
            raise self._too_long()
        return found

    def _too_long(self) -> ProtocolError:
        return ProtocolError(f"an event of the stream is longer than {self._max_bytes} bytes")


def _read_single(data: bytes) -> bytes | None:
    """The data of a read that is one event of one `data` line, or of an `event` line and a `data` line; else None."""
    start = 6
    if not data.startswith(b"data: "):
        start = data.find(b"\n") + 7
        if not data.startswith(b"event: ") or not data.startswith(b"data: ", start - 6):
            return None
    end, stop = data.find(b"\r"), data.find(b"\n", start)
    if end < 0:
        return data[start:stop] if stop == len(data) - 2 and data.endswith(b"\n\n") else None
    return data[start:end] if start <= end == stop - 1 == len(data) - 4 and data.endswith(b"\r\n\r\n") else None


def _read_alike(whole: bytes) -> list[bytes] | None:
    """The data of events that are one `data` line each, or an `event` line and a `data` line each; None for any others."""
    if whole.startswith(b"data: "):
        found = whole[6:].split(b"\n\ndata: ")
        return found if whole.count(b"\n") == 2 * len(found) - 2 else None
    if not whole.startswith(b"event: "):
        return None
    events = whole[7:].split(b"\n\nevent: ")
    if whole.count(b"\n") != 3 * len(events) - 2:
        return None
    found = []
    for event in events:
        end = event.find(b"\n") + 1
        if not end or not event.startswith(b"data: ", end):
            return None
        found.append(event[end + 6 :])
    return found


def _read_event(block: bytes) -> bytes | None:
    """The data of one event's lines; None where there is none."""
    data = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
    return b"\n".join(data) if data else None


def write_frame(data: bytes, event: str = "") -> bytes:
    """One event as bytes; `data` is one line (JSON without line breaks)."""
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n" if event else b"data: " + data + b"\n\n"

"""The event-stream parser: any split, any line end, nothing lost, nothing invented."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.codecs.sse import SSEParser, _read_event, write_frame
from backstay.errors import ProtocolError

BODY = (
    b"\xef\xbb\xbf: hello\r\n\r\nevent: a\r\ndata: 1\xe2\x80\xa8\r\n\r\ndata:x\ndata: y\r\rdata: z\n\n\n"
    b":c\ndata\n\nid: 3\nretry: 5\n\nevent: b\ndata: {}\n\nunknown: 1\ndata: caf\xc3\xa9\n\ndata: last"
)
EVENTS = ["1\u2028".encode(), b"x\ny", b"z", b"", b"{}", "café".encode(), b"last"]


def parse(chunks: list[bytes], parser: SSEParser | None = None) -> list[bytes]:
    parser = parser or SSEParser()
    events = [data for chunk in chunks for data in parser.feed(chunk)]
    return events + parser.finish()


def test_all_forms_of_the_standard_are_read() -> None:
    """Byte order mark, comments, three line ends, joined data, a missing last blank line: one list of events."""
    assert parse([BODY]) == EVENTS


def test_every_split_in_two_and_in_bytes_gives_the_same_events() -> None:
    """Where the network cuts the stream does not matter."""
    for place in range(len(BODY)):
        assert parse([BODY[:place], BODY[place:]]) == EVENTS, place
    assert parse([BODY[index : index + 1] for index in range(len(BODY))]) == EVENTS


@given(st.lists(st.binary(max_size=12), max_size=12), st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_any_bytes_split_alike(pieces: list[bytes], step: int) -> None:
    """For any bytes at all, fed whole or in pieces, the frames are the same."""
    body = b"data: a\n\n" + b"".join(pieces).replace(b"{", b"\n").replace(b"[", b"\r")
    assert parse([body[start : start + step] for start in range(0, len(body), step)]) == parse([body])


class Splitting(SSEParser):
    """A broken parser: it cuts lines as `str.splitlines` does, at U+2028 too."""

    def feed(self, data: bytes) -> list[bytes]:
        return super().feed(data.replace("\u2028".encode(), b"\n"))


def test_a_parser_that_splits_at_other_separators_is_caught() -> None:
    """The body above tells a parser that is wrong about line ends from one that is right."""
    assert parse([BODY], Splitting()) != EVENTS


def test_frames_are_written_as_they_are_read() -> None:
    """What write_frame writes, feed reads, with and without a name."""
    assert parse([write_frame(b'{"a":1}'), write_frame(b"x", "ping")]) == [b'{"a":1}', b"x"]


@pytest.mark.parametrize("body", [b'{"error": {}}', b'\n\n [{"error": "x\n\ny"}]\n\n', b"\xef\xbb\xbf{}"])
@pytest.mark.parametrize("step", [1, 2, 100])
def test_a_plain_body_is_no_stream(body: bytes, step: int) -> None:
    """JSON in place of a stream is collected whole and gives no frame."""
    parser = SSEParser()
    assert parse([body[start : start + step] for start in range(0, len(body), step)], parser) == []
    assert (parser.plain or b"").strip() == body.removeprefix(b"\xef\xbb\xbf").strip()


def test_a_stream_has_no_plain_body() -> None:
    """`plain` is None for an event stream, however it begins."""
    for start in (b"data: {}\n\n", b": {\n\n", b"\n\ndata: 1\n\n"):
        parser = SSEParser()
        parse([start], parser)
        assert parser.plain is None


@pytest.mark.parametrize("step", [1 << 16, 1 << 30])
def test_a_frame_without_end_is_refused(step: int) -> None:
    """A server that never ends a frame costs a bounded amount of memory."""
    body = b"data: " + b"x" * (1 << 21) + b"\n\n"
    with pytest.raises(ProtocolError, match="longer than 1048576 bytes"):
        parse([body[start : start + step] for start in range(0, len(body), step)])
    assert len(parse([body], SSEParser(1 << 22))[0]) == 1 << 21


def test_pending_tells_of_a_frame_that_is_not_complete() -> None:
    """`pending` counts the bytes that wait for their end."""
    parser = SSEParser()
    parser.feed(b"data: 1\n\ndata: 2")
    assert parser.pending == len(b"data: 2")
    parser.feed(b"\n\n")
    assert parser.pending == 0


class ByLines(SSEParser):
    """A slow parser without a fast path: every event is read line by line."""

    def feed(self, data: bytes) -> list[bytes]:
        return self._feed_any(data)

    def _read_block(self, whole: bytes) -> list[bytes]:
        return [data for block in whole.split(b"\n\n") if (data := _read_event(block)) is not None]


class TooFast(SSEParser):
    """A broken parser: a read that looks like one event is taken for one, whatever it holds."""

    def feed(self, data: bytes) -> list[bytes]:
        if data.startswith(b"data: ") and data.endswith(b"\n\n"):
            return [data[6:-2]]
        return super().feed(data)


LINES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"event: ",
        b"event: a\n",
        b"event: data: x",
        b"x",
        b"{}",
        b": c",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
    ]
)
READS = st.lists(st.lists(LINES, max_size=6).map(b"".join), max_size=8)
TRICKY = [
    [b"data: 1\n\n", b"data: a\ndata: b\n\n"],
    [b"data: 1\n\n", b"data: a\r\n\r\n", b"data: a\r", b"\ndata: b\r\n\r\n"],
    [b"data: 1\n\n", b"event: data: x\n\nevent: n\ndata: a\nfoo\n\n"],
    [b"data: 1\n\n", b"event: a\r\ndata: x\r\n\r\n", b"event: a\ndata: x\r\n\r\n", b"event: a\n\n"],
    [b"data: 1\n\n", b"data: a\rdata: b\n\n", b"data: \n\n", b"data: 2"],
]


@given(READS)
@settings(max_examples=300, deadline=None)
def test_the_fast_paths_read_what_the_slow_one_reads(reads: list[bytes]) -> None:
    """Whatever lines come in whatever reads, searching for the usual shapes gives what reading line by line gives."""
    reads = [b"data: 0\n\n", *reads]
    assert parse(reads) == parse(reads, ByLines())


def test_a_fast_path_that_takes_too_much_is_caught() -> None:
    """The reads that look like the usual ones and are not: read right, and wrong by a parser that does not look closely."""
    for reads in TRICKY:
        assert parse(reads) == parse(reads, ByLines()), reads
    assert any(parse(reads, TooFast()) != parse(reads) for reads in TRICKY)


@pytest.mark.parametrize("read", [b"data: " + b"x" * 99, b"event: e\ndata: " + b"x" * 99])
def test_an_event_in_a_read_of_its_own_is_bounded_too(read: bytes) -> None:
    """The fast path has the bound of the slow one."""
    parser = SSEParser(64)
    parser.feed(b"data: 1\n\n")
    with pytest.raises(ProtocolError, match="longer than 64 bytes"):
        parser.feed(read + b"\n\n")

"""The AWS event stream: any split gives the same messages, any damaged byte is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.codecs.eventstream import EventStreamParser, Message, write_message
from backstay.errors import ProtocolError

HEADERS = {":event-type": "contentBlockDelta", ":message-type": "event"}
PUBLISHED = bytes.fromhex("00000010000000000 5c248eb7d98c8ff".replace(" ", ""))
"""The empty message of the protocol's test vectors."""


def parse(data: bytes, size: int = 0) -> list[Message]:
    parser = EventStreamParser()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    messages = [message for piece in pieces for message in parser.feed(piece)]
    assert parser.pending == 0
    return messages


def test_the_published_empty_message() -> None:
    """Sixteen bytes, as the protocol's own test vectors have them, both ways."""
    assert write_message({}, b"") == PUBLISHED
    assert parse(PUBLISHED) == [({}, b"")]


names = st.text("abcdefgh:-", min_size=1, max_size=20)
messages = st.lists(
    st.tuples(st.dictionaries(names, st.text(max_size=20), max_size=3), st.binary(max_size=60)), max_size=5
)


@settings(max_examples=100, deadline=None)
@given(messages, st.integers(1, 50))
def test_what_is_written_is_read_in_any_pieces(given_messages: list[tuple[dict[str, str], bytes]], size: int) -> None:
    """Messages written one after another are read back, whatever the network's cuts."""
    data = b"".join(write_message(headers, payload) for headers, payload in given_messages)
    assert parse(data, size) == given_messages
    assert parse(data) == given_messages


def test_any_wrong_bit_is_noticed() -> None:
    """Every byte of a message is under a checksum: none can change without an error or an unfinished message."""
    data = write_message(HEADERS, b'{"delta":{"text":"Hi"}}')
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x20
        with pytest.raises(ProtocolError):
            EventStreamParser().feed(bytes(damaged))


def test_a_cut_message_is_pending() -> None:
    """Bytes of an unfinished message are counted and give nothing."""
    data = write_message(HEADERS, b"{}")
    for cut in range(1, len(data)):
        parser = EventStreamParser()
        assert parser.feed(data[:cut]) == []
        assert parser.pending == cut


def test_a_length_beyond_the_bound_is_refused_at_once() -> None:
    """A prelude that is well summed but promises gigabytes does not make us wait for them."""
    from zlib import crc32

    for total, head in ((1 << 30, 0), (20, 100), (8, 0)):
        prelude = total.to_bytes(4, "big") + head.to_bytes(4, "big")
        with pytest.raises(ProtocolError):
            EventStreamParser().feed(prelude + crc32(prelude).to_bytes(4, "big") + b"\0" * 4)


def test_headers_of_other_types_are_passed_over() -> None:
    """Booleans, numbers and timestamps before a string do not hide it; a header that runs over its end is an error."""
    from zlib import crc32

    block = b"\x01a\x00" + b"\x01b\x04\x00\x00\x00\x01" + b"\x01c\x06\x00\x02xy" + b"\x01d\x07\x00\x02hi"
    for tail, expected in ((b"", {"d": "hi"}), (b"\x01e\x07\x00\x09zz", None)):
        head = block + tail
        prelude = (16 + len(head)).to_bytes(4, "big") + len(head).to_bytes(4, "big")
        data = prelude + crc32(prelude).to_bytes(4, "big") + head
        data += crc32(data).to_bytes(4, "big")
        if expected is None:
            with pytest.raises(ProtocolError):
                EventStreamParser().feed(data)
        else:
            assert EventStreamParser().feed(data) == [(expected, b"")]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_garbage_is_an_error_or_waits(data: bytes) -> None:
    """Nothing but ProtocolError comes out."""
    try:
        EventStreamParser().feed(data)
    except ProtocolError:
        pass

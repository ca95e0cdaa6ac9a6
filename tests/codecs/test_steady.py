"""The fast path for chunks that differ in one string: it gives what reading each chunk whole gives, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fixture import chunk
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.codecs.openai_stream import ChatDecoder
from backstay.codecs.steady import MAX_TRIES, Steady
from backstay.event import Event, TextDelta

PATH = ("choices", 0, "delta", "content")


def body(text: str, *, is_ascii: bool = False, **fields: Any) -> bytes:
    return json.dumps({"id": "c", "choices": [{"delta": {"content": text}}], **fields}, ensure_ascii=is_ascii).encode()


def learnt(text: str = " a", **fields: Any) -> Steady:
    steady = Steady(*PATH)
    steady.learn(body(text, **fields), text)
    return steady


@given(
    st.text(min_size=1).filter(lambda text: text.encode("utf-8", "replace") == text.encode("utf-8", "surrogatepass"))
)
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_from_the_same_chunk(text: str) -> None:
    """Any text at all, written in UTF-8 or in escapes, between the bytes that were learnt."""
    for is_ascii in (False, True):
        assert learnt("é", is_ascii=is_ascii).read(body(text, is_ascii=is_ascii)) == text


@pytest.mark.parametrize(
    "other",
    [
        body(" b", id="d"),
        body(" b", usage={"prompt_tokens": 1}),
        body(" b").replace(b"]}", b"]}  "),
        body(" b").replace(b'" b"', b"null"),
        body(" b").replace(b'" b"', b'" b", "role": "assistant"'),
        body(" b").replace(b'" b"', b'" b'),
        body(" b").replace(b'" b"', b'"\\ud800"'),
        body(" b").replace(b'" b"', b'"a\nb"'),
        body(""),
        b"[DONE]",
        b"",
    ],
)
def test_any_other_chunk_is_left_to_the_slow_path(other: bytes) -> None:
    """Another field, another value, no text, or no JSON: nothing is read."""
    assert learnt().read(body(" b")) == " b"
    assert learnt().read(other) == ""


@pytest.mark.parametrize("text", ["id", "c", "content", ",", ": ", "choices"])
def test_a_text_that_also_stands_elsewhere_is_not_taken_for_it(text: str) -> None:
    """The first place where the text's bytes stand is not its own: nothing is learnt, so nothing is read wrong."""
    assert learnt(text).read(body(" b")) in ("", " b")
    other = body(text, id="another")
    assert learnt(text).read(other) == ""


def test_a_steady_that_does_not_prove_its_place_is_caught() -> None:
    """Without the proof, the text "c" is taken for the chunk's id, and an id is read as text."""

    class Trusting(Steady):
        __slots__ = ()

        def _is_proved(self, payload: bytes, head: bytes, tail: bytes) -> bool:
            return True

    broken = Trusting(*PATH)
    broken.learn(body("c"), "c")
    payload = body("c").replace(b'"id": "c"', b'"id": "other"')
    assert broken.read(payload) == "other"
    assert learnt("c").read(payload) == ""


def test_a_stream_whose_chunks_all_differ_is_given_up() -> None:
    """After so many tries without a chance, nothing more is learnt."""
    steady = Steady(*PATH)
    for number in range(MAX_TRIES):
        steady.learn(body(" a", created=number), " a")
    assert steady.read(body(" b", created=MAX_TRIES - 1)) == " b"
    steady.learn(body(" a", created=99), " a")
    assert steady.read(body(" b", created=99)) == ""


class Slow(ChatDecoder):
    """A decoder that reads every chunk whole."""

    def _on_frame(self, payload: bytes, events: list[Event]) -> None:
        self._steady.forget()
        self._keys = None
        super()._on_frame(payload, events)


DELTAS: list[dict[str, Any]] = [
    {"content": " a"},
    {"content": "id"},
    {"content": "é\u2028\n"},
    {"content": ""},
    {"content": " a", "role": "assistant"},
    {"reasoning_content": "hm"},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    {"content": [{"type": "text", "text": "b"}]},
    {"refusal": "no"},
    {"tool_calls": [{"index": 0, "id": "i", "function": {"name": "f", "arguments": "{}"}}]},
    {},
]
FIELDS: list[dict[str, Any]] = [{}, {}, {}, {"usage": {"prompt_tokens": 1}}, {"system_fingerprint": "b"}, {"extra": 2}]


@given(st.lists(st.tuples(st.sampled_from(DELTAS), st.sampled_from(FIELDS)), max_size=30), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_stream_of_any_chunks_gives_the_same_events(
    deltas: list[tuple[dict[str, Any], dict[str, Any]]], is_ascii: bool, is_crlf: bool
) -> None:
    """However ordinary chunks, odd ones and repeated ones follow each other, the events are those of reading each whole."""
    end = "\r\n\r\n" if is_crlf else "\n\n"
    chunks = [{**chunk(delta), **fields} for delta, fields in deltas] + [chunk({}, "stop")]
    reads = [f"data: {json.dumps(each, ensure_ascii=is_ascii)}{end}".encode() for each in chunks]
    fast, slow = ChatDecoder(), Slow()
    events = [event for read in reads for event in fast.feed(read)] + fast.finish()
    assert events == [event for read in reads for event in slow.feed(read)] + slow.finish()


def test_equal_chunks_take_the_fast_path() -> None:
    """The proof that the property above tests anything: of ten equal chunks, all but the first three are read by it."""
    count = 0

    class Counting(Steady):
        __slots__ = ()

        def read(self, payload: bytes) -> str:
            nonlocal count
            text = super().read(payload)
            count += bool(text)
            return text

    decoder = ChatDecoder()
    decoder._steady = Counting(*PATH)
    read = f"data: {json.dumps(chunk({'content': ' a'}))}\n\n".encode()
    events = [event for _ in range(10) for event in decoder.feed(read)]
    assert sum(type(event) is TextDelta for event in events) == 10
    assert count == 8

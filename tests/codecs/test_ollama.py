"""The native Ollama dialect: requests and answers there and back, lines in any split, a cut that is never an end."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from fixture import record
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Reach, requests, responses
from wire_record import Record
from wire_table import Table, check

from backstay import errors
from backstay.codecs.ndjson import LineParser
from backstay.codecs.ollama import Ollama
from backstay.errors import BadRequest, InvalidRequest, LLMError, ProtocolError, StreamInterrupted
from backstay.event import Event, TextDelta
from backstay.fold import fold, unfold
from backstay.types import Image, NamedTool, Request, Response, Tool, user
from backstay.wire import HTTPRequest

CODEC = Ollama()
REACH = Reach(
    model="llama3.2",
    has_reasoning=True,
    has_raw_arguments=False,
    has_images=False,
    has_penalties=True,
    has_seed=True,
    has_top_k=True,
    has_logprobs=True,
    has_result_names=True,
    has_system_turns=True,
    has_tool_choice=False,
    has_format_name=False,
    has_many_texts=False,
    has_system_parts=False,
    efforts=("none", "low", "high", "max"),
)
ANSWERS = Reach(model="llama3.2", has_reasoning=True, has_raw_arguments=False, has_many_texts=False, has_logprobs=True)


@given(request=requests(REACH), stream=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_request_survives_the_wire(request: Request, stream: bool) -> None:
    """decode_request(encode(r)) == r."""
    http = CODEC.encode(request, stream=stream)
    assert CODEC.decode_request(http) == request
    assert CODEC.is_stream(http) is stream


def stated(response: Response) -> Response:
    """`response` as it comes back: this wire has no id, no cache count, and one word for a natural end."""
    usage = msgspec.structs.replace(response.usage, cache_read_tokens=None)
    raw = "length" if response.finish_reason == "length" else "stop"
    return msgspec.structs.replace(response, usage=usage, raw_finish_reason=raw, id=None)


@given(response=responses(ANSWERS), cut=st.integers(1, 300))
@settings(max_examples=80, deadline=None)
def test_an_answer_survives_the_wire_and_the_stream(response: Response, cut: int) -> None:
    """Whole or in lines, in any pieces."""
    assert CODEC.decode(CODEC.encode_response(response)) == stated(response)
    encoder = CODEC.encoder(Request(model="llama3.2"))
    body = b"".join(encoder.encode(event) for event in unfold(response)) + encoder.finish()
    back = decode(body, cut)
    wanted = stated(response)
    assert (back.text, back.reasoning, back.tool_calls) == (wanted.text, wanted.reasoning, wanted.tool_calls)
    assert (back.finish_reason, back.usage, back.logprobs) == (wanted.finish_reason, wanted.usage, wanted.logprobs)


def decode(body: bytes, step: int = 1 << 30) -> Response:
    decoder = CODEC.decoder()
    events: list[Event] = []
    for start in range(0, len(body), step):
        events += decoder.feed(body[start : start + step])
    return fold(events + decoder.finish())


def line(message: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    head = {"model": "m", "created_at": "2026-01-02T03:04:05.123456789Z", "done": False}
    return {**head, "message": {"role": "assistant", "content": "", **(message or {})}, **fields}


LAST = {"done": True, "done_reason": "stop", "prompt_eval_count": 10, "eval_count": 5, "total_duration": 7}
CALL = {"function": {"name": "add", "arguments": {"a": 1}}}


def lines(*answers: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)


FIXTURES: dict[str, Any] = {
    "text": line({"content": "Hello"}, **LAST),
    "calls": line({"tool_calls": [CALL, CALL]}, **LAST),
    "no counts": line({"content": "Hello"}, done=True),
    "cut by the limit": line({"content": "Hel"}, **{**LAST, "done_reason": "length"}),
    "lines of text": lines(line({"content": "Hel"}), line({"content": "lo"}), line(**LAST)),
    "lines of thought": lines(
        line({"thinking": "2 "}), line({"thinking": "+ 2"}), line({"content": "4"}), line(**LAST)
    ),
    "lines of calls": lines(line({"tool_calls": [CALL]}), line({"tool_calls": [CALL]}), line(**LAST)),
    "an error midway": lines(line({"content": "Hel"}), {"error": "unexpected EOF"}),
}


@pytest.mark.parametrize("name", FIXTURES)
def test_answers_and_lines_hold_what_they_say(name: str) -> None:
    """Facts, splits at every byte, cuts."""
    made = record(FIXTURES[name], name=name)
    table = Table()
    check(Record(**{**made.__dict__, "api": "ollama_chat"}), CODEC, table, every_byte=True)
    assert table.failures == []


@pytest.mark.parametrize("place", range(1, len(FIXTURES["lines of text"]) - 120, 11))
def test_lines_cut_anywhere_are_interrupted(place: int) -> None:
    """Without a line that says done there is no answer."""
    with pytest.raises(StreamInterrupted):
        decode(FIXTURES["lines of text"][:place])


def test_an_error_line_comes_after_the_text_before_it() -> None:
    """The text is handed out, then the typed error is raised."""
    decoder = CODEC.decoder()
    assert [event.text for event in decoder.feed(FIXTURES["an error midway"]) if isinstance(event, TextDelta)] == [
        "Hel"
    ]
    with pytest.raises(errors.ServerFault, match="unexpected EOF"):
        decoder.finish()


def test_a_whole_answer_in_lines_is_understood() -> None:
    """A server that streams unasked: decode reads lines too, and notices when they are cut."""
    assert CODEC.decode(FIXTURES["lines of text"]).text == "Hello"
    with pytest.raises(StreamInterrupted):
        CODEC.decode(lines(line({"content": "Hel"})))
    with pytest.raises(ProtocolError):
        CODEC.decode(b"<html>")


def test_facts_of_the_last_line() -> None:
    """Times with nanoseconds, counts, durations in extra."""
    answer = CODEC.decode(json.dumps(FIXTURES["text"]).encode())
    assert answer.created_at == pytest.approx(1767323045.123456)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 5)
    assert answer.extra == {"ollama": {"total_duration": 7}}


def test_what_the_server_lacks_is_refused_at_once() -> None:
    """A forced tool, a linked picture, an effort without a name: all faults in one error."""
    request = Request(
        model="m", messages=(user(Image(url="https://x/a.png")),), tools=(Tool(name="f"),), tool_choice=NamedTool("f"),
        reasoning_effort="xhigh",
    )  # fmt: skip
    with pytest.raises(InvalidRequest) as caught:
        CODEC.encode(request)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "messages[0].parts[0]",
        "tool_choice",
        "reasoning_effort",
    ]


def test_options_pass_through_and_wrong_ones_are_named() -> None:
    """Options without a neutral name are kept below `options`; a value of the wrong kind is a BadRequest."""
    raw = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "options": {"num_ctx": 9, "seed": 1},
        "keep_alive": 5,
    }
    request = CODEC.decode_request(HTTPRequest(url="/", body=json.dumps(raw).encode()))
    assert request.options == {"ollama": {"options": {"num_ctx": 9}, "keep_alive": 5}}
    sent = msgspec.json.decode(CODEC.encode(request).body)
    assert (sent["options"]["num_ctx"], sent["options"]["seed"], sent["keep_alive"]) == (9, 1, 5)
    wrong = HTTPRequest(url="/", body=b'{"model": "m", "options": {"seed": "x"}}')
    with pytest.raises(BadRequest, match="seed"):
        CODEC.decode_request(wrong)


def test_errors_are_one_string_on_this_wire() -> None:
    """Class and text come back through the dialect's own form."""
    status, headers, body = CODEC.encode_error(errors.NotFound("model 'x' not found", status=404))
    assert json.loads(body) == {"error": "model 'x' not found"}
    assert isinstance(CODEC.decode_error(status, headers, body), errors.NotFound)
    busy = CODEC.decode_error(
        503, {}, b'{"error": "server busy, please try again.  maximum pending requests exceeded"}'
    )
    assert isinstance(busy, errors.Overloaded)


@given(st.lists(st.binary(max_size=6), max_size=8), st.integers(1, 5))
def test_lines_split_alike(pieces: list[bytes], step: int) -> None:
    """The lines of any bytes are the same, whole or in pieces."""
    body = b"\n".join(pieces)
    parser, other = LineParser(), LineParser()
    split = [found for start in range(0, len(body), step) for found in parser.feed(body[start : start + step])]
    assert split + parser.finish() == other.feed(body) + other.finish()


def test_a_line_without_end_is_refused() -> None:
    """A bounded amount of memory, whatever the server sends."""
    parser = LineParser(max_bytes=10)
    with pytest.raises(ProtocolError):
        parser.feed(b"x" * 11)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_raise_only_our_errors(data: st.DataObject) -> None:
    """Any mutation ends in a Response or in an error of the tree."""
    body = data.draw(st.sampled_from(list(FIXTURES.values())))
    damaged = bytearray(body if isinstance(body, bytes) else json.dumps(body).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + 3] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"null", b"[]", b"7", b'"', b"\n"])
        )
        damaged = damaged or bytearray(b"x")
    for read in (decode, CODEC.decode):
        try:
            read(bytes(damaged))
        except LLMError:
            pass

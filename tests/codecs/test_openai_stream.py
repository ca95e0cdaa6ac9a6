"""Chat Completions answers and streams of every kind of server: right facts, in any split, never a clean end by mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fixture import ANSWERS, STREAMS, USAGE, answer, call, chunk, record, sse
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_oracle import chat_stream
from wire_table import Table, check, cut_fault, split_fault

from backstay import errors
from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.openai_stream import ChatDecoder
from backstay.errors import LLMError, ProtocolError, StreamInterrupted
from backstay.event import Event, Finished, PartDone, TextDelta
from backstay.fold import fold
from backstay.types import Audio, Image, Reasoning, Request, Response, ToolCall, Unknown, user

CODEC = OpenAIChat()


def decode(body: bytes, step: int = 1 << 30, codec: OpenAIChat = CODEC) -> Response:
    decoder = codec.decoder()
    events: list[Event] = []
    for start in range(0, len(body), step):
        events += decoder.feed(body[start : start + step])
    return fold(events + decoder.finish())


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_holds_what_its_body_says(name: str) -> None:
    """Text, reasoning, calls, usage and finish reason agree with a second reading of the body."""
    table = Table()
    check(record(ANSWERS[name], name=name), CODEC, table)
    assert table.failures == []


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_holds_what_its_chunks_say_however_it_is_split(name: str) -> None:
    """As above, and split at every byte the answer is the same, and cut at any frame it does not end cleanly."""
    table = Table()
    check(record(STREAMS[name], name=name), CODEC, table, every_byte=True)
    assert table.failures == []


class Careless(OpenAIChat):
    """A broken codec: its decoder takes the end of the body for the end of the answer."""

    def decoder(self, request: Request | None = None) -> ChatDecoder:
        class Decoder(ChatDecoder):
            def finish(self) -> list[Event]:
                try:
                    return super().finish()
                except StreamInterrupted:
                    return [Finished("stop", "stop")]

        return Decoder()


class PerChunk(OpenAIChat):
    """A broken codec: its decoder takes every network chunk for a whole number of frames."""

    def decoder(self, request: Request | None = None) -> ChatDecoder:
        class Decoder(ChatDecoder):
            def feed(self, data: bytes) -> list[Event]:
                return super().feed(data + b"\n\n")

        return Decoder()


def test_broken_decoders_are_caught() -> None:
    """The split and cut checks find a decoder that trusts the network, and one that trusts the end of the body."""
    stream = record(STREAMS["text"], name="text")
    whole = decode(stream.body)
    assert cut_fault(stream, CODEC, whole) is None
    assert cut_fault(stream, Careless(), whole) is not None
    assert split_fault(stream, CODEC, whole, every_byte=True) is None
    assert split_fault(stream, PerChunk(), whole, every_byte=True) is not None


CALLS = STREAMS["calls in fragments"]


@pytest.mark.parametrize("place", range(1, CALLS.index(b'"tool_calls"}]'), 7))
def test_a_stream_of_calls_cut_anywhere_is_interrupted(place: int) -> None:
    """Half the arguments of a call never look like all of them."""
    decoder = CODEC.decoder()
    decoder.feed(CALLS[:place])
    with pytest.raises(StreamInterrupted):
        decoder.finish()


def test_finish_reasons_follow_the_content() -> None:
    """A stop with calls is a tool call, a limit stays a limit, a stop with a refusal is a refusal; the raw word is kept."""
    found = {name: CODEC.decode(json.dumps(ANSWERS[name]).encode()) for name in list(ANSWERS)[:5]}
    assert [(answer.finish_reason, answer.raw_finish_reason) for answer in found.values()] == [
        ("stop", "stop"),
        ("refusal", "stop"),
        ("tool_call", "stop"),
        ("tool_call", "tool_calls"),
        ("length", "length"),
    ]
    assert found["calls cut by the limit"].was_truncated


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("eos", "stop"),
        ("", "stop"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("model_length", "context_window"),
        ("steered", "other"),
        (None, None),
        (7, "other"),
    ],
)
def test_raw_finish_reasons_have_neutral_names(raw: Any, neutral: Any) -> None:
    """Servers' own words are mapped, unknown ones are `other`, absence stays absence."""
    response = CODEC.decode(json.dumps(answer({"content": "x"}, raw)).encode())
    assert response.finish_reason == neutral
    assert response.raw_finish_reason == (None if raw is None else str(raw))


def test_the_sequence_that_stopped_the_answer_is_kept() -> None:
    """A server that names its stop sequence tells a stop sequence from a natural end."""
    body = answer({"content": "x"})
    body["choices"][0]["stop_reason"] = "###"
    response = CODEC.decode(json.dumps(body).encode())
    assert (response.finish_reason, response.stop_sequence) == ("stop_sequence", "###")


def test_usage_is_inclusive_whatever_the_server_counts() -> None:
    """Reasoning on top of the output is added, judged by the stated total; so is a cache beside the input."""
    on_top = CODEC.decode(json.dumps(ANSWERS["usage with reasoning on top"]).encode()).usage
    assert (on_top.input_tokens, on_top.output_tokens, on_top.reasoning_tokens, on_top.stated_total_tokens) == (
        10,
        12,
        7,
        22,
    )
    beside = CODEC.decode(json.dumps(ANSWERS["usage with the cache beside"]).encode()).usage
    assert (beside.input_tokens, beside.cache_read_tokens) == (43, 40)


@pytest.mark.parametrize(
    ("usage", "facts"),
    [
        (None, (None, None, None)),
        ({}, (None, None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, None)),
        ({"prompt_tokens": 9, "completion_tokens": None, "prompt_tokens_details": None}, (9, None, None)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5},
            (9, 1, 4),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4}, (9, 1, 4)),
        ({"prompt_tokens": 9.0, "completion_tokens": -1, "num_cached_tokens": True}, (9, None, None)),
        ({"prompt_tokens": "many"}, (None, None, None)),
    ],
)
def test_usage_of_any_shape(usage: Any, facts: tuple[Any, ...]) -> None:
    """Nulls, other names and nonsense: what is not said is None, and zero is not None."""
    found = CODEC.decode(json.dumps(answer({"content": "x"}, usage=usage)).encode()).usage
    assert (found.input_tokens, found.output_tokens, found.cache_read_tokens) == facts


def test_what_has_no_name_is_kept_and_what_says_nothing_is_not() -> None:
    """Unknown fields stay, by level, under the dialect's name; nulls, empty lists and padding go."""
    body = answer(
        {"content": "x", "annotations": [{"type": "url_citation"}], "padding": "aaa"}, citations=["u"], kv=None
    )
    body["choices"][0]["native_finish_reason"] = "STOP"
    extra = CODEC.decode(json.dumps(body).encode()).extra
    assert extra == {
        "openai_chat": {
            "citations": ["u"],
            "choice": {"native_finish_reason": "STOP"},
            "message": {"annotations": [{"type": "url_citation"}]},
        }
    }
    parts = [chunk({"content": "x", "annotations": [{"n": number}]}, provider="p") for number in (1, 2)]
    streamed = decode(sse(*parts, chunk({}, "stop"))).extra
    assert streamed == {"openai_chat": {"provider": "p", "message": {"annotations": [{"n": 1}, {"n": 2}]}}}


def test_missing_call_ids_are_made_and_stay_the_same() -> None:
    """Calls without ids get different ones, the same whenever the same answer is decoded."""
    bare = [{"function": {"name": "add", "arguments": "{}"}}, {"function": {"name": "add", "arguments": "{}"}}]
    body = json.dumps(answer({"tool_calls": bare})).encode()
    ids = [call.id for call in CODEC.decode(body).tool_calls]
    assert len(set(ids)) == 2
    assert ids == [call.id for call in CODEC.decode(body).tool_calls]
    stream = sse(chunk(call(0, name="add", text="{}")), chunk(call(1, name="add", text="{}")), chunk({}, "stop"))
    assert [call.id for call in decode(stream).tool_calls] == ids


def test_parallel_calls_at_one_index_are_told_apart() -> None:
    """A server that numbers every call 0: a new id with a name, or a name after whole arguments, begins another call."""
    by_id = sse(
        chunk(call(0, id="a", name="add", text="{}")), chunk(call(0, id="b", name="mul", text="{}")), chunk({}, "stop")
    )
    assert [(call.id, call.name) for call in decode(by_id).tool_calls] == [("a", "add"), ("b", "mul")]
    by_name = sse(chunk(call(0, name="add", text="{}")), chunk(call(0, name="mul", text="{}")), chunk({}, "stop"))
    assert [call.name for call in decode(by_name).tool_calls] == ["add", "mul"]
    repeated = sse(
        chunk(call(0, id="a", name="add")), chunk(call(0, id="a", name="add", text='{"x": 1}')), chunk({}, "stop")
    )
    assert decode(repeated).tool_calls == (ToolCall(id="a", name="add", arguments={"x": 1}),)


def test_fields_of_a_call_without_a_name_are_kept() -> None:
    """A signature beside a call returns with it, from a stream as from a whole answer."""
    signed = {
        "index": 0,
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"s": 1},
    }
    wanted = ToolCall(id="a", name="f", extra={"openai_chat": {"extra_content": {"s": 1}}})
    assert decode(sse(chunk({"tool_calls": [signed]}), chunk({}, "stop"))).tool_calls == (wanted,)
    assert CODEC.decode(json.dumps(answer({"tool_calls": [signed]})).encode()).tool_calls == (wanted,)


def test_details_of_reasoning_are_the_same_streamed_and_whole() -> None:
    """Fragments of a detail are joined; the signed and the encrypted one can be sent back verbatim."""
    streamed = decode(STREAMS["reasoning details"])
    assert streamed.reasoning == "2 + 2"
    signed, hidden = [part for part in streamed.parts if isinstance(part, Reasoning)]
    assert (signed.signature, hidden.encrypted, hidden.id) == ("sig", "b3Bh", "rs_1")
    assert signed.extra == {"openai_chat": {"detail": {"type": "reasoning.text", "format": "f-1", "index": 0}}}


def test_spoken_and_drawn_answers_are_parts() -> None:
    """A sound in fragments and a picture become parts; a damaged sound is kept as it came."""
    sound = [
        chunk({"audio": {"id": "a", "data": "T2dn", "transcript": "Hi"}}),
        chunk({"audio": {"data": "Uw==", "transcript": "!"}}),
    ]
    picture = chunk({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]})
    parts = decode(sse(*sound, picture, chunk({}, "stop"))).parts
    assert parts[0] == Audio(data=b"OggS", extra={"openai_chat": {"audio": {"id": "a", "transcript": "Hi!"}}})
    assert parts[1] == Image(data=b"\x89PN", media_type="image/png")
    damaged = CODEC.decode(json.dumps(answer({"audio": {"id": "a", "data": "?"}})).encode()).parts[0]
    assert damaged == Unknown(dialect="openai_chat", data={"audio": {"id": "a", "data": "?"}})


def test_a_plain_answer_to_a_stream_request_is_an_answer() -> None:
    """A server that ignores `stream` is understood; one that answers with an error in JSON raises it; one cut is interrupted."""
    body = json.dumps(answer({"content": "Hello"})).encode()
    assert decode(body, 3).text == "Hello"
    with pytest.raises(errors.RateLimited):
        decode(b'{"error": {"message": "slow", "code": 429}}')
    with pytest.raises(StreamInterrupted):
        decode(body[:-9])
    assert CODEC.decode(STREAMS["text"]).text == "Hello"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: [DONE]\n\n",
        b": ping\n\n",
        b"<html>busy</html>",
        b"data: 7\n\n",
        b"data: {oops\n\n",
        b"data: null\n\n",
    ],
)
def test_a_stream_of_nothing_is_no_answer(body: bytes) -> None:
    """Empty, HTML or undecodable: a ProtocolError, never an empty answer."""
    with pytest.raises(ProtocolError):
        decode(body)


def test_an_error_midway_comes_after_the_text_before_it() -> None:
    """Both in one network chunk: the text is handed out, then the typed error is raised."""
    decoder = CODEC.decoder()
    assert [event.text for event in decoder.feed(STREAMS["an error midway"]) if isinstance(event, TextDelta)] == ["Hel"]
    with pytest.raises(errors.ServerFault):
        decoder.feed(b"")
    with pytest.raises(errors.ServerFault):
        decoder.finish()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "code": 502}, errors.ServerFault),
        ({"message": "x", "type": "overloaded_error"}, errors.Overloaded),
        ({"message": "x", "code": "rate_limit_exceeded"}, errors.RateLimited),
        (
            {"message": "x", "type": "invalid_request_error", "code": "tool_use_failed", "status_code": 400},
            errors.BadRequest,
        ),
        ({"message": "maximum context length is 5", "code": 400}, errors.ContextLengthExceeded),
        ({"message": "x"}, errors.ServerFault),
        ("text", errors.ServerFault),
    ],
)
def test_an_error_in_a_stream_has_its_class(error: Any, kind: type[LLMError]) -> None:
    """Its code or type stands for the status that the 200 hides."""
    with pytest.raises(kind):
        decode(sse({"error": error}))


def test_the_usage_comes_before_the_end() -> None:
    """`Finished` is the last event, so whoever stops there has the usage."""
    decoder = CODEC.decoder()
    events = decoder.feed(STREAMS["usage in a last chunk"]) + decoder.finish()
    assert isinstance(events[-1], Finished)
    assert fold(events).usage.input_tokens == USAGE["prompt_tokens"]


def test_logprobs_are_gathered() -> None:
    """Tokens with their alternatives, over all chunks; numbers that JSON forbids do not stop the stream."""
    tokens = [{"token": letter, "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]} for letter in "ab"]
    chunks = []
    for token in tokens:
        piece = chunk({"content": token["token"]})
        piece["choices"][0]["logprobs"] = {"content": [token]}
        chunks.append(piece)
    found = decode(sse(*chunks, chunk({}, "stop"))).logprobs or ()
    assert [(token.token, token.logprob, token.top) for token in found] == [
        ("a", -0.5, (("b", -1.0),)),
        ("b", -0.5, (("b", -1.0),)),
    ]
    odd = sse(*chunks, chunk({}, "stop")).replace(b"-0.5", b"-Infinity")
    assert decode(odd).text == "ab"


def test_half_a_character_does_not_stop_the_stream() -> None:
    """A token boundary inside a surrogate pair becomes the replacement character."""
    body = sse(chunk({"content": "PLACE"}), chunk({}, "stop")).replace(b"PLACE", b"\\ud83d")
    assert decode(body).text == "\ufffd"


def test_the_request_helps_to_make_ids() -> None:
    """Two turns of one conversation make different ids for the same call of a server that gives none and no answer id."""
    bare = {"choices": [{"index": 0, "delta": call(0, name="add", text="{}"), "finish_reason": "stop"}]}
    ids = set()
    for messages in ((user("a"),), (user("a"), user("b"))):
        decoder = CODEC.decoder(Request(messages=messages))
        events = decoder.feed(sse(bare)) + decoder.finish()
        ids.add(fold(events).tool_calls[0].id)
    assert len(ids) == 2


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_raise_only_our_errors(data: st.DataObject) -> None:
    """Any mutation of a stream or an answer ends in a Response or in an error of the tree."""
    whole = [*STREAMS.values(), *(json.dumps(body).encode() for body in ANSWERS.values())]
    body = bytearray(data.draw(st.sampled_from(whole)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"null", b"[]", b"{}", b"7", b'"', b"\n\n"])
        )
        body = body or bytearray(b"x")
    for read in (decode, CODEC.decode, lambda raw: CODEC.decode_error(500, {}, raw)):
        try:
            read(bytes(body))
        except LLMError:
            pass


def test_the_oracle_reads_the_fixtures() -> None:
    """The second reading is not empty-handed itself."""
    assert chat_stream(STREAMS["calls in fragments"]).calls == [("add", {"a": 1}), ("mul", {})]
    assert any(isinstance(event, PartDone) for event in CODEC.decoder().feed(STREAMS["reasoning details"]))

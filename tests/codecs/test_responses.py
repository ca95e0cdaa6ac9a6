"""The Responses dialect: what is written is read back, streams hold what is done in them, reasoning goes back encrypted."""

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
from backstay.codecs.openai_responses import OpenAIResponses
from backstay.errors import BadRequest, InvalidRequest, LLMError, ProtocolError, StreamInterrupted
from backstay.event import Event, Finished, TextDelta
from backstay.fold import fold, unfold
from backstay.types import (
    Image,
    Reasoning,
    Request,
    Response,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
    assistant,
    tool,
    user,
)
from backstay.wire import HTTPRequest

CODEC = OpenAIResponses()
REACH = Reach(
    model="gpt-4.1",
    has_refusal=True,
    has_system_turns=True,
    has_result_parts=True,
    has_user=True,
    has_logprobs=True,
    has_tool_strict=True,
    has_parallel=True,
    has_stop=False,
    has_files=False,
)
ANSWERS = Reach(model="gpt-4.1", has_refusal=True, has_many_texts=False)


@given(request=requests(REACH), stream=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_request_survives_the_wire(request: Request, stream: bool) -> None:
    """decode_request(encode(r)) == r, but for the picture's detail, which is always sent."""
    request = msgspec.structs.replace(request, max_output_tokens=max(request.max_output_tokens or 0, 16))
    request = with_detail(request)
    http = CODEC.encode(request, stream=stream)
    assert CODEC.decode_request(http) == request
    assert CODEC.is_stream(http) is stream


def with_detail(request: Request) -> Request:
    """The request with every picture's detail said: the wire insists on one."""
    messages = []
    for message in request.messages:
        parts = tuple(
            msgspec.structs.replace(part, detail="auto") if isinstance(part, Image) else part for part in message.parts
        )
        messages.append(msgspec.structs.replace(message, parts=parts))
    return msgspec.structs.replace(request, messages=tuple(messages))


def stated(response: Response) -> Response:
    """`response` as it comes back: with the wire's raw reason, its total, and the counts that are always said."""
    usage = response.usage
    read = min(usage.cache_read_tokens or 0, usage.input_tokens or 0)
    usage = msgspec.structs.replace(
        usage, stated_total_tokens=usage.total_tokens, cache_read_tokens=read, cache_write_tokens=0, reasoning_tokens=0
    )
    raw = "max_output_tokens" if response.finish_reason == "length" else "completed"
    return msgspec.structs.replace(response, usage=usage, raw_finish_reason=raw)


def small(response: Response) -> Response:
    usage = response.usage
    read = min(usage.cache_read_tokens or 0, usage.input_tokens or 0)
    return msgspec.structs.replace(response, usage=msgspec.structs.replace(usage, cache_read_tokens=read))


@given(response=responses(ANSWERS))
@settings(max_examples=80, deadline=None)
def test_an_answer_survives_the_wire(response: Response) -> None:
    """decode(encode_response(r)) == r."""
    response = small(response)
    assert CODEC.decode(CODEC.encode_response(response)) == stated(response)


@given(response=responses(ANSWERS), cut=st.integers(1, 500))
@settings(max_examples=80, deadline=None)
def test_an_answer_survives_the_stream(response: Response, cut: int) -> None:
    """Unfolded into events, encoded, decoded in pieces and folded again, an answer is the same."""
    response = small(response)
    encoder = CODEC.encoder(Request(model="gpt-4.1"))
    body = b"".join(encoder.encode(event) for event in unfold(response)) + encoder.finish()
    assert decode(body, cut) == stated(response)


def decode(body: bytes, step: int = 1 << 30) -> Response:
    decoder = CODEC.decoder()
    events: list[Event] = []
    for start in range(0, len(body), step):
        events += decoder.feed(body[start : start + step])
    return fold(events + decoder.finish())


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate(events)
    )


HEAD = {"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "m-1", "status": "completed"}
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_tokens_details": {"cached_tokens": 4}}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm"}],
    "encrypted_content": "b3Bh",
}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
}
ASKED = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "add",
    "arguments": '{"a": 1}',
    "status": "completed",
}


def whole(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**HEAD, "output": list(items), "usage": USAGE, **fields}


def created() -> dict[str, Any]:
    return {"type": "response.created", "response": {**HEAD, "status": "in_progress", "output": []}}


def completed(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    kind = "response.incomplete" if fields.get("status") == "incomplete" else "response.completed"
    return {"type": kind, "response": whole(*items, **fields)}


def text_delta(text: str, index: int = 0, content: int = 0) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": index,
        "content_index": content,
        "delta": text,
    }


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def arguments_delta(text: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "output_index": index, "item_id": "fc_1", "delta": text}


BLANK = {**ASKED, "arguments": ""}
CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
FIXTURES: dict[str, Any] = {
    "text": whole(SAID),
    "thought, text and call": whole(THOUGHT, SAID, ASKED),
    "cut by the limit": whole(SAID, **CUT),
    "refusal": whole({**SAID, "content": [{"type": "refusal", "refusal": "No."}]}),
    "failed": whole(status="failed", error={"code": "server_error", "message": "x"}),
    "stream of text": stream(created(), added(SAID), text_delta("Hel"), text_delta("lo"), done(SAID), completed(SAID)),
    "stream of a call": stream(
        created(), added(BLANK), arguments_delta('{"a"'), arguments_delta(": 1}"), done(ASKED), completed(ASKED)
    ),
    "stream without deltas": stream(created(), done(THOUGHT), done(SAID, 1), completed(THOUGHT, SAID)),
    "stream with the end only": stream(created(), completed(THOUGHT, SAID, ASKED)),
    "stream whose end is empty": stream(created(), done(SAID), completed()),
    "stream with content counted from one": stream(
        created(), text_delta("Hello", content=1), done(SAID), completed(SAID)
    ),
    "stream with items between": stream(
        created(), text_delta("Hello", 0), done(SAID), done(ASKED, 2), completed(SAID, ASKED)
    ),
    "stream cut by the limit": stream(created(), text_delta("Hel"), done(SAID), completed(SAID, **CUT)),
    "stream corrected by its end": stream(created(), added(BLANK), arguments_delta("{"), done(ASKED), completed(ASKED)),
}


def fixture(name: str) -> Record:
    made = record(FIXTURES[name], name=name)
    return Record(**{**made.__dict__, "api": "responses"})


@pytest.mark.parametrize("name", FIXTURES)
def test_answers_and_streams_hold_what_their_bodies_say(name: str) -> None:
    """Facts, splits at every byte, cuts at every frame."""
    table = Table()
    check(fixture(name), CODEC, table, every_byte=True)
    assert table.failures == []


def test_what_is_done_wins_over_the_deltas() -> None:
    """A server that corrects itself is taken at its last word, and nothing is doubled."""
    assert decode(FIXTURES["stream corrected by its end"]).tool_calls == (
        ToolCall(id="call_1", name="add", arguments={"a": 1}),
    )
    assert decode(FIXTURES["stream of text"]).parts == (Text(text="Hello"),)
    assert decode(FIXTURES["stream with items between"]).text == "Hello"


def test_a_stream_and_its_whole_answer_are_the_same() -> None:
    """Streamed or not, the Response is one."""
    body = json.dumps(FIXTURES["thought, text and call"]).encode()
    assert decode(FIXTURES["stream with the end only"]) == CODEC.decode(body) == decode(body, 5)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "x", "param": None}, errors.RateLimited),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, errors.Overloaded),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "x"}},
            },
            errors.ServerFault,
        ),
        ({"type": "response.failed", "response": {"error": None}}, errors.ServerFault),
    ],
)
def test_an_error_in_a_stream_is_raised_after_what_came_before(event: dict[str, Any], kind: type[LLMError]) -> None:
    """Both shapes of an error, and a failed answer."""
    decoder = CODEC.decoder()
    events = decoder.feed(stream(created(), text_delta("Hel"), event))
    assert [one.text for one in events if isinstance(one, TextDelta)] == ["Hel"]
    with pytest.raises(kind):
        decoder.finish()


def test_a_stream_without_its_terminal_event_is_interrupted() -> None:
    """All items done is not yet the end."""
    with pytest.raises(StreamInterrupted):
        decode(stream(created(), text_delta("Hello"), done(SAID)))
    decoder = CODEC.decoder()
    events = decoder.feed(FIXTURES["stream of text"]) + decoder.finish()
    assert isinstance(events[-1], Finished)


def encoded(request: Request, **how: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(CODEC.encode(request, **how).body)
    return body


def test_a_question_is_stateless() -> None:
    """Nothing is stored; a reasoning model is asked for its reasoning in encrypted form, another is not."""
    plain = encoded(Request(model="gpt-4.1", system="Brief.", messages=(user("Hi"),)))
    assert plain == {
        "model": "gpt-4.1",
        "instructions": "Brief.",
        "input": [{"role": "user", "content": "Hi"}],
        "store": False,
        "max_output_tokens": 4096,
        "temperature": 0.0,
    }
    thinker = encoded(Request(model="gpt-5.6", messages=(user("Hi"),), reasoning_effort="low"))
    assert thinker["include"] == ["reasoning.encrypted_content"]
    assert thinker["reasoning"] == {"effort": "low"}
    assert "temperature" not in thinker


def test_reasoning_goes_back_as_it_came() -> None:
    """The items of an answer, sent back, are the items; reasoning of another origin is left out with a note."""
    turn = CODEC.decode(json.dumps(FIXTURES["thought, text and call"]).encode()).message
    request = Request(model="gpt-5.6", messages=(user("Hi"), turn, tool(ToolResult(call_id="call_1", content="2"))))
    sent = encoded(request)["input"][1:]
    assert sent[0] == THOUGHT
    assert sent[1] == {"role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
    assert (sent[2]["type"], sent[2]["call_id"], sent[2]["arguments"]) == ("function_call", "call_1", '{"a":1}')
    assert sent[3] == {"type": "function_call_output", "call_id": "call_1", "output": "2"}
    foreign = Request(
        model="gpt-5.6", messages=(user("Hi"), assistant(Reasoning(text="Hm", encrypted="x"), "4"), user("?"))
    )
    http = CODEC.encode(foreign)
    assert b"Hm" not in http.body
    assert "reasoning of earlier turns" in "".join(http.notes)


def test_unknown_items_and_phases_return_verbatim() -> None:
    """A server tool's item is kept whole; a message keeps its phase."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "x"}}
    answer = CODEC.decode(json.dumps(whole(search, {**SAID, "phase": "commentary"})).encode())
    assert answer.parts[0] == Unknown(dialect="openai_responses", data=search)
    sent = encoded(Request(model="gpt-4.1", messages=(user("Hi"), answer.message, user("?"))))["input"]
    assert sent[1] == search
    assert sent[2]["phase"] == "commentary"


def test_custom_tools_keep_their_form() -> None:
    """Free-text input stays text, and its result goes back under the custom type."""
    asked = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_9", "name": "code", "input": "print(1)"}
    answer = CODEC.decode(json.dumps(whole(asked)).encode())
    assert answer.tool_calls[0].raw_arguments == "print(1)"
    request = Request(
        model="gpt-4.1", messages=(user("Hi"), answer.message, tool(ToolResult(call_id="call_9", content="1")))
    )
    sent = encoded(request)["input"]
    assert (sent[1]["type"], sent[1]["input"], sent[2]["type"]) == (
        "custom_tool_call",
        "print(1)",
        "custom_tool_call_output",
    )


def test_what_the_api_lacks_is_refused_at_once() -> None:
    """Stop, seed, penalties and a tiny limit: all faults in one error."""
    request = Request(
        model="gpt-4.1", messages=(user("Hi"),), stop=("x",), seed=1, top_k=1, frequency_penalty=1.0, max_output_tokens=5,
        tools=(Tool(name="a b"),), response_format=ResponseFormat(),
    )  # fmt: skip
    with pytest.raises(InvalidRequest) as caught:
        CODEC.encode(request)
    text = str(caught.value)
    for place in ("stop:", "seed:", "top_k:", "frequency_penalty:", "max_output_tokens:", "tools[0]:", "the word JSON"):
        assert place in text


def test_a_clients_body_is_read_and_its_foreign_fields_are_kept() -> None:
    """A string input, easy messages, server tools, stored answers."""
    raw = {
        "model": "gpt-4.1",
        "instructions": "Brief.",
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "More."}]},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes?"},
        ],
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}],
        "previous_response_id": "resp_0",
        "store": True,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "low"},
    }
    request = CODEC.decode_request(HTTPRequest(url="/", body=json.dumps(raw).encode()))
    assert [message.role for message in request.messages] == ["system", "user", "assistant"]
    assert request.reasoning_effort == "low"
    sent = encoded(request)
    assert [one["type"] for one in sent["tools"]] == ["function", "web_search"]
    for field in ("previous_response_id", "store", "reasoning", "text"):
        assert sent[field] == raw[field], field
    with pytest.raises(BadRequest, match=r"\$.temperature"):
        CODEC.decode_request(HTTPRequest(url="/", body=b'{"model": "m", "input": "x", "temperature": "hot"}'))


def test_reasoning_of_another_dialect_is_shown_to_a_client() -> None:
    """The gateway shows a foreign thought as a summary, whole and streamed."""
    answer = Response(
        parts=(Reasoning(text="Hm", signature="s"), Text(text="4")), finish_reason="stop", id="r", model="m"
    )
    shown = CODEC.decode(CODEC.encode_response(answer))
    assert (shown.reasoning, shown.text) == ("Hm", "4")
    encoder = CODEC.encoder(Request(model="m"))
    body = b"".join(encoder.encode(event) for event in unfold(answer)) + encoder.finish()
    assert (decode(body).reasoning, decode(body).text) == ("Hm", "4")


def test_an_encoded_stream_frames_each_part() -> None:
    """Clients insist on added and done around every part, and on numbers without gaps."""
    answer = Response(parts=(Text(text="Hi"), ToolCall(id="c", name="f")), finish_reason="tool_call", id="r", model="m")
    encoder = CODEC.encoder(Request(model="m"))
    body = b"".join(encoder.encode(event) for event in unfold(answer)) + encoder.finish()
    events = [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "output_item.added", "function_call_arguments.done"),
        *("output_item.done", "completed"),
    ]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_raise_only_our_errors(data: st.DataObject) -> None:
    """Any mutation of a stream or an answer ends in a Response or in an error of the tree."""
    body = data.draw(st.sampled_from(list(FIXTURES.values())))
    damaged = bytearray(body if isinstance(body, bytes) else json.dumps(body).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"null", b"[]", b"{}", b"7", b'"', b"\n\n"])
        )
        damaged = damaged or bytearray(b"x")
    for read in (decode, CODEC.decode):
        try:
            read(bytes(damaged))
        except LLMError:
            pass


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"output": 1}', b"<html>"])
def test_nothing_is_no_answer(body: bytes) -> None:
    """A body without output is a ProtocolError, whole or as a stream."""
    with pytest.raises(ProtocolError):
        CODEC.decode(body)
    with pytest.raises(ProtocolError):
        decode(body)

"""The Anthropic dialect on bodies written for this project: what is sent, what is read, what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backstay.codecs.anthropic import AnthropicCodec
from backstay.codecs.anthropic_stream import AnthropicDecoder
from backstay.codecs.trait import traits
from backstay.errors import (
    AllTargetsFailed,
    AuthenticationFailed,
    BadRequest,
    BudgetExceeded,
    ContextLengthExceeded,
    InvalidRequest,
    LimitReached,
    LLMError,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    ServerFault,
    StreamInterrupted,
)
from backstay.event import Event, Finished, PartDone, Started, TextDelta, ToolCallDelta, UnknownEvent, UsageReport
from backstay.fold import fold, unfold
from backstay.types import (
    Audio,
    File,
    Image,
    Message,
    NamedTool,
    Reasoning,
    Request,
    Response,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
    Usage,
    assistant,
    system,
    tool,
    user,
)
from backstay.wire import HTTPRequest

CODEC = AnthropicCodec()
OLD, PAIRLESS, BOTH, NEW, ALWAYS = (
    "claude-sonnet-4-0",
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-fable-5",
)
WEATHER = Tool(name="weather", description="The weather of a town", parameters={"type": "object", "properties": {}})


def ask(*messages: Message, model: str = PAIRLESS, **fields: Any) -> Request:
    return Request(model=model, messages=messages or (user("Which way to the harbour?"),), **fields)


def body_of(request: Request, codec: AnthropicCodec = CODEC, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(codec.encode(request, stream=stream).body)
    return body


def faults_of(request: Request, codec: AnthropicCodec = CODEC) -> str:
    with pytest.raises(InvalidRequest) as caught:
        codec.encode(request)
    return "\n".join(caught.value.faults)


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: " + event["type"].encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n" for event in events
    )


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


START = {
    "type": "message_start",
    "message": {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": PAIRLESS,
        "content": [],
        "usage": {"input_tokens": 11, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"},
    },
}
END = [
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 42, "server_tool_use": {"web_search_requests": 1}},
    },
    {"type": "message_stop"},
]
CITATION = {"type": "char_location", "cited_text": "blue door", "document_index": 0}
STREAM_EVENTS: list[dict[str, Any]] = [
    START,
    {"type": "ping"},
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Ask the "},
        {"type": "thinking_delta", "thinking": "pilot."},
        {"type": "signature_delta", "signature": "c2lnbmVk"},
    ),
    *block(1, {"type": "redacted_thinking", "data": "aGlkZGVu"}),
    *block(
        2,
        {"type": "text", "text": ""},
        {"type": "text_delta", "text": "Past the "},
        {"type": "text_delta", "text": "blue door. — ⚓"},
        {"type": "citations_delta", "citation": CITATION},
    ),
    *block(
        3,
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"town": "Nau'},
        {"type": "input_json_delta", "partial_json": 'fragia"}'},
    ),
    *block(4, {"type": "tool_use", "id": "toolu_2", "name": "tide", "input": {}, "caller": {"type": "direct"}}),
    *block(
        5,
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query": "tide"}'},
    ),
    {"type": "weather_report", "sky": "clear"},
    *END,
]
STREAM = sse(*STREAM_EVENTS)
PARTS = (
    Reasoning(text="Ask the pilot.", signature="c2lnbmVk"),
    Reasoning(encrypted="aGlkZGVu"),
    Text(text="Past the blue door. — ⚓", extra={"anthropic": {"citations": [CITATION]}}),
    ToolCall(id="toolu_1", name="weather", arguments={"town": "Naufragia"}),
    ToolCall(id="toolu_2", name="tide", extra={"anthropic": {"caller": {"type": "direct"}}}),
    Unknown(
        dialect="anthropic",
        data={"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "tide"}},
    ),
)


def test_a_plain_question_has_the_documented_form() -> None:
    """Method, path, version header and body are what the API documents."""
    http = CODEC.encode(ask(system="Be brief.", stop=("END",)), stream=True)
    assert (http.method, http.url, http.headers["anthropic-version"]) == ("POST", "/v1/messages", "2023-06-01")
    assert msgspec.json.decode(http.body) == {
        "model": PAIRLESS,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Which way to the harbour?"}]}],
        "system": "Be brief.",
        "stop_sequences": ["END"],
        "temperature": 0.0,
        "stream": True,
    }


def test_an_absent_system_prompt_is_absent() -> None:
    """The API refuses `system: null`, so nothing stands there."""
    assert "system" not in body_of(ask())


@pytest.mark.parametrize(
    ("model", "version", "is_sent"),
    [
        (PAIRLESS, "2023-06-01", True),
        (PAIRLESS, "2026-10-21", False),
        (NEW, "2023-06-01", False),
        (ALWAYS, "2026-10-21", False),
    ],
)
def test_sampling_depends_on_version_and_model(model: str, version: str, is_sent: bool) -> None:
    """The default temperature is left out, and said to be, where version or model refuses it; another value is a fault."""
    codec = AnthropicCodec(version=version)
    http = codec.encode(ask(model=model))
    assert ("temperature" in msgspec.json.decode(http.body)) is is_sent
    assert any("temperature" in note for note in http.notes) is not is_sent
    if not is_sent:
        assert "temperature" in faults_of(ask(model=model, temperature=0.7), codec)
        assert "top_p" in faults_of(ask(model=model, top_p=0.9), codec)
        assert "top_k" in faults_of(ask(model=model, options={"anthropic": {"top_k": 3}}), codec)


def test_temperature_and_top_p_exclude_each_other_on_newer_models() -> None:
    """Since 4.1 one of the two is taken; a default temperature gives way, a chosen one is a fault."""
    assert "temperature" not in body_of(ask(top_p=0.9))
    assert "not both" in faults_of(ask(top_p=0.9, temperature=0.5))
    assert body_of(ask(model=OLD, top_p=0.9, temperature=0.5))["top_p"] == 0.9


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "config"),
    [
        (PAIRLESS, "medium", {"type": "enabled", "budget_tokens": 8192}, None),
        (PAIRLESS, "none", {"type": "disabled"}, None),
        (BOTH, "max", {"type": "adaptive"}, {"effort": "max"}),
        (NEW, "xhigh", {"type": "adaptive"}, {"effort": "xhigh"}),
        (ALWAYS, "minimal", {"type": "adaptive"}, {"effort": "low"}),
    ],
)
def test_effort_takes_the_form_of_the_model(model: str, effort: Any, thinking: Any, config: Any) -> None:
    """A budget for older models, adaptive thinking with an effort for newer ones; the default temperature gives way."""
    body = body_of(ask(model=model, reasoning_effort=effort, max_output_tokens=50000))
    assert (body["thinking"], body.get("output_config")) == (thinking, config)
    assert ("temperature" in body) is (effort == "none")


def test_impossible_reasoning_is_refused() -> None:
    """An effort that the model lacks, a budget where there is none, a forced tool beside a budget: faults."""
    assert "xhigh" in faults_of(ask(model=BOTH, reasoning_effort="xhigh"))
    assert "reasoning_effort" in faults_of(ask(model="claude-3-5-haiku-20241022", reasoning_effort="low"))
    assert "reasoning_effort" in faults_of(ask(model=ALWAYS, reasoning_effort="none"))
    budget = {"anthropic": {"thinking": {"type": "enabled", "budget_tokens": 4096}}}
    assert "no token budget" in faults_of(ask(model=NEW, options=budget))
    assert "must exceed" in faults_of(ask(options=budget))
    forced = ask(tools=(WEATHER,), tool_choice="required", reasoning_effort="low")
    assert "tool_choice" in faults_of(forced)
    assert "temperature" in faults_of(ask(reasoning_effort="low", temperature=0.3))


def test_all_faults_come_at_once() -> None:
    """One error names every reason, each with its place."""
    request = ask(
        user("  "),
        user(Audio(data=b"x", media_type="audio/wav")),
        user(Image(data=b"x", media_type="image/tiff")),
        user(File(data=b"x", media_type="application/zip")),
        user(ToolCall(id="a", name="b")),
        tools=(Tool(name="bad name", parameters={}), WEATHER, WEATHER),
        tool_choice=NamedTool("absent"),
        temperature=1.5,
        seed=7,
        stop=(" ",),
        max_output_tokens=-1,
        response_format=ResponseFormat(schema={"type": "object"}),
        model=OLD,
    )
    text = faults_of(request)
    for place in (
        "messages[0]",
        "messages[1].parts[0]",
        "messages[2].parts[0]",
        "messages[3].parts[0]",
        "messages[4].parts[0]",
        "tools[0].parameters",
        "tools[0].name",
        "tools[2].name",
        "tool_choice",
        "temperature",
        "seed",
        "stop[0]",
        "max_output_tokens",
        "response_format",
    ):
        assert place in text, place


def test_tool_results_go_first_into_one_user_turn() -> None:
    """Results that came apart, and text between them, become one user message with the results in front."""
    calls = assistant(ToolCall(id="a", name="weather"), ToolCall(id="b", name="weather"))
    request = ask(
        user("Weather?"),
        calls,
        tool(ToolResult(call_id="a", content="fog")),
        user("And?"),
        tool(ToolResult(call_id="b", content="sun", is_error=True)),
        tools=(WEATHER,),
    )
    turns = body_of(request)["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "fog"},
        {"type": "tool_result", "tool_use_id": "b", "content": "sun", "is_error": True},
        {"type": "text", "text": "And?"},
    ]


def test_unanswered_calls_and_stray_results_are_faults() -> None:
    """Every call needs its result in the next turn, and every result its call."""
    call = assistant(ToolCall(id="a", name="weather"))
    assert "'a' has no result" in faults_of(ask(user("Hi"), call, user("Well?"), tools=(WEATHER,)))
    assert "'a' has no result" in faults_of(ask(user("Hi"), call, tools=(WEATHER,)))
    assert "answers no call" in faults_of(ask(user("Hi"), tool(ToolResult(call_id="z", content="?")), tools=(WEATHER,)))


def test_ids_of_other_providers_are_made_to_fit() -> None:
    """Characters that the API refuses in ids are replaced, in the call and its result alike."""
    body = body_of(
        ask(user("Hi"), assistant(ToolCall(id="functions.f:0", name="f")), tool(ToolResult(call_id="functions.f:0")))
    )
    assert (
        body["messages"][1]["content"][0]["id"] == body["messages"][2]["content"][0]["tool_use_id"] == "functions_f_0"
    )


def test_prefill_is_refused_where_it_is_gone() -> None:
    """A conversation that ends with the assistant's text is taken up to 4.5."""
    prefill = (user("Count"), assistant("One,"))
    assert body_of(ask(*prefill))["messages"][-1]["role"] == "assistant"
    assert "prefill" in faults_of(ask(*prefill, model=BOTH))


def test_system_messages_find_their_place() -> None:
    """At the top they join the system prompt; in between they stay where the model takes them and move where it does not."""
    first = body_of(ask(system("Be kind."), user("Hi"), system="Be brief."))
    assert first["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    late = (user("Hi"), system("Be rude."), user("Well?"))
    assert [turn["role"] for turn in body_of(ask(*late, model=NEW))["messages"]] == ["user", "system", "user"]
    moved = CODEC.encode(ask(*late))
    assert msgspec.json.decode(moved.body)["system"] == [{"type": "text", "text": "Be rude."}]
    assert any("messages[1]" in note for note in moved.notes)


def test_cache_marks_become_cache_control() -> None:
    """Marks on system, tools and parts are sent with their lifetime; a fifth is a fault."""
    request = ask(
        user(Text(text="Long text", cache="5m")),
        system=(Text(text="Rules", cache="1h"),),
        tools=(msgspec.structs.replace(WEATHER, cache="1h"),),
    )
    body = body_of(request)
    assert body["system"][0]["cache_control"] == body["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    five = user(*(Text(text=str(number), cache="5m") for number in range(5)))
    assert "5 parts are marked" in faults_of(ask(five))


def test_structured_output_closes_the_schema_and_says_so() -> None:
    """Objects are closed and bounds become words; a schema that is already so goes unchanged and without a note."""
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0, "description": "Years."}}}
    http = CODEC.encode(ask(response_format=ResponseFormat(schema=schema)))
    sent = msgspec.json.decode(http.body)["output_config"]["format"]
    assert sent == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"age": {"type": "integer", "description": 'Years. Must satisfy {"minimum":0}.'}},
            "additionalProperties": False,
        },
    }
    assert len(http.notes) == 2
    assert schema["properties"]["age"]["minimum"] == 0  # type: ignore[index]
    assert CODEC.encode(ask(response_format=ResponseFormat(schema=sent["schema"]))).notes == ()


def test_foreign_parts_do_not_reach_the_wire() -> None:
    """Blocks, extras and thoughts of another provider are left out, each with a note; the rest of the turn stays."""
    said = assistant(
        Unknown(dialect="gemini", data={"x": 1}),
        Reasoning(text="hm", id="rs_1", encrypted="secret"),
        Text(text="Hello", extra={"openai": {"annotations": [1]}}),
    )
    http = CODEC.encode(ask(user("Hi"), said, user("Go on")))
    assert msgspec.json.decode(http.body)["messages"][1]["content"] == [{"type": "text", "text": "Hello"}]
    assert len([note for note in http.notes if "left out" in note]) == 2


def test_an_answer_goes_back_unchanged() -> None:
    """What the API said, thoughts, signatures and unknown blocks included, is sent back byte for byte."""
    blocks = msgspec.json.decode(CODEC.encode_response(Response(parts=PARTS)))["content"]
    assert [part["type"] for part in blocks][:3] == ["thinking", "redacted_thinking", "text"]
    answer = Response(parts=PARTS)
    results = tool(ToolResult(call_id="toolu_1", content="fog"), ToolResult(call_id="toolu_2", content="low"))
    assert body_of(ask(user("Hi"), answer.message, results))["messages"][1]["content"] == blocks


def test_vertex_puts_version_in_the_body_and_model_in_the_path() -> None:
    """The same body, another envelope."""
    codec = AnthropicCodec(host="vertex", version="vertex-2023-10-16")
    http = codec.encode(ask(model="claude-sonnet-4-5@20250929"), stream=True)
    body = msgspec.json.decode(http.body)
    assert http.url == "/claude-sonnet-4-5@20250929:streamRawPredict"
    assert (body["anthropic_version"], "model" in body, "anthropic-version" in http.headers) == (
        "vertex-2023-10-16",
        False,
        False,
    )
    assert codec.decode_request(http).model == "claude-sonnet-4-5@20250929"


def test_counting_sends_what_is_counted() -> None:
    """count_tokens takes the question without limits, sampling and stream, and answers with one number."""
    http = CODEC.encode_count_tokens(ask(system="Be brief.", tools=(WEATHER,), stop=("x",)))
    assert http.url == "/v1/messages/count_tokens"
    assert set(msgspec.json.decode(http.body)) == {"model", "messages", "system", "tools"}
    assert CODEC.decode_count_tokens(CODEC.encode_token_count(17)) == 17
    with pytest.raises(ProtocolError):
        CODEC.decode_count_tokens(b"{}")


def test_a_stream_folds_into_its_answer() -> None:
    """Thoughts, signatures, citations, parallel calls, unknown blocks and events: all there, in their slots."""
    events = decode(STREAM)
    response = fold(events)
    assert response.parts == PARTS
    assert (response.id, response.model, response.finish_reason) == ("msg_7", PAIRLESS, "tool_call")
    assert response.usage == Usage(
        input_tokens=16,
        output_tokens=42,
        cache_read_tokens=5,
        extra={"anthropic": {"service_tier": "standard", "server_tool_use": {"web_search_requests": 1}}},
    )
    assert [event.kind for event in events if isinstance(event, UnknownEvent)] == ["weather_report"]
    assert isinstance(events[-1], Finished)


def decode(data: bytes, size: int = 0) -> list[Event]:
    decoder = CODEC.decoder()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


def test_any_split_gives_the_same_events() -> None:
    """Cut in two at every byte, and into single bytes, a stream decodes identically."""
    whole = decode(STREAM)
    assert decode(STREAM, 1) == whole
    for cut in range(1, len(STREAM)):
        decoder = CODEC.decoder()
        assert decoder.feed(STREAM[:cut]) + decoder.feed(STREAM[cut:]) + decoder.finish() == whole, cut


def test_a_cut_after_any_event_is_no_clean_end() -> None:
    """Without message_stop the stream was interrupted, wherever it was cut; only the whole one ends."""
    for count in range(len(STREAM_EVENTS)):
        decoder = CODEC.decoder()
        decoder.feed(sse(*STREAM_EVENTS[:count]))
        with pytest.raises(StreamInterrupted):
            decoder.finish()


def test_a_cut_at_any_byte_is_no_clean_end() -> None:
    """Inside an event as well; the last event counts even without its blank line, because nothing of it is missing."""
    last = STREAM.rindex(b"}") + 1
    for cut in range(len(STREAM)):
        decoder = CODEC.decoder()
        decoder.feed(STREAM[:cut])
        if cut < last:
            with pytest.raises(StreamInterrupted):
                decoder.finish()
        else:
            assert isinstance(decoder.finish()[-1], Finished)


def test_an_error_in_the_stream_is_raised_after_what_came_before() -> None:
    """The events before the error are handed out, then the typed error comes, in any split and again at finish."""
    data = sse(START, *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hel"})[:2])
    failed = data + sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    decoder = CODEC.decoder()
    assert TextDelta("Hel", 0) in decoder.feed(failed)
    for attempt in (lambda: decoder.feed(b"x"), decoder.finish):
        with pytest.raises(Overloaded) as caught:
            attempt()
        assert (caught.value.status, caught.value.retryable) == (529, True)
    with pytest.raises(Overloaded):
        decode(failed, 1)
    with pytest.raises(RateLimited):
        decode(sse({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}))


def test_a_plain_answer_to_a_stream_request_is_read() -> None:
    """A server that ignores `stream` is understood, and a JSON error body under 200 is the error."""
    response = Response(
        parts=(Text(text="Hello"),),
        finish_reason="stop",
        raw_finish_reason="end_turn",
        id="m",
        model="x",
        usage=Usage(input_tokens=1, output_tokens=2),
    )
    assert fold(decode(CODEC.encode_response(response))) == response
    with pytest.raises(AuthenticationFailed):
        decode(b'{"type":"error","error":{"type":"authentication_error","message":"no"}}')


def test_odd_streams_of_other_servers_are_understood() -> None:
    """A doubled message_start, content given at the start, whole input without deltas, a missing block start."""
    twice = {**START, "message": {**START["message"], "content": [{"type": "text", "text": "Early."}]}}
    whole = block(1, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}})
    orphan = {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "late"}}
    response = fold(decode(sse(twice, START, *whole, orphan, *END)))
    assert response.parts == (Text(text="Early."), ToolCall(id="t", name="f", arguments={"a": 1}), Text(text="late"))


def test_an_answer_that_begins_again_replaces_what_came_before() -> None:
    """The parts of the second message stand in the places of the first; one that comes out shorter is no clean end."""
    again = {**START, "message": {**START["message"], "id": "msg_8"}}
    cut = block(
        0,
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"n'},
    )
    whole = block(
        0, {"type": "tool_use", "id": "b", "name": "f", "input": {}}, {"type": "input_json_delta", "partial_json": "{}"}
    )
    response = fold(decode(sse(START, *cut[:-1], again, *whole, *END)))
    assert (response.id, response.parts) == ("msg_8", (ToolCall(id="b", name="f"),))
    with pytest.raises(StreamInterrupted):
        decode(sse(START, *cut, *block(1, {"type": "text", "text": "x"}), again, *whole, *END))


def test_arguments_that_are_no_json_are_kept_as_written() -> None:
    """A truncated tool call keeps its text, streamed or not."""
    cut = block(
        0,
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}},
        {"type": "input_json_delta", "partial_json": '{"a": '},
    )
    part = fold(decode(sse(START, *cut, *END))).parts[0]
    assert isinstance(part, ToolCall)
    assert (part.arguments, part.raw_arguments) == ({}, '{"a": ')


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool_call"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window"),
        ("something_new", "other"),
    ],
)
def test_finish_reasons(raw: str, neutral: str) -> None:
    """Every stop reason has its neutral word, the raw one is kept, and goes out again as it came."""
    details = {"stop_details": {"type": "refusal", "category": "bio", "explanation": None}}
    wire = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "x",
        "content": [],
        "stop_reason": raw,
        **details,
    }
    response = CODEC.decode(msgspec.json.encode(wire))
    assert (response.finish_reason, response.raw_finish_reason) == (neutral, raw)
    assert response.extra == {"anthropic": details}
    assert msgspec.json.decode(CODEC.encode_response(response))["stop_reason"] == raw


def test_usage_of_every_kind() -> None:
    """Input includes what was read from and written to the cache; the longer-lived part and thinking are subsets."""
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 200,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    response = CODEC.decode(msgspec.json.encode({"content": [], "usage": usage}))
    assert response.usage == Usage(
        input_tokens=240,
        output_tokens=7,
        cache_read_tokens=200,
        cache_write_tokens=30,
        cache_write_1h_tokens=20,
        reasoning_tokens=3,
    )
    assert msgspec.json.decode(CODEC.encode_response(response))["usage"] == usage


def error(kind: str, message: str = "no", **more: Any) -> bytes:
    return msgspec.json.encode(
        {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, error("invalid_request_error"), BadRequest, False),
        (400, error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), ContextLengthExceeded, False),
        (400, error("invalid_request_error", "Your credit balance is too low to go on"), QuotaExhausted, False),
        (429, error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}), QuotaExhausted, False),
        (429, error("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), RateLimited, True),
        (401, error("authentication_error"), AuthenticationFailed, False),
        (402, error("billing_error"), PermissionDenied, False),
        (403, error("permission_error"), PermissionDenied, False),
        (404, error("not_found_error"), NotFound, False),
        (413, b'{"error":{"type":"request_too_large","message":"too large"}}', BadRequest, False),
        (429, error("rate_limit_error"), RateLimited, True),
        (500, error("api_error"), ServerFault, True),
        (504, error("timeout_error"), ServerFault, True),
        (529, error("overloaded_error"), Overloaded, True),
        (502, b"<html>Bad gateway</html>", ServerFault, True),
        (503, b"", ServerFault, True),
        (500, b"[1]", ServerFault, True),
        (400, b'{"error": "just text"}', BadRequest, False),
    ],
)
def test_errors_are_typed(status: int, body: bytes, kind: type[LLMError], retryable: bool) -> None:
    """Status, type, code and text, in this order, give the class; nothing makes it raise."""
    found = CODEC.decode_error(status, {}, body)
    assert (type(found), found.retryable, found.status) == (kind, retryable, status)
    assert found.message


def test_the_provider_decides_on_trying_again() -> None:
    """x-should-retry overrides the class, retry-after is the floor, request-id is kept."""
    headers = {"x-should-retry": "false", "retry-after": "7", "request-id": "req_9"}
    found = CODEC.decode_error(529, headers, b'{"error":{"type":"overloaded_error","message":"x"}}')
    assert (found.retryable, found.retry_after, found.request_id) == (False, 7.0, "req_9")


@pytest.mark.parametrize(
    ("given", "status", "kind"),
    [
        (RateLimited("slow", status=429, retry_after=2.5), 429, "rate_limit_error"),
        (Overloaded("busy", status=503), 529, "overloaded_error"),
        (LimitReached("full", limit="tokens", retry_after=1), 429, "rate_limit_error"),
        (BudgetExceeded("spent"), 402, "billing_error"),
        (InvalidRequest("a", "b"), 400, "invalid_request_error"),
        (AllTargetsFailed("all", errors=[NotFound("gone", status=404)]), 404, "not_found_error"),
        (ServerFault("teapot", status=418), 418, "api_error"),
        (StreamInterrupted("cut"), 502, "api_error"),
    ],
)
def test_errors_go_out_in_the_dialects_form(given: LLMError, status: int, kind: str) -> None:
    """A client of this dialect gets the status, type and retry advice that it knows; a written error reads as itself."""
    sent_status, headers, body = CODEC.encode_error(given)
    wire = msgspec.json.decode(body)
    assert (sent_status in (status, getattr(given, "status", status)), wire["error"]["type"]) == (True, kind)
    assert headers["x-should-retry"] == (
        "true" if CODEC.decode_error(sent_status, headers, body).retryable else "false"
    )
    if given.retry_after is not None:
        assert CODEC.decode_error(sent_status, headers, body).retry_after == given.retry_after


def test_a_client_is_told_which_field_is_wrong() -> None:
    """Bodies that are none, and fields of the wrong kind, are BadRequests with the place in them."""
    for body, place in (
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'{"messages": 3}', "messages"),
        (b'{"messages": [{"role": "robot", "content": ""}]}', "messages[0].role"),
        (b'{"messages": [], "max_tokens": "many"}', "max_tokens"),
        (b'{"messages": [], "tool_choice": {"type": "maybe"}}', "tool_choice"),
    ):
        with pytest.raises(BadRequest, match=place.replace("[", r"\[")):
            CODEC.decode_request(HTTPRequest(url="/v1/messages", body=body))


def test_a_clients_short_forms_are_read() -> None:
    """String content, the older output_format, betas in the header and unknown fields all arrive."""
    body = {
        "model": "claude-x",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": "Hi"}],
        "output_format": {"type": "json_schema", "schema": {"type": "object"}},
        "service_tier": "auto",
        "thinking": {"type": "enabled", "budget_tokens": 9000},
    }
    http = HTTPRequest(url="/v1/messages?beta=true", headers={"anthropic-beta": "a, b"}, body=msgspec.json.encode(body))
    request = CODEC.decode_request(http)
    assert CODEC.is_stream(http)
    assert request.messages == (user("Hi"),)
    assert request.response_format == ResponseFormat(schema={"type": "object"})
    assert request.reasoning_effort == "medium"
    assert request.temperature is None
    assert request.options == {
        "anthropic": {
            "service_tier": "auto",
            "betas": ["a", "b"],
            "thinking": {"type": "enabled", "budget_tokens": 9000},
        }
    }


def rewrite(events: list[Event]) -> list[Event]:
    encoder = CODEC.encoder(ask())
    return decode(b"".join(encoder.encode(event) for event in events) + encoder.finish())


def test_a_stream_survives_the_gateway() -> None:
    """Events written as a stream and read again fold into the same answer; only a call's late `caller` is lost."""
    whole = fold(decode(STREAM))
    assert fold(rewrite(unfold(whole))) == whole
    calls = (*PARTS[:4], ToolCall(id="toolu_2", name="tide"), PARTS[5])
    assert fold(rewrite(decode(STREAM))) == msgspec.structs.replace(whole, parts=calls)


def test_fragments_of_parallel_calls_may_come_in_turns() -> None:
    """Calls whose fragments alternate keep their own arguments; counts after the end still arrive."""
    events: list[Event] = [
        Started("m", "x"),
        ToolCallDelta(0, "a", "f", '{"n":'),
        ToolCallDelta(1, "b", "g", '{"n":'),
        ToolCallDelta(0, None, None, "1}"),
        ToolCallDelta(1, None, None, "2}"),
        Finished("tool_call", "tool_calls"),
        UsageReport(Usage(input_tokens=3, output_tokens=4)),
    ]
    response = fold(rewrite(events))
    assert [call.arguments for call in response.tool_calls] == [{"n": 1}, {"n": 2}]
    assert (response.usage.total_tokens, response.finish_reason) == (7, "tool_call")


def test_a_correction_at_the_end_completes_what_was_sent() -> None:
    """A final value that continues the deltas adds what was missing; the block is closed once."""
    events: list[Event] = [
        TextDelta("Hel", 0),
        PartDone(Text(text="Hello"), 0),
        ToolCallDelta(1, "a", "f"),
        PartDone(ToolCall(id="a", name="f", arguments={"n": 1}), 1),
        Finished("stop"),
    ]
    response = fold(rewrite(events))
    assert response.parts == (Text(text="Hello"), ToolCall(id="a", name="f", arguments={"n": 1}))


def test_an_error_ends_a_gateways_stream() -> None:
    """The client sees an `error` event in the dialect's form."""
    encoder = CODEC.encoder(ask())
    data = encoder.encode(TextDelta("Hel")) + encoder.encode_error(Overloaded("busy", status=529))
    decoder = CODEC.decoder()
    decoder.feed(data)
    with pytest.raises(Overloaded):
        decoder.finish()


def test_the_newer_version_is_stricter_about_blocks() -> None:
    """Since 2026-10-21 an assistant holds no documents and a user's text no citations."""
    newer = AnthropicCodec(version="2026-10-21")
    cited = Text(text="x", extra={"anthropic": {"citations": [CITATION]}})
    request = ask(user(cited), assistant(File(text="x"), Text(text="y")), user("Go on"))
    assert "citations" in faults_of(request, newer)
    assert "document" in faults_of(request, newer)
    assert body_of(request)["messages"][1]["content"][0]["type"] == "document"


@pytest.mark.parametrize(
    ("name", "sampling", "thinking", "prefill"),
    [
        ("claude-2.1", "always", "none", True),
        ("claude-3-5-haiku-20241022", "always", "none", True),
        ("claude-3.5-sonnet", "always", "none", True),
        ("claude-3-7-sonnet@20250219", "always", "budget", True),
        ("claude-sonnet-4-20250514", "always", "budget", True),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "always", "budget", True),
        ("anthropic/claude-haiku-4.5", "always", "budget", True),
        ("claude-opus-4-6", "always", "either", False),
        ("global.anthropic.claude-sonnet-4-6", "always", "either", False),
        ("claude-opus-4-7-20260401", "never", "adaptive", False),
        ("claude-haiku-5-5", "never", "adaptive", False),
        ("claude-opus-5", "never", "adaptive", False),
        ("claude-opus-5-5", "never", "always", False),
        ("claude-mythos-preview", "never", "always", False),
        ("claude-saga-9", "never", "adaptive", False),
        ("some-other-model", "always", None, True),
    ],
)
def test_a_generation_is_told_by_its_name(name: str, sampling: str, thinking: str | None, prefill: bool) -> None:
    """Every spelling of a model's name gives the rules of its generation; an unknown Claude counts as the newest."""
    rules = traits("anthropic", name)
    assert (rules.sampling, rules.thinking, rules.takes_prefill) == (sampling, thinking, prefill)


def test_a_decoder_that_ends_too_early_is_found_out() -> None:
    """The broken variant: one that takes message_delta for the end accepts a cut stream, and the check on cuts notices."""

    class Hasty(AnthropicDecoder):
        def finish(self) -> list[Event]:
            try:
                return super().finish()
            except StreamInterrupted:
                return []

    decoder = Hasty()
    decoder.feed(sse(*STREAM_EVENTS[:-1]))
    assert decoder.finish() == []
    with pytest.raises(StreamInterrupted):
        decode(sse(*STREAM_EVENTS[:-1]))

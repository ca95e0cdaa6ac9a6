"""The Bedrock Converse dialect on bodies written for this project: what is sent, what is read, what is refused, and its laws."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.codecs.bedrock import BedrockCodec
from backstay.codecs.eventstream import write_message
from backstay.errors import (
    AuthenticationFailed,
    BadRequest,
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
from backstay.event import Event, Finished, TextDelta, ToolCallDelta, UnknownEvent, UsageReport
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

CODEC = BedrockCodec()
NOVA, CLAUDE, NEW = "amazon.nova-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-opus-4-8"
PORT = Tool(name="port", description="Where to land", parameters={"type": "object", "properties": {}})


def ask(*messages: Message, model: str = CLAUDE, **fields: Any) -> Request:
    return Request(model=model, messages=messages or (user("Where do we land?"),), **fields)


def body_of(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(CODEC.encode(request).body)
    return body


def faults_of(request: Request) -> str:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.encode(request)
    return "\n".join(caught.value.faults)


def frame(kind: str, **payload: Any) -> bytes:
    return write_message({":event-type": kind, ":message-type": "event"}, msgspec.json.encode({**payload, "p": "abc"}))


def delta(index: int, **fields: Any) -> bytes:
    return frame("contentBlockDelta", contentBlockIndex=index, delta=fields)


def stop(index: int) -> bytes:
    return frame("contentBlockStop", contentBlockIndex=index)


def decode(data: bytes, size: int = 0) -> list[Event]:
    decoder = CODEC.decoder()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


CITATION = {"title": "Chart", "location": {"documentPage": {"start": 1}}}
FRAMES = [
    frame("messageStart", role="assistant"),
    delta(0, reasoningContent={"text": "Ask the "}),
    delta(0, reasoningContent={"text": "pilot."}),
    delta(0, reasoningContent={"signature": "c2ln"}),
    stop(0),
    delta(1, text="Behind the "),
    delta(1, text="mole — ⚓"),
    stop(1),
    delta(2, text="As charted."),
    delta(2, citation=CITATION),
    stop(2),
    frame("contentBlockStart", contentBlockIndex=3, start={"toolUse": {"toolUseId": "t1", "name": "port"}}),
    delta(3, toolUse={"input": '{"town": "Nau'}),
    delta(3, toolUse={"input": 'fragia"}'}),
    stop(3),
    frame("weather", sky="clear"),
    frame("messageStop", stopReason="tool_use"),
]
METADATA = frame(
    "metadata",
    usage={
        "inputTokens": 5,
        "outputTokens": 9,
        "totalTokens": 44,
        "cacheReadInputTokens": 10,
        "cacheReadInputTokenCount": 10,
        "cacheWriteInputTokens": 20,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 20}],
    },
    metrics={"latencyMs": 12},
)
STREAM = b"".join(FRAMES) + METADATA
PARTS = (
    Reasoning(text="Ask the pilot.", signature="c2ln"),
    Text(text="Behind the mole — ⚓"),
    Text(text="As charted.", extra={"bedrock": {"citations": [CITATION]}}),
    ToolCall(id="t1", name="port", arguments={"town": "Naufragia"}),
)


def test_a_plain_question_has_the_documented_form() -> None:
    """Path with the encoded model, and the body of Converse; the stream has a path of its own."""
    http = CODEC.encode(ask(system="Be brief.", stop=("END",)))
    assert http.url == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert msgspec.json.decode(http.body) == {
        "messages": [{"role": "user", "content": [{"text": "Where do we land?"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 4096, "stopSequences": ["END"], "temperature": 0.0},
    }
    stream = CODEC.encode(ask(model="arn:aws:bedrock:eu-west-1:1:inference-profile/x"), stream=True)
    assert stream.url == "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/converse-stream"
    assert (CODEC.is_stream(stream), CODEC.is_stream(http)) == (True, False)
    assert CODEC.decode_request(stream).model == "arn:aws:bedrock:eu-west-1:1:inference-profile/x"


@pytest.mark.parametrize(
    ("model", "effort", "fields", "output"),
    [
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, None),
        (CLAUDE, "none", {"thinking": {"type": "disabled"}}, None),
        (NEW, "high", {"thinking": {"type": "adaptive"}}, {"effort": "high"}),
        (NOVA, "medium", None, {"effort": "medium"}),
    ],
)
def test_effort_takes_the_form_of_the_model(model: str, effort: Any, fields: Any, output: Any) -> None:
    """Claude's thinking goes to the additional fields, an effort of other models to the common one."""
    body = body_of(ask(model=model, reasoning_effort=effort))
    assert (body.get("additionalModelRequestFields"), body.get("outputConfig")) == (fields, output)


def test_defaults_give_way_and_other_values_are_faults() -> None:
    """A temperature of 0 is left out, with a note, where the model refuses it; another value is a fault."""
    for request in (ask(model=NEW), ask(reasoning_effort="low"), ask(top_p=0.5)):
        http = CODEC.encode(request)
        assert "temperature" not in msgspec.json.decode(http.body)["inferenceConfig"]
        assert any("temperature 0.0 was left out" in note for note in http.notes)
        assert "temperature" in faults_of(msgspec.structs.replace(request, temperature=0.5))
    assert "top_p" in faults_of(ask(model=NEW, top_p=0.5))
    assert "top_k" in faults_of(ask(model=NEW, top_k=5))


def test_all_faults_come_at_once() -> None:
    """One error names every reason, each with its place."""
    text = faults_of(
        ask(
            user("  "),
            user(Image(url="https://example.org/a.png")),
            user(Image(data=b"x", media_type="image/tiff")),
            user(File(data=b"x", media_type="application/zip")),
            user(ToolCall(id="a", name="b")),
            tool(ToolResult(call_id="zz", content="x")),
            tools=(Tool(name="bad name", parameters={}),),
            tool_choice=NamedTool("absent"),
            temperature=1.5,
            seed=7,
            max_output_tokens=0,
        )
    )
    for place in (
        "messages[0]",
        "messages[1].parts[0]",
        "messages[2].parts[0]",
        "messages[3].parts[0]",
        "messages[4].parts[0]",
        "'zz' answers no call",
        "tools[0].name",
        "tools[0].parameters",
        "tool_choice",
        "temperature",
        "seed",
        "max_output_tokens",
    ):
        assert place in text, place


def test_results_join_the_users_turn_in_front() -> None:
    """Roles alternate: results and texts of one turn become one message, results first, errors marked."""
    calls = assistant(ToolCall(id="a", name="port"), ToolCall(id="b", name="port"))
    request = ask(
        user("Hi"),
        calls,
        user("And?"),
        tool(ToolResult(call_id="a", content="fog"), ToolResult(call_id="b", content="no", is_error=True)),
        tools=(PORT,),
    )
    turns = body_of(request)["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[2]["content"] == [
        {"toolResult": {"toolUseId": "a", "content": [{"text": "fog"}]}},
        {"toolResult": {"toolUseId": "b", "content": [{"text": "no"}], "status": "error"}},
        {"text": "And?"},
    ]
    assert "'a' has no result" in faults_of(ask(user("Hi"), calls, user("Well?"), tools=(PORT,)))


def test_a_history_with_calls_declares_its_tools() -> None:
    """Converse refuses tool calls without a configuration, so the tools of the history are declared, with a note."""
    request = ask(user("Hi"), assistant(ToolCall(id="a", name="port")), tool(ToolResult(call_id="a", content="x")))
    http = CODEC.encode(request)
    assert [item["toolSpec"]["name"] for item in msgspec.json.decode(http.body)["toolConfig"]["tools"]] == ["port"]
    assert any("declared" in note for note in http.notes)
    assert "toolConfig" not in body_of(ask(tools=(PORT,), tool_choice="none"))


def test_tool_choice_and_cache_points() -> None:
    """auto, any and one by name; a cache mark is a block after the part, the tool, the system text."""
    for choice, wire in (
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        (NamedTool("port"), {"tool": {"name": "port"}}),
    ):
        assert body_of(ask(tools=(PORT,), tool_choice=choice))["toolConfig"]["toolChoice"] == wire
    request = ask(
        user(Text(text="Long", cache="5m"), Text(text="Short")),
        system=(Text(text="Rules", cache="1h"),),
        tools=(msgspec.structs.replace(PORT, cache="5m"),),
    )
    body = body_of(request)
    assert body["messages"][0]["content"] == [{"text": "Long"}, {"cachePoint": {"type": "default"}}, {"text": "Short"}]
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}


def test_structured_output_is_json_in_a_string() -> None:
    """The schema is closed, encoded as text, and read back."""
    request = ask(
        response_format=ResponseFormat(
            schema={"type": "object", "properties": {}, "additionalProperties": False}, name="spot"
        )
    )
    definition = body_of(request)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert definition == {"schema": '{"type":"object","properties":{},"additionalProperties":false}', "name": "spot"}
    assert CODEC.decode_request(CODEC.encode(request)) == request
    assert "structured output" in faults_of(
        msgspec.structs.replace(request, model="anthropic.claude-3-haiku-20240307-v1:0")
    )


def test_documents_get_a_name_that_fits() -> None:
    """A name is needed and may hold few characters."""
    parts = (
        File(data=b"x", media_type="application/pdf", name="chart_7?.pdf"),
        File(text="hi"),
        Audio(data=b"x", media_type="audio/wav"),
    )
    content = body_of(ask(user(*parts)))["messages"][0]["content"]
    assert content[0]["document"] == {"format": "pdf", "name": "chart 7 pdf", "source": {"bytes": "eA=="}}
    assert content[1]["document"] == {"name": "document", "source": {"text": "hi"}}
    assert content[2] == {"audio": {"format": "wav", "source": {"bytes": "eA=="}}}


def test_foreign_parts_do_not_reach_the_wire() -> None:
    """Blocks and thoughts of another provider are left out, each with a note."""
    said = assistant(
        Unknown(dialect="gemini", data={"x": 1}),
        Reasoning(text="hm", signature="s", extra={"gemini": {"thoughtSignature": "s"}}),
        Reasoning(text="unsigned"),
        Text(text="Hello"),
    )
    http = CODEC.encode(ask(user("Hi"), said, user("Go on"), system=(Text(text="a"),)))
    assert msgspec.json.decode(http.body)["messages"][1]["content"] == [{"text": "Hello"}]
    assert len([note for note in http.notes if "left out" in note]) == 3
    assert len(body_of(ask(user("Hi"), said, user("Go on"), model=NOVA))["messages"][1]["content"]) == 2


def test_a_stream_folds_into_its_answer() -> None:
    """Thoughts, text without a start, citations and calls stand in their slots; the counts come after the stop."""
    events = decode(STREAM)
    response = fold(events)
    assert response.parts == PARTS
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_call", "tool_use")
    assert response.usage == Usage(
        input_tokens=35,
        output_tokens=9,
        cache_read_tokens=10,
        cache_write_tokens=20,
        cache_write_1h_tokens=20,
        stated_total_tokens=44,
    )
    assert [event.kind for event in events if isinstance(event, UnknownEvent)] == ["weather"]
    assert isinstance(events[-1], Finished)


def test_any_split_gives_the_same_events() -> None:
    """Cut in two at every byte, and into single bytes, a stream decodes identically."""
    whole = decode(STREAM)
    assert decode(STREAM, 1) == whole
    for cut in range(1, len(STREAM)):
        decoder = CODEC.decoder()
        assert decoder.feed(STREAM[:cut]) + decoder.feed(STREAM[cut:]) + decoder.finish() == whole, cut


def test_a_cut_after_any_message_is_no_clean_end() -> None:
    """Without messageStop, or inside the metadata after it, the stream was interrupted."""
    for count in range(len(FRAMES)):
        decoder = CODEC.decoder()
        decoder.feed(b"".join(FRAMES[:count]))
        with pytest.raises(StreamInterrupted):
            decoder.finish()
    decoder = CODEC.decoder()
    decoder.feed(STREAM[:-3])
    with pytest.raises(StreamInterrupted):
        decoder.finish()


def exception(kind: str, message: str = "no") -> bytes:
    return write_message(
        {":message-type": "exception", ":exception-type": kind}, msgspec.json.encode({"message": message})
    )


@pytest.mark.parametrize(
    ("kind", "expected", "retryable"),
    [
        ("throttlingException", RateLimited, True),
        ("modelStreamErrorException", ServerFault, True),
        ("internalServerException", ServerFault, True),
        ("serviceUnavailableException", Overloaded, True),
        ("validationException", BadRequest, False),
        ("brandNewException", ServerFault, True),
    ],
)
def test_an_exception_in_the_stream_is_raised_after_what_came_before(
    kind: str, expected: type[LLMError], retryable: bool
) -> None:
    """The events before it are handed out first; then the error has the class of its type, in any split."""
    decoder = CODEC.decoder()
    assert TextDelta("Hel", 0) in decoder.feed(delta(0, text="Hel") + exception(kind))
    with pytest.raises(expected) as caught:
        decoder.finish()
    assert caught.value.retryable is retryable  # type: ignore[attr-defined]
    with pytest.raises(expected):
        decode(delta(0, text="Hel") + exception(kind), 1)
    with pytest.raises(LLMError):
        decode(write_message({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "x"}, b""))


def test_damage_in_the_stream_is_a_protocol_error() -> None:
    """A flipped bit is not delivered as text."""
    damaged = bytearray(STREAM)
    damaged[STREAM.index(b"Behind")] ^= 1
    with pytest.raises(ProtocolError):
        decode(bytes(damaged))


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected", "retryable"),
    [
        (
            429,
            "ThrottlingException:http://internal/",
            "Too many tokens, please wait before trying again.",
            RateLimited,
            True,
        ),
        (
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
            QuotaExhausted,
            False,
        ),
        (429, "ModelNotReadyException", "", RateLimited, True),
        (400, "ServiceQuotaExceededException", "", QuotaExhausted, False),
        (400, "ValidationException", "bad", BadRequest, False),
        (400, "ValidationException", "Input is too long for requested model.", ContextLengthExceeded, False),
        (403, "AccessDeniedException", "", PermissionDenied, False),
        (403, "ExpiredTokenException", "", AuthenticationFailed, False),
        (404, "ResourceNotFoundException", "", NotFound, False),
        (408, "ModelTimeoutException", "", ServerFault, True),
        (424, "ModelErrorException", "", ServerFault, True),
        (500, "InternalServerException", "", ServerFault, True),
        (503, "ServiceUnavailableException", "", Overloaded, True),
        (502, "", "", ServerFault, True),
    ],
)
def test_errors_are_typed(status: int, kind: str, message: str, expected: type[LLMError], retryable: bool) -> None:
    """The type decides where it is known, the status elsewhere; header and body say it alike."""
    body = msgspec.json.encode({"message": message})
    in_header = CODEC.decode_error(status, {"x-amzn-errortype": kind, "x-amzn-requestid": "r"}, body)
    in_body = CODEC.decode_error(status, {}, msgspec.json.encode({"__type": f"com.amazon#{kind}", "Message": message}))
    assert (type(in_header), in_header.retryable, in_header.request_id) == (expected, retryable, "r")
    assert type(in_body) is expected or not kind
    sent_status, headers, written = CODEC.encode_error(in_header)
    assert type(CODEC.decode_error(sent_status, headers, written)) is expected or not kind


def test_our_own_refusals_go_out_as_aws_errors() -> None:
    """A local limit is a throttling with its wait."""
    status, headers, body = CODEC.encode_error(LimitReached("full", limit="tokens", retry_after=2.5))
    assert (status, CODEC.decode_error(status, headers, body).retry_after) == (429, 2.5)


def test_counting_tokens() -> None:
    """The conversation is counted, wrapped, without its limits."""
    http = CODEC.encode_count_tokens(ask(system="Be brief."))
    assert http.url.endswith("/count-tokens")
    assert set(msgspec.json.decode(http.body)["input"]["converse"]) == {"messages", "system"}
    assert CODEC.decode_count_tokens(b'{"inputTokens": 3}') == 3
    with pytest.raises(ProtocolError):
        CODEC.decode_count_tokens(b"{}")


def rewrite(events: list[Event]) -> list[Event]:
    encoder = CODEC.encoder(ask())
    return decode(b"".join(encoder.encode(event) for event in events) + encoder.finish())


def test_a_stream_survives_the_gateway() -> None:
    """Events written as a stream and read again fold into the same answer."""
    whole = fold(decode(STREAM))
    assert fold(rewrite(decode(STREAM))) == whole
    assert fold(rewrite(unfold(whole))) == whole
    late: list[Event] = [
        ToolCallDelta(0, "a", "f", "{}"),
        Finished("tool_call"),
        UsageReport(Usage(input_tokens=1, output_tokens=2)),
    ]
    assert fold(rewrite(late)).usage.total_tokens == 3


def test_an_error_ends_a_gateways_stream() -> None:
    """The client sees an exception message of the right type."""
    encoder = CODEC.encoder(ask())
    decoder = CODEC.decoder()
    decoder.feed(encoder.encode(TextDelta("Hel")) + encoder.encode_error(Overloaded("busy", status=503)))
    with pytest.raises(Overloaded):
        decoder.finish()


def test_a_client_is_told_which_field_is_wrong() -> None:
    """Bodies that are none are BadRequests with the place in them."""
    for body, place in (
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'{"messages": 3}', "messages"),
        (b'{"messages": [{"role": "x"}]}', "role"),
    ):
        with pytest.raises(BadRequest, match=place):
            CODEC.decode_request(HTTPRequest(url="/model/m/converse", body=body))


words = st.text(max_size=20).filter(lambda text: bool(text.strip()))
cache = st.sampled_from([None, None, "5m", "1h"])
objects = st.dictionaries(
    st.text(max_size=5), st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=5)), max_size=2
)
texts = st.builds(Text, text=words, cache=cache)
media = st.one_of(
    st.builds(Image, data=st.binary(max_size=9), media_type=st.just("image/png")),
    st.builds(Image, url=st.just("s3://bucket/a"), media_type=st.just("image/webp")),
    st.builds(File, data=st.binary(max_size=9), media_type=st.just("application/pdf"), name=st.just("chart")),
)
said = st.one_of(
    st.builds(Text, text=words, extra=st.sampled_from([None, {"bedrock": {"citations": [CITATION]}}])),
    st.builds(Reasoning, text=st.text(max_size=9), signature=words),
    st.builds(Reasoning, encrypted=words),
    st.just(Unknown(dialect="bedrock", data={"video": {"format": "mp4"}})),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages: list[Message] = [Message(role="user", parts=(draw(texts), draw(media)))]
    for turn in range(draw(st.integers(0, 2))):
        answer: list[Any] = draw(st.lists(said, min_size=1, max_size=2))
        calls = [
            ToolCall(id=f"c{turn}{n}", name="port", arguments=draw(objects)) for n in range(draw(st.integers(0, 2)))
        ]
        messages.append(Message(role="assistant", parts=(*answer, *calls)))
        if calls:
            content = st.one_of(
                words, st.tuples(st.builds(Image, data=st.binary(max_size=5), media_type=st.just("image/gif")))
            )
            results = [
                ToolResult(call_id=call.id, content=draw(content), is_error=draw(st.booleans())) for call in calls
            ]
            messages.append(Message(role="tool", parts=tuple(results)))
        if not calls or draw(st.booleans()):
            messages.append(Message(role="user", parts=(draw(texts),)))
    return tuple(messages)


requests = st.builds(
    Request,
    model=st.sampled_from([CLAUDE, "us.anthropic.claude-sonnet-4-20250514-v1:0"]),
    messages=conversations(),
    system=st.none() | words | st.tuples(st.builds(Text, text=words, cache=st.just("1h"))),
    max_output_tokens=st.just(60000),
    temperature=st.none(),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 50),
    stop=st.lists(words, max_size=2).map(tuple),
    tools=st.tuples(
        st.builds(
            lambda cache, extra: msgspec.structs.replace(PORT, cache=cache, strict=extra),
            cache,
            st.none() | st.just(False),
        )
    ),
    tool_choice=st.sampled_from([None, "auto", NamedTool("port")]),
    reasoning_effort=st.sampled_from([None, "none", "low", "max"]),
    options=st.sampled_from([{}, {"bedrock": {"serviceTier": {"type": "flex"}}}]),
)


@settings(max_examples=120, deadline=None)
@given(requests)
def test_a_request_is_read_back_as_it_was(request: Request) -> None:
    """decode_request(encode(r)) == r, and nothing had to be noted."""
    http = CODEC.encode(request)
    assert http.notes == ()
    assert CODEC.decode_request(http) == request


responses = st.builds(
    Response,
    parts=st.lists(
        st.one_of(said, st.builds(ToolCall, id=st.just("a"), name=st.just("port"), arguments=objects)), max_size=3
    ).map(tuple),
    finish_reason=st.just("stop"),
    raw_finish_reason=st.just("end_turn"),
    usage=st.builds(
        Usage,
        input_tokens=st.integers(50, 90),
        output_tokens=st.integers(0, 9),
        cache_read_tokens=st.none() | st.integers(0, 20),
        stated_total_tokens=st.just(100),
    ),
    extra=st.just({"bedrock": {"metrics": {"latencyMs": 5}}}),
)


@settings(max_examples=100, deadline=None)
@given(responses)
def test_a_response_is_read_back_as_it_was(response: Response) -> None:
    """decode(encode_response(r)) == r, and its stream folds into the same text, reasoning and calls."""
    assert CODEC.decode(CODEC.encode_response(response)) == response
    again = fold(rewrite(unfold(response)))
    assert (again.text, again.reasoning, again.tool_calls) == (response.text, response.reasoning, response.tool_calls)
    assert again.usage == response.usage


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_garbage_ends_in_our_errors(data: bytes) -> None:
    """Whatever the network brings, framed or not, nothing but the library's own errors comes out."""
    CODEC.decode_error(500, {}, data)
    framed = write_message({":event-type": "contentBlockDelta", ":message-type": "event"}, data)
    for attempt in (lambda: CODEC.decode(data), lambda: decode(data), lambda: decode(framed)):
        try:
            attempt()
        except LLMError:
            pass


def test_the_law_can_be_broken() -> None:
    """The round trip notices a codec that forgets the cache points."""

    class Forgetful(BedrockCodec, frozen=True, kw_only=True):
        def decode_request(self, http: HTTPRequest) -> Request:
            return super().decode_request(
                HTTPRequest(url=http.url, body=http.body.replace(b"cachePoint", b"forgotten"))
            )

    request = ask(user(Text(text="Long", cache="5m")), temperature=0.0)
    assert CODEC.decode_request(CODEC.encode(request)) == request
    codec = Forgetful()
    assert codec.decode_request(codec.encode(request)) != request


def test_system_messages_join_the_system_prompt() -> None:
    """One in between is moved, and noted."""
    http = CODEC.encode(ask(user("Hi"), system("Be rude."), user("Well?")))
    assert msgspec.json.decode(http.body)["system"] == [{"text": "Be rude."}]
    assert any("messages[1]" in note for note in http.notes)

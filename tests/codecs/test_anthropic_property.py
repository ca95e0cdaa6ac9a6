"""The Anthropic dialect's laws: encode and decode_request undo each other, as do a response and its body, and a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.codecs.anthropic import AnthropicCodec
from backstay.errors import LLMError
from backstay.fold import fold, unfold
from backstay.types import (
    File,
    Image,
    Message,
    Metadata,
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
)

CODEC = AnthropicCodec()

names = st.text("abcdefgXYZ_-019", min_size=1, max_size=12)
words = st.text(max_size=30).filter(lambda text: bool(text.strip()))
cache = st.sampled_from([None, None, None, "5m", "1h"])
json_objects = st.dictionaries(
    st.text(max_size=6), st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=9)), max_size=3
)
texts = st.builds(Text, text=words)
images = st.one_of(
    st.builds(Image, data=st.binary(max_size=20), media_type=st.sampled_from(["image/png", "image/webp"])),
    st.builds(Image, url=words),
    st.builds(Image, file_id=words),
)
files = st.one_of(
    st.builds(File, data=st.binary(max_size=20), media_type=st.just("application/pdf"), name=st.none() | words),
    st.builds(File, text=st.text(max_size=20), media_type=st.just("text/plain")),
    st.builds(File, url=words),
)
unknown = st.builds(Unknown, dialect=st.just("anthropic"), data=st.just({"type": "new_block", "x": [1, {"y": None}]}))
reasoning = st.one_of(
    st.builds(Reasoning, text=st.text(max_size=20), signature=words), st.builds(Reasoning, encrypted=words)
)
extras = st.sampled_from([None, {"anthropic": {"citations": [{"type": "page_location"}]}}])
said = st.one_of(st.builds(Text, text=words, extra=extras), reasoning, unknown)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """User turns and answers in alternation; each call has its result in the turn after it."""
    messages: list[Message] = []
    pending: list[str] = []
    for turn in range(draw(st.integers(1, 3))):
        if pending:
            content = st.one_of(
                st.text(max_size=9), st.lists(st.one_of(texts, images, files), min_size=1, max_size=2).map(tuple)
            )
            results = [
                ToolResult(call_id=call, content=draw(content), is_error=draw(st.booleans()), cache=None)
                for call in pending
            ]
            messages.append(Message(role="tool", parts=tuple(results)))
        if not pending or draw(st.booleans()):
            parts = draw(st.lists(st.one_of(texts, images, files, unknown), min_size=1, max_size=3))
            messages.append(Message(role="user", parts=tuple(parts)))
        answer: list[Any] = draw(st.lists(said, min_size=1, max_size=3))
        pending = [f"call_{turn}_{number}" for number in range(draw(st.integers(0, 2)))]
        answer += [ToolCall(id=call, name=draw(names), arguments=draw(json_objects)) for call in pending]
        messages.append(Message(role="assistant", parts=tuple(answer)))
    if pending:
        messages.append(Message(role="tool", parts=tuple(ToolResult(call_id=call) for call in pending)))
    else:
        messages.append(Message(role="user", parts=(draw(st.builds(Text, text=words, cache=cache)),)))
    return tuple(messages)


tools = st.lists(
    st.builds(
        Tool,
        name=names,
        description=st.text(max_size=9),
        parameters=st.just({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}),
        strict=st.none() | st.booleans(),
        extra=st.sampled_from([None, {"anthropic": {"eager_input_streaming": True}}]),
    ),
    max_size=2,
    unique_by=lambda tool: tool.name,
).map(tuple)
schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests in the form in which the dialect can say all of them."""
    given_tools = draw(tools)
    choices: list[Any] = [None]
    if given_tools:
        choices += ["auto", "none", NamedTool(given_tools[0].name)]
    choice = draw(st.sampled_from(choices))
    effort = draw(st.sampled_from([None, "none", "low", "max"])) if choice in (None, "auto") else None
    is_thinking = effort not in (None, "none")
    return Request(
        model=draw(st.sampled_from(["claude-sonnet-4-5", "claude-sonnet-4-20250514"])),
        messages=draw(conversations()),
        system=draw(
            st.one_of(
                st.none(), words, st.lists(st.builds(Text, text=words, cache=cache), min_size=1, max_size=2).map(tuple)
            )
        ),
        max_output_tokens=60000,
        temperature=None if is_thinking else draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(words, max_size=2))),
        tools=given_tools,
        tool_choice=choice,
        parallel_tool_calls=draw(st.none() | st.booleans()) if choice not in (None, "none") else None,
        reasoning_effort=effort,
        metadata=Metadata(user=draw(st.none() | words)),
        options=draw(st.sampled_from([{}, {"anthropic": {"service_tier": "auto"}}, {"anthropic": {"betas": ["b-1"]}}])),
    )


@settings(max_examples=150, deadline=None)
@given(requests())
def test_a_request_is_read_back_as_it_was(request: Request) -> None:
    """decode_request(encode(r)) == r, and nothing had to be noted."""
    if request.model == "claude-sonnet-4-20250514":
        request = msgspec.structs.replace(
            request, tools=tuple(msgspec.structs.replace(t, strict=None) for t in request.tools)
        )
    http = CODEC.encode(request)
    assert http.notes == ()
    assert CODEC.decode_request(http) == request


@settings(max_examples=60, deadline=None)
@given(
    requests(),
    st.sampled_from(["claude-opus-4-8", "claude-fable-5", "claude-opus-4-6", "some-other-model"]),
    st.booleans(),
)
def test_reading_back_is_a_fixed_point_for_every_model(request: Request, model: str, has_format: bool) -> None:
    """What encode changes for a model it changes once: a body read and written again is the same body."""
    request = msgspec.structs.replace(
        request,
        model=model,
        temperature=0.0,
        tool_choice=None,
        parallel_tool_calls=None,
        reasoning_effort="low" if request.reasoning_effort == "none" else request.reasoning_effort,
        response_format=ResponseFormat(schema={**schema, "maxProperties": 3}) if has_format else None,
    )
    http = CODEC.encode(request)
    assert CODEC.encode(CODEC.decode_request(http)).body == http.body


counts = st.none() | st.integers(0, 99)
responses = st.builds(
    Response,
    parts=st.lists(st.one_of(said, st.builds(ToolCall, id=names, name=names, arguments=json_objects)), max_size=4).map(
        tuple
    ),
    finish_reason=st.just("stop"),
    raw_finish_reason=st.just("end_turn"),
    stop_sequence=st.none() | words,
    usage=st.builds(
        Usage,
        input_tokens=st.integers(200, 300),
        output_tokens=st.integers(0, 9),
        cache_read_tokens=counts,
        cache_write_tokens=st.integers(0, 50),
        reasoning_tokens=counts,
    ),
    model=words,
    id=words,
    extra=st.sampled_from([None, {"anthropic": {"container": {"id": "c"}}}]),
)


@settings(max_examples=150, deadline=None)
@given(responses)
def test_a_response_is_read_back_as_it_was(response: Response) -> None:
    """decode(encode_response(r)) == r."""
    assert CODEC.decode(CODEC.encode_response(response)) == response


@settings(max_examples=100, deadline=None)
@given(responses, st.integers(1, 40))
def test_a_streamed_response_is_read_back_as_it_was(response: Response, size: int) -> None:
    """Events of r, written as a stream and read in pieces of any size, fold into r."""
    encoder, decoder = CODEC.encoder(Request()), CODEC.decoder()
    data = b"".join(encoder.encode(event) for event in unfold(response)) + encoder.finish()
    events = [event for at in range(0, len(data), size) for event in decoder.feed(data[at : at + size])]
    assert fold(events + decoder.finish()) == response


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b'{"type":"message","content":', b"event: x\ndata: "]))
def test_garbage_ends_in_our_errors(data: bytes, head: bytes) -> None:
    """Whatever the network brings, nothing but the library's own errors comes out."""
    CODEC.decode_error(500, {}, head + data)
    decoder = CODEC.decoder()
    for attempt in (lambda: CODEC.decode(head + data), lambda: decoder.feed(head + data), decoder.finish):
        try:
            attempt()
        except LLMError:
            pass


def test_the_law_can_be_broken() -> None:
    """The round trip notices a codec that forgets a field."""

    class Forgetful(AnthropicCodec, frozen=True, kw_only=True):
        def decode_request(self, http: Any) -> Request:
            return msgspec.structs.replace(super().decode_request(http), stop=())

    request = Request(
        model="claude-sonnet-4-5", messages=(Message(role="user", parts=(Text(text="x"),)),), stop=("END",)
    )
    codec = Forgetful()
    assert codec.decode_request(codec.encode(request)) != request
    assert CODEC.decode_request(CODEC.encode(request)) == request

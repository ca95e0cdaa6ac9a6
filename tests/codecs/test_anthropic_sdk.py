"""What the Anthropic codec writes for a client is read by Anthropic's own SDK types without complaint."""

from __future__ import annotations

import msgspec
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from backstay.codecs.anthropic import AnthropicCodec
from backstay.event import Event, Finished, ReasoningDelta, Started, TextDelta, ToolCallDelta, UsageReport
from backstay.fold import unfold
from backstay.types import Reasoning, Refusal, Request, Response, Text, ToolCall, Usage

CODEC = AnthropicCodec()
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
ANSWER = Response(
    parts=(
        Reasoning(text="hm", signature="s"),
        Reasoning(text="another provider's", id="rs_1"),
        Text(text="Hi"),
        Refusal(text="No."),
        ToolCall(id="a", name="f", arguments={"n": 1}),
    ),
    finish_reason="tool_call",
    usage=Usage(input_tokens=9, output_tokens=3, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=1),
    model="gpt-x",
    id="resp_1",
)


def test_an_answer_validates() -> None:
    """A Response of another provider is a Message."""
    message = Message.model_validate_json(CODEC.encode_response(ANSWER))
    assert [block.type for block in message.content] == ["thinking", "thinking", "text", "text", "tool_use"]
    assert (message.stop_reason, message.usage.input_tokens, message.usage.cache_read_input_tokens) == (
        "tool_use",
        3,
        4,
    )


def check(events: list[Event]) -> list[str]:
    encoder = CODEC.encoder(Request(model="m"))
    data = b"".join(encoder.encode(event) for event in events) + encoder.finish()
    kinds = []
    for frame in data.decode().strip().split("\n\n"):
        name, _, body = frame.partition("\n")
        event = EVENT.validate_json(body.removeprefix("data: "))
        assert name == f"event: {event.type}"
        kinds.append(event.type)
    return kinds


def test_streams_validate_and_keep_the_order_of_the_protocol() -> None:
    """Every event is one of the SDK's; blocks are opened, filled and closed one after the other."""
    whole = check(unfold(ANSWER))
    assert whole[0] == "message_start"
    assert whole[-2:] == ["message_delta", "message_stop"]
    assert whole.count("content_block_start") == whole.count("content_block_stop") == 5
    events: list[Event] = [
        Started("x", "gpt-x"),
        ReasoningDelta("hm", 0, id="rs_1"),
        TextDelta("Hi", 1),
        ToolCallDelta(2, "a", "f", '{"n":1}'),
        ToolCallDelta(3, "b", "g"),
        Finished("tool_call", "tool_calls"),
        UsageReport(Usage(input_tokens=1, output_tokens=2)),
    ]
    kinds = [kind for kind in check(events) if kind != "content_block_delta"]
    assert kinds == [
        "message_start",
        *["content_block_start", "content_block_stop"] * 4,
        "message_delta",
        "message_stop",
    ]


def test_an_error_has_the_sdks_shape() -> None:
    """type, error.type, error.message and request_id stand where the SDK looks."""
    from backstay.errors import Overloaded

    body = msgspec.json.decode(CODEC.encode_error(Overloaded("busy", status=529, request_id="r"))[2])
    assert body == {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "r"}

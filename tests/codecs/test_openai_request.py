"""What a Chat Completions request looks like, and what is refused before it is sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.openai_rule import ChatRules
from backstay.codecs.openai_schema import strict_faults
from backstay.codecs.registry import provider
from backstay.errors import BadRequest, InvalidRequest
from backstay.types import (
    AnyPart,
    Audio,
    File,
    Image,
    Message,
    NamedTool,
    Reasoning,
    Request,
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

CODEC = OpenAIChat()
PNG = b"\x89PNG\r\n\x1a\n"
ADD = Tool(name="add", description="Add.", parameters={"type": "object", "properties": {"a": {"type": "number"}}})
CALL = ToolCall(id="call_1", name="add", arguments={"a": 1})


def ask(**fields: Any) -> Request:
    return Request(**{"model": "gpt-4.1", "messages": (user("Hi"),), **fields})


def body(request: Request, codec: Any = CODEC, **how: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(codec.encode(request, **how).body)
    return decoded


def faults(request: Request, codec: Any = CODEC) -> str:
    with pytest.raises(InvalidRequest) as caught:
        codec.encode(request)
    return "\n".join(caught.value.faults)


def row(name: str) -> Any:
    return provider(name).codec()


def test_a_plain_question() -> None:
    """Model, messages, the two defaults, nothing else."""
    assert body(ask(system="Be brief.")) == {
        "model": "gpt-4.1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_completion_tokens": 4096,
        "temperature": 0.0,
    }


def test_a_stream_asks_for_its_usage_where_the_server_takes_that() -> None:
    """`stream_options` is sent to OpenAI and left out where the server reports usage unasked."""
    assert body(ask(), stream=True)["stream_options"] == {"include_usage": True}
    mistral = body(ask(), row("mistral"), stream=True)
    assert mistral["stream"] is True
    assert "stream_options" not in mistral


def test_defaults_are_left_out_for_models_that_refuse_them() -> None:
    """A reasoning model gets no temperature and a developer message; a note says so."""
    http = CODEC.encode(ask(model="o3", system="Be brief."))
    sent = msgspec.json.decode(http.body)
    assert "temperature" not in sent
    assert sent["messages"][0]["role"] == "developer"
    assert http.notes == ("temperature was left out: o3 takes none",)
    assert CODEC.encode(ask()).notes == ()


def test_a_chosen_temperature_is_no_default() -> None:
    """What the user set is a fault where the model refuses it; the only value that it takes is simply left out."""
    assert faults(ask(model="o3", temperature=0.7, top_p=0.5)).splitlines() == [
        "temperature: o3 takes none while it reasons: leave it out",
        "top_p: o3 takes none while it reasons: leave it out",
    ]
    assert "temperature" not in body(ask(model="o3", temperature=1.0, top_p=1.0))
    assert body(ask(model="gpt-5.6", temperature=0.7, reasoning_effort="none"))["temperature"] == 0.7


def test_all_faults_come_at_once() -> None:
    """One error names every reason, each with its place."""
    request = ask(
        model="",
        messages=(),
        max_output_tokens=0,
        temperature=3.0,
        top_p=1.5,
        top_k=5,
        frequency_penalty=9.0,
        logprobs=50,
        stop=("a", "b", "c", "d", "e"),
        tools=(Tool(name="no spaces"), Tool(name="x"), Tool(name="x")),
        tool_choice=NamedTool("y"),
        options={"openai_chat": {"n": 3}},
    )
    text = faults(request)
    places = (
        "model:",
        "messages:",
        "max_output_tokens:",
        "temperature:",
        "top_p:",
        "top_k:",
        "frequency_penalty:",
        "logprobs:",
    )
    for place in (*places, "stop:", "tools[0]:", "names must be unique: x", "tool_choice:", "options.n:"):
        assert place in text, place
    assert len(text.splitlines()) == 13


def test_a_model_without_system_prompt_gets_a_user_message() -> None:
    """The oldest reasoning models refuse both words for a system prompt."""
    http = CODEC.encode(ask(model="o1-mini", system="Be brief."))
    assert msgspec.json.decode(http.body)["messages"][0] == {"role": "user", "content": "Be brief."}
    assert "takes no system prompt" in "".join(http.notes)


def test_a_tool_turn_and_its_results() -> None:
    """Calls carry their arguments as text; each result is a message of its own with its call's id."""
    other = msgspec.structs.replace(CALL, id="call_2")
    results = (ToolResult(call_id="call_1", content="1"), ToolResult(call_id="call_2", content=(Text(text="2"),)))
    sent = body(ask(messages=(user("Hi"), assistant("So:", CALL, other), tool(*results)), tools=(ADD,)))
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "content": "So:",
            "tool_calls": [
                {"id": name, "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
                for name in ("call_1", "call_2")
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "2"}]},
    ]
    assert sent["tools"] == [
        {"type": "function", "function": {"name": "add", "parameters": ADD.parameters, "description": "Add."}}
    ]


def test_calls_and_results_must_match() -> None:
    """A call without its result, and a result without its call, are refused by the API and so by us."""
    assert "messages[2]: before it, these tool calls need a result: add (call_1)" in faults(
        ask(messages=(user("Hi"), assistant(CALL), user("?")), tools=(ADD,))
    )
    assert "the end of messages" in faults(ask(messages=(user("Hi"), assistant(CALL)), tools=(ADD,)))
    assert "no tool call 'x' waits" in faults(ask(messages=(user("Hi"), tool(ToolResult(call_id="x")))))
    stray = Message(role="tool", parts=(Text(text="x"),))
    assert "holds tool results only, not a Text" in faults(ask(messages=(stray,)))


def test_pictures_of_a_result_follow_in_a_user_message() -> None:
    """A tool message has no place for a picture: it is sent after the results, and the text says where it is."""
    result = ToolResult(call_id="call_1", content=(Text(text="See:"), Image(data=PNG)))
    http = CODEC.encode(ask(messages=(user("Hi"), assistant(CALL), tool(result)), tools=(ADD,)))
    messages = msgspec.json.decode(http.body)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[2]["content"][1]["text"] == "(attachment 1 of the next message)"
    assert messages[3]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert "pictures" in "".join(http.notes)


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        (
            Image(data=PNG, detail="low"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        ),
        (Image(url="https://x/a.png"), {"type": "image_url", "image_url": {"url": "https://x/a.png"}}),
        (
            Audio(data=b"ab", media_type="audio/mpeg"),
            {"type": "input_audio", "input_audio": {"data": "YWI=", "format": "mp3"}},
        ),
        (
            File(data=b"%PDF-", name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        ),
        (File(file_id="f"), {"type": "file", "file": {"file_id": "f"}}),
        (File(text="Hello", name="a.txt"), {"type": "text", "text": "a.txt:\nHello"}),
        (Unknown(dialect="openai_chat", data={"type": "new"}), {"type": "new"}),
    ],
)
def test_parts_have_their_wire_form(part: AnyPart, wire: dict[str, Any]) -> None:
    """Bytes become data URLs, types are read off the bytes where they are not given."""
    assert body(ask(messages=(user("See", part),)))["messages"][0]["content"][1] == wire


def test_parts_without_a_wire_form_are_faults() -> None:
    """What the API has no place for is named with its place."""
    odd = (
        Image(data=b"??"),
        Image(file_id="f"),
        Audio(file_id="f"),
        File(url="https://x/a"),
        Unknown(dialect="other", data={}),
    )
    text = faults(ask(messages=(user(*odd),)))
    assert [line.split(":")[0] for line in text.splitlines()] == [f"messages[0].parts[{number}]" for number in range(5)]


def test_servers_differ_by_their_rules() -> None:
    """The same request in the words of five servers."""
    request = ask(model="m", seed=7, reasoning_effort="high", tools=(ADD,), tool_choice="required", max_output_tokens=9)
    mistral, router, llama = (body(request, row(name)) for name in ("mistral", "openrouter", "llamacpp"))
    assert (mistral["random_seed"], mistral["tool_choice"], mistral["max_tokens"]) == (7, "any", 9)
    assert (router["seed"], router["reasoning"], router["tool_choice"]) == (7, {"effort": "high"}, "required")
    assert llama["chat_template_kwargs"] == {"reasoning_effort": "high"}
    assert body(request, row("groq"))["max_completion_tokens"] == 9
    deepseek = msgspec.structs.replace(request, seed=None)
    assert body(deepseek, row("deepseek"))["thinking"] == {"type": "enabled"}
    assert faults(request, row("deepseek")) == "seed: this server takes none"
    assert "accepts none, low, high, max, not 'minimal'" in faults(
        msgspec.structs.replace(deepseek, reasoning_effort="minimal"), row("deepseek")
    )


def test_reasoning_goes_back_where_the_server_wants_it() -> None:
    """As a string, as thinking parts, as details verbatim, or not at all, with a note."""
    request = ask(model="m", messages=(user("Hi"), assistant(Reasoning(text="Hm"), "4"), user("?")))
    assert body(request, row("deepseek"))["messages"][1]["reasoning_content"] == "Hm"
    assert body(request, row("vllm"))["messages"][1]["reasoning"] == "Hm"
    assert body(request, row("mistral"))["messages"][1]["content"][0]["thinking"] == [{"type": "text", "text": "Hm"}]
    http = CODEC.encode(request)
    assert b"Hm" not in http.body
    assert "reasoning of earlier turns" in "".join(http.notes)
    detail = {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "f-1", "index": 0}
    raw = {"choices": [{"message": {"content": "4", "reasoning_details": [detail]}, "finish_reason": "stop"}]}
    turn = row("openrouter").decode(msgspec.json.encode(raw)).message
    again = ask(model="m", messages=(user("Hi"), turn, user("?")))
    assert body(again, row("openrouter"))["messages"][1]["reasoning_details"] == [detail]


def test_call_ids_fit_the_server() -> None:
    """Mistral takes nine letters and digits: other ids become a digest, the same for call and result."""
    messages = (user("Hi"), assistant(CALL), tool(ToolResult(call_id="call_1", content="1")))
    sent = body(ask(model="m", messages=messages, tools=(ADD,)), row("mistral"))["messages"]
    made = sent[1]["tool_calls"][0]["id"]
    assert made == sent[2]["tool_call_id"]
    assert len(made) == 9
    assert made.isalnum()
    assert sent[2]["name"] == "add"
    long = msgspec.structs.replace(CALL, id="x" * 60)
    sent = body(ask(messages=(user("Hi"), assistant(long), tool(ToolResult(call_id="x" * 60))), tools=(ADD,)))[
        "messages"
    ]
    assert len(sent[1]["tool_calls"][0]["id"]) == 40


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}, "required": []}


def test_a_schema_outside_the_strict_subset_is_sent_without_strictness() -> None:
    """Strictness is our default, so it gives way with a note; asked for on a tool, it is a fault that names the places."""
    assert body(ask(response_format=ResponseFormat(schema=CLOSED)))["response_format"]["json_schema"]["strict"] is True
    http = CODEC.encode(ask(response_format=ResponseFormat(schema=OPEN)))
    assert msgspec.json.decode(http.body)["response_format"]["json_schema"]["strict"] is False
    assert "$.a: additionalProperties must be false" in "".join(http.notes)
    loose = Tool(name="t", parameters=OPEN, strict=True)
    assert "tools[0].parameters $: required must name every property, not leave out 'a'" in faults(ask(tools=(loose,)))
    assert "strict" not in body(ask(tools=(Tool(name="t", parameters=OPEN),)))["tools"][0]["function"]


def test_strictness_is_checked_everywhere_in_a_schema() -> None:
    """Definitions, alternatives, items and nested properties."""
    schema = {"$defs": {"d": OPEN}, "anyOf": [OPEN], "type": "array", "items": OPEN}
    found = {fault.split(":")[0] for fault in strict_faults(schema)}
    assert found == {"$.$defs.d", "$.$defs.d.a", "$.anyOf[0]", "$.anyOf[0].a", "$[]", "$[].a"}
    assert strict_faults(CLOSED) == []
    assert strict_faults(True) == []


def test_json_without_the_word_json_is_refused() -> None:
    """OpenAI answers json_object with an error unless a message says JSON; other servers do not."""
    wanted = ask(response_format=ResponseFormat())
    assert "the word JSON" in faults(wanted)
    assert body(msgspec.structs.replace(wanted, system="In JSON."))["response_format"] == {"type": "json_object"}
    assert body(wanted, row("vllm"))["response_format"] == {"type": "json_object"}
    assert "no JSON Schema" in faults(ask(model="m", response_format=ResponseFormat(schema=CLOSED)), row("deepseek"))


def test_cache_marks_go_where_they_are_read() -> None:
    """OpenRouter takes cache_control; elsewhere the mark is left out with a note."""
    request = ask(model="m", messages=(user(Text(text="Long", cache="1h"), "?"),))
    sent = body(request, row("openrouter"))["messages"][0]["content"][0]
    assert sent["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "cache marks" in "".join(CODEC.encode(request).notes)
    assert b"cache_control" not in CODEC.encode(request).body


def test_options_pass_verbatim_to_their_own_dialect_only() -> None:
    """The escape hatch adds fields and foreign tools; another dialect's options are not sent."""
    options = {"openai_chat": {"service_tier": "flex", "tools": [{"type": "web_search"}]}, "anthropic": {"thinking": 1}}
    sent = body(ask(options=options, tools=(ADD,)))
    assert sent["service_tier"] == "flex"
    assert [item.get("type") for item in sent["tools"]] == ["function", "web_search"]
    assert "thinking" not in sent


def test_extra_of_another_dialect_is_not_sent() -> None:
    """Fields that another provider's answer left on a part do not leak."""
    part = Text(text="Hi", extra={"anthropic": {"citations": []}, "openai_chat": {"own": 1}})
    sent = body(
        ask(messages=(Message(role="user", parts=(part,), extra={"gemini": {"x": 1}, "openai_chat": {"y": 2}}),))
    )
    assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi", "own": 1}], "y": 2}]


def test_a_foreign_block_in_an_answer_is_left_out_with_a_note() -> None:
    """Failover to another dialect loses its server's own blocks, and says so."""
    http = CODEC.encode(
        ask(messages=(user("Hi"), assistant(Unknown(dialect="anthropic", data={"type": "x"}), "Ok"), user("?")))
    )
    assert msgspec.json.decode(http.body)["messages"][1] == {"role": "assistant", "content": "Ok"}
    assert "a block of dialect 'anthropic'" in "".join(http.notes)


def read(value: Any) -> Request:
    return CODEC.decode_request(HTTPRequest(url="/chat/completions", body=msgspec.json.encode(value)))


def test_a_clients_request_is_read() -> None:
    """Old and new names, strings and lists, developer messages, foreign fields."""
    request = read(
        {
            "model": "gpt-4.1",
            "messages": [
                {"role": "developer", "content": "Brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "new", "x": 1}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": ""}}],
                },
                {"role": "tool", "tool_call_id": "a", "content": "1"},
            ],
            "max_tokens": 5,
            "stop": "x",
            "tool_choice": "any",
            "reasoning_effort": "default",
            "service_tier": "flex",
            "tools": [{"type": "web_search"}, {"type": "function", "function": {"name": "f"}}],
        }
    )
    assert request.system == "Brief."
    assert request.messages[0].parts[1] == Unknown(dialect="openai_chat", data={"type": "new", "x": 1})
    assert request.messages[1].parts == (ToolCall(id="a", name="f"),)
    assert (request.max_output_tokens, request.stop, request.tool_choice, request.temperature) == (
        5,
        ("x",),
        "required",
        None,
    )
    assert [one.name for one in request.tools] == ["f"]
    assert request.options == {
        "openai_chat": {"service_tier": "flex", "reasoning_effort": "default", "tools": [{"type": "web_search"}]}
    }


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"model": "m"}, "messages"),
        ({"messages": "Hi"}, r"\$.messages"),
        ({"messages": [], "temperature": "hot"}, r"\$.temperature"),
        ({"messages": ["Hi"]}, r"\$.messages\[0\]"),
        ([], "object"),
    ],
)
def test_a_wrong_field_is_named(value: Any, place: str) -> None:
    """A client's mistake is a BadRequest that says where it is."""
    with pytest.raises(BadRequest, match=place):
        read(value)


def test_a_body_that_is_no_json_is_a_bad_request() -> None:
    """So is a body that cannot be read at all, and it asks for no stream."""
    http = HTTPRequest(url="/", body=b"{")
    with pytest.raises(BadRequest):
        CODEC.decode_request(http)
    assert CODEC.is_stream(http) is False


def test_rules_are_the_only_difference_between_servers() -> None:
    """Two codecs with the same rules write the same bytes."""
    request = ask(seed=1, tools=(ADD,))
    assert OpenAIChat(ChatRules()).encode(request) == CODEC.encode(request)

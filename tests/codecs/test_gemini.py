"""The Gemini dialect on bodies written for this project: what is sent, what is read, what is refused, and its laws."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.codecs.gemini import GeminiCodec
from backstay.codecs.gemini_part import SKIP_SIGNATURE
from backstay.codecs.trait import traits
from backstay.errors import (
    AuthenticationFailed,
    BadRequest,
    BudgetExceeded,
    ContextLengthExceeded,
    InvalidRequest,
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
from backstay.event import Event, Finished, Started, TextDelta, ToolCallDelta, UsageReport
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
    TokenLogprob,
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

CODEC = GeminiCodec()
MODEL, OLD, THREE = "gemini-2.5-flash", "gemini-2.0-flash", "gemini-3-flash-preview"
TIDE = Tool(
    name="tide", description="When it turns", parameters={"type": "object", "properties": {"at": {"type": "string"}}}
)


def ask(*messages: Message, model: str = MODEL, **fields: Any) -> Request:
    return Request(model=model, messages=messages or (user("When does the tide turn?"),), **fields)


def body_of(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(CODEC.encode(request).body)
    return body


def faults_of(request: Request) -> str:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.encode(request)
    return "\n".join(caught.value.faults)


def chunk(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    top = {key: more.pop(key) for key in ("usageMetadata", "promptFeedback") if key in more}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}
    return {"candidates": [candidate], "modelVersion": MODEL, "responseId": "r1", **top}


def sse(*wires: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(wire) + b"\r\n\r\n" for wire in wires)


def decode(data: bytes, size: int = 0) -> list[Event]:
    decoder = CODEC.decoder()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


STREAM_CHUNKS = [
    chunk({"text": "Look up ", "thought": True}, usageMetadata={"promptTokenCount": 9, "totalTokenCount": 9}),
    chunk({"text": "the table.", "thought": True}),
    chunk({"text": "At "}),
    chunk({"text": "noon — ⚓"}),
    chunk({"functionCall": {"name": "tide", "args": {"at": "pier"}}, "thoughtSignature": "c2ln"}),
    chunk({"functionCall": {"name": "tide", "args": {"at": "mole"}, "id": "own"}}),
    chunk({"executableCode": {"language": "PYTHON", "code": "1+1"}}),
    chunk({"text": "", "thoughtSignature": "ZW5k"}),
    chunk(
        finishReason="STOP",
        usageMetadata={
            "promptTokenCount": 9,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 7,
            "toolUsePromptTokenCount": 3,
            "totalTokenCount": 39,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
        },
    ),
]
STREAM = sse(*STREAM_CHUNKS)
PARTS = (
    Reasoning(text="Look up the table."),
    Text(text="At noon — ⚓"),
    ToolCall(id="gemini-call-r1-2", name="tide", arguments={"at": "pier"}, signature="c2ln"),
    ToolCall(id="own", name="tide", arguments={"at": "mole"}),
    Unknown(dialect="gemini", data={"executableCode": {"language": "PYTHON", "code": "1+1"}}),
    Text(text="", extra={"gemini": {"thoughtSignature": "ZW5k"}}),
)


def test_a_plain_question_has_the_documented_form() -> None:
    """Path, verb and body are what the API documents; the stream is asked for as server-sent events."""
    http = CODEC.encode(ask(system="Be brief.", stop=("END",), seed=3))
    assert http.url == "/models/gemini-2.5-flash:generateContent"
    assert msgspec.json.decode(http.body) == {
        "contents": [{"role": "user", "parts": [{"text": "When does the tide turn?"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 4096, "temperature": 0.0, "stopSequences": ["END"], "seed": 3},
    }
    stream = CODEC.encode(ask(model="tunedModels/mine"), stream=True)
    assert stream.url == "/tunedModels/mine:streamGenerateContent?alt=sse"
    assert (CODEC.is_stream(stream), CODEC.is_stream(http)) == (True, False)
    assert CODEC.decode_request(stream).model == "tunedModels/mine"


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        (MODEL, "none", {"thinkingBudget": 0}),
        (MODEL, "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        (THREE, "high", {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        (OLD, "none", None),
    ],
)
def test_effort_takes_the_form_of_the_model(model: str, effort: Any, config: Any) -> None:
    """A budget for 2.5, a level since 3, nothing where there is nothing to turn off."""
    assert body_of(ask(model=model, reasoning_effort=effort))["generationConfig"].get("thinkingConfig") == config


def test_a_budget_leaves_room_for_the_answer() -> None:
    """Thoughts count against the output limit, so a large budget is cut to three quarters of it, and says so."""
    http = CODEC.encode(ask(reasoning_effort="high", max_output_tokens=4000))
    assert msgspec.json.decode(http.body)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 3000
    assert any("3000 of 16384" in note for note in http.notes)


def test_all_faults_come_at_once() -> None:
    """One error names every reason, each with its place."""
    text = faults_of(
        ask(
            Message(role="user", parts=()),
            user(Image()),
            user(ToolCall(id="a", name="b")),
            tool(ToolResult(call_id="zz", content="x")),
            assistant(ToolCall(id="q", name="tide")),
            tools=(Tool(name="1bad"),),
            tool_choice=NamedTool("absent"),
            temperature=2.5,
            top_p=1.5,
            stop=tuple("abcdef"),
            reasoning_effort="low",
            model=OLD,
            max_output_tokens=0,
        )
    )
    for place in (
        "messages[0]",
        "messages[1].parts[0]",
        "messages[2].parts[0]",
        "'zz' needs the tool's name",
        "'q' has no result",
        "tools[0].name",
        "tool_choice",
        "temperature",
        "top_p",
        "stop",
        "reasoning_effort",
        "max_output_tokens",
    ):
        assert place in text, place


def test_results_repeat_the_name_and_hide_made_up_ids() -> None:
    """A result names its tool, found by the call's id; an id that the API never gave is not sent."""
    calls = assistant(ToolCall(id="gemini-call-x-0", name="tide"), ToolCall(id="own", name="tide"))
    results = tool(
        ToolResult(call_id="gemini-call-x-0", content="noon"), ToolResult(call_id="own", content="no", is_error=True)
    )
    body = body_of(ask(user("Hi"), calls, results, tools=(TIDE,)))
    assert [part["functionResponse"] for part in body["contents"][2]["parts"]] == [
        {"name": "tide", "response": {"output": "noon"}},
        {"name": "tide", "id": "own", "response": {"error": "no"}},
    ]
    assert "id" not in body["contents"][1]["parts"][0]["functionCall"]


def test_calls_of_other_models_get_the_stand_in_signature() -> None:
    """Since 3 the first call of a turn needs a signature; the documented stand-in is sent, noted, and not read back."""
    request = ask(
        user("Hi"), assistant(ToolCall(id="a", name="tide")), tool(ToolResult(call_id="a")), model=THREE, tools=(TIDE,)
    )
    http = CODEC.encode(request)
    call = msgspec.json.decode(http.body)["contents"][1]["parts"][0]
    assert call["thoughtSignature"] == SKIP_SIGNATURE
    assert http.notes
    assert CODEC.decode_request(http) == request
    assert "thoughtSignature" not in CODEC.encode(msgspec.structs.replace(request, model=MODEL)).body.decode()


def test_tool_choice_has_three_modes_and_names() -> None:
    """auto, required, none and one tool by name."""
    for choice, config in (
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        (NamedTool("tide"), {"mode": "ANY", "allowedFunctionNames": ["tide"]}),
    ):
        assert body_of(ask(tools=(TIDE,), tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}


def test_old_models_get_their_schema_language() -> None:
    """References are put in place, null becomes nullable, types are capitals; what is dropped is noted; and it reads back."""
    schema = {
        "type": "object",
        "$defs": {"port": {"type": "string", "const": "Naufragia"}},
        "properties": {
            "port": {"$ref": "#/$defs/port", "description": "Where"},
            "depth": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "odd": {"type": ["integer", "null"], "exclusiveMinimum": 0},
        },
        "required": ["port"],
        "additionalProperties": False,
    }
    http = CODEC.encode(ask(model=OLD, response_format=ResponseFormat(schema=schema)))
    assert msgspec.json.decode(http.body)["generationConfig"]["responseSchema"] == {
        "type": "OBJECT",
        "properties": {
            "port": {"type": "STRING", "description": "Where", "enum": ["Naufragia"]},
            "depth": {"type": "NUMBER", "nullable": True},
            "odd": {"type": "INTEGER", "nullable": True},
        },
        "required": ["port"],
    }
    assert [note for note in http.notes if "exclusiveMinimum" in note and "properties.odd" in note]
    assert CODEC.encode(CODEC.decode_request(http)).body == http.body
    itself = {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "all": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    }
    assert any(
        "contains itself" in note
        for note in CODEC.encode(ask(model=OLD, response_format=ResponseFormat(schema=itself))).notes
    )


def test_newer_models_get_json_schema() -> None:
    """It goes as it is, but for keywords outside the subset, which are named."""
    schema = {"type": "object", "properties": {"n": {"const": 1}}, "if": {}}
    http = CODEC.encode(ask(response_format=ResponseFormat(schema=schema)))
    config = msgspec.json.decode(http.body)["generationConfig"]
    assert config["responseJsonSchema"] == {"type": "object", "properties": {"n": {"enum": [1]}}}
    assert any("if left out" in note for note in http.notes)
    assert body_of(ask(response_format=ResponseFormat()))["generationConfig"]["responseMimeType"] == "application/json"


def test_foreign_parts_do_not_reach_the_wire() -> None:
    """Blocks, extras and signed thoughts of another provider are left out; plain thoughts go as thoughts."""
    said = assistant(
        Unknown(dialect="anthropic", data={"x": 1}),
        Reasoning(text="hm", signature="theirs"),
        Reasoning(text="plain"),
        Text(text="Hello", extra={"openai": {"annotations": [1]}}),
    )
    http = CODEC.encode(ask(user("Hi"), said, user("Go on")))
    assert msgspec.json.decode(http.body)["contents"][1]["parts"] == [
        {"thought": True, "text": "plain"},
        {"text": "Hello"},
    ]
    assert len(http.notes) == 2


def test_media_of_every_kind() -> None:
    """Bytes go inline, addresses as file data; the type is sniffed where it is not told."""
    parts = (
        Image(data=b"\x89PNG\r\n\x1a\nx"),
        Image(url="https://example.org/a.png", media_type="image/png"),
        Audio(data=b"x", media_type="audio/wav"),
        File(text="hi", name="a.txt"),
        File(file_id="files-7", media_type="application/pdf"),
    )
    sent = body_of(ask(user(*parts)))["contents"][0]["parts"]
    assert [next(iter(part)) for part in sent] == ["inlineData", "fileData", "inlineData", "inlineData", "fileData"]
    assert sent[0]["inlineData"]["mimeType"] == "image/png"


def test_a_stream_folds_into_its_answer() -> None:
    """Thoughts, text, parallel calls, signatures and unknown parts stand in their slots; counts add up."""
    response = fold(decode(STREAM))
    assert response.parts == PARTS
    assert (response.finish_reason, response.raw_finish_reason, response.model) == ("tool_call", "STOP", MODEL)
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.cache_read_tokens) == (12, 27, 7, 4)
    assert (usage.total_tokens, usage.stated_total_tokens, usage.input_audio_tokens) == (39, 39, 2)


def test_an_answer_goes_back_with_its_signatures() -> None:
    """Parts are returned as they came: same order, same signatures, same kinds."""
    results = tool(ToolResult(call_id="gemini-call-r1-2"), ToolResult(call_id="own"))
    sent = body_of(ask(user("Hi"), fold(decode(STREAM)).message, results))["contents"][1]["parts"]
    assert sent[0] == {"thought": True, "text": "Look up the table."}
    assert sent[2]["thoughtSignature"] == "c2ln"
    assert sent[-1] == {"text": "", "thoughtSignature": "ZW5k"}


def test_any_split_gives_the_same_events() -> None:
    """Cut in two at every byte, CR and LF apart, and into single bytes, a stream decodes identically."""
    whole = decode(STREAM)
    assert decode(STREAM, 1) == whole
    for cut in range(1, len(STREAM)):
        decoder = CODEC.decoder()
        assert decoder.feed(STREAM[:cut]) + decoder.feed(STREAM[cut:]) + decoder.finish() == whole, cut


def test_a_cut_after_any_object_is_no_clean_end() -> None:
    """Without a finish reason the stream was interrupted, between objects and inside one."""
    for count in range(len(STREAM_CHUNKS)):
        decoder = CODEC.decoder()
        decoder.feed(sse(*STREAM_CHUNKS[:count]))
        with pytest.raises(StreamInterrupted):
            decoder.finish()
    decoder = CODEC.decoder()
    decoder.feed(STREAM[:-40])
    with pytest.raises(StreamInterrupted):
        decoder.finish()


def test_a_json_array_is_a_stream_as_well() -> None:
    """Without `alt=sse` the same objects come as one array, and errors as an array of one; both are read."""
    assert fold(decode(msgspec.json.encode(STREAM_CHUNKS))) == fold(decode(STREAM))
    assert CODEC.decode(msgspec.json.encode(STREAM_CHUNKS)) == fold(decode(STREAM))
    with pytest.raises(Overloaded):
        decode(msgspec.json.encode([{"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}]))


def test_an_error_in_the_stream_is_raised_after_what_came_before() -> None:
    """The events before it are handed out first."""
    decoder = CODEC.decoder()
    events = decoder.feed(
        sse(chunk({"text": "Hel"}), {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}})
    )
    assert TextDelta("Hel", 0) in events
    with pytest.raises(RateLimited):
        decoder.finish()


def test_a_call_in_pieces_is_put_together() -> None:
    """Values come by JSON path, strings go on where they stand; a stream that ends inside the call was cut."""
    pieces = [
        chunk({"functionCall": {"name": "plan", "willContinue": True}, "thoughtSignature": "c2ln"}),
        chunk(
            {
                "functionCall": {
                    "partialArgs": [{"jsonPath": "$.to", "stringValue": "Nau", "willContinue": True}],
                    "willContinue": True,
                }
            }
        ),
        chunk(
            {
                "functionCall": {
                    "partialArgs": [
                        {"jsonPath": "$.to", "stringValue": "fragia"},
                        {"jsonPath": "$.stops[1].n", "numberValue": 2},
                    ],
                    "willContinue": True,
                }
            }
        ),
        chunk({"functionCall": {}}),
        chunk(finishReason="STOP"),
    ]
    (call,) = fold(decode(sse(*pieces))).tool_calls
    assert (call.name, call.signature) == ("plan", "c2ln")
    assert call.arguments == {"to": "Naufragia", "stops": [None, {"n": 2}]}
    with pytest.raises(StreamInterrupted):
        decode(sse(*pieces[:3], pieces[4]))


def test_a_blocked_prompt_is_a_content_filter() -> None:
    """HTTP 200 without candidates and with a block reason is an answer that was filtered, streamed or not."""
    blocked = {
        "promptFeedback": {"blockReason": "OTHER"},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
    }
    for response in (CODEC.decode(msgspec.json.encode(blocked)), fold(decode(sse(blocked)))):
        assert (response.finish_reason, response.raw_finish_reason, response.parts) == ("content_filter", "OTHER", ())
        assert response.usage.output_tokens == 0


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("STOP", "stop"),
        (1, "stop"),
        ("MAX_TOKENS", "length"),
        (2, "length"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("NEW_REASON", "other"),
    ],
)
def test_finish_reasons(raw: Any, neutral: str) -> None:
    """Every finish reason, by name or number, has its neutral word."""
    assert CODEC.decode(msgspec.json.encode(chunk({"text": "x"}, finishReason=raw))).finish_reason == neutral


def error(code: int, status: str, message: str = "no", **detail: Any) -> bytes:
    details = [{"@type": "type.googleapis.com/google.rpc.X", **detail}] if detail else []
    return msgspec.json.encode({"error": {"code": code, "status": status, "message": message, "details": details}})


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, error(400, "INVALID_ARGUMENT"), BadRequest, False),
        (400, error(400, "INVALID_ARGUMENT", reason="API_KEY_INVALID"), AuthenticationFailed, False),
        (
            400,
            error(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            ContextLengthExceeded,
            False,
        ),
        (401, error(401, "UNAUTHENTICATED"), AuthenticationFailed, False),
        (403, error(403, "PERMISSION_DENIED"), PermissionDenied, False),
        (404, error(404, "NOT_FOUND"), NotFound, False),
        (429, error(429, "RESOURCE_EXHAUSTED"), RateLimited, True),
        (429, error(429, "RESOURCE_EXHAUSTED", violations=[{"quotaId": "RequestsPerMinute"}]), RateLimited, True),
        (
            429,
            error(429, "RESOURCE_EXHAUSTED", violations=[{"quotaId": "RequestsPerDayPerProject"}]),
            QuotaExhausted,
            False,
        ),
        (500, error(500, "INTERNAL"), ServerFault, True),
        (503, error(503, "UNAVAILABLE"), Overloaded, True),
        (504, error(504, "DEADLINE_EXCEEDED"), ServerFault, True),
        (429, b"[" + error(429, "RESOURCE_EXHAUSTED") + b"]", RateLimited, True),
        (502, b"<html>", ServerFault, True),
        (500, b"", ServerFault, True),
    ],
)
def test_errors_are_typed(status: int, body: bytes, kind: type[LLMError], retryable: bool) -> None:
    """Status, details and text give the class; nothing makes it raise."""
    found = CODEC.decode_error(status, {}, body)
    assert (type(found), found.retryable) == (kind, retryable)


def test_the_retry_delay_is_in_the_details() -> None:
    """RetryInfo's duration is the floor, and it survives being written for a client."""
    body = msgspec.json.encode(
        {
            "error": {
                "code": 429,
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}],
            }
        }
    )
    found = CODEC.decode_error(429, {}, body)
    assert found.retry_after == 34.4
    status, headers, written = CODEC.encode_error(found)
    assert CODEC.decode_error(status, headers, written).retry_after == 34.4
    assert CODEC.encode_error(BudgetExceeded("spent"))[0] == 429


def test_counting_tokens() -> None:
    """The Gemini API counts a wrapped request, Vertex the request itself."""
    wrapped = msgspec.json.decode(CODEC.encode_count_tokens(ask()).body)
    assert wrapped["generateContentRequest"]["model"] == "models/gemini-2.5-flash"
    assert "contents" in msgspec.json.decode(GeminiCodec(host="vertex").encode_count_tokens(ask()).body)
    assert CODEC.decode_count_tokens(b'{"totalTokens": 12}') == 12
    with pytest.raises(ProtocolError):
        CODEC.decode_count_tokens(b"{}")


def test_logprobs_are_read() -> None:
    """Chosen tokens and their alternatives."""
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.5}]}],
    }
    response = CODEC.decode(msgspec.json.encode(chunk({"text": "a"}, finishReason="STOP", logprobsResult=result)))
    assert response.logprobs == (TokenLogprob(token="a", logprob=-0.5, top=(("b", -1.5),)),)
    assert CODEC.decode(CODEC.encode_response(response)).logprobs == response.logprobs


def test_snake_case_and_short_forms_are_read() -> None:
    """Both spellings, a single part instead of a list, capitals in schemas, results without ids."""
    body = {
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": [
            {"parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"function_call": {"name": "tide", "args": {}}, "thought_signature": "c2ln"}]},
            {"role": "user", "parts": [{"function_response": {"name": "tide", "response": {"depth": 3}}}]},
        ],
        "tools": [
            {
                "function_declarations": [
                    {
                        "name": "tide",
                        "parameters": {"type": "OBJECT", "properties": {"at": {"type": "STRING", "nullable": True}}},
                    }
                ]
            },
            {"google_search": {}},
        ],
        "generation_config": {"max_output_tokens": 9, "response_mime_type": "application/json"},
        "safetySettings": [],
    }
    request = CODEC.decode_request(HTTPRequest(url="/v1beta/models/g:generateContent", body=msgspec.json.encode(body)))
    call = request.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert request.messages[2].parts == (
        ToolResult(call_id=call.id, content='{"depth":3}', extra={"gemini": {"response": {"depth": 3}}}),
    )
    assert (request.system, request.max_output_tokens, request.response_format) == ("Be brief.", 9, ResponseFormat())
    assert request.tools[0].parameters["properties"] == {"at": {"type": ["string", "null"]}}
    assert request.tools[1].extra == {"gemini": {"google_search": {}}}
    for bad, place in (
        (b'{"contents": [1]}', "contents"),
        (b'{"contents": [{"role": "robot"}]}', "role"),
        (b"{", "JSON"),
    ):
        with pytest.raises(BadRequest, match=place):
            CODEC.decode_request(HTTPRequest(url="/models/g:generateContent", body=bad))


def rewrite(events: list[Event]) -> list[Event]:
    encoder = CODEC.encoder(ask())
    return decode(b"".join(encoder.encode(event) for event in events) + encoder.finish())


def test_a_stream_survives_the_gateway() -> None:
    """Events written as a stream and read again fold into the same answer; a call's id becomes known."""
    whole = fold(decode(STREAM))
    assert fold(rewrite(decode(STREAM))) == whole
    assert fold(rewrite(unfold(whole))) == whole
    assert CODEC.decode(CODEC.encode_response(whole)) == whole


def test_fragments_of_calls_go_out_whole() -> None:
    """Calls that arrive in fragments, even in turns, leave as whole function calls, in order."""
    events: list[Event] = [
        Started("m", "x"),
        TextDelta("Hi", 0),
        ToolCallDelta(1, "a", "f", '{"n":'),
        ToolCallDelta(2, "b", "g", '{"n":'),
        ToolCallDelta(1, None, None, "1}"),
        ToolCallDelta(2, None, None, "2}"),
        Finished("tool_call"),
        UsageReport(Usage(input_tokens=3, output_tokens=4)),
    ]
    response = fold(rewrite(events))
    assert [(call.id, call.arguments) for call in response.tool_calls] == [("a", {"n": 1}), ("b", {"n": 2})]
    assert (response.finish_reason, response.usage.total_tokens) == ("tool_call", 7)


words = st.text(min_size=1, max_size=20)
objects = st.dictionaries(
    st.text(max_size=5), st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=5)), max_size=2
)
texts = st.builds(Text, text=words, extra=st.sampled_from([None, {"gemini": {"thoughtSignature": "c2ln"}}]))
media = st.one_of(
    st.builds(Image, data=st.binary(max_size=9), media_type=st.just("image/png")),
    st.builds(File, url=words.map("gs://{}".format), media_type=st.just("application/pdf")),
    st.builds(Audio, data=st.binary(max_size=9), media_type=st.just("audio/wav")),
)
thoughts = st.one_of(
    st.builds(Reasoning, text=words),
    st.builds(Reasoning, text=words, signature=st.just("s"), extra=st.just({"gemini": {"thoughtSignature": "s"}})),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages: list[Message] = []
    for turn in range(draw(st.integers(1, 3))):
        messages.append(
            Message(role="user", parts=tuple(draw(st.lists(st.one_of(texts, media), min_size=1, max_size=2))))
        )
        answer: list[Any] = draw(st.lists(st.one_of(texts, thoughts), min_size=1, max_size=2))
        calls = [
            ToolCall(id=f"c{turn}{n}", name="tide", arguments=draw(objects), signature=draw(st.none() | words))
            for n in range(draw(st.integers(0, 2)))
        ]
        messages.append(Message(role="assistant", parts=(*answer, *calls)))
        if calls:
            messages.append(
                tool(
                    *(
                        ToolResult(call_id=call.id, content=draw(st.text(max_size=9)), is_error=draw(st.booleans()))
                        for call in calls
                    )
                )
            )
    return (*messages, user("And now?"))


requests = st.builds(
    Request,
    model=st.sampled_from([MODEL, "gemini-2.5-pro", THREE]),
    messages=conversations(),
    system=st.none() | words,
    max_output_tokens=st.integers(40000, 60000) | st.none(),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 50),
    seed=st.none() | st.integers(0, 99),
    stop=st.lists(words, max_size=3).map(tuple),
    tools=st.just((TIDE,)),
    tool_choice=st.sampled_from([None, "auto", "required", "none", NamedTool("tide")]),
    response_format=st.sampled_from(
        [None, ResponseFormat(), ResponseFormat(schema={"type": "object", "properties": {}})]
    ),
    reasoning_effort=st.sampled_from([None, "minimal", "low", "high"]),
    options=st.sampled_from([{}, {"gemini": {"cachedContent": "c/1", "generationConfig": {"mediaResolution": "LOW"}}}]),
)


@settings(max_examples=120, deadline=None)
@given(requests)
def test_a_request_is_read_back_as_it_was(request: Request) -> None:
    """decode_request(encode(r)) == r."""
    assert CODEC.decode_request(CODEC.encode(request)) == request


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b'{"candidates":[{"content":{"parts":[', b"data: {"]))
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
    """The round trip notices a codec that drops a signature."""

    class Forgetful(GeminiCodec, frozen=True, kw_only=True):
        def decode_request(self, http: HTTPRequest) -> Request:
            return super().decode_request(
                HTTPRequest(url=http.url, body=http.body.replace(b"thoughtSignature", b"forgotten"))
            )

    request = ask(user("Hi"), assistant(ToolCall(id="a", name="tide", signature="s")), tool(ToolResult(call_id="a")))
    assert CODEC.decode_request(CODEC.encode(request)) == request
    codec = Forgetful()
    assert codec.decode_request(codec.encode(request)) != request


def test_system_messages_join_the_system_prompt() -> None:
    """One in between is moved, and noted."""
    http = CODEC.encode(ask(user("Hi"), system("Be rude."), user("Well?")))
    assert msgspec.json.decode(http.body)["systemInstruction"] == {"parts": [{"text": "Be rude."}]}
    assert any("messages[1]" in note for note in http.notes)


def test_a_response_without_anything_is_a_protocol_error() -> None:
    """An object of another kind is no answer; an answer for one who lost their candidates is empty, not a crash."""
    with pytest.raises(ProtocolError):
        CODEC.decode(b'{"choices": []}')
    assert CODEC.decode(b'{"candidates": [{"finishReason": "MAX_TOKENS"}]}') == Response(
        finish_reason="length", raw_finish_reason="MAX_TOKENS"
    )


@pytest.mark.parametrize(
    ("name", "thinking", "efforts"),
    [
        ("gemini-2.0-flash-001", "none", 0),
        ("models/gemini-2.5-flash-lite", "budget", 7),
        ("gemini-2.5-pro", "budget", 6),
        ("gemini-3-pro-preview", "adaptive", 2),
        ("gemini-3.1-pro-preview", "adaptive", 3),
        ("gemini-3-flash-preview", "adaptive", 4),
        ("gemini-3.5-flash", "adaptive", 5),
    ],
)
def test_a_generation_is_told_by_its_name(name: str, thinking: str | None, efforts: int) -> None:
    """A budget for 2.5, a level since 3, and the levels that each model has."""
    rules = traits("gemini", name)
    assert (rules.thinking, len(rules.efforts or ())) == (thinking, efforts)

"""Any dialect in, any dialect out: what a client said in one reaches a provider of another, and the answer comes back.

Text, tool calls and what they answer, tool results, media, tools and settings are kept; what a dialect cannot say is an
InvalidRequest or stands in a note, and is never lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix import CODECS, answer_faults, answered, asked, request_faults
from strategies import Reach, requests, responses
from wire_record import Record, read_records

from backstay.codecs.base import Codec
from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.shown import RAW, join_blanks, show_arguments
from backstay.errors import LLMError
from backstay.fold import fold, unfold
from backstay.types import (
    Image,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    assistant,
    tool,
    user,
)
from backstay.wire import HTTPRequest

SAMPLE = 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
ANYTHING = Reach(
    model="model-1",
    has_raw_arguments=False,
    has_result_parts=True,
    has_image_urls=False,
    has_seed=True,
    has_top_k=True,
    has_penalties=True,
)
ANSWERS = Reach(model="model-1", has_refusal=True)


def records(corpus: Path, step: int) -> Iterator[Record]:
    """Every `step`-th record of a dialect that we speak, errors left out."""
    found = [
        record
        for record in read_records(corpus / "wire" / "dev.jsonl.gz")
        if record.dialect in CODECS and record.kind != "error"
    ]
    yield from found[::step]


def request_table(corpus: Path, step: int) -> tuple[int, list[str]]:
    """How many pairs were tried, and their faults."""
    count, faults = 0, []
    for record in records(corpus, step):
        request = asked(record)
        for target in CODECS.values() if request is not None else ():
            count += 1
            faults += [
                f"{record.id} {record.dialect} to {target.name}: {each}" for each in request_faults(request, target)
            ]
    return count, faults


def answer_table(corpus: Path, step: int) -> tuple[int, list[str]]:
    """The same for answers; recorded bodies that hold an error are left out."""
    count, faults = 0, []
    for record in records(corpus, step):
        try:
            response = answered(record)
        except LLMError:
            continue
        for target in CODECS.values():
            count += 1
            faults += [
                f"{record.id} {record.dialect} to {target.name}: {each}" for each in answer_faults(response, target)
            ]
    return count, faults


@pytest.mark.corpus
@pytest.mark.parametrize("table", [request_table, answer_table])
def test_sampled_traffic_crosses_dialects(corpus: Path, table: object) -> None:
    """Every fortieth recorded exchange, from its dialect into each of the six."""
    count, faults = table(corpus, SAMPLE)  # type: ignore[operator]
    assert faults == []
    assert count > 250


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize(("table", "least"), [(request_table, 13_000), (answer_table, 13_000)])
def test_all_traffic_crosses_dialects(corpus: Path, table: object, least: int) -> None:
    """Every recorded exchange, from its dialect into each of the six."""
    count, faults = table(corpus, 1)  # type: ignore[operator]
    assert faults == []
    assert count > least


@given(data=st.data(), source=st.sampled_from(sorted(CODECS)), target=st.sampled_from(sorted(CODECS)))
@settings(max_examples=150, deadline=None)
def test_any_request_crosses_two_dialects(data: st.DataObject, source: str, target: str) -> None:
    """Whatever can be asked in one dialect reaches another whole, is refused, or is noted."""
    request = data.draw(requests(ANYTHING))
    assert request_faults(request, CODECS[source]) == []
    try:
        http = CODECS[source].encode(request)
    except LLMError:
        return
    read = msgspec.structs.replace(CODECS[source].decode_request(http), model="model-1", options={})
    assert request_faults(read, CODECS[target]) == []


@given(response=responses(ANSWERS), target=st.sampled_from(sorted(CODECS)))
@settings(max_examples=150, deadline=None)
def test_any_answer_reaches_a_client_of_any_dialect(response: Response, target: str) -> None:
    """Whole and streamed."""
    assert answer_faults(response, CODECS[target]) == []


TURNS = (
    user("What is in it?", Image(data=PNG, media_type="image/png")),
    assistant("Let me see.", ToolCall(id="call_1", name="look", arguments={"at": "it"})),
    tool(ToolResult(call_id="call_1", content="a cat", name="look")),
    user("Are you sure?"),
)
WHOLE = Request(model="model-1", system="Be brief.", messages=TURNS, tools=(Tool(name="look", description="Looks."),))


class Forgetful:
    """A dialect that leaves pictures out of what it encodes, in silence."""

    def __init__(self, inner: Codec) -> None:
        self._inner = inner

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        bare = tuple(
            msgspec.structs.replace(turn, parts=tuple(part for part in turn.parts if not isinstance(part, Image)))
            for turn in request.messages
        )
        return self._inner.encode(msgspec.structs.replace(request, messages=bare), stream=stream)

    def decode_request(self, http: HTTPRequest) -> Request:
        return self._inner.decode_request(http)


@pytest.mark.parametrize("name", sorted(CODECS))
def test_the_matrix_sees_what_is_lost(name: str) -> None:
    """The same conversation passes whole, and is faulted when a dialect drops the picture."""
    assert request_faults(WHOLE, CODECS[name]) == []
    faults = request_faults(WHOLE, Forgetful(CODECS[name]))  # type: ignore[arg-type]
    assert [fault.partition(":")[0] for fault in faults] == ["media"]


class Silent(OpenAIChat):
    """A broken mirror: its answers to clients lose their tool calls."""

    def encode_response(self, response: Response) -> bytes:
        return super().encode_response(msgspec.structs.replace(response, parts=response.parts[:1]))


def test_the_matrix_sees_a_lost_call_in_an_answer() -> None:
    """The broken variant of the gateway's direction."""
    response = Response(parts=(Text(text="a"), ToolCall(id="c", name="f")), finish_reason="tool_call")
    assert answer_faults(response, OpenAIChat()) == []
    assert any(fault.startswith("whole call") for fault in answer_faults(response, Silent()))


# what the matrix found


CITED = Response(
    parts=(
        Text(text="It says "),
        Text(text='"stop"', extra={"bedrock": {"citations": [{"title": "t"}]}}),
        Text(text=" "),
        Text(text="here."),
    ),
    finish_reason="stop",
    usage=Usage(input_tokens=1, output_tokens=1),
)


@pytest.mark.parametrize("name", sorted(CODECS))
def test_a_cited_sentence_keeps_its_blanks_and_its_order(name: str) -> None:
    """Texts with and without citations, streamed in order, and blanks between them kept."""
    codec = CODECS[name]
    encoder = codec.encoder(Request(model="m"))
    body = b"".join(encoder.encode(event) for event in unfold(CITED)) + encoder.finish()
    decoder = codec.decoder()
    assert codec.decode(codec.encode_response(CITED)).text == CITED.text
    assert fold([*decoder.feed(body), *decoder.finish()]).text == CITED.text


def test_blanks_join_their_neighbours() -> None:
    """To the text before, else to the one after; a part of another kind keeps them apart; places stay those of the parts."""
    call = ToolCall(id="c", name="f")
    parts = (Text(text=" "), Text(text="a"), Text(text="\n"), call, Text(text="\n\n"), Text(text="b"), Text(text=" "))
    assert join_blanks(parts) == [(1, Text(text=" a\n")), (3, call), (5, Text(text="\n\nb "))]
    assert join_blanks((Text(text=" "),)) == []


@pytest.mark.parametrize("name", ["anthropic", "bedrock", "gemini", "ollama"])
def test_broken_arguments_are_never_shown_as_none(name: str) -> None:
    """A client of a dialect whose arguments are objects sees the text; an empty object would run the tool with nothing."""
    call = ToolCall(id="c", name="f", raw_arguments='{"a": ')
    (found,) = CODECS[name].decode(CODECS[name].encode_response(Response(parts=(call,)))).tool_calls
    assert found.arguments == {RAW: '{"a": '}
    assert show_arguments(Text(text="x")) == Text(text="x")


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses"])
def test_an_unknown_usage_is_not_zero(name: str) -> None:
    """A client is told nothing where nothing is known."""
    assert CODECS[name].decode(CODECS[name].encode_response(Response())).usage == Usage()


def test_a_picture_reaches_a_client_of_responses() -> None:
    """As the item in which that dialect shows pictures."""
    codec = CODECS["openai_responses"]
    answer = Response(parts=(Image(data=PNG, media_type="image/png"),), finish_reason="stop")
    (found,) = codec.decode(codec.encode_response(answer)).parts
    assert isinstance(found, Image)
    assert found.data == PNG


@pytest.mark.parametrize("name", sorted(CODECS))
def test_a_tool_result_in_json_reaches_every_dialect(name: str) -> None:
    """Bedrock's JSON results are text elsewhere, and JSON again at home."""
    turns = [
        {"role": "user", "content": [{"text": "x"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"json": {"degrees": 21.5}}]}}]},
    ]
    tools = {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}
    body = msgspec.json.encode({"messages": turns, "toolConfig": tools})
    request = CODECS["bedrock"].decode_request(HTTPRequest(url="/model/model-1/converse", body=body))
    http = CODECS[name].encode(msgspec.structs.replace(request, model="model-1"))
    assert b"21.5" in http.body
    if name == "bedrock":
        assert msgspec.json.decode(http.body)["messages"] == turns

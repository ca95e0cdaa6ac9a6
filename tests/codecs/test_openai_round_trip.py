"""What the Chat Completions codec writes, it reads back: requests, answers, streams and errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import Reach, requests, responses

from backstay import errors
from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.registry import provider
from backstay.event import Event, TextDelta
from backstay.fold import fold, unfold
from backstay.types import Request, Response, Usage
from backstay.wire import HTTPRequest

OPENAI = Reach(
    model="gpt-4.1",
    has_refusal=True,
    has_names=True,
    has_system_turns=True,
    has_result_parts=True,
    has_image_detail=True,
    has_audio=True,
    has_files=True,
    has_user=True,
    has_penalties=True,
    has_seed=True,
    has_logprobs=True,
    has_tool_strict=True,
    has_parallel=True,
)
OPENROUTER = Reach(model="a/b", has_reasoning=True, has_top_k=True, has_seed=True, efforts=("low", "high"))
MISTRAL = Reach(
    model="magistral",
    has_reasoning=True,
    has_signature=True,
    has_seed=True,
    has_result_names=True,
    call_ids="[a-zA-Z0-9]{9}",
)
CASES = [("openai", OPENAI), ("openrouter", OPENROUTER), ("mistral", MISTRAL)]


def same_request(codec: OpenAIChat, request: Request, *, stream: bool) -> None:
    http = codec.encode(request, stream=stream)
    assert codec.decode_request(http) == request
    assert codec.is_stream(http) is stream


@pytest.mark.parametrize(("name", "reach"), CASES)
@given(data=st.data(), stream=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_request_survives_the_wire(name: str, reach: Reach, data: st.DataObject, stream: bool) -> None:
    """decode_request(encode(r)) == r for every request that the server has a place for."""
    codec = provider(name).codec()
    assert isinstance(codec, OpenAIChat)
    same_request(codec, data.draw(requests(reach)), stream=stream)


class Forgetful(OpenAIChat):
    """A broken codec: it leaves out the names of speakers."""

    def encode(self, request: Request, *, stream: bool = False) -> HTTPRequest:
        bare = tuple(msgspec.structs.replace(message, name=None) for message in request.messages)
        return super().encode(msgspec.structs.replace(request, messages=bare), stream=stream)


def test_the_round_trip_catches_a_codec_that_forgets() -> None:
    """The property above can fail: a codec that drops one field is found."""

    @given(request=requests(OPENAI))
    @settings(max_examples=200, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    def property_(request: Request) -> None:
        same_request(Forgetful(), request, stream=False)

    with pytest.raises(AssertionError):
        property_()


def stated(response: Response) -> Response:
    """`response` as it comes back: the wire says the raw reason and the total as well."""
    usage = msgspec.structs.replace(response.usage, stated_total_tokens=response.usage.total_tokens)
    raw = {"tool_call": "tool_calls", "refusal": "stop"}.get(response.finish_reason or "", response.finish_reason)
    return msgspec.structs.replace(response, usage=usage, raw_finish_reason=raw)


ANSWERS = Reach(model="gpt-4.1", has_refusal=True, has_reasoning=True, has_many_texts=False, has_logprobs=True)


@given(response=responses(ANSWERS))
@settings(max_examples=80, deadline=None)
def test_an_answer_survives_the_wire(response: Response) -> None:
    """decode(encode_response(r)) == r."""
    response = small_cache(response)
    codec = OpenAIChat()
    assert codec.decode(codec.encode_response(response)) == stated(response)


def small_cache(response: Response) -> Response:
    """A cache count within the input: more would be read as lying beside it."""
    read, total = response.usage.cache_read_tokens, response.usage.input_tokens or 0
    usage = msgspec.structs.replace(response.usage, cache_read_tokens=None if read is None else min(read, total))
    return msgspec.structs.replace(response, usage=usage)


def encoded(codec: OpenAIChat, events: list[Event], request: Request) -> bytes:
    encoder = codec.encoder(request)
    return b"".join(encoder.encode(event) for event in events) + encoder.finish()


@given(response=responses(ANSWERS), cut=st.integers(1, 500))
@settings(max_examples=80, deadline=None)
def test_an_answer_survives_the_stream(response: Response, cut: int) -> None:
    """Unfolded into events, encoded, decoded in pieces and folded again, an answer is the same."""
    response = small_cache(response)
    codec = OpenAIChat()
    body = encoded(codec, unfold(response), Request(model="gpt-4.1"))
    decoder = codec.decoder()
    events = [event for start in range(0, len(body), cut) for event in decoder.feed(body[start : start + cut])]
    assert fold(events + decoder.finish()) == stated(response)


def test_a_client_that_wants_no_usage_gets_no_usage_chunk() -> None:
    """`stream_options` of the client's request decides; asked upstream, the usage is always wanted."""
    codec = OpenAIChat()
    events = unfold(Response(finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=1)))
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "stream": True}
    silent = codec.decode_request(HTTPRequest(url="/", body=msgspec.json.encode(body)))
    asking = codec.decode_request(
        HTTPRequest(url="/", body=msgspec.json.encode({**body, "stream_options": {"include_usage": True}}))
    )
    assert b'"usage"' not in encoded(codec, events, silent)
    assert b'"usage"' in encoded(codec, events, asking)
    assert msgspec.json.decode(codec.encode(silent, stream=True).body)["stream_options"] == {"include_usage": True}


ERRORS: list[Any] = [
    errors.BadRequest("no", status=400, code="unsupported_value"),
    errors.ContextLengthExceeded("too long", status=400, code="context_length_exceeded"),
    errors.ContentFiltered("no", status=400, code="content_filter"),
    errors.AuthenticationFailed("who", status=401, code="invalid_api_key"),
    errors.PermissionDenied("no", status=403),
    errors.NotFound("where", status=404, code="model_not_found"),
    errors.RateLimited("slow down", status=429, code="rate_limit_exceeded", retry_after=2.5),
    errors.QuotaExhausted("pay", status=429, code="insufficient_quota"),
    errors.ServerFault("oops", status=500),
    errors.ServerFault("not made", status=501, retryable=False),
    errors.Overloaded("busy", status=503, code="overloaded", retry_after=10.0),
    errors.RateLimited("never again", status=429, retryable=False),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}-{error.status}")
def test_an_error_survives_the_wire(error: errors.StatusError) -> None:
    """Class, status, verdict and wait come back; so a gateway is transparent to the retries of its clients."""
    codec = OpenAIChat()
    back = codec.decode_error(*codec.encode_error(error))
    facts = (type(error), error.status, error.retryable, error.retry_after, str(error))
    assert (type(back), back.status, back.retryable, back.retry_after, str(back)) == facts  # type: ignore[attr-defined]


def test_refusals_of_our_own_layers_have_a_status() -> None:
    """A client of the gateway sees a local limit as 429 with its wait, an open circuit as 503, a spent budget as no retry."""
    codec = OpenAIChat()
    status, headers, _ = codec.encode_error(errors.LimitReached("full", limit="tokens", retry_after=3.0))
    assert (status, headers["retry-after"]) == (429, "3")
    assert codec.encode_error(errors.CircuitOpen("open"))[0] == 503
    spent = codec.decode_error(*codec.encode_error(errors.BudgetExceeded("spent")))
    assert isinstance(spent, errors.QuotaExhausted)
    last = errors.AllTargetsFailed("all", errors=[errors.NotFound("x", status=404), errors.Overloaded("y", status=529)])
    assert codec.encode_error(last)[0] == 529


def test_an_error_ends_an_encoded_stream() -> None:
    """A stream that fails midway is no clean end to a client: it raises the typed error after the text before it."""
    codec = OpenAIChat()
    encoder = codec.encoder(Request(model="m"))
    body = encoder.encode(TextDelta("half")) + encoder.encode_error(errors.Overloaded("busy", status=529))
    decoder = codec.decoder()
    assert [event.text for event in decoder.feed(body) if isinstance(event, TextDelta)] == ["half"]
    with pytest.raises(errors.Overloaded):
        decoder.finish()

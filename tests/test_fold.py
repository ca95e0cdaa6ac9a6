"""Fold and unfold: a stream and a whole answer are the same thing."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import errors
from backstay.event import (
    Finished,
    PartDone,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from backstay.fold import fold, merge_usage, parse_arguments, unfold
from backstay.types import Reasoning, Refusal, Response, Text, TokenLogprob, ToolCall, Usage

texts = st.text(max_size=20)
counts = st.none() | st.integers(0, 10**9)
arguments = st.dictionaries(texts, st.integers(-(2**53), 2**53) | texts | st.none(), max_size=3)
parts = st.one_of(
    st.builds(Text, text=texts),
    st.builds(Refusal, text=texts),
    st.builds(
        Reasoning, text=texts, signature=st.none() | texts, encrypted=st.none() | texts, is_summary=st.booleans()
    ),
    st.builds(ToolCall, id=texts, name=texts, arguments=arguments, signature=st.none() | texts),
)
responses = st.builds(
    Response,
    parts=st.lists(parts, max_size=5).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "tool_call", None]),
    raw_finish_reason=st.none() | texts,
    usage=st.builds(Usage, input_tokens=counts, output_tokens=counts, cache_read_tokens=counts),
    model=st.none() | texts,
    id=st.none() | texts,
    logprobs=st.none() | st.just((TokenLogprob(token="a", logprob=-0.5),)),
)


@given(responses)
def test_an_answer_survives_being_streamed(response: Response) -> None:
    """Unfolding into events and folding them again gives the same Response."""
    assert fold(unfold(response)) == response


@given(responses)
def test_an_answer_survives_being_stored(response: Response) -> None:
    """JSON is a lossless form of a Response."""
    assert msgspec.json.decode(msgspec.json.encode(response), type=Response) == response


def test_fragments_of_interleaved_slots_are_joined_in_the_slots_order() -> None:
    """Parallel tool calls arrive mixed; each keeps its own fragments and its place."""
    response = fold(
        [
            Started("r1", "m"),
            ReasoningDelta("think", 0),
            ReasoningDelta("ing", 0, signature="sig"),
            TextDelta("Hel", 1),
            ToolCallDelta(2, "a", "one", '{"x":'),
            ToolCallDelta(3, "b", "two", ""),
            TextDelta("lo", 1),
            ToolCallDelta(2, arguments=" 1}"),
            RefusalDelta("no", 4),
            UsageReport(Usage(input_tokens=5, output_tokens=1)),
            UsageReport(Usage(output_tokens=9)),
            Finished("tool_call", "tool_calls"),
        ]
    )
    assert response.text == "Hello"
    assert response.reasoning == "thinking"
    assert response.parts[0] == Reasoning(text="thinking", signature="sig")
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == [
        ("a", "one", {"x": 1}), ("b", "two", {})
    ]  # fmt: skip
    assert response.refusal == "no"
    assert response.usage == Usage(input_tokens=5, output_tokens=9)
    assert response.usage.total_tokens == 14


def test_a_final_value_replaces_what_the_deltas_built() -> None:
    """Servers that correct themselves at the end are believed."""
    response = fold([TextDelta("draft", 0), PartDone(Text(text="final"), 0)])
    assert response.text == "final"
    assert response.finish_reason is None


@pytest.mark.parametrize(
    ("text", "value", "raw"),
    [
        ("", {}, None),
        ("  ", {}, None),
        ('{"a": 1}', {"a": 1}, None),
        ('"{\\"a\\": 1}"', {"a": 1}, None),
        ('{"a": ', {}, '{"a": '),
        ("[1]", {}, "[1]"),
        ("\ud800", {}, "\ud800"),
    ],
)
def test_arguments_are_an_object_or_are_kept_as_written(text: str, value: Any, raw: str | None) -> None:
    """Nothing that a model wrote is lost, and nothing but an object is taken for arguments."""
    assert parse_arguments(text) == (value, raw)


def test_unknown_usage_is_not_zero() -> None:
    """A count that nobody stated stays unknown, also in the sum."""
    assert Usage(input_tokens=3).total_tokens is None
    assert merge_usage(Usage(input_tokens=3, reasoning_tokens=0), Usage(output_tokens=2)) == Usage(
        input_tokens=3, output_tokens=2, reasoning_tokens=0
    )


def test_facts_about_an_answer() -> None:
    """Truncation and speed are read off the Response."""
    response = Response(finish_reason="length", usage=Usage(output_tokens=100), latency=3.0, time_to_first_token=1.0)
    assert response.was_truncated
    assert response.tokens_per_second == pytest.approx(50.0)


EXAMPLES = [
    errors.RateLimited("m", status=429, code="c", request_id="r", retry_after=2.0),
    errors.TimedOut("m", phase="connect", sent=False),
    errors.ConnectFailed("m"),
    errors.StreamInterrupted("m", partial=Response(parts=(Text(text="x"),))),
    errors.ConfigurationError("one", "two"),
    errors.SchemaMismatch("m", tries=2, faults=["a"]),
    errors.AllTargetsFailed("m", errors=[errors.ConnectFailed("x")]),
    errors.LimitReached("m", limit="requests per minute", retry_after=3.0),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_cross_process_borders_whole(error: errors.LLMError) -> None:
    """Pickling keeps the class, the message and every fact."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    facts = {name: value for name, value in vars(error).items() if name != "errors"}
    assert {name: vars(copy)[name] for name in facts} == facts


def test_several_configuration_faults_are_one_message() -> None:
    """All faults at once, one a line."""
    assert str(errors.ConfigurationError("one", "two")) == "- one\n- two"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, errors.BadRequest), (401, errors.AuthenticationFailed), (402, errors.PermissionDenied), (404, errors.NotFound),
     (413, errors.BadRequest), (418, errors.BadRequest), (429, errors.RateLimited), (500, errors.ServerFault),
     (529, errors.Overloaded), (599, errors.ServerFault)],
)  # fmt: skip
def test_status_decides_first(status: int, kind: type[errors.StatusError]) -> None:
    """The table gives every status its class."""
    assert type(errors.from_status(status, "m")) is kind

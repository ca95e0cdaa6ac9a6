"""Errors of Chat Completions servers, in all their shapes: the right class, verdict, wait and message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import errors
from backstay.codecs.openai_error import MAX_MESSAGE, read_error
from backstay.errors import StatusError

DETAIL = [{"loc": ["body", "messages"], "msg": "Field required"}]
SHAPES: list[tuple[int, Any, type[StatusError], str]] = [
    (400, {"error": {"message": "bad", "type": "invalid_request_error", "code": None}}, errors.BadRequest, "bad"),
    (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, errors.ContextLengthExceeded, "x"),
    (
        400,
        {"error": {"message": "x", "type": "exceed_context_size_error", "code": 400}},
        errors.ContextLengthExceeded,
        "x",
    ),
    (
        400,
        {"error": {"message": "This endpoint's maximum context length is 5", "code": 400}},
        errors.ContextLengthExceeded,
        "maximum",
    ),
    (400, {"error": {"message": "x", "code": "content_filter", "innererror": {}}}, errors.ContentFiltered, "x"),
    (400, {"error": {"message": "x", "code": "model_not_found"}}, errors.NotFound, "x"),
    (
        400,
        {"code": "invalid-argument", "error": "Incorrect API key provided."},
        errors.AuthenticationFailed,
        "Incorrect",
    ),
    (401, {"detail": "Invalid key"}, errors.AuthenticationFailed, "Invalid key"),
    (402, {"error": {"message": "Insufficient Balance"}}, errors.PermissionDenied, "Balance"),
    (
        403,
        {"error": {"message": "flagged", "code": 403, "metadata": {"reasons": ["x"]}}},
        errors.ContentFiltered,
        "flagged",
    ),
    (404, {"error": "model 'x' not found"}, errors.NotFound, "not found"),
    (
        413,
        {"error": {"message": "too large for tokens per minute", "code": "rate_limit_exceeded"}},
        errors.BadRequest,
        "large",
    ),
    (422, {"detail": DETAIL}, errors.BadRequest, "body.messages: Field required"),
    (
        422,
        {"object": "error", "message": {"detail": DETAIL}, "type": "invalid_request_error"},
        errors.BadRequest,
        "Field",
    ),
    (
        429,
        {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"},
        errors.RateLimited,
        "Rate",
    ),
    (429, {"error": {"message": "x", "type": "insufficient_quota"}}, errors.QuotaExhausted, "x"),
    (
        429,
        {"code": "Some resource has been exhausted", "error": "has used all available credits"},
        errors.QuotaExhausted,
        "credits",
    ),
    (
        429,
        [{"error": {"code": 429, "message": "You exceeded your current quota. Please retry in 34.07s."}}],
        errors.RateLimited,
        "retry",
    ),
    (498, {"error": {"message": "capacity"}}, errors.Overloaded, "capacity"),
    (500, {"error": {"message": "x", "type": "server_error"}}, errors.ServerFault, "x"),
    (503, {"error": {"message": "Server overloaded"}}, errors.Overloaded, "overloaded"),
    (503, {"error": {"message": "Loading model", "code": 503}}, errors.ServerFault, "Loading"),
    (529, {}, errors.Overloaded, "status 529"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), SHAPES, ids=lambda value: str(value)[:40])
def test_every_shape_gives_its_class_and_message(status: int, body: Any, kind: type[StatusError], words: str) -> None:
    """Exactly this class, with the server's own words, whatever the envelope."""
    error = read_error(status, {}, json.dumps(body).encode())
    assert type(error) is kind
    assert words in str(error)
    assert error.status == status
    assert error.retryable is kind.retryable


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (409, True),
        (422, False),
        (425, True),
        (429, True),
        (500, True),
        (501, False),
        (502, True),
        (529, True),
    ],
)
def test_the_status_alone_decides_an_empty_body(status: int, retryable: bool) -> None:
    """No body, no header: the status says whether to try again."""
    assert read_error(status, {}, b"").retryable is retryable


def test_what_the_provider_says_outranks_the_class() -> None:
    """x-should-retry and the body's `retryable` overrule, in both directions; waits and ids are read."""
    headers = {"x-should-retry": "false", "x-request-id": "req_1", "retry-after": "7"}
    error = read_error(500, headers, b"{}")
    assert (error.retryable, error.request_id, error.retry_after) == (False, "req_1", 7.0)
    hint = {"error": {"message": "x", "availability": {"retryable": False, "retry_after": 40}}}
    told = read_error(429, {}, json.dumps(hint).encode())
    assert (told.retryable, told.retry_after) == (False, 40.0)
    sentence = {"error": {"message": "Please try again in 1m0.36s.", "code": "rate_limit_exceeded"}}
    assert read_error(429, {}, json.dumps(sentence).encode()).retry_after == pytest.approx(60.36)


def test_no_key_stands_in_a_message() -> None:
    """Servers repeat a wrong key; we do not."""
    body = {"error": {"message": "Incorrect API key provided: sk-abc123def456ghi. Also gsk_0123456789abcdef"}}
    text = str(read_error(401, {}, json.dumps(body).encode()))
    assert "abc123" not in text
    assert "0123456789" not in text
    assert "Incorrect API key provided: ***" in text


def test_a_page_is_reduced_to_its_words() -> None:
    """A proxy's HTML, long and on many lines, becomes one bounded line of text."""
    page = "<html><style>p {x}</style><h1>502 Bad\nGateway</h1>" + "<p>x</p>" * 9000 + "</html>"
    text = str(read_error(502, {}, page.encode()))
    assert text.startswith("502 Bad Gateway x x")
    assert len(text) <= MAX_MESSAGE


@given(
    st.integers(400, 599),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda below: (
            st.lists(below, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["error", "message", "code", "type", "detail", "details", "metadata", "availability", "retry_after"]
                ),
                below,
                max_size=4,
            )
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_body_can_break_the_reading(status: int, body: bytes) -> None:
    """Anything at all as a body: a typed error with a message, never another exception."""
    error = read_error(status, {}, body)
    assert isinstance(error, StatusError)
    assert str(error)

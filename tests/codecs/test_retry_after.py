"""Every way in which providers say "wait": the right seconds, or None; never an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.codecs.limit import Limit, limits
from backstay.codecs.retry_after import MAX_WAIT, parse_sentence, parse_wait, retry_after, should_retry

NOW = 946684700.0
"""31 Dec 1999, 23:58:20 GMT."""

FORMS = [
    ("62", 62.0),
    ("2.5", 2.5),
    ("0", 0.0),
    ("12ms", 0.012),
    ("0s", 0.0),
    ("6m0s", 360.0),
    ("2m59.56s", 179.56),
    ("172.799999ms", 0.172799999),
    ("1h2m", 3720.0),
    ("34.4s", 34.4),
    ("250us", 0.00025),
    ("Fri, 31 Dec 1999 23:59:59 GMT", 99.0),
    ("Friday, 31-Dec-99 23:59:59 GMT", 99.0),
    ("1999-12-31T23:59:00Z", 40.0),
    ("1999-12-31T23:59:00.5+00:00", 40.5),
    ("2000-01-01T00:59:00+01:00", 40.0),
    ("Fri, 31 Dec 1999 23:00:00 GMT", 0.0),
    ("946684730", 30.0),
    ("946684730000", 30.0),
]
GARBAGE = [
    "",
    " ",
    "X-RATELIMIT-RESET-XXX",
    "-1",
    "nan",
    "inf",
    "1e999",
    "5 apples",
    "Fri, 99 Foo 2000",
    "12:30",
    "9" * 80,
]


@pytest.mark.parametrize(("text", "seconds"), FORMS)
def test_every_form_is_read(text: str, seconds: float) -> None:
    """Numbers, Go and protobuf durations, HTTP-dates, RFC 3339 instants and Unix times give seconds."""
    floor = NOW if text[0] != "9" else 946684700.0
    wait = parse_wait(text, now=floor) if not text.startswith("9466") else parse_unix(text)
    assert wait == pytest.approx(seconds)


def parse_unix(text: str) -> float | None:
    shift = 1_000_000_000
    number = int(text)
    moved = number + shift * (1000 if number > 10**11 else 1)
    return parse_wait(str(moved), now=NOW + shift)


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_no_wait(text: str) -> None:
    """What cannot be read is None."""
    assert parse_wait(text, now=NOW) is None


@given(st.text(max_size=40) | st.integers() | st.floats() | st.none() | st.booleans())
def test_no_value_raises_and_no_wait_is_out_of_bounds(value: Any) -> None:
    """For anything at all the answer is None or a wait from zero to a year."""
    wait = parse_wait(value, now=NOW)
    assert wait is None or 0 <= wait <= MAX_WAIT
    assert parse_sentence(str(value)) is None or parse_sentence(str(value)) >= 0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 1m0.36s. Visit https://x", 60.36),
        ("Retry after 40 seconds.", 40.0),
        ("try again in 20ms", 0.02),
        ("Please retry in 34.07s.", 34.07),
        ("capacity will be available in about 2 hours", 7200.0),
        ("retry after 1 minute and 30 seconds", 90.0),
        ("Used 40, requested 20, limit 50", None),
        ("", None),
    ],
)
def test_a_sentence_names_the_wait(message: str, seconds: float | None) -> None:
    """The message is the last resort, and only where it speaks of trying again."""
    assert parse_sentence(message) == (None if seconds is None else pytest.approx(seconds))


def test_the_most_exact_source_wins() -> None:
    """Body hint, then milliseconds, then retry-after, then resets, then the message."""
    headers = {"retry-after-ms": "1500", "retry-after": "2", "x-rate-limit-reset-tokens": "55"}
    body = {"error": {"availability": {"retry_after": 40}}}
    assert retry_after(headers, body, "try again in 9s") == 40.0
    assert retry_after(headers, {}, "try again in 9s") == 1.5
    assert retry_after({**headers, "retry-after-ms": "soon"}) == 2.0
    assert retry_after({"x-rate-limit-reset-tokens": "55"}) == 55.0
    assert retry_after({}, None, "try again in 9s") == 9.0
    assert retry_after({}) is None


def test_no_milliseconds_do_not_hide_whole_seconds() -> None:
    """A server that says 0 ms and 1 s at once means the second."""
    assert retry_after({"retry-after-ms": "0", "retry-after": "1"}) == 1.0
    assert retry_after({"retry-after-ms": "0"}) == 0.0


def test_googles_retry_info_is_a_body_hint() -> None:
    """RetryInfo among the details holds a protobuf duration."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]
    assert retry_after({}, {"error": {"code": 429, "details": details}}) == 34.4


def test_a_date_is_measured_against_the_answer_where_no_clock_is_given() -> None:
    """Without `now` the answer's own date header is the clock; without that, a date says nothing."""
    headers = {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}
    assert retry_after(headers) == 30.0
    assert retry_after({"retry-after": headers["retry-after"]}) is None
    assert retry_after(headers, now=NOW) == 99.0


def test_what_the_provider_says_about_retrying_is_found() -> None:
    """Header first, then the body's flag, else no opinion."""
    assert should_retry({"x-should-retry": "false"}, {"error": {"retryable": True}}) is False
    assert should_retry({}, {"error": {"availability": {"retryable": True}}}) is True
    assert should_retry({}, {"retryable": False}) is False
    assert should_retry({}, {"error": "text"}) is None
    assert should_retry({"x-should-retry": "maybe"}) is None


def test_limits_are_read_in_every_arrangement_of_the_words() -> None:
    """OpenAI's, Anthropic's, Mistral's and a bare gateway's headers give the same facts."""
    openai = limits(
        {
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
        }
    )
    assert openai.entries == (Limit(dimension="requests", limit=500, remaining=499, reset=0.12),)
    anthropic = limits(
        {
            "anthropic-ratelimit-input-tokens-remaining": "9",
            "anthropic-ratelimit-input-tokens-reset": "1999-12-31T23:59:00Z",
        },
        now=NOW,
    )
    assert anthropic.entries == (Limit(dimension="input_tokens", remaining=9, reset=40.0),)
    mistral = limits({"x-ratelimit-remaining-req-minute": "3", "x-ratelimit-limit-tokens-minute": "1000"})
    assert mistral.entries == (
        Limit(dimension="requests", remaining=3, period=60.0),
        Limit(dimension="tokens", limit=1000, period=60.0),
    )
    bare = limits({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"})
    assert bare.entries == (Limit(dimension="requests", limit=10, remaining=0, reset=2.0),)


def test_the_tighter_of_two_limits_binds() -> None:
    """A project's token limit beside the organisation's: the one with less left stands."""
    found = limits({"x-ratelimit-remaining-tokens": "900", "x-ratelimit-remaining-project-tokens": "10"})
    assert [entry.remaining for entry in found.entries] == [10]


def test_unreadable_limits_are_counted_and_not_believed() -> None:
    """Garbage is named in `unreadable`; headers of other things are not looked at."""
    found = limits({"x-ratelimit-limit-requests": "X-XXX", "x-ratelimit-remaining-tokens": "-1", "retry-after": "soon"})
    assert found.entries == ()
    assert sorted(found.unreadable) == ["retry-after", "x-ratelimit-limit-requests", "x-ratelimit-remaining-tokens"]
    assert limits({"x-ratelimit-limit-input-images": "5", "content-type": "x"}).entries == ()

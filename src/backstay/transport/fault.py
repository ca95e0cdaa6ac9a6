"""Fault: everything that goes wrong between a program and a provider, each as a scripted Answer with a name.

`FAULTS` lists them all with their usual arguments, for tests that run through every one. Bodies are in the form of OpenAI's chat
completions, the dialect that most servers speak; pass other bodies for other dialects.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from backstay.transport.script import Answer, Delay, Fault, Step

JSON: Final = {"content-type": "application/json"}
SSE: Final = {"content-type": "text/event-stream"}

_HEAD: Final = {"id": "chatcmpl-scripted", "created": 1_772_366_400, "model": "scripted"}


def chat_answer(text: str = "Hello", *, usage: Mapping[str, object] | None = None) -> bytes:
    """A whole chat completion that says `text`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    counted = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7} if usage is None else usage
    return msgspec.json.encode({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": counted})


def chat_events(*texts: str) -> tuple[bytes, ...]:
    """A streamed chat completion: one server-sent event for each of `texts`, the end with the usage, then [DONE]."""
    deltas = [_event({"content": text}, None) for text in texts or ("Hel", "lo")]
    usage = {"prompt_tokens": 5, "completion_tokens": len(deltas), "total_tokens": 5 + len(deltas)}
    return (*deltas, _event({}, "stop"), _data({**_CHUNK, "choices": [], "usage": usage}), b"data: [DONE]\n\n")


_CHUNK: Final = {**_HEAD, "object": "chat.completion.chunk"}


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    return _data({**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def _data(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


# no connection: nothing was sent


def refused() -> Answer:
    """Nobody listens on that port."""
    return Answer(connect=[Fault("refused")])


def dns() -> Answer:
    """The name cannot be resolved."""
    return Answer(connect=[Fault("dns")])


def tls() -> Answer:
    """The certificate is not trusted."""
    return Answer(connect=[Fault("tls")])


def hang_connecting() -> Answer:
    """Packets to the host are swallowed."""
    return Answer(connect=[Fault("hang")])


# the connection breaks


def reset_before_headers() -> Answer:
    """The request was read, and the connection reset."""
    return Answer(before=[Fault("reset")])


def closed_before_headers() -> Answer:
    """The request was read, and the connection closed without a word."""
    return Answer(before=[Fault("close")])


def reset_after_headers() -> Answer:
    """Status and headers came, and then a reset."""
    return Answer(headers=SSE, chunks=[Fault("reset")])


def reset_mid_chunk(events: Sequence[bytes] = ()) -> Answer:
    """A reset in the middle of the last of `events`."""
    *whole, last = events or chat_events()[:2]
    return Answer(headers=SSE, chunks=[*whole, last[: len(last) // 2], Fault("reset")])


# time


def hang_before_headers() -> Answer:
    """The request was read, and nothing ever comes."""
    return Answer(before=[Fault("hang")])


def hang_mid_stream(events: Sequence[bytes] = ()) -> Answer:
    """Some `events`, then silence on an open connection."""
    return Answer(headers=SSE, chunks=[*(events or chat_events()[:1]), Fault("hang")])


def slow_drip(events: Sequence[bytes] = (), *, delay: float = 1.0) -> Answer:
    """A whole stream, with `delay` seconds before each event."""
    return Answer(headers=SSE, chunks=[step for event in events or chat_events() for step in (Delay(delay), event)])


# answers that are not what they claim


def truncated_length(body: bytes | None = None) -> Answer:
    """The connection ends before the promised length."""
    body = chat_answer() if body is None else body
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    return Answer(raw=[head + body[: len(body) // 2], Fault("close")])


def truncated_json(body: bytes | None = None) -> Answer:
    """HTTP is whole, and its JSON ends in the middle."""
    body = chat_answer() if body is None else body
    return Answer(headers=JSON, body=body[: len(body) // 2])


def truncated_sse(events: Sequence[bytes] = ()) -> Answer:
    """HTTP is whole, and its stream of events ends without its last one."""
    return Answer(headers=SSE, chunks=[*(events or chat_events()[:1])])


def missing_done() -> Answer:
    """A stream that is complete but for [DONE]."""
    return Answer(headers=SSE, chunks=chat_events()[:-1])


def double_done() -> Answer:
    """A stream that says [DONE] twice."""
    return Answer(headers=SSE, chunks=[*chat_events(), b"data: [DONE]\n\n"])


def bad_utf8() -> Answer:
    """An answer whose text is not UTF-8."""
    return Answer(headers=JSON, body=chat_answer("Hello").replace(b"Hello", b"H\xc3(llo\xff"))


def empty_200() -> Answer:
    """Status 200 and no body."""
    return Answer(headers=JSON)


def html_200() -> Answer:
    """A login page of some proxy where the answer should be."""
    return Answer(headers={"content-type": "text/html"}, body=b"<html><body>Please sign in</body></html>")


def garbage() -> Answer:
    """Another protocol answers on that port."""
    return Answer(raw=[b"220 mail.example.com ESMTP ready\r\n"])


def error_event_in_200(event: bytes | None = None, *, after: Sequence[Step] = ()) -> Answer:
    """Status 200, and an error among the events, after the steps of `after`."""
    error = {"error": {"message": "The server is overloaded", "type": "server_error", "code": "overloaded"}}
    return Answer(headers=SSE, chunks=[*after, _data(error) if event is None else event])


def wrong_usage(usage: Mapping[str, object] | None = None) -> Answer:
    """A good answer with impossible token counts."""
    counts = {"prompt_tokens": -5, "completion_tokens": 10**18, "total_tokens": "many"}
    return Answer(headers=JSON, body=chat_answer(usage=counts if usage is None else usage))


def gzip_bomb(*, megabytes: int = 64) -> Answer:
    """A small compressed body that stands for `megabytes` of zeros."""
    packed = gzip.compress(bytes(megabytes << 20), compresslevel=9, mtime=0)
    return Answer(headers={**JSON, "content-encoding": "gzip"}, body=packed)


# refusals


def status(code: int, *, message: str = "scripted", headers: Mapping[str, str] | None = None) -> Answer:
    """An error with that status and OpenAI's form of body."""
    body = msgspec.json.encode({"error": {"message": message, "type": "scripted", "code": None}})
    return Answer(status=code, headers={**JSON, **(headers or {})}, body=body)


RETRY_AFTER: Final[dict[str, Mapping[str, str]]] = {
    "none": {},
    "seconds": {"retry-after": "2"},
    "fraction": {"retry-after": "1.5"},
    "milliseconds": {"retry-after-ms": "1500"},
    "date": {"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"},
    "past": {"retry-after": "Sun, 01 Mar 2020 12:00:00 GMT"},
    "negative": {"retry-after": "-3"},
    "not_a_number": {"retry-after": "nan"},
    "words": {"retry-after": "soon"},
    "reset": {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"},
    "instant": {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-03-01T12:00:30Z",
    },
}
"""Every way in which a 429 says when to come back; instants are 30 s after the start of a simulation."""


def rate_limited(form: str = "seconds") -> Answer:
    """A 429 whose wait is told in that `form` of RETRY_AFTER."""
    return status(429, message="Rate limit reached", headers=RETRY_AFTER[form])


STATUSES: Final = (400, 401, 403, 404, 408, 409, 413, 422, 500, 502, 503, 529)

_NAMED: Final = (
    refused, dns, tls, hang_connecting, reset_before_headers, closed_before_headers, reset_after_headers, reset_mid_chunk,
    hang_before_headers, hang_mid_stream, slow_drip, truncated_length, truncated_json, truncated_sse, missing_done,
    double_done, bad_utf8, empty_200, html_200, garbage, error_event_in_200, wrong_usage, gzip_bomb,
)  # fmt: skip

FAULTS: Final[Mapping[str, Callable[[], Answer]]] = {
    **{build.__name__: build for build in _NAMED},
    **{f"status_{code}": partial(status, code) for code in STATUSES},
    **{f"status_429_{form}": partial(rate_limited, form) for form in RETRY_AFTER},
}
"""Every fault by name, with its usual arguments."""

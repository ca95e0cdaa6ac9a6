"""Errors of the Anthropic dialect: an HTTP answer or an event in a stream to the error tree, and the way back.

Status decides, then `error.type`, then `details.error_code`; text is read for three facts that the API gives no code for: a
prompt that is too long, an empty balance, and a spend limit, which comes as 400. An overload inside a 200 stream is the
same error as status 529. Source: https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.codecs.error_body import Condition, condition_of, deciding, one_line, read_object, seconds_text, start_of
from backstay.codecs.lenient import object_of, text_of, text_or_none
from backstay.codecs.retry_after import retry_after, should_retry
from backstay.errors import ContextLengthExceeded, LLMError, Overloaded, QuotaExhausted, StatusError, StatusTable

STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that each `error.type` goes with; what an error inside a stream stands for."""

_TOO_LONG: Final = re.compile(r"prompt is too long|exceed context limit|context window", re.IGNORECASE)
_SPENT: Final = re.compile(
    r"credit balance is too low|specified (?:api|workspace) usage limits|spend(?:ing)? (?:limit|cap)", re.IGNORECASE
)


def read_error(status: int, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> StatusError:
    """The typed error of an answer with status 400 or above; never raises. Header names are lower case."""
    wire = read_object(body)
    if wire is None:
        wire = {"error": {"message": start_of(body)}}
    return _judge(status, headers, wire, now)


def error_in_body(wire: dict[str, Any]) -> StatusError:
    """The typed error of an `error` event, or of an error body under status 200."""
    kind = text_of(object_of(wire.get("error")).get("type"))
    return _judge(STATUSES.get(kind, 500), {}, wire, None)


def _judge(status: int, headers: Mapping[str, str], wire: dict[str, Any], now: float | None) -> StatusError:
    inner = wire.get("error")
    error = object_of(inner)
    message = text_of(error.get("message")) or text_of(inner) or text_of(wire.get("message"))
    message = one_line(message)
    code = text_or_none(object_of(error.get("details")).get("error_code"))
    kind = text_or_none(error.get("type"))
    return _classify(status, kind, code, message)(
        message or f"the provider answered with status {status}",
        status=status,
        code=code or kind,
        request_id=text_or_none(wire.get("request_id")) or headers.get("request-id"),
        retryable=should_retry(headers, wire),
        retry_after=retry_after(headers, wire, message, now=now),
    )


def _classify(status: int, kind: str | None, code: str | None, message: str) -> type[StatusError]:
    if code is not None and code.endswith("spend_limit_reached"):
        return QuotaExhausted
    if status in (400, 403, 429) and _SPENT.search(message):
        return QuotaExhausted
    if status in (400, 413) and _TOO_LONG.search(message):
        return ContextLengthExceeded
    if kind == "overloaded_error" and status >= 500:
        return Overloaded
    return StatusTable.lookup(status)


_OUTWARD: Final[dict[Condition, tuple[int, str]]] = {
    "context_length": (400, "invalid_request_error"),
    "content_filter": (400, "invalid_request_error"),
    "bad_request": (400, "invalid_request_error"),
    "authentication": (401, "authentication_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "quota": (429, "rate_limit_error"),
    "rate_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "status": (500, "api_error"),
    "configuration": (400, "invalid_request_error"),
    "timed_out": (504, "timeout_error"),
    "limit": (429, "rate_limit_error"),
    "budget": (402, "billing_error"),
    "queue_full": (529, "overloaded_error"),
    "circuit_open": (529, "overloaded_error"),
    "deadline": (504, "timeout_error"),
    "other": (502, "api_error"),
}
"""The status where the error has none of its own, and the wire's type."""


def write_error(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell a client of this dialect about `error`."""
    error = deciding(error)
    status, kind = _OUTWARD[condition_of(error)]
    if isinstance(error, StatusError):
        status = error.status
        kind = next((name for name, usual in STATUSES.items() if usual == status), kind)
    request_id = error.request_id if isinstance(error, StatusError) else None
    headers = {"content-type": "application/json", "x-should-retry": "true" if error.retryable else "false"}
    if error.retry_after is not None:
        headers["retry-after"] = seconds_text(error.retry_after)
    body = {"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id}
    return status, headers, msgspec.json.encode(body)

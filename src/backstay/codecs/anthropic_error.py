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

from backstay.codecs.lenient import object_of, text_of, text_or_none
from backstay.codecs.retry_after import retry_after, should_retry
from backstay.errors import (
    AllTargetsFailed,
    AuthenticationFailed,
    BadRequest,
    BudgetExceeded,
    CircuitOpen,
    ConfigurationError,
    ContextLengthExceeded,
    DeadlineExceeded,
    LimitReached,
    LLMError,
    NotFound,
    Overloaded,
    PermissionDenied,
    QueueFull,
    QuotaExhausted,
    RateLimited,
    ServerFault,
    StatusError,
    StatusTable,
    TimedOut,
)

MAX_MESSAGE: Final = 2000

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
    try:
        decoded = msgspec.json.decode(body) if body.strip() else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = None
    if not isinstance(decoded, dict):
        decoded = {"error": {"message": body[:MAX_MESSAGE].decode("utf-8", "replace")}}
    return _judge(status, headers, decoded, now)


def error_in_body(wire: dict[str, Any]) -> StatusError:
    """The typed error of an `error` event, or of an error body under status 200."""
    kind = text_of(object_of(wire.get("error")).get("type"))
    return _judge(STATUSES.get(kind, 500), {}, wire, None)


def _judge(status: int, headers: Mapping[str, str], wire: dict[str, Any], now: float | None) -> StatusError:
    inner = wire.get("error")
    error = object_of(inner)
    message = text_of(error.get("message")) or text_of(inner) or text_of(wire.get("message"))
    message = " ".join(message.split())[:MAX_MESSAGE]
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


_OUTWARD: Final[tuple[tuple[type[LLMError], int, str], ...]] = (
    (QuotaExhausted, 429, "rate_limit_error"),
    (RateLimited, 429, "rate_limit_error"),
    (AuthenticationFailed, 401, "authentication_error"),
    (PermissionDenied, 403, "permission_error"),
    (NotFound, 404, "not_found_error"),
    (BadRequest, 400, "invalid_request_error"),
    (Overloaded, 529, "overloaded_error"),
    (ServerFault, 500, "api_error"),
    (StatusError, 500, "api_error"),
    (ConfigurationError, 400, "invalid_request_error"),
    (TimedOut, 504, "timeout_error"),
    (LimitReached, 429, "rate_limit_error"),
    (BudgetExceeded, 402, "billing_error"),
    (QueueFull, 529, "overloaded_error"),
    (CircuitOpen, 529, "overloaded_error"),
    (DeadlineExceeded, 504, "timeout_error"),
    (LLMError, 502, "api_error"),
)
"""Class, status where the error has none of its own, the wire's type."""


def write_error(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell a client of this dialect about `error`."""
    if isinstance(error, AllTargetsFailed) and error.errors and isinstance(error.errors[-1], LLMError):
        return write_error(error.errors[-1])
    status, kind = next(row[1:] for row in _OUTWARD if isinstance(error, row[0]))
    if isinstance(error, StatusError):
        status = error.status
        kind = next((name for name, usual in STATUSES.items() if usual == status), kind)
    request_id = error.request_id if isinstance(error, StatusError) else None
    headers = {"content-type": "application/json", "x-should-retry": "true" if error.retryable else "false"}
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:.3f}".rstrip("0").rstrip(".")
    body = {"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id}
    return status, headers, msgspec.json.encode(body)

"""Errors of the Gemini dialect: an HTTP answer, or an object in a stream, to the error tree, and the way back.

Status decides, then `details`: a bad key comes as 400 with reason API_KEY_INVALID; a quota by the day as 429 whose RetryInfo
still names seconds, after which the quota is as empty as before. Text is read for a prompt that is too long and for money
that is spent. Source: https://ai.google.dev/gemini-api/docs/troubleshooting, google.rpc error details.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.codecs.error_body import Condition, condition_of, deciding, one_line, read_object, seconds_text, start_of
from backstay.codecs.gemini_wire import Wire, field
from backstay.codecs.lenient import count_of, object_of, objects_of, text_of, text_or_none
from backstay.codecs.retry_after import retry_after, should_retry
from backstay.errors import (
    AuthenticationFailed,
    ContextLengthExceeded,
    LLMError,
    Overloaded,
    QuotaExhausted,
    StatusError,
    StatusTable,
)

STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""google.rpc.Code by name, with the HTTP status that it is sent as."""

_TOO_LONG: Final = re.compile(
    r"input token count.{0,40}exceeds|exceeds the maximum number of (?:input )?tokens|input context is too long",
    re.IGNORECASE,
)
_SPENT: Final = re.compile(
    r"credits are depleted|spending cap|billing (?:account|is disabled|has not been enabled)", re.IGNORECASE
)
_BAD_KEY: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})


def read_error(status: int, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> StatusError:
    """The typed error of an answer with status 400 or above; never raises. Header names are lower case."""
    wire = read_object(body)
    if wire is None:
        wire = {"error": {"message": start_of(body)}}
    return _judge(status, headers, wire, now)


def error_in_body(wire: Wire) -> StatusError:
    """The typed error of an object with an `error` in it, under status 200."""
    error = object_of(wire.get("error"))
    status = STATUSES.get(text_of(error.get("status"))) or count_of(error.get("code")) or 500
    return _judge(status if 400 <= status < 600 else 500, {}, wire, None)


def _judge(status: int, headers: Mapping[str, str], wire: Wire, now: float | None) -> StatusError:
    error = object_of(wire.get("error"))
    message = text_of(error.get("message")) or text_of(wire.get("error")) or text_of(wire.get("message"))
    message = one_line(message)
    details = objects_of(error.get("details"))
    reasons = {text_of(item.get("reason")) for item in details} - {""}
    kind = _classify(status, error, reasons, _is_daily(details), message)
    return kind(
        message or f"the provider answered with status {status}",
        status=status,
        code=next(iter(sorted(reasons)), None) or text_or_none(error.get("status")),
        request_id=headers.get("x-request-id") or headers.get("x-goog-request-id"),
        retryable=should_retry(headers, wire),
        retry_after=None if kind is QuotaExhausted else retry_after(headers, wire, message, now=now),
    )


def _classify(status: int, error: Wire, reasons: set[str], is_daily: bool, message: str) -> type[StatusError]:
    if reasons & _BAD_KEY:
        return AuthenticationFailed
    if status in (403, 429) and (is_daily or _SPENT.search(message)):
        return QuotaExhausted
    if status == 400 and _TOO_LONG.search(message):
        return ContextLengthExceeded
    if status == 503 and error.get("status") == "UNAVAILABLE":
        return Overloaded
    return StatusTable.lookup(status)


def _is_daily(details: list[Wire]) -> bool:
    """True when a quota by the day is among the violated ones."""
    violations = [item for detail in details for item in objects_of(detail.get("violations"))]
    return any("PerDay" in text_of(field(item, "quotaId")) for item in violations)


_OUTWARD: Final[dict[Condition, tuple[int, str]]] = {
    "context_length": (400, "INVALID_ARGUMENT"),
    "content_filter": (400, "INVALID_ARGUMENT"),
    "bad_request": (400, "INVALID_ARGUMENT"),
    "authentication": (401, "UNAUTHENTICATED"),
    "permission": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "status": (500, "INTERNAL"),
    "configuration": (400, "INVALID_ARGUMENT"),
    "timed_out": (504, "DEADLINE_EXCEEDED"),
    "limit": (429, "RESOURCE_EXHAUSTED"),
    "budget": (429, "RESOURCE_EXHAUSTED"),
    "queue_full": (503, "UNAVAILABLE"),
    "circuit_open": (503, "UNAVAILABLE"),
    "deadline": (504, "DEADLINE_EXCEEDED"),
    "other": (500, "INTERNAL"),
}
"""The status where the error has none of its own, and the google.rpc.Code."""


def write_error(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell a client of this dialect about `error`."""
    error = deciding(error)
    status, code = _OUTWARD[condition_of(error)]
    if isinstance(error, StatusError):
        status = error.status
    wire: dict[str, Any] = {"code": status, "message": str(error), "status": code}
    headers = {"content-type": "application/json"}
    if error.retry_after is not None:
        seconds = seconds_text(error.retry_after)
        headers["retry-after"] = seconds
        wire["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}]
    return status, headers, msgspec.json.encode({"error": wire})

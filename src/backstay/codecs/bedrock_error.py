"""Errors of the Bedrock dialect: an HTTP answer or an exception in a stream to the error tree, and the way back.

The type stands in the header `x-amzn-errortype`, before a colon, or in the body's `__type`; in a stream in `:exception-type`.
It decides where it is known, because statuses do not: a quota is a 400, a failed model a 424. A limit by the day is a
throttling like any other but for its text. Source: the Errors sections of the Bedrock Runtime API reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from backstay.codecs.bedrock_wire import Wire
from backstay.codecs.lenient import text_of, text_or_none
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

_TYPES: Final[dict[str, tuple[int, type[StatusError]]]] = {
    "ValidationException": (400, BadRequest),
    "ServiceQuotaExceededException": (400, QuotaExhausted),
    "ConflictException": (400, BadRequest),
    "AccessDeniedException": (403, PermissionDenied),
    "UnrecognizedClientException": (403, AuthenticationFailed),
    "ExpiredTokenException": (403, AuthenticationFailed),
    "InvalidSignatureException": (403, AuthenticationFailed),
    "MissingAuthenticationTokenException": (403, AuthenticationFailed),
    "IncompleteSignatureException": (403, AuthenticationFailed),
    "ResourceNotFoundException": (404, NotFound),
    "ModelTimeoutException": (408, ServerFault),
    "ModelErrorException": (424, ServerFault),
    "ModelStreamErrorException": (424, ServerFault),
    "ThrottlingException": (429, RateLimited),
    "ModelNotReadyException": (429, RateLimited),
    "InternalServerException": (500, ServerFault),
    "InternalFailure": (500, ServerFault),
    "ServiceUnavailableException": (503, Overloaded),
}
"""By type: the status that it is sent with, and its class."""

_TOO_LONG: Final = re.compile(
    r"(?:input|prompt) is too long|too many (?:input )?tokens\b(?!.*wait)|context (?:length|window)|"
    r"exceeds? the (?:model's )?maximum",
    re.IGNORECASE,
)
_DAILY: Final = re.compile(r"per day|daily", re.IGNORECASE)


def read_error(status: int, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> StatusError:
    """The typed error of an answer with status 400 or above; never raises. Header names are lower case."""
    try:
        decoded = msgspec.json.decode(body) if body.strip() else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = None
    wire = decoded if isinstance(decoded, dict) else {"message": body[:MAX_MESSAGE].decode("utf-8", "replace")}
    kind = headers.get("x-amzn-errortype") or text_of(wire.get("__type"))
    return _judge(status, kind, headers, wire, now)


def error_in_stream(kind: str, payload: Wire) -> StatusError:
    """The typed error of an exception message, whose type begins with a small letter."""
    kind = kind[:1].upper() + kind[1:]
    return _judge(_TYPES.get(kind, (500, ServerFault))[0], kind, {}, payload, None)


def _judge(status: int, kind: str, headers: Mapping[str, str], wire: Wire, now: float | None) -> StatusError:
    kind = kind.partition(":")[0].rpartition("#")[2]
    message = text_of(wire.get("message")) or text_of(wire.get("Message")) or text_of(wire.get("originalMessage"))
    message = " ".join(message.split())[:MAX_MESSAGE]
    found = _TYPES.get(kind, (status, StatusTable.lookup(status)))[1]
    if issubclass(found, RateLimited) and _DAILY.search(message):
        found = QuotaExhausted
    elif found is BadRequest and _TOO_LONG.search(message):
        found = ContextLengthExceeded
    return found(
        message or f"the provider answered with status {status}",
        status=status,
        code=text_or_none(kind),
        request_id=headers.get("x-amzn-requestid"),
        retryable=should_retry(headers, wire),
        retry_after=None if found is QuotaExhausted else retry_after(headers, wire, message, now=now),
    )


_OUTWARD: Final[tuple[tuple[type[LLMError], int, str], ...]] = (
    (RateLimited, 429, "ThrottlingException"),
    (AuthenticationFailed, 403, "UnrecognizedClientException"),
    (PermissionDenied, 403, "AccessDeniedException"),
    (NotFound, 404, "ResourceNotFoundException"),
    (BadRequest, 400, "ValidationException"),
    (Overloaded, 503, "ServiceUnavailableException"),
    (StatusError, 500, "InternalServerException"),
    (ConfigurationError, 400, "ValidationException"),
    (TimedOut, 408, "ModelTimeoutException"),
    (LimitReached, 429, "ThrottlingException"),
    (BudgetExceeded, 400, "ServiceQuotaExceededException"),
    (QueueFull, 503, "ServiceUnavailableException"),
    (CircuitOpen, 503, "ServiceUnavailableException"),
    (DeadlineExceeded, 408, "ModelTimeoutException"),
    (LLMError, 500, "InternalServerException"),
)
"""Class, status, type."""


def name_error(error: LLMError) -> tuple[int, str]:
    """The status and type by which a client of this dialect knows `error`."""
    if isinstance(error, StatusError) and _TYPES.get(error.code or "", (0, LLMError))[1] is type(error):
        return error.status, error.code or ""
    if isinstance(error, QuotaExhausted):
        return 400, "ServiceQuotaExceededException"
    return next(row[1:] for row in _OUTWARD if isinstance(error, row[0]))


def write_error(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell a client of this dialect about `error`."""
    if isinstance(error, AllTargetsFailed) and error.errors and isinstance(error.errors[-1], LLMError):
        return write_error(error.errors[-1])
    status, kind = name_error(error)
    headers = {"content-type": "application/json", "x-amzn-errortype": kind}
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:.3f}".rstrip("0").rstrip(".")
    return status, headers, msgspec.json.encode({"message": str(error)})

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
from backstay.codecs.error_body import Condition, condition_of, deciding, one_line, read_object, seconds_text, start_of
from backstay.codecs.lenient import text_of, text_or_none
from backstay.codecs.retry_after import retry_after, should_retry
from backstay.errors import (
    AuthenticationFailed,
    BadRequest,
    ContextLengthExceeded,
    LLMError,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ServerFault,
    StatusError,
    StatusTable,
)

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
    wire = read_object(body)
    if wire is None:
        wire = {"message": start_of(body)}
    kind = headers.get("x-amzn-errortype") or text_of(wire.get("__type"))
    return _judge(status, kind, headers, wire, now)


def error_in_stream(kind: str, payload: Wire) -> StatusError:
    """The typed error of an exception message, whose type begins with a small letter."""
    kind = kind[:1].upper() + kind[1:]
    return _judge(_TYPES.get(kind, (500, ServerFault))[0], kind, {}, payload, None)


def _judge(status: int, kind: str, headers: Mapping[str, str], wire: Wire, now: float | None) -> StatusError:
    kind = kind.partition(":")[0].rpartition("#")[2]
    message = text_of(wire.get("message")) or text_of(wire.get("Message")) or text_of(wire.get("originalMessage"))
    message = one_line(message)
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


_OUTWARD: Final[dict[Condition, tuple[int, str]]] = {
    "context_length": (400, "ValidationException"),
    "content_filter": (400, "ValidationException"),
    "bad_request": (400, "ValidationException"),
    "authentication": (403, "UnrecognizedClientException"),
    "permission": (403, "AccessDeniedException"),
    "not_found": (404, "ResourceNotFoundException"),
    "quota": (400, "ServiceQuotaExceededException"),
    "rate_limit": (429, "ThrottlingException"),
    "overloaded": (503, "ServiceUnavailableException"),
    "status": (500, "InternalServerException"),
    "configuration": (400, "ValidationException"),
    "timed_out": (408, "ModelTimeoutException"),
    "limit": (429, "ThrottlingException"),
    "budget": (400, "ServiceQuotaExceededException"),
    "queue_full": (503, "ServiceUnavailableException"),
    "circuit_open": (503, "ServiceUnavailableException"),
    "deadline": (408, "ModelTimeoutException"),
    "other": (500, "InternalServerException"),
}
"""The status and the type."""


def name_error(error: LLMError) -> tuple[int, str]:
    """The status and type by which a client of this dialect knows `error`."""
    if isinstance(error, StatusError) and _TYPES.get(error.code or "", (0, LLMError))[1] is type(error):
        return error.status, error.code or ""
    return _OUTWARD[condition_of(error)]


def write_error(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell a client of this dialect about `error`."""
    error = deciding(error)
    status, kind = name_error(error)
    headers = {"content-type": "application/json", "x-amzn-errortype": kind}
    if error.retry_after is not None:
        headers["retry-after"] = seconds_text(error.retry_after)
    return status, headers, msgspec.json.encode({"message": str(error)})

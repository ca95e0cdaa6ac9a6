"""What the errors of all dialects have in common: a body read without raising, and, on the way back, what an error is.

On the way in a dialect reads the body's own fields and judges them. On the way out each dialect has a table from `Condition` to
the status and the words of its own; which condition an error is, is said once, here.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from backstay.codecs.lenient import JSON_FAULTS, decode_json
from backstay.errors import (
    AllTargetsFailed,
    AuthenticationFailed,
    BadRequest,
    BudgetExceeded,
    CircuitOpen,
    ConfigurationError,
    ContentFiltered,
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
    StatusError,
    TimedOut,
)

MAX_MESSAGE: Final = 2000

Condition: TypeAlias = Literal[
    "context_length",
    "content_filter",
    "bad_request",
    "authentication",
    "permission",
    "not_found",
    "quota",
    "rate_limit",
    "overloaded",
    "status",
    "configuration",
    "timed_out",
    "limit",
    "budget",
    "queue_full",
    "circuit_open",
    "deadline",
    "other",
]
"""What went wrong, as far as any dialect tells its clients: a provider's refusals, then our own."""

_CONDITIONS: Final[tuple[tuple[type[LLMError], Condition], ...]] = (
    (ContextLengthExceeded, "context_length"),
    (ContentFiltered, "content_filter"),
    (BadRequest, "bad_request"),
    (AuthenticationFailed, "authentication"),
    (PermissionDenied, "permission"),
    (NotFound, "not_found"),
    (QuotaExhausted, "quota"),
    (RateLimited, "rate_limit"),
    (Overloaded, "overloaded"),
    (StatusError, "status"),
    (ConfigurationError, "configuration"),
    (TimedOut, "timed_out"),
    (LimitReached, "limit"),
    (BudgetExceeded, "budget"),
    (QueueFull, "queue_full"),
    (CircuitOpen, "circuit_open"),
    (DeadlineExceeded, "deadline"),
)


def read_body(body: bytes) -> Any:
    """The JSON value of an error's body; None where it is none."""
    try:
        return decode_json(body) if body.strip() else None
    except JSON_FAULTS:
        return None


def read_object(body: bytes) -> dict[str, Any] | None:
    """The object of an error's body, or the first of an array of them; None where there is none."""
    decoded = read_body(body)
    if isinstance(decoded, list) and decoded:
        decoded = decoded[0]
    return decoded if isinstance(decoded, dict) else None


def start_of(body: bytes) -> str:
    """The beginning of a body that is no JSON, for a message."""
    return body[:MAX_MESSAGE].decode("utf-8", "replace")


def one_line(text: str) -> str:
    """A provider's message on one line, bounded."""
    return " ".join(text.split())[:MAX_MESSAGE]


def deciding(error: LLMError) -> LLMError:
    """The error that a client is told about: of several targets that failed, the last one's."""
    while isinstance(error, AllTargetsFailed) and error.errors and isinstance(error.errors[-1], LLMError):
        error = error.errors[-1]
    return error


def condition_of(error: LLMError) -> Condition:
    """What went wrong, in the word that each dialect has a row for."""
    return next((condition for kind, condition in _CONDITIONS if isinstance(error, kind)), "other")


def seconds_text(seconds: float) -> str:
    """Seconds as a `retry-after` header and a duration write them: at most three decimals, no zeros after them."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")

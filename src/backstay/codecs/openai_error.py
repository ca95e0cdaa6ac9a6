"""Errors of the OpenAI dialects, from every server that speaks them: `read_error` to the tree, `write_error` back.

The same facts come in many shapes: `{"error": {...}}`, `{"error": "text", "code": ...}` (xAI, Venice), everything at the top
level (Mistral, older vLLM), `{"detail": ...}` (FastAPI), an array of one (Google), or no JSON at all. They are gathered first
(`_gather`), then judged: status, then the structured code, then, for a few servers that give no code, the message.

Sources: https://platform.openai.com/docs/guides/error-codes, the providers' error pages, recorded errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from backstay.codecs.error_body import MAX_MESSAGE, Condition, condition_of, deciding, read_body, seconds_text
from backstay.codecs.lenient import count_of, object_of, objects_of, text_of
from backstay.codecs.retry_after import retry_after, should_retry
from backstay.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextLengthExceeded,
    LLMError,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    StatusError,
    StatusTable,
)

_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "mistral-correlation-id",
    "x-ds-trace-id",
    "x-generation-id",
    "cf-ray",
)
_KEY_LIKE: Final = re.compile(r"\b(?:sk|pk|gsk|xai|pplx|hf|nvapi|fw|tgp|csk|rk|AIza)[-_]?[A-Za-z0-9_*<>.-]{6,}")

_CODES: Final[dict[str, type[StatusError]]] = {
    "context_length_exceeded": ContextLengthExceeded,
    "exceed_context_size_error": ContextLengthExceeded,
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
    "moderation_blocked": ContentFiltered,
    "responsibleaipolicyviolation": ContentFiltered,
    "insufficient_quota": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "quota_exceeded": QuotaExhausted,
    "spend_limit_reached": QuotaExhausted,
    "invalid_api_key": AuthenticationFailed,
    "authentication_error": AuthenticationFailed,
    "api_key_invalid": AuthenticationFailed,
    "model_not_found": NotFound,
    "invalid_model": NotFound,
    "deploymentnotfound": NotFound,
    "overloaded_error": Overloaded,
    "overloaded": Overloaded,
    "capacity_exhausted": Overloaded,
    "engine_overloaded": Overloaded,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "rate_limited": RateLimited,
    "ratelimitreached": RateLimited,
}
"""Structured codes and types, in lower case. A class is taken only where the status allows it (`_fits`)."""

_TEXTS: Final = (
    (
        re.compile(
            r"maximum context length|context (?:length|window|size)|prompt is too long|reduce the length of|"
            r"input is too long|too many (?:input )?tokens in (?:the )?prompt|exceeds? the (?:available|model)'?s? context",
            re.IGNORECASE,
        ),
        ContextLengthExceeded,
    ),
    (re.compile(r"content management policy|content[ _]filter|safety system|flagged", re.IGNORECASE), ContentFiltered),
    (
        re.compile(
            r"exceeded your current quota|used all available credits|(?:monthly|daily) spend(?:ing)? limit|"
            r"insufficient (?:balance|credits|funds|quota)|out of credits|billing|per[ -]?day.{0,40}quota|tokens per day",
            re.IGNORECASE,
        ),
        QuotaExhausted,
    ),
    (
        re.compile(r"(?:incorrect|invalid) api key|api key (?:not valid|is invalid)", re.IGNORECASE),
        AuthenticationFailed,
    ),
    (re.compile(r"overloaded|at capacity|no capacity|maximum pending requests|server busy", re.IGNORECASE), Overloaded),
)

_STREAM_STATUS: Final = {
    "server_error": 500,
    "api_error": 500,
    "internal_server_error": 500,
    "overloaded_error": 529,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "badrequesterror": 400,
    "tool_use_failed": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "timeout_error": 504,
}
"""The status that an error inside a 200 stands for, by its code or type, where it names none."""


class _Facts(msgspec.Struct):
    """What an error body says, from wherever it says it."""

    message: str = ""
    words: list[str] = []
    status: int | None = None


def read_error(status: int, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> StatusError:
    """The typed error of an HTTP answer; never raises. Header names are lower case."""
    decoded = read_body(body)
    if decoded is None or isinstance(decoded, str):
        facts = _Facts(message=_plain_message(decoded or body.decode("utf-8", "replace")))
    else:
        facts = _gather(decoded)
    return _judge(status, headers, decoded, facts, now)


def error_in_body(decoded: Any) -> StatusError | None:
    """The typed error inside an answer whose status said 200; None where there is none."""
    if isinstance(decoded, list) and decoded:
        decoded = decoded[0]
    if not isinstance(decoded, dict):
        return None
    is_error = bool(decoded.get("error")) or decoded.get("object") == "error" or decoded.get("type") == "error"
    if not is_error:
        choices = objects_of(decoded.get("choices"))
        if not choices or not isinstance(choices[0].get("error"), dict):
            return None
        decoded = {"error": choices[0]["error"]}
    facts = _gather(decoded)
    status = facts.status
    if status is None:
        status = next((_STREAM_STATUS[word] for word in facts.words if word in _STREAM_STATUS), 500)
    return _judge(status, {}, decoded, facts, None)


def _gather(decoded: Any) -> _Facts:
    top = object_of(decoded[0] if isinstance(decoded, list) and decoded else decoded)
    inner = top.get("error")
    error = inner if isinstance(inner, dict) else top
    facts = _Facts(message=inner if isinstance(inner, str) else _message(error, top))
    places = [error, object_of(error.get("innererror")), object_of(error.get("metadata")), top]
    places += [object_of(error.get("availability")), *objects_of(error.get("details"))]
    for place in places:
        for name in ("code", "type", "error_type", "status", "reason", "error_code"):
            value = place.get(name)
            if isinstance(value, str):
                facts.words.append(value.lower())
            status = count_of(value) if not isinstance(value, str) else _status_word(value)
            if status is not None and 400 <= status < 600 and facts.status is None:
                facts.status = status
        for name in ("status_code", "http_status", "raw_status_code"):
            status = count_of(place.get(name))
            if status is not None and 400 <= status < 600:
                facts.status = status
    facts.message = _plain_message(facts.message)
    return facts


def _status_word(value: str) -> int | None:
    return int(value) if len(value) == 3 and value.isascii() and value.isdigit() else None


def _message(error: dict[str, Any], top: dict[str, Any]) -> str:
    for place in (error, top):
        for name in ("message", "detail", "error_message", "msg", "Message"):
            value = place.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, list | dict) and value:
                return "; ".join(_detail(item) for item in value) if isinstance(value, list) else _detail(value)
    return ""


def _detail(item: Any) -> str:
    """One entry of a validation error's list, as FastAPI writes it."""
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {text_of(item.get('msg'))}" if where else text_of(item.get("msg")) or str(item)


def _plain_message(text: str) -> str:
    """The message, bounded, on one line, without anything that looks like a key."""
    line = " ".join(text.split())
    if line[:1] == "<":
        line = " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", line[:20000]).split())
    return _KEY_LIKE.sub("***", line[:MAX_MESSAGE])


def _judge(status: int, headers: Mapping[str, str], decoded: Any, facts: _Facts, now: float | None) -> StatusError:
    kind = _classify(status, facts)
    wait = retry_after(headers, decoded, facts.message, now=now)
    if kind is QuotaExhausted and wait and not any(_CODES.get(word) is QuotaExhausted for word in facts.words):
        kind = RateLimited  # a quota that says when to come back is a rate limit in other words
    verdict = should_retry(headers, decoded)
    if verdict is None and status in (501, 505):
        verdict = False
    code = next((word for word in facts.words if not word.isdigit()), facts.words[0] if facts.words else None)
    return kind(
        facts.message or f"the provider answered with status {status}",
        status=status,
        code=code,
        request_id=next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None),
        retryable=verdict,
        retry_after=wait,
    )


def _classify(status: int, facts: _Facts) -> type[StatusError]:
    """The class: a code's where the status allows it, else a message's where it allows that, else the status's own."""
    base = Overloaded if status == 498 else StatusTable.lookup(status)
    for word in facts.words:
        kind = _CODES.get(word)
        if kind is not None and _fits(kind, status):
            return kind
    for pattern, kind in _TEXTS:
        if _fits(kind, status) and pattern.search(facts.message):
            return kind
    return base


def _fits(kind: type[StatusError], status: int) -> bool:
    """Whether an error of this class may come with `status`: the text of one class appears in errors of another."""
    if issubclass(kind, ContextLengthExceeded):
        return status in (400, 413, 422, 500)
    if issubclass(kind, ContentFiltered):
        return status in (400, 403, 422)
    if issubclass(kind, AuthenticationFailed):
        return status in (400, 401, 403)
    if issubclass(kind, NotFound):
        return status in (400, 404)
    if issubclass(kind, Overloaded):
        return status in (500, 502, 503, 529)
    return status == 429


_OUTWARD: Final[dict[Condition, tuple[int, str, str | None]]] = {
    "context_length": (400, "invalid_request_error", "context_length_exceeded"),
    "content_filter": (400, "invalid_request_error", "content_filter"),
    "bad_request": (400, "invalid_request_error", None),
    "authentication": (401, "invalid_request_error", "invalid_api_key"),
    "permission": (403, "permission_error", None),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "rate_limit": (429, "requests", "rate_limit_exceeded"),
    "overloaded": (503, "overloaded_error", "overloaded"),
    "status": (500, "server_error", None),
    "configuration": (400, "invalid_request_error", None),
    "timed_out": (504, "timeout_error", "timeout"),
    "limit": (429, "requests", "rate_limit_exceeded"),
    "budget": (429, "insufficient_quota", "insufficient_quota"),
    "queue_full": (503, "overloaded_error", "queue_full"),
    "circuit_open": (503, "overloaded_error", "circuit_open"),
    "deadline": (504, "timeout_error", "deadline_exceeded"),
    "other": (502, "server_error", None),
}
"""The status where the error has none of its own, the wire's type, the wire's code."""


def write_error(error: LLMError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell a client of this dialect about `error`."""
    error = deciding(error)
    status, kind, code = _OUTWARD[condition_of(error)]
    if isinstance(error, StatusError):
        status, code = error.status, error.code or code
    body = {"error": {"message": str(error), "type": kind, "param": None, "code": code}}
    headers = {"content-type": "application/json"}
    if error.retry_after is not None:
        headers["retry-after"] = seconds_text(error.retry_after)
    if error.retryable != StatusTable.lookup(status).retryable:
        headers["x-should-retry"] = "true" if error.retryable else "false"
    return status, headers, msgspec.json.encode(body)

"""Retry-after: how long a provider asks us to wait, in seconds, from every form in which providers say it.

Pure parsers of text: a number of seconds, a Go duration ("6m0s", "172.799999ms"), a protobuf duration ("34.4s"), an HTTP-date
and an RFC 3339 instant (both against an injected `now`). What cannot be read is None, never an error: a header is a hint, and
recordings hold "X-RATELIMIT-XXX" where a number should be. A wait is never negative and never longer than `MAX_WAIT`.

Order of the sources, the most exact first: the body's own hint, `retry-after-ms`, `retry-after`, other reset headers, and
at last the sentence "try again in 1m0.36s" in the message. Sources: RFC 9110 section 10.2.3, Go's time.ParseDuration, RFC 3339.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

MAX_WAIT: Final = 366 * 86400.0
"""Seconds; anything longer is a mistake (an instant read as a duration), not a wait."""

_EPOCH_FLOOR: Final = 1_000_000_000
"""A bare number from here on is a Unix time in seconds, not a duration: it would be more than thirty years."""

_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_STEP: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)")
_DURATION: Final = re.compile(rf"(?:{_STEP.pattern})+")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?")
_SENTENCE: Final = re.compile(
    r"(?:try again|retry|wait|available|reset)\w*\s+(?:\w+\s+){0,2}?(?:in|after)\s+(?:about\s+)?"
    r"(?P<wait>(?:\d+(?:\.\d+)?\s*(?:milliseconds?|seconds?|minutes?|hours?|days?|ms|s|m|h|d)\b\s*(?:and\s+)?)+"
    r"|(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(milliseconds?|seconds?|minutes?|hours?|days?|ms|s|m|h|d)", re.IGNORECASE
)
_WORD_UNITS: Final = {"mi": 60.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float | None:
    """Seconds of a bare number, a Go duration or a protobuf duration; None where `text` is none of them."""
    text = text.strip()
    if len(text) > 64:
        return None
    if _NUMBER.fullmatch(text):
        return _bounded(float(text))
    if _DURATION.fullmatch(text):
        return _bounded(sum(float(amount) * _UNITS[unit] for amount, unit in _STEP.findall(text)))
    return None


def parse_instant(text: str, *, now: float | None) -> float | None:
    """Seconds from `now` (Unix time) until an HTTP-date, an RFC 3339 instant or a Unix time; 0.0 when it has passed."""
    text = text.strip()
    if now is None or len(text) > 64:
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        number = number / 1000 if number >= _EPOCH_FLOOR * 1000 else number
        return _bounded(max(number - now, 0.0)) if number >= _EPOCH_FLOOR else None
    moment = _read_instant(text)
    return None if moment is None else _bounded(max((moment - _EPOCH).total_seconds() - now, 0.0))


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _read_instant(text: str) -> datetime | None:
    try:
        if _INSTANT.fullmatch(text):
            moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
        else:
            moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def parse_wait(value: Any, *, now: float | None = None) -> float | None:
    """Seconds to wait, from a number or a text in any of the forms; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _bounded(float(value)) if value < _EPOCH_FLOOR else parse_instant(str(value), now=now)
    if not isinstance(value, str):
        return None
    wait = parse_duration(value)
    return parse_instant(value, now=now) if wait is None else wait


def parse_sentence(message: str) -> float | None:
    """Seconds named in a message such as "Please try again in 1m0.36s." or "Retry after 40 seconds"; None without one."""
    found = _SENTENCE.search(message[:4000])
    if found is None:
        return None
    parts = _WORDS.findall(found["wait"])
    return _bounded(sum(float(amount) * _word_unit(unit.lower()) for amount, unit in parts)) if parts else None


def _word_unit(unit: str) -> float:
    if unit.startswith("milli"):
        return 1e-3
    return _WORD_UNITS.get(unit[:2]) or _WORD_UNITS[unit[0]]


def _bounded(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and 0 <= seconds <= MAX_WAIT else None


def retry_after(
    headers: Mapping[str, str], body: Any = None, message: str = "", *, now: float | None = None
) -> float | None:
    """The provider's floor in seconds for the next try, from headers (lower-case names), decoded body and message.

    `now` is the wall clock in Unix seconds; without it, instants are measured against the answer's own `date` header, and
    are None where it has none.
    """
    now = _date(headers) if now is None else now
    hint = next((wait for wait in _body_waits(body, now) if wait is not None), None)
    if hint is not None:
        return hint
    milliseconds = parse_duration(headers.get("retry-after-ms", ""))
    stated = parse_wait(headers.get("retry-after"), now=now)
    if milliseconds or (milliseconds is not None and stated is None):
        return milliseconds / 1000
    if stated is not None:
        return stated
    for name in (
        "x-rate-limit-reset-tokens",
        "x-rate-limit-reset-requests",
        "ratelimit-reset",
        "ratelimitbysize-reset",
    ):
        wait = parse_wait(headers.get(name), now=now)
        if wait is not None:
            return wait
    return parse_sentence(message)


def _date(headers: Mapping[str, str]) -> float | None:
    moment = _read_instant(headers.get("date", ""))
    return None if moment is None else (moment - _EPOCH) / timedelta(seconds=1)


def _body_waits(body: Any, now: float | None) -> Iterator[float | None]:
    """Waits from the known places of an error body: `retry_after` here or below, Google's RetryInfo."""
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return
    for place in (error, error.get("availability"), error.get("metadata"), body):
        if isinstance(place, dict):
            yield parse_wait(place.get("retry_after"), now=now)
            yield parse_wait(place.get("retry_after_seconds"), now=now)
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("RetryInfo"):
            yield parse_wait(detail.get("retryDelay"), now=now)


def should_retry(headers: Mapping[str, str], body: Any = None) -> bool | None:
    """What the provider itself says about trying again: `x-should-retry`, or `retryable` in the body; None if nothing."""
    said = headers.get("x-should-retry", "").strip().lower()
    if said in ("true", "false"):
        return said == "true"
    error = body.get("error") if isinstance(body, dict) else None
    for place in (error, error.get("availability") if isinstance(error, dict) else None, body):
        if isinstance(place, dict) and isinstance(place.get("retryable"), bool):
            return bool(place["retryable"])
    return None

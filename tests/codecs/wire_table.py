"""The wire table: every record of a file of recorded traffic, through its dialect's codec, checked and counted.

For each record: does it decode; are text, tool calls, usage and finish reason what the oracle read; does a stream give the
same answer however its bytes are split; does a stream that is cut never end cleanly; is an error of the right class, with the
right verdict on a retry. `scripts/wire FILE` prints the table; the corpus tests assert on it.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wire_expected import Expected
from wire_oracle import ANSWERS, STREAMS
from wire_record import Record, read_records

from backstay import errors
from backstay.codecs.base import Codec
from backstay.codecs.registry import codec, dialects
from backstay.errors import LLMError, ProtocolError, StatusError
from backstay.fold import Folding, fold
from backstay.types import Response

CHECKS = ("decoded", "text", "reasoning", "tools", "usage", "finish", "split", "cut", "error")


@dataclass
class Table:
    """Counts by (api, provider), and the failures in words."""

    right: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def note(self, record: Record, check: str, fault: str | None) -> None:
        key = (record.api, record.provider)
        if fault is None:
            self.right[key][check] += 1
        else:
            self.wrong[key][check] += 1
            self.failures.append(f"{record.id} {record.api} {record.provider} {check}: {fault}")

    def lines(self) -> Iterator[str]:
        """The table as text."""
        yield f"{'api':<22}{'provider':<18}" + "".join(f"{check:>11}" for check in CHECKS)
        for api, provider in sorted(self.right.keys() | self.wrong.keys()):
            cells = []
            for check in CHECKS:
                right, wrong = self.right[api, provider][check], self.wrong[api, provider][check]
                cells.append(f"{right}/{right + wrong}" if right + wrong else "-")
            yield f"{api:<22}{provider:<18}" + "".join(f"{cell:>11}" for cell in cells)
        for api, count in sorted(self.skipped.items()):
            yield f"{api:<40}{count:>11} not checked"


def build(path: Path, *, every_byte: bool = False, only: Iterable[str] = (), max_bytes: int | None = None) -> Table:
    """The table of the file at `path`; `only` names the dialects to check (all by default).

    With `max_bytes`, longer bodies are left out: the exhaustive split is quadratic in their length.
    """
    table = Table()
    codecs = {name: found for name in dialects() if (found := _codec(name)) is not None}
    wanted = set(only)
    for record in read_records(path):
        dialect = record.dialect
        if (wanted and dialect not in wanted) or (max_bytes is not None and len(record.body) > max_bytes):
            continue
        if dialect is None or dialect not in codecs:
            table.skipped[record.api] += 1
        else:
            check(record, codecs[dialect], table, every_byte=every_byte)
    return table


def _codec(name: str) -> Codec | None:
    try:
        return codec(name)
    except ModuleNotFoundError:
        return None


def check(record: Record, dialect: Codec, table: Table, *, every_byte: bool = False) -> None:
    """Put every check of one record into `table`."""
    if record.kind == "error":
        table.note(record, "error", error_fault(record, dialect))
        return
    oracle = (STREAMS if record.kind == "stream" else ANSWERS).get(dialect.name)
    expected = _second_reading(oracle, record, table) if oracle else None
    try:
        response = decode(record, dialect, [record.body])
    except LLMError as error:
        _note_error(record, error, expected, table)
        return
    if expected is not None and expected.is_error:
        table.note(record, "decoded", "the body holds an error or nothing, and was taken for an answer")
        return
    table.note(record, "decoded", None)
    if expected is not None:
        for name, fault in compare(response, expected):
            table.note(record, name, fault)
    if record.kind == "stream":
        table.note(record, "split", split_fault(record, dialect, response, every_byte=every_byte))
        table.note(record, "cut", cut_fault(record, dialect, response))


def _second_reading(oracle: Callable[[bytes], Expected], record: Record, table: Table) -> Expected | None:
    """What the oracle reads; None where it cannot, which is counted and shown in the table."""
    try:
        return oracle(record.body)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        table.skipped[f"{record.api}: no oracle"] += 1
        return None


def _note_error(record: Record, error: LLMError, expected: Expected | None, table: Table) -> None:
    is_typed = isinstance(error, StatusError | ProtocolError)
    is_meant = is_typed and (expected.is_error if expected is not None else "error" in " ".join(record.tags))
    table.note(record, "error" if is_meant else "decoded", None if is_meant else repr(error)[:160])


def decode(record: Record, dialect: Codec, chunks: Iterable[bytes]) -> Response:
    """The Response of a record's body, its bytes in these chunks."""
    if record.kind == "answer":
        return dialect.decode(record.body)
    decoder = dialect.decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return fold(events + decoder.finish())


def compare(response: Response, expected: Expected) -> Iterator[tuple[str, str | None]]:
    """Each fact that the oracle read: the check's name, and the fault or None."""
    calls = [
        (call.name, call.arguments if call.raw_arguments is None else call.raw_arguments)
        for call in response.tool_calls
    ]
    usage = (response.usage.input_tokens, response.usage.output_tokens, response.usage.cache_read_tokens)
    stated = (expected.input_tokens, expected.output_tokens, expected.cache_read_tokens)
    yield "text", _differ(response.text, expected.text)
    yield "reasoning", _differ(response.reasoning, expected.reasoning)
    if expected.has_calls_opinion:
        yield "tools", _differ(calls, expected.calls) or _ids_fault(response)
    yield (
        "usage",
        None
        if all(want is None or have == want for have, want in zip(usage, stated, strict=True))
        else f"{usage} is not {stated}",
    )
    raw = response.raw_finish_reason if isinstance(expected.raw_finish, int) else expected.raw_finish
    right = response.finish_reason in expected.finish and response.raw_finish_reason == raw
    yield (
        "finish",
        None if right else f"{response.finish_reason} ({response.raw_finish_reason}) of {expected.raw_finish}",
    )


def _differ(have: Any, want: Any) -> str | None:
    return None if have == want else f"{str(have)[:80]!r} is not {str(want)[:80]!r}"


def _ids_fault(response: Response) -> str | None:
    ids = [call.id for call in response.tool_calls]
    return None if all(ids) and len(set(ids)) == len(ids) else f"call ids {ids}"


def split_fault(record: Record, dialect: Codec, whole: Response, *, every_byte: bool = False) -> str | None:
    """A fault where bytes in another split give another answer: one by one, in CRLF, at sampled places or at every place."""
    body = record.body
    cuts = (
        range(1, len(body))
        if every_byte
        else random.Random(record.id).sample(range(1, len(body)), min(8, len(body) - 1))
    )
    splits = [[body[:cut], body[cut:]] for cut in cuts]
    if len(body) < 60_000 or every_byte:
        splits.append([body[index : index + 1] for index in range(len(body))])
    for split in splits:
        try:
            if decode(record, dialect, split) != whole:
                return f"another answer when split after {len(split[0])} bytes"
        except LLMError as error:
            return f"{error!r} when split after {len(split[0])} bytes"
    return None


def cut_fault(record: Record, dialect: Codec, whole: Response) -> str | None:
    """A fault where a stream cut at some place ends cleanly with less than the whole content."""
    body = record.body
    places = sorted({random.Random(record.id).randrange(1, len(body)) for _ in range(6)} | _ends(body))
    for place in places:
        decoder = dialect.decoder()
        folding = Folding()
        try:
            for event in decoder.feed(body[:place]) + decoder.finish():
                folding.add(event)
        except (StatusError, ProtocolError):
            continue
        response = folding.response()
        if response.parts != whole.parts or response.finish_reason != whole.finish_reason:
            return f"a clean end after {place} of {len(body)} bytes with less than the answer"
    return None


def _ends(body: bytes, most: int = 12) -> set[int]:
    """Places at the ends of frames, sampled."""
    text = body.replace(b"\r\n", b"\n\n")
    step = max(text.count(b"\n\n") // most, 1)
    places = [index + 2 for index in range(len(body) - 1) if body[index : index + 2] == b"\n\n"]
    return set(places[:-1][::step])


_ALLOWED: dict[int, tuple[type[LLMError], ...]] = {
    400: (errors.BadRequest, errors.AuthenticationFailed, errors.NotFound),
    401: (errors.AuthenticationFailed,),
    402: (errors.PermissionDenied,),
    403: (errors.PermissionDenied, errors.ContentFiltered, errors.AuthenticationFailed),
    404: (errors.NotFound,),
    408: (errors.ServerFault,),
    413: (errors.BadRequest,),
    422: (errors.BadRequest,),
    424: (errors.ServerFault,),
    429: (errors.RateLimited,),
}
_FINAL_WORDS = ("insufficient_quota", "used all available credits", "PerDay", "tokens per day", "spend limit")


def error_fault(record: Record, dialect: Codec) -> str | None:
    """A fault where an HTTP error is of a class that its status excludes, or its retry verdict is not the provider's."""
    error = dialect.decode_error(record.status, record.headers, record.body)
    allowed = _ALLOWED.get(record.status, (errors.ServerFault,) if record.status >= 500 else (errors.BadRequest,))
    if not isinstance(error, allowed):
        return f"{type(error).__name__} for status {record.status}"
    text = record.body.decode("utf-8", "replace")
    is_final = any(word in text for word in _FINAL_WORDS) or record.headers.get("x-should-retry") == "false"
    if '"retryable": false' in text or record.status in (501, 505):
        is_final = True
    wanted = not is_final and (record.status in (408, 409, 424, 425, 429) or record.status >= 500)
    if error.retryable != wanted:
        return f"retryable is {error.retryable} for status {record.status}: {text[:120]}"
    return None if str(error) else "no message"

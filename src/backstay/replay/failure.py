"""Failure: an exception to data and back, as the same class with the same facts, so a replayed program handles it alike.

Of an exception's facts only those in `VALUES` are written, besides message, attempts, limits, partial answer, inner errors and
notes: headers, requests and whatever else an exception carries never reach the file. Reading a journal runs none of its words: a
class is looked up among the errors that this program has loaded and Python's own exceptions, and nothing is imported for it.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any, Final

from backstay.errors import AllTargetsFailed, LLMError, StreamInterrupted
from backstay.replay.entry import Failure
from backstay.replay.fault import RecordedError

VALUES: Final = (
    "message",
    "retryable",
    "retry_after",
    "call_id",
    "sent",
    "phase",
    "status",
    "code",
    "request_id",
    "faults",
    "limit",
    "text",
    "tries",
)
"""The facts that are written: those that the library's own errors have."""


def to_failure(error: BaseException) -> Failure:
    """`error` as data."""
    facts = error.__dict__
    kind = type(error)
    args = tuple(error.args)
    return Failure(
        kind=f"{kind.__module__}:{kind.__qualname__}",
        args=args if all(_is_plain(item) for item in args) else (str(error),),
        values={name: facts[name] for name in VALUES if name in facts and _is_plain(facts[name])},
        attempts=facts.get("attempts", ()),
        limits=facts.get("limits", ()),
        partial=facts.get("partial"),
        errors=tuple(to_failure(inner) for inner in facts.get("errors", ())),
        notes=tuple(getattr(error, "__notes__", ())),
    )


def to_error(failure: Failure) -> BaseException:
    """A new exception that is what `to_failure` saw; a RecordedError where its class is not known here."""
    kind = _known().get(failure.kind)
    error = _rebuilt(kind, failure) if kind is not None else None
    if error is None:
        text = failure.args[0] if failure.args else ""
        error = RecordedError(f"{failure.kind}: {text}", kind=failure.kind)
    for note in failure.notes:
        error.add_note(note)
    return error


def _rebuilt(kind: type[BaseException], failure: Failure) -> BaseException | None:
    if not issubclass(kind, LLMError):
        try:
            return kind(*failure.args)
        except (TypeError, ValueError):  # a class that takes other arguments than it keeps
            return None
    error = kind.__new__(kind, *failure.args)
    facts: dict[str, Any] = {"retry_after": None, "call_id": None}
    facts |= {name: tuple(value) if isinstance(value, list) else value for name, value in failure.values.items()}
    facts |= {"attempts": failure.attempts, "limits": failure.limits}
    if issubclass(kind, AllTargetsFailed):
        facts["errors"] = tuple(to_error(inner) for inner in failure.errors)
    if issubclass(kind, StreamInterrupted):
        facts["partial"] = failure.partial
    error.__dict__.update(facts)
    return error


def _known() -> dict[str, type[BaseException]]:
    own = {value for value in vars(builtins).values() if isinstance(value, type) and issubclass(value, BaseException)}
    return {f"{kind.__module__}:{kind.__qualname__}": kind for kind in (*own, LLMError, *_below(LLMError))}


def _below(kind: type[LLMError]) -> Iterator[type[LLMError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, (str, int, float, bool))

"""Trip: one call on its way along a chain of targets: what failed, what was passed over and why, and what that forbids."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from backstay.errors import AllTargetsFailed, InvalidRequest, LLMError
from backstay.layers.failover_rule import Action, Link
from backstay.service import Call
from backstay.types import Attempt, Response

LONGEST_NOTE = 300


class Trip:
    """What is known of a call so far. `number` is the next attempt's, `bans` narrow the targets that are left."""

    __slots__ = ("attempts", "bans", "call", "end", "errors", "is_stopped", "notes", "number", "passed", "tried")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.number = call.attempt
        self.attempts: tuple[Attempt, ...] = ()
        self.errors: tuple[Exception, ...] = ()
        self.tried: tuple[str, ...] = ()
        self.passed: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.bans: tuple[tuple[Action, Link], ...] = ()
        self.end = ""
        self.is_stopped = False

    def note(self, text: str) -> None:
        """Keep a sentence for whoever reads the answer."""
        self.notes += (text if len(text) <= LONGEST_NOTE else f"{text[:LONGEST_NOTE]}...",)

    def skip(self, link: Link, reason: str) -> None:
        """`link` is not asked."""
        self.passed += (f"{link.model}: {reason}",)
        self.note(f"failover: {link.model} was not asked: {reason}")

    def fail(self, link: Link, error: Exception, attempts: Sequence[Attempt]) -> None:
        """`link` was asked in vain."""
        self.errors += (error,)
        self.tried += (f"{link.model}: {type(error).__name__}: {error}",)
        self.attempts += tuple(attempts)
        self.number = max((attempt.number for attempt in attempts), default=self.number - 1) + 1
        self.note(f"failover: {link.model} failed: {type(error).__name__}: {error}")

    def verdict(self) -> Exception:
        """What the caller is told: the one error, or all of them in order; without any, why nothing could be asked.

        The trip forgets its errors: their tracebacks hold the frames that hold the trip.
        """
        if not self.errors:
            return InvalidRequest(*self.passed)
        error = self.errors[0] if len(self.errors) == 1 else self._all_failed()
        if isinstance(error, LLMError):
            error.attempts = self.attempts
            error.call_id = error.call_id or self.call.request.id
        for passed in self.passed:
            error.add_note(f"failover: not asked: {passed}")
        if self.end:
            error.add_note(f"failover: {self.end}")
        self.errors = ()
        return error

    def _all_failed(self) -> AllTargetsFailed:
        failed = AllTargetsFailed(f"{len(self.errors)} targets failed: {'; '.join(self.tried)}", errors=self.errors)
        failed.retryable = any(getattr(error, "retryable", False) for error in self.errors)
        waits = [wait for error in self.errors if (wait := getattr(error, "retry_after", None)) is not None]
        failed.retry_after = min(waits, default=None)
        failed.__cause__ = self.errors[-1]
        return failed

    def label(self, response: Response, link: Link) -> Response:
        """The answer with its origin: which target, whether it is less than what was asked for, and why no earlier one."""
        about = response.provenance
        provenance = msgspec.structs.replace(
            about,
            attempts=(*self.attempts, *about.attempts),
            target=about.target or link.model,
            degraded=about.degraded or link.is_degraded,
            notes=(*self.notes, *about.notes),
        )
        return msgspec.structs.replace(response, provenance=provenance)

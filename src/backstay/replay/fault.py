"""The faults of a journal itself: one that cannot be written, one that cannot be trusted, one whose end is missing."""

from __future__ import annotations

from backstay.errors import LLMError


class JournalFailed(LLMError):
    """An entry could not be written (disk full, a value with no JSON form); the cause is attached."""


class JournalDamaged(LLMError):
    """The file is no journal, or not the one that was written. `line` counts from 1; 0 is the file as a whole."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class RecordedError(LLMError):
    """An error was recorded whose class this program does not know; `kind` is its name."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind

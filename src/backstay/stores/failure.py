"""StoreFailed: a store could not be reached, or did not do what it was asked; what every backend's own errors become."""

from __future__ import annotations

from backstay.errors import LLMError


class StoreFailed(LLMError):
    """The store is down, unreachable or refuses. The cause is attached; no address or password stands in the message.

    `is_uncertain` says whether what was asked may have been done all the same: the connection broke before the answer. Every
    operation of a store is idempotent by its id, so asking again is safe.
    """

    retryable = True

    def __init__(self, message: str, *, is_uncertain: bool = False) -> None:
        super().__init__(message)
        self.is_uncertain = is_uncertain

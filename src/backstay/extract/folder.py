"""Folder: many documents through one extraction, some at a time, in the order in which they were given.

A document that cannot be read or answered is an Outcome with an error, and the rest go on. A ConfigurationError (a wrong
key, an unknown model) would fail every document alike, so it ends the run at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from backstay.document.document import Document
from backstay.document.read import expand, read_document
from backstay.errors import AuthenticationFailed, ConfigurationError, LLMError
from backstay.extract.extraction import Extraction


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document: an extraction, or the error that kept it from being one."""

    source: str
    extraction: Extraction | None = None
    error: LLMError | None = None


Reader = Callable[[Document], Awaitable[Extraction]]


def list_documents(
    paths: Iterable[str], *, on_skip: Callable[[Path, str], None] | None = None
) -> Iterator[str | Outcome]:
    """The documents under `paths` in order; a path that names nothing is an Outcome with its error."""
    for path in paths:
        try:
            yield from map(str, expand([path], on_skip=on_skip))
        except LLMError as error:
            yield Outcome(source=path, error=error)


async def read_all(documents: Iterable[str | Outcome], read: Reader, *, concurrency: int = 8) -> AsyncIterator[Outcome]:
    """The Outcome of every document, in order, with at most `concurrency` under way.

    Raises ConfigurationError and AuthenticationFailed, which no other document could escape; what was under way is cancelled.
    """
    waiting: deque[asyncio.Task[Outcome]] = deque()
    try:
        for item in documents:
            waiting.append(asyncio.ensure_future(_done(item) if isinstance(item, Outcome) else _one(item, read)))
            if len(waiting) >= concurrency:
                yield await waiting[0]
                waiting.popleft()
        while waiting:
            yield await waiting[0]
            waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _done(outcome: Outcome) -> Outcome:
    return outcome


async def _one(path: str, read: Reader) -> Outcome:
    try:
        return Outcome(source=path, extraction=await read(read_document(path)))
    except (ConfigurationError, AuthenticationFailed):
        raise
    except LLMError as error:
        return Outcome(source=path, error=error)

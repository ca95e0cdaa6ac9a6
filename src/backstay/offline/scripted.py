"""The scripted provider: answers and faults in the order given, for tests and demonstrations.

Each call takes the next line of the script. A line is a text, a Response, an exception to raise, a list of events to stream
(floats among them are seconds to wait, an exception among them breaks the stream there), or a function of the Request that
gives one of these. When the script is over, the last line goes on for ever if `is_endless`, else a call is an error.

    client = Client("scripted:demo", services={"scripted": Scripted("Hello.", RateLimited("slow down", status=429))})
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

import msgspec

from backstay.errors import ConfigurationError, LLMError, StreamInterrupted
from backstay.event import CONTENT_EVENTS, Event, Finished
from backstay.fold import unfold
from backstay.ports import Sleep, World
from backstay.service import Call, Reply
from backstay.types import Request, Response, Text, Usage

Step: TypeAlias = Event | float | BaseException
Plain: TypeAlias = str | Response | BaseException | Sequence[Step]
Line: TypeAlias = Plain | Callable[[Request], Plain]


class Scripted:
    """A service that plays a script; `requests` holds what it was asked, in order."""

    def __init__(self, *lines: Line, is_endless: bool = False, sleep: Sleep | None = None) -> None:
        if not lines:
            raise ConfigurationError("a script needs at least one line: Scripted('an answer')")
        self._lines = lines
        self._is_endless = is_endless
        self._sleep = sleep or World.real().sleep
        self.requests: list[Request] = []

    async def __call__(self, call: Call, /) -> Reply:
        line = self._next(call.request)
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, str):
            line = _said(line)
        if isinstance(line, Response):
            whole = _labelled(line)
            if not call.stream:
                return Reply(response=whole)
            line = unfold(whole)
        reply = await _committed(_stream(line, self._sleep))
        reply.amend(_labelled)
        return reply

    def _next(self, request: Request) -> Plain:
        index = len(self.requests)
        self.requests.append(request)
        if index >= len(self._lines):
            if not self._is_endless:
                raise ConfigurationError(f"the script has {len(self._lines)} line(s), and this is call {index + 1}")
            index = len(self._lines) - 1
        line = self._lines[index]
        return line(request) if callable(line) else line


def _said(text: str) -> Response:
    return Response(
        parts=(Text(text=text),),
        finish_reason="stop",
        raw_finish_reason="stop",
        usage=Usage(input_tokens=0, output_tokens=0),
    )


def _labelled(response: Response) -> Response:
    if response.provenance.target is not None:
        return response
    return msgspec.structs.replace(
        response,
        latency=response.latency or 0.0,
        provenance=msgspec.structs.replace(response.provenance, target="scripted"),
    )


async def _stream(steps: Sequence[Step], sleep: Sleep) -> AsyncIterator[Sequence[Event]]:
    is_finished = False
    for step in steps:
        if isinstance(step, (int, float)):
            await sleep(step)
        elif isinstance(step, BaseException):
            raise step
        else:
            is_finished = is_finished or isinstance(step, Finished)
            yield (step,)
    if not is_finished:
        raise StreamInterrupted("the script's stream has no Finished event")


async def _committed(batches: AsyncIterator[Sequence[Event]]) -> Reply:
    """Read ahead to the first content event, as a real provider does: a fault before it is raised from the call."""
    head: list[Event] = []
    async for batch in batches:
        head += batch
        if any(isinstance(event, CONTENT_EVENTS) for event in batch):
            break
    return Reply(_guarded(batches), head=head)


async def _guarded(batches: AsyncIterator[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
    try:
        async for batch in batches:
            yield batch
    except StreamInterrupted:
        raise
    except LLMError as error:
        raise StreamInterrupted(f"the stream broke after its first content: {error}") from error

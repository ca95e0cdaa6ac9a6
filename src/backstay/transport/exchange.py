"""Exchange: one request on one connection, up to the head of its answer. The real transport and the fake share it."""

from __future__ import annotations

from math import inf

from backstay.errors import ReadFailed, TimedOut
from backstay.transport.address import Head
from backstay.transport.base import Timeouts
from backstay.transport.connection import Connection, Limits
from backstay.transport.response import HTTPResponse
from backstay.wire import HTTPRequest


def end_of(now: float, timeouts: Timeouts, deadline: float | None, peer: str) -> float:
    """The instant at which the whole call ends. Raises TimedOut, phase "total", when it has passed."""
    end = inf if deadline is None else deadline
    if timeouts.total is not None:
        end = min(end, now + timeouts.total)
    if end <= now:
        raise TimedOut(f"{peer}: the time was over before the request was sent", phase="total", sent=False)
    return end


async def exchange(
    connection: Connection, head: Head, request: HTTPRequest, timeouts: Timeouts, end: float
) -> HTTPResponse:
    """Status and headers, the body still to come. Whatever ends the wait, cancellation included, closes the connection."""
    first, between = timeouts.first_event, timeouts.between_events
    limits = Limits(first=inf if first is None else first, between=inf if between is None else between, end=end)
    inbox = connection.start(head, request.body, limits, is_head_only=request.method == "HEAD")
    try:
        await inbox.wait_head()
    except BaseException:
        connection.drop(inbox, ReadFailed(f"{inbox.peer}: the request was given up"))
        raise
    return HTTPResponse(connection, inbox)

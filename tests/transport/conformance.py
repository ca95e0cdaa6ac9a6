"""What every transport does, as one list of scripts and outcomes; the fake and the real client are both held to it."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import NamedTuple

from backstay.errors import LLMError, TimedOut, TransportError
from backstay.transport import fault
from backstay.transport.base import Timeouts, Transport
from backstay.transport.script import Answer, Delay, Fault
from backstay.wire import HTTPRequest

MAX_BODY = 1 << 22
SHORT = 0.06
LONG = Timeouts(connect=5, first_event=5, between_events=5, total=5)
HASTY = Timeouts(connect=SHORT, first_event=SHORT, between_events=SHORT, total=5)
BRIEF = Timeouts(connect=5, first_event=5, between_events=5, total=SHORT)
TEXT = b'{"text": "' + b"word " * 2000 + b'"}'


class Outcome(NamedTuple):
    """How an exchange ended: a status and the bytes that came, and the error after them, if there was one."""

    status: int = 0
    body: bytes = b""
    error: str = ""
    is_sent: bool | None = None
    phase: str = ""


class Case(NamedTuple):
    name: str
    answer: Answer
    outcome: Outcome
    timeouts: Timeouts = LONG


def late(phase: str, *, body: bytes = b"", status: int = 0) -> Outcome:
    return Outcome(status, body, "TimedOut", phase != "connect", phase)


def broken(*, body: bytes = b"", status: int = 0) -> Outcome:
    return Outcome(status, body, "ReadFailed", True)


def nonsense(*, body: bytes = b"", status: int = 0) -> Outcome:
    return Outcome(status, body, "ProtocolError")


def raw(head: str, *rest: bytes | Delay | Fault) -> Answer:
    return Answer(raw=[head.replace("\n", "\r\n").encode("latin-1"), *rest])


PACKED = {"content-encoding": "gzip"}
FIRST = fault.chat_events()[0]

CASES = [
    Case("whole", Answer(body=TEXT), Outcome(200, TEXT)),
    Case("empty", fault.empty_200(), Outcome(200)),
    Case("status", fault.status(503), Outcome(503, fault.status(503).body)),
    Case("unknown status", Answer(status=529, body=b"{}"), Outcome(529, b"{}")),
    Case("chunks", Answer(chunks=[b"a", b"b", b"c"]), Outcome(200, b"abc")),
    Case("no content", raw("HTTP/1.1 204 No Content\n\n"), Outcome(204)),
    Case("end of stream is the end", raw("HTTP/1.1 200 OK\n\nabc", Fault("close")), Outcome(200, b"abc")),
    Case("HTTP/1.0", raw("HTTP/1.0 200 OK\n\nabc", Fault("close")), Outcome(200, b"abc")),
    Case("reset is no end", raw("HTTP/1.1 200 OK\n\nabc", Delay(0.02), Fault("reset")), broken(body=b"abc", status=200)),
    Case("interim answers", raw("HTTP/1.1 103 Early\nlink: x\n\n" * 2 + "HTTP/1.1 200 OK\ncontent-length: 2\n\nok"),
         Outcome(200, b"ok")),
    Case("switch of protocols", raw("HTTP/1.1 101 Go\nconnection: upgrade\nupgrade: h2c\n\n"), nonsense()),
    Case("redirect not followed", Answer(status=307, headers={"location": "/elsewhere"}), Outcome(307)),
    Case("trailers", raw("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n1\na\n0\nx: y\n\n"), Outcome(200, b"a")),
    Case("garbage", fault.garbage(), nonsense()),
    Case("two lengths", raw("HTTP/1.1 200 OK\ncontent-length: 1\ncontent-length: 2\n\nab"), nonsense()),
    Case("length and chunks", raw("HTTP/1.1 200 OK\ncontent-length: 1\ntransfer-encoding: chunked\n\n"), nonsense()),
    Case("header without name", raw("HTTP/1.1 200 OK\nno colon here\n\n"), nonsense()),
    Case("damaged chunk", raw("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n1\na\nzz\n"), nonsense(body=b"a", status=200)),
    Case("huge header", raw(f"HTTP/1.1 200 OK\nx: {'y' * 400_000}\n\n"), nonsense()),
    Case("many headers", raw("HTTP/1.1 200 OK\n" + "".join(f"x{number}: y\n" for number in range(400)) + "\n"), nonsense()),
    Case("one header for ever", raw("HTTP/1.1 200 OK\n" + f"x: {'y' * 100}\n" * 300 + "\n"), nonsense()),
    Case("interim answers for ever", raw("HTTP/1.1 100 Continue\n\n" * 20_000), nonsense()),
    Case("endless trailer", raw("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n1\na\n0\nx: " + "y" * 400_000),
         nonsense(body=b"a", status=200)),
    Case("endless chunk extension", raw("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n1\na\n1;x=" + "y" * 400_000),
         nonsense(body=b"a", status=200)),
    Case("body too big", Answer(chunks=[b"x" * (1 << 20)] * 6), nonsense(status=200)),
    Case("gzip", Answer(headers=PACKED, body=gzip.compress(TEXT)), Outcome(200, TEXT)),
    Case("gzip, byte by byte",
         Answer(headers=PACKED, chunks=[bytes([byte]) for byte in gzip.compress(TEXT)]), Outcome(200, TEXT)),
    Case("gzip, two members", Answer(headers=PACKED, body=gzip.compress(b"one ") + gzip.compress(b"two")),
         Outcome(200, b"one two")),
    Case("gzip, empty", Answer(headers=PACKED), Outcome(200)),
    Case("gzip cut short", Answer(headers=PACKED, body=gzip.compress(TEXT)[:-4]), nonsense(body=TEXT, status=200)),
    Case("gzip cut by the end of the stream",
         raw("HTTP/1.1 200 OK\ncontent-encoding: gzip\n\n", gzip.compress(TEXT)[:-4], Fault("close")),
         nonsense(body=TEXT, status=200)),
    Case("gzip damaged", Answer(headers=PACKED, body=b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 40), nonsense(status=200)),
    Case("gzip bomb", fault.gzip_bomb(megabytes=16), nonsense(status=200)),
    Case("deflate", Answer(headers={"content-encoding": "deflate"}, body=zlib.compress(TEXT)), Outcome(200, TEXT)),
    Case("deflate, raw, byte by byte", Answer(headers={"content-encoding": "deflate"},
         chunks=[bytes([byte]) for byte in zlib.compress(TEXT, wbits=-15)]), Outcome(200, TEXT)),
    Case("encoding unknown", Answer(headers={"content-encoding": "br"}, body=b"x"), nonsense()),
    Case("reset before headers", fault.reset_before_headers(), broken()),
    Case("closed before headers", fault.closed_before_headers(), broken()),
    Case("reset after headers", Answer(chunks=[Delay(0.02), Fault("reset")]), broken(status=200)),
    Case("reset inside a chunk", Answer(chunks=[FIRST, Delay(0.02), Fault("reset")]), broken(body=FIRST, status=200)),
    Case("closed inside chunks", Answer(chunks=[FIRST, Fault("close")]), broken(body=FIRST, status=200)),
    Case("length not kept", Answer(raw=[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Fault("close")]),
         broken(body=b"abc", status=200)),
    Case("hang before headers", fault.hang_before_headers(), late("first_event"), HASTY),
    Case("hang after headers", Answer(chunks=[Fault("hang")]), late("first_event", status=200), HASTY),
    Case("hang in the stream", Answer(chunks=[FIRST, Fault("hang")]), late("between_events", body=FIRST, status=200), HASTY),
    Case("hang, short pause after a long wait", Answer(chunks=[FIRST, Fault("hang")]),
         late("between_events", body=FIRST, status=200), Timeouts(first_event=60, between_events=SHORT, total=90)),
    Case("slow, but never too slow", fault.slow_drip(delay=SHORT / 3), Outcome(200, b"".join(fault.chat_events())), HASTY),
    Case("slow drip", fault.slow_drip([b"x"] * 100, delay=0.01), late("total", body=b"x", status=200), BRIEF),
    Case("total before headers", fault.hang_before_headers(), late("total"), BRIEF),
]  # fmt: skip
"""Every script, with the outcome that both transports must come to. A body of one byte stands for "at least one"."""


async def outcome(transport: Transport, url: str, timeouts: Timeouts) -> Outcome:
    """What a consumer of the stream sees: the status, all bytes that it could take, and the error that ended it."""
    body, status = b"", 0
    try:
        raw_response = await transport.send(HTTPRequest(url=url, body=b"{}"), timeouts=timeouts)
        status = raw_response.status
        async for chunk in raw_response:
            assert chunk, "a chunk is never empty"
            body += chunk
    except LLMError as error:
        sent = error.sent if isinstance(error, TransportError) else None
        return Outcome(status, body, type(error).__name__, sent, error.phase if isinstance(error, TimedOut) else "")
    return Outcome(status, body)


def is_same(case: Case, seen: Outcome) -> bool:
    """True when `seen` is the outcome of `case`; how much of a body came before an error may depend on the reads."""
    expected = case.outcome
    if seen[2:] != expected[2:] or (seen.status != expected.status and not seen.error):
        return False
    if not expected.error:
        return seen.body == expected.body
    if case.name in LOOSE:
        return True
    return seen.status == expected.status and seen.body == expected.body


LOOSE = {"slow drip", "body too big", "gzip bomb", "gzip cut short", "gzip damaged"}
"""Where the bytes that come before the error depend on how the system cuts its reads."""


async def settle() -> None:
    """Let what was scheduled at this instant run."""
    for _ in range(5):
        await asyncio.sleep(0)

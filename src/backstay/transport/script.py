"""Script: what a scripted server does in one exchange, as data: bytes, delays and faults in the order of the wire.

    Answer(body=b"{}")                                          a whole answer
    Answer(chunks=[b"data: 1\\n\\n", Delay(0.5), Fault("reset")])   a stream that stalls, then breaks
    Answer(connect=[Fault("refused")])                          no connection at all

`wire(answer)` is what goes over a connection, so that the fake transport and a real server play the same script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

CONNECT_FAULTS = frozenset({"refused", "dns", "tls", "hang"})
WIRE_FAULTS = frozenset({"reset", "close", "hang"})


class Delay(msgspec.Struct, frozen=True):
    """Nothing happens for `seconds`."""

    seconds: float


class Fault(msgspec.Struct, frozen=True):
    """What ends the exchange: "reset", "close" (a plain end of the stream) or "hang"; to connect also "refused", "dns", "tls"."""

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in CONNECT_FAULTS | WIRE_FAULTS:
            raise ValueError(f"fault {self.kind!r}: must be one of {', '.join(sorted(CONNECT_FAULTS | WIRE_FAULTS))}")


Step = bytes | Delay | Fault


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange, seen from the server.

    `connect` happens before there is a connection, `before` between the request and the head. Then come the head and either
    `body`, with its length, or `chunks`, chunked; a Fault among the chunks ends the stream there. `raw` replaces the head and
    the body by bytes as they are. `length` is the content-length to claim where it is not the body's.
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    chunks: Sequence[Step] | None = None
    connect: Sequence[Delay | Fault] = ()
    before: Sequence[Step] = ()
    raw: Sequence[Step] | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        if self.body and self.chunks is not None:
            raise ValueError("an Answer has a body or chunks, not both")
        wrong = [step.kind for step in self.connect if isinstance(step, Fault) and step.kind not in CONNECT_FAULTS]
        later = (*self.before, *(self.chunks or ()), *(self.raw or ()))
        wrong += [step.kind for step in later if isinstance(step, Fault) and step.kind not in WIRE_FAULTS]
        if wrong:
            raise ValueError(f"fault {wrong[0]!r} cannot happen at that point of an exchange")


def wire(answer: Answer) -> list[Step]:
    """The steps of `answer` on an open connection: bytes as they are sent, delays, and at most one fault, which is the last."""
    steps: list[Step] = [*answer.before]
    if answer.raw is not None:
        steps += answer.raw
    elif answer.chunks is None:
        length = len(answer.body) if answer.length is None else answer.length
        steps.append(_head(answer, f"content-length: {length}") + answer.body)
    else:
        steps.append(_head(answer, "transfer-encoding: chunked"))
        steps += [b"%x\r\n%b\r\n" % (len(step), step) if isinstance(step, bytes) else step for step in answer.chunks]
        steps.append(b"0\r\n\r\n")
    ends = [number for number, step in enumerate(steps) if isinstance(step, Fault)]
    return steps[: ends[0] + 1] if ends else steps


def _head(answer: Answer, framing: str) -> bytes:
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Overloaded" if answer.status == 529 else "Unknown"
    fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return f"HTTP/1.1 {answer.status} {reason}\r\n{fields}{framing}\r\n\r\n".encode("latin-1")

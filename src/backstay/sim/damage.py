"""Damage: a good answer of a dialect, spoken in bytes, and each kind of fault done to it.

An answer is spoken by the dialect's own encoder, so damage hits the bytes that real servers send: event streams of every form,
bodies of every form. One function for a kind; `damaged` finds it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from backstay.codecs.base import Codec
from backstay.event import Event
from backstay.sim.fault import Kind
from backstay.transport import fault
from backstay.transport.script import Answer, Delay, Fault, Step
from backstay.types import Request, Response

DRIP: Final = 20.0
"""A slow answer takes this many times as long for each of its chunks."""

_CONNECT: Final = {"refused": "refused", "dns": "dns", "tls": "tls", "hang_connecting": "hang"}


class Spoken:
    """One answer: its chunks of bytes, the wait before the first and between them, and the encoder that made them."""

    def __init__(self, codec: Codec, request: Request, *, first: float, pace: float, is_stream: bool) -> None:
        self.codec = codec
        self.request = request
        self.first = first
        self.pace = pace
        self.is_stream = is_stream
        self.headers = {"content-type": "text/event-stream" if is_stream else "application/json"}
        self.chunks: list[bytes] = []

    def say(self, response: Response, events: Sequence[Event]) -> Spoken:
        """Encode the answer: as `events` in a stream, as a body otherwise."""
        if self.is_stream:
            encoder = self.codec.encoder(self.request)
            self.chunks = [chunk for chunk in (*map(encoder.encode, events), encoder.finish()) if chunk]
        else:
            body = self.codec.encode_response(response)
            self.chunks = [body[: len(body) // 2], body[len(body) // 2 :]]
        return self

    def steps(self, chunks: Sequence[bytes], pace: float | None = None) -> list[Step]:
        """`chunks` with the waits before them."""
        wait = Delay(self.pace if pace is None else pace)
        steps: list[Step] = [Delay(self.first)]
        for chunk in chunks:
            steps += (chunk, wait)
        return steps

    def half(self) -> list[bytes]:
        """The first chunks, which are not all."""
        return self.chunks[: len(self.chunks) // 2 + 1] if len(self.chunks) > 2 else self.chunks[:1]

    def answer(self, steps: Sequence[Step]) -> Answer:
        """Status 200 and `steps`."""
        return Answer(headers=self.headers, chunks=steps)

    def refusal(self, kind: Kind, headers: Mapping[str, str]) -> Answer:
        """The error of `kind` in the dialect's own words."""
        status, own, body = self.codec.encode_error(kind.error())
        return Answer(status=status, headers={**own, **headers}, body=body, before=[Delay(self.first)])


def damaged(kind: Kind | None, spoken: Spoken, headers: Mapping[str, str]) -> Answer:
    """What a server does that is struck by `kind`; `headers` go with a refusal."""
    if kind is None:
        return spoken.answer(spoken.steps(spoken.chunks))
    if kind.name in _CONNECT:
        return Answer(connect=[Fault(_CONNECT[kind.name])])
    special = _SPECIAL.get(kind.name)
    if special is not None:
        return special(spoken, kind)
    return spoken.refusal(kind, headers)


def _in_stream(spoken: Spoken, kind: Kind) -> Answer:
    """An error where the first event should be; a whole answer has no such place, and says it in its status."""
    if not spoken.is_stream:
        return spoken.refusal(kind, {})
    return spoken.answer([Delay(spoken.first), spoken.codec.encoder(spoken.request).encode_error(kind.error())])


def _late_error(spoken: Spoken, kind: Kind) -> Answer:
    error = spoken.codec.encoder(spoken.request).encode_error(kind.error())
    return spoken.answer([*spoken.steps(spoken.half()), error])


def _cut(spoken: Spoken, kind: Kind) -> Answer:
    """HTTP ends well, what it carries does not."""
    return spoken.answer(spoken.steps(spoken.half()))


def _cut_in_chunk(spoken: Spoken, kind: Kind) -> Answer:
    *whole, last = spoken.half()
    end: list[Step] = [Fault("reset")] if kind.name == "reset_mid_chunk" else []
    return spoken.answer([*spoken.steps(whole), last[: len(last) // 2 + 1], *end])


def _cut_length(spoken: Spoken, kind: Kind) -> Answer:
    return fault.truncated_length(b"".join(spoken.chunks))


def _bad_utf8(spoken: Spoken, kind: Kind) -> Answer:
    chunks = [chunk.replace(b"word", b"w\xc3(r\xff", 1) for chunk in spoken.chunks]
    return spoken.answer(spoken.steps(chunks))


@cache
def _bomb() -> Answer:
    return fault.gzip_bomb()


def _first_chunk(spoken: Spoken, fault: str) -> Answer:
    return Answer(before=[Delay(spoken.first), Fault(fault)])


_SPECIAL: Final[Mapping[str, Callable[[Spoken, Kind], Answer]]] = {
    "error_event_in_200": _in_stream,
    "empty_200": lambda spoken, kind: Answer(headers=spoken.headers),
    "reset_before_headers": lambda spoken, kind: _first_chunk(spoken, "reset"),
    "reset_after_headers": lambda spoken, kind: spoken.answer([Delay(spoken.first), Fault("reset")]),
    "reset_mid_stream": lambda spoken, kind: spoken.answer([*spoken.steps(spoken.half()), Fault("reset")]),
    "truncated": _cut,
    "error_event_late": _late_error,
    "hang_before_headers": lambda spoken, kind: _first_chunk(spoken, "hang"),
    "hang_mid_stream": lambda spoken, kind: spoken.answer([*spoken.steps(spoken.half()), Fault("hang")]),
    "slow_drip": lambda spoken, kind: spoken.answer(spoken.steps(spoken.chunks, DRIP * spoken.pace)),
    "truncated_json": _cut_in_chunk,
    "truncated_sse": _cut,
    "truncated_length": _cut_length,
    "reset_mid_chunk": _cut_in_chunk,
    "bad_utf8": _bad_utf8,
    "gzip_bomb": lambda spoken, kind: _bomb(),
    "missing_done": lambda spoken, kind: spoken.answer(spoken.steps(spoken.chunks[:-1])),
    "double_done": lambda spoken, kind: spoken.answer(spoken.steps([*spoken.chunks, spoken.chunks[-1]])),
    "html_200": lambda spoken, kind: fault.html_200(),
    "garbage": lambda spoken, kind: fault.garbage(),
}

"""Entries: what a journal holds, one a line: every decision of a run that its code alone does not determine.

A call begins (`Began`), brings chunks of events if it streams (`Chunk`), and ends answered, failed or dropped; the number `call`
ties these together, because calls of a concurrent program interleave. Tools, random draws, ids, clock reads, ticks and snapshots
are one entry each. `Header` is the first, `End` the last: a journal without it was cut off by a crash, and says so.

Times: `at` is seconds since the run began, by the wall clock; `after` is seconds since the call began, by the monotonic one.
An entry that JSON cannot give back exactly (an infinite log-probability) is kept in MessagePack as a `Packed`.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.codecs.embedding import Embeddings
from backstay.event import Event
from backstay.types import Attempt, Limit, Response

VERSION: Final = 1
"""The version of the entries' form. A journal of a later one is refused."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What all entries share: the name of their kind in `type`."""


class Header(_Entry, frozen=True, kw_only=True, tag="journal"):
    """The first line: form, library, start (Unix nanoseconds), and facts that the program wants to keep with it."""

    version: int = msgspec.field(default=VERSION)
    library: str = ""
    started_ns: int = 0
    has_clock: bool = False
    facts: dict[str, str] = {}


class Began(_Entry, frozen=True, kw_only=True, tag="call"):
    """A call: the hash of what it asks, its place among calls with that hash (from 0), and the request in readable form."""

    call: int
    key: str
    ordinal: int
    request: msgspec.Raw
    id: str = ""
    task: str | None = None
    tick: int | None = None
    at: float = 0.0


class Chunk(_Entry, frozen=True, kw_only=True, tag="events"):
    """Events that arrived together."""

    call: int
    after: float
    events: tuple[Event, ...]


class Answered(_Entry, frozen=True, kw_only=True, tag="answer"):
    """The end of a call that was answered: exactly one of `response` and `embeddings`. `is_whole`: it came in one piece."""

    call: int
    after: float
    response: Response | None = None
    embeddings: Embeddings | None = None
    is_whole: bool = False

    @property
    def answer(self) -> Response:
        """The answer, of either kind."""
        answer = self.response if self.embeddings is None else self.embeddings
        assert answer is not None
        return answer


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exception as data: its class as "module:name", and of its facts those that are listed in `failure.py`."""

    kind: str
    args: tuple[Any, ...] = ()
    values: dict[str, Any] = {}
    attempts: tuple[Attempt, ...] = ()
    limits: tuple[Limit, ...] = ()
    partial: Response | None = None
    errors: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


class Failed(_Entry, frozen=True, kw_only=True, tag="error"):
    """The end of a call that failed, before its first event or after it."""

    call: int
    after: float
    failure: Failure


class Dropped(_Entry, frozen=True, kw_only=True, tag="dropped"):
    """The program left the call before its end."""

    call: int
    after: float


class ToolRun(_Entry, frozen=True, kw_only=True, tag="tool"):
    """A tool's run: the hash of name and arguments, its place among runs with that hash, and its result or its error."""

    name: str
    key: str
    ordinal: int
    arguments: msgspec.Raw
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None
    has_side_effect: bool = False
    tick: int | None = None
    at: float = 0.0
    duration: float = 0.0


class Draw(_Entry, frozen=True, kw_only=True, tag="draw"):
    """A random number in [0, 1): which system of the program drew it, and for what."""

    system: str
    name: str
    value: float
    tick: int | None = None


class Made(_Entry, frozen=True, kw_only=True, tag="id"):
    """An id that was made."""

    value: str


class ClockRead(_Entry, frozen=True, kw_only=True, tag="clock"):
    """A clock that was read: Unix nanoseconds, or seconds of the monotonic clock."""

    clock: Literal["wall", "monotonic"]
    value: int | float


class Tick(_Entry, frozen=True, kw_only=True, tag="tick"):
    """A frame of the program begins."""

    tick: int
    at: float = 0.0


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed since the snapshot before: paths with their new values, and paths that are gone."""

    put: tuple[tuple[tuple[str | int, ...], Any], ...] = ()
    gone: tuple[tuple[str | int, ...], ...] = ()


class Snapshot(_Entry, frozen=True, kw_only=True, tag="snapshot"):
    """The state of the program: the SHA-256 of its canonical JSON, and the state itself, or what changed in it."""

    sha256: str
    tick: int | None = None
    state: msgspec.Raw = msgspec.Raw()
    delta: Delta | None = None


class End(_Entry, frozen=True, kw_only=True, tag="end"):
    """The last line: how many entries stand before it, and how the program left ("complete", or an exception's class)."""

    entries: int
    outcome: str = "complete"


class Packed(_Entry, frozen=True, kw_only=True, tag="packed"):
    """An entry in MessagePack, because JSON would change it."""

    data: bytes


Packable: TypeAlias = Chunk | Answered | Failed | Draw
"""The entries that carry what others made, and have no raw JSON in them."""

Noted: TypeAlias = (
    Began | Chunk | Answered | Failed | Dropped | ToolRun | Draw | Made | ClockRead | Tick | Snapshot | End
)
Entry: TypeAlias = Header | Noted

PACKABLE: Final = (Chunk, Answered, Failed, Draw)
_JSON: Final = msgspec.json.Encoder()
_READ: Final = msgspec.json.Decoder(Header | Noted | Packed)
_UNPACK: Final = msgspec.msgpack.Decoder(Packable)


def encode_entry(entry: Entry) -> bytes:
    """The entry as one line of JSON that `decode_entry` gives back. Raises ValueError or TypeError where there is none."""
    body = _JSON.encode(entry)
    if isinstance(entry, PACKABLE) and not _is_exact(entry, body):
        body = _JSON.encode(Packed(data=msgspec.msgpack.encode(entry)))
        decode_entry(body)
    return body


def decode_entry(body: bytes) -> Entry:
    """The entry in `body`. Raises ValueError where it is none of this version."""
    entry: Entry | Packed = _READ.decode(body)
    return _UNPACK.decode(entry.data) if isinstance(entry, Packed) else entry


def _is_exact(entry: Packable, body: bytes) -> bool:
    try:
        return bool(_READ.decode(body) == entry)
    except msgspec.DecodeError:
        return False

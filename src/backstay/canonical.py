"""Canonical: one byte string for one question, and a key made of it.

Two requests with the same canonical form ask the same thing: `canonical` holds every field that can change an answer (model,
messages with all their parts, system, tools, schema, sampling, options) and leaves out what cannot (`id`, `created_at`,
`metadata`). It is JSON with sorted members, so the order in which a dict was filled does not count, in the manner of RFC 8785;
a setting that is absent is left out, so one that a later version adds does not change the form of a request without it. The
bytes of a picture stand as their SHA-256. A field that is new to this module counts by itself, because what is left out is
listed and what is kept is not: forgetting one costs a miss, never a wrong answer.

`request_key` is the full SHA-256 of length-prefixed pieces; no piece can run into its neighbour. The tenant is one of them.
`difference` says in which fields two questions differ.
"""

from __future__ import annotations

import functools
import hashlib
import operator
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from backstay.types import Audio, File, Image, Message, Request, Text, ToolResult

VERSION: Final = 1
"""The version of the form. It stands in every key, so a change of the form makes misses and no wrong hits."""

IGNORED: Final = frozenset({"id", "created_at", "metadata"})
"""The fields of a Request that cannot change an answer: who asked, when, and under what name."""

ABSENT: Final = msgspec.UNSET
"""Stands in a FieldChange for a value that is not there; it is not None, which a field may hold."""

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_head: Final = struct.Struct(">cQ").pack


class FieldChange(msgspec.Struct, frozen=True):
    """One place where two requests differ: its path, as `messages[0].parts[1].text`, and the value on either side."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


def canonical(request: Request) -> bytes:
    """The canonical JSON of everything in `request` that can change its answer.

    Raises TypeError or ValueError where a value in it has no JSON form (an object of your own in `options`, half a surrogate
    pair in a text).
    """
    shape = _shape(type(request))
    values = shape.values_of(request)
    if None in values[: shape.collections] or request.system == ():  # absent in another way than by the default
        named = zip(shape.names, values, strict=True)
        form = shape.form_of(**{name: value for name, value in named if value not in (None, (), {})})
    else:
        form = shape.form_of(*values)
    if _has_heavy(request):
        form = msgspec.structs.replace(form, messages=[_light_message(message) for message in request.messages])
    return _ENCODER.encode(form)


def request_key(
    request: Request,
    *,
    tenant: str | msgspec.UnsetType | None = msgspec.UNSET,
    version: str = "",
    extra: bytes = b"",
) -> str:
    """The key of `request`: 64 hex digits of SHA-256 over the form, the tenant, `version` and `extra`.

    `tenant` is the request's own where it is not given; None is nobody, which is not the same as "". `version` names whatever
    else an answer hangs on (a prompt template, a schema, a model's release). Raises as `canonical` does.
    """
    owner = request.metadata.tenant if isinstance(tenant, msgspec.UnsetType) else tenant
    form = canonical(request)
    whole = _head(b"b", len(form)) + form + _owned(owner, version) + _head(b"b", len(extra)) + extra
    return hashlib.sha256(whole).hexdigest()


def digest(*pieces: bytes | str | None) -> str:
    """The SHA-256, in hex, of `pieces` in this order, each with its kind and length before it: bytes, texts or None."""
    return hashlib.sha256(_joined(*pieces)).hexdigest()


@functools.lru_cache(maxsize=256)
def _owned(owner: str | None, version: str) -> bytes:
    """The pieces that many requests share."""
    return _joined(owner, version)


def _joined(*pieces: bytes | str | None) -> bytes:
    whole = b""
    for piece in pieces:
        if isinstance(piece, str):
            data = piece.encode()
            whole += _head(b"s", len(data)) + data
        elif piece is not None:
            whole += _head(b"b", len(piece)) + piece
        else:
            whole += _head(b"n", 0)
    return whole


class _Shape(msgspec.Struct, frozen=True):
    """How requests of one type become forms: the names of the fields that count, the `collections` first whose default is an
    empty one; what reads their values; and what makes a form of them, a struct that leaves out what has its default."""

    names: tuple[str, ...]
    collections: int
    values_of: Callable[[Request], tuple[Any, ...]]
    form_of: Callable[..., Any]


@functools.cache
def _shape(kind: type[Request]) -> _Shape:
    empty: list[Any] = []
    absent: list[Any] = []
    for field in msgspec.structs.fields(kind):
        if field.name in IGNORED:
            continue
        if field.default == ():
            empty.append((field.name, Any, ()))
        elif field.default_factory is not msgspec.NODEFAULT:
            empty.append((field.name, Any, msgspec.field(default_factory=dict)))
        else:
            absent.append((field.name, Any, None))
    names = tuple(name for name, *_ in (*empty, *absent))
    facts = [("kind", str | None, None), ("version", int, 0)]
    form = msgspec.defstruct("Form", [*empty, *absent, *facts], frozen=True, gc=False, omit_defaults=True)
    form_of = functools.partial(form, kind=None if kind is Request else kind.__name__, version=VERSION)
    return _Shape(names, len(empty), operator.attrgetter(*names), form_of)


def _has_heavy(request: Request) -> bool:
    for message in request.messages:
        for part in message.parts:
            if type(part) is not Text and _is_heavy(part):
                return True
    return False


def _is_heavy(part: object) -> bool:
    """True for a part that holds bytes, or may."""
    if type(part) is Text:
        return False
    if isinstance(part, (Image, File, Audio)):
        return part.data is not None
    return isinstance(part, ToolResult) and not isinstance(part.content, str)


def _light_message(message: Message) -> dict[str, Any]:
    form: dict[str, Any] = {name: getattr(message, name) for name in Message.__struct_fields__}
    form["parts"] = [_light(part) for part in message.parts]
    return form


def _light(part: Any) -> Any:
    """`part` with an object in the place of its bytes: no text that a bytes field encodes to can be equal to it."""
    if not _is_heavy(part):
        return part
    form = {"type": part.__struct_config__.tag, **{name: getattr(part, name) for name in part.__struct_fields__}}
    if isinstance(part, ToolResult):
        form["content"] = [_light(item) for item in part.content]
    else:
        form["data"] = {"sha256": hashlib.sha256(part.data).hexdigest(), "size": len(part.data)}
    return form


def difference(old: Request | bytes, new: Request | bytes) -> list[FieldChange]:
    """Where two requests, or their canonical forms, differ: in the order of their fields; empty where they ask the same.

    Of lists that differ in length the common beginning and end are set aside, so a turn that was put in shows as one change.
    """
    forms = [msgspec.json.decode(side if isinstance(side, bytes) else canonical(side)) for side in (old, new)]
    return list(_changes("", *forms))


def _changes(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _object_changes(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_changes(path, old, new)
    elif type(old) is not type(new) or old != new:
        yield FieldChange(path, old, new)


def _object_changes(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FieldChange]:
    for name in sorted({*old, *new}):
        yield from _changes(f"{path}.{name}" if path else name, old.get(name, ABSENT), new.get(name, ABSENT))


def _list_changes(path: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[FieldChange]:
    shorter = min(len(old), len(new))
    head = next((index for index in range(shorter) if old[index] != new[index]), shorter)
    rest = shorter - head
    tail = 0
    if len(old) != len(new):
        tail = next((index for index in range(rest) if old[-1 - index] != new[-1 - index]), rest)
    for index in range(head, max(len(old), len(new)) - tail):
        sides = (side[index] if index < len(side) - tail else ABSENT for side in (old, new))
        yield from _changes(f"{path}[{index}]", *sides)


def _shown(value: Any, width: int = 80) -> str:
    if value is ABSENT:
        return "absent"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= width else f"{text[: width - 3]}..."

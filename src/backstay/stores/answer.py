"""An answer as bytes, for a store: MessagePack after one byte that names its kind and form.

Reading it makes a new object each time, so nobody can change what another reader gets; and it makes data only, of the types
that are named here, whatever the bytes say.
"""

from __future__ import annotations

from typing import Final

import msgspec

from backstay.codecs.embedding import Embeddings
from backstay.types import Response

KINDS: Final[dict[bytes, type[Response]]] = {b"r": Response, b"v": Embeddings}
"""The first byte and what follows it. Another form of the same type takes another byte."""

_MARKS: Final = {kind: mark for mark, kind in KINDS.items()}
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final = {mark[0]: msgspec.msgpack.Decoder(kind) for mark, kind in KINDS.items()}


def encode_answer(response: Response) -> bytes:
    """The bytes of `response`. Raises ValueError where they would not give it back: a type of another's, a value in it that has
    no form in MessagePack."""
    mark = _MARKS.get(type(response))
    if mark is None:
        raise ValueError(f"an answer of type {type(response).__name__} cannot be stored")
    try:
        return mark + _ENCODER.encode(response)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"an answer that cannot be stored: {error}") from error


def decode_answer(data: bytes) -> Response:
    """The answer that `encode_answer` made of `data`. Raises ValueError where it is none."""
    decoder = _DECODERS.get(data[0]) if data else None
    if decoder is None:
        raise ValueError("no answer, or one of a form that this version does not know")
    try:
        return decoder.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"no answer: {error}") from error

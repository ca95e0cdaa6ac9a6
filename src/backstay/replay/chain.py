"""Chain: lines that hold each other fast, so that a journal that was changed, cut or reordered does not pass for whole.

A line is `{"hash":"<64 hex digits>","entry":{...}}`. Its hash is the SHA-256 of the hash of the line before and of the bytes of
its own entry, so a change of any byte breaks it there and a missing or moved line breaks it there. The form is exact: there is
one way to write a line, and no byte of it is free. It is a seal against accidents and careless edits, not a signature: whoever
rewrites the whole file can make new hashes.
"""

from __future__ import annotations

import hashlib
from typing import Final

FIRST: Final = hashlib.sha256(b"backstay journal").digest()
"""What stands in for the hash of the line before the first."""

_HEAD, _MIDDLE, _TAIL = b'{"hash":"', b'","entry":', b"}"
_BODY: Final = len(_HEAD) + 64 + len(_MIDDLE)


class Broken(ValueError):
    """A line that does not follow from the one before it."""


class Chain:
    """The running hash; one for writing a journal, or one for reading it."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = FIRST

    def seal(self, body: bytes) -> bytes:
        """The line, with its line break, that holds `body` as the next entry."""
        self._last = hashlib.sha256(self._last + body).digest()
        return b"%b%b%b%b%b\n" % (_HEAD, self._last.hex().encode(), _MIDDLE, body, _TAIL)

    def open(self, line: bytes) -> bytes:
        """The entry in `line` (without its line break). Raises Broken where it is not the next one of this chain."""
        if not (line.startswith(_HEAD) and line.endswith(_TAIL) and line[_BODY - len(_MIDDLE) : _BODY] == _MIDDLE):
            raise Broken("it does not have the form of a line of a journal")
        body = line[_BODY : -len(_TAIL)]
        expected = hashlib.sha256(self._last + body).digest()
        if line[len(_HEAD) : _BODY - len(_MIDDLE)] != expected.hex().encode():
            raise Broken(
                "its hash does not follow from the line before: it, or a line before it, was changed or taken out"
            )
        self._last = expected
        return body

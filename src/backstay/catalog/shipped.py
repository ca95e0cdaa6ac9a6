"""Shipped: the rows that come with the package, read when they are first asked for, one provider at a time.

A program calls one or two providers, the file has some fifty. So it is a table of contents (a line of JSON) and a compressed
list of rows for each provider. Finding a model decodes its provider's rows, a millisecond's work for most; what is never asked
costs nothing. All catalogues of a process share what was read.
"""

from __future__ import annotations

import functools
import pkgutil
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from backstay.catalog.model import Model

DATA: Final = "data/models.dat"


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: the date of the rows, their sources, and where each provider's block lies: its start after the line, its
    size, both in bytes."""

    date: str
    sources: tuple[str, ...]
    blocks: dict[str, tuple[int, int]]


class Shipped:
    """The file, opened. `date` and `sources` are its own; `providers` are the names under which it has rows."""

    def __init__(self, data: bytes) -> None:
        head, _, self._body = data.partition(b"\n")
        contents = msgspec.json.decode(head, type=Contents)
        self.date = contents.date
        self.sources = contents.sources
        self._blocks: Mapping[str, tuple[int, int]] = contents.blocks
        self._rows: dict[str, tuple[Model, ...]] = {}

    @property
    def providers(self) -> Iterable[str]:
        return self._blocks.keys()

    def rows(self, provider: str) -> tuple[Model, ...]:
        """The rows of `provider`, in the order in which they are asked; none where there are none."""
        if provider not in self._rows:
            start, size = self._blocks.get(provider, (0, 0))
            block = zlib.decompress(self._body[start : start + size]) if size else b"[]"
            self._rows[provider] = msgspec.json.decode(block, type=tuple[Model, ...])
        return self._rows[provider]


@functools.cache
def shipped() -> Shipped:
    """The package's own file."""
    data = pkgutil.get_data("backstay.catalog", DATA)
    if data is None:
        raise FileNotFoundError(f"backstay.catalog/{DATA}: is missing from this installation")
    return Shipped(data)


def pack(date: str, sources: Iterable[str], models: Mapping[str, bytes]) -> bytes:
    """The file for `models`: each provider's rows as a JSON array."""
    body, blocks = b"", {}
    for provider, rows in models.items():
        block = zlib.compress(rows, 9)
        blocks[provider] = (len(body), len(block))
        body += block
    return msgspec.json.encode(Contents(date=date, sources=tuple(sources), blocks=blocks)) + b"\n" + body

"""A damaged container as valid JSON, by a few substitutions over the whole of it, read by one call of the C parser.

The token readers cost microseconds a token; a table of a thousand rows damaged alike should not pay that a thousand
times. A rewriting is a guess that must prove itself: it changes only what stands outside strings (or quotes that can neither
open nor close one), and it counts only if the C parser then accepts every character. What it does not prove goes to the token
readers, which decide as if it had never been tried; failed attempts draw on an allowance and back off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json.decoder import JSONDecodeError
from typing import Any

from backstay.recover.gate import STRICT, ConstantMet
from backstay.recover.outcome import MAX_REPAIRS, Log

SCAN_ONCE: Callable[[str, int], tuple[Any, int]] = STRICT.scan_once  # type: ignore[attr-defined]  # absent from typeshed
MAX_CHUNK = 16_384
NESTING = 3
"""Levels inside a container that is rewritten; deeper ones are entered first."""
MAX_SKIPS = 64
MIN_STREAK = 4
"""Neighbours rewritten one by one before a run of them is tried."""


def _balanced(opening: str, closing: str) -> str:
    plain = rf"[^{opening}{closing}]*+"
    inside = plain
    for _ in range(NESTING):
        inside = rf"{plain}(?:{opening}{inside}{closing}{plain})*+"
    return f"{opening}{inside}{closing}"


_SHAPES = {"{": _balanced(r"\{", r"\}"), "[": _balanced(r"\[", r"\]")}
EXTENT = {opening: re.compile(shape) for opening, shape in _SHAPES.items()}
_BETWEEN = r"\s*,(?:[^\S\n]*(?://|\#)[^\n{}\[\]]*+\n)?\s*"
RUN = {opening: re.compile(f"{shape}(?:{_BETWEEN}{shape})*+") for opening, shape in _SHAPES.items()}
INNER = re.compile(r'"(?!\s*[,:}\]"+/#;，：)])(?:(?<=[^\s{\[,:\\"+]")|(?<=[^\s{\[,:"+] "))')
"""A quote that can neither open nor close a string where it stands, nor be one of a pair without its comma."""
REMARK = re.compile(r"//[^\n\x00]*(?=\n)|#[^\n\x00]*(?=\n)|/\*[^*\x00]*\*/")
SLASHES = re.compile(r"//[^\n\x00]*(?=\n)")
TRAILING = re.compile(r",(?=\s*[}\]])")
BARE = re.compile(r"([A-Za-z_$][\w$]*+)(?=:)")
PYTHON = (("True", "true"), ("False", "false"), ("None", "null"))
RESERVED = frozenset({"True", "False", "None"})
MARK = "\0"
"""Stands for a whole string while what lies between the strings is rewritten."""


class Rewriter:
    """Rewrites containers while that pays: failures at one depth are followed by a longer and longer pause."""

    __slots__ = ("_allowance", "_is_respelling", "_misses", "_skips", "_streaks", "_wanted")

    def __init__(self, size: int) -> None:
        self._allowance = 2 * size + 20_000
        self._is_respelling = False
        self._misses: dict[int, int] = {}
        self._skips: dict[int, int] = {}
        self._streaks: dict[int, int] = {}
        self._wanted = MIN_STREAK

    def take(self, text: str, pos: int, depth: int, log: Log) -> tuple[Any, int] | None:
        """The container at `pos` and its end, or None; `depth` is that of the container around it."""
        if self._allowance <= 0:
            return None
        if self._skips.get(depth, 0) > 0:
            self._skips[depth] -= 1
            return None
        shape = EXTENT.get(text[pos])
        extent = shape.match(text, pos, pos + MAX_CHUNK) if shape is not None else None
        if extent is None:
            self._miss(depth, MAX_CHUNK)
            return None
        chunk = extent[0]
        if log.count < MAX_REPAIRS and '"' not in chunk:
            return None
        found = self._read(chunk, pos, log)
        if found is None:
            self._miss(depth, 4 * len(chunk) + 200)
            return None
        self._misses[depth] = 0
        self._streaks[depth] = self._streaks.get(depth, 0) + 1
        return found[0], extent.end()

    def take_run(self, text: str, pos: int, depth: int, log: Log) -> tuple[list[Any], int] | None:
        """The containers that follow each other from `pos` on, if those before them could all be rewritten."""
        if self._streaks.get(depth, 0) < self._wanted or self._allowance <= 0 or log.count < MAX_REPAIRS:
            return None
        extent = RUN[text[pos]].match(text, pos, pos + MAX_CHUNK)
        found = self._read(f"[{extent[0]}]", pos - 1, log) if extent is not None else None
        if extent is None or found is None:
            self._streaks[depth] = 0
            self._wanted *= 2
            self._miss(depth, MAX_CHUNK)
            return None
        return found[0], extent.end()

    def _miss(self, depth: int, cost: int) -> None:
        self._allowance -= cost
        self._streaks[depth] = 0
        misses = self._misses[depth] = self._misses.get(depth, 0) + 1
        self._skips[depth] = min(1 << misses, MAX_SKIPS) if misses > 1 else 0

    def _read(self, chunk: str, pos: int, log: Log) -> tuple[Any] | None:
        """The value of `chunk` in the spelling that proved right last, else in the other one."""
        for _ in range(2):
            found = self._respelled(chunk, log) if self._is_respelling else _quoted(chunk, pos, log)
            if found is not None:
                return found
            self._is_respelling = not self._is_respelling
        return None

    def spell(self, chunk: str) -> tuple[str, int]:
        """`respell`: what is tried on a chunk that is no JSON."""
        return respell(chunk)

    def _respelled(self, chunk: str, log: Log) -> tuple[Any] | None:
        """The value of `chunk` in JSON's spelling, once there is no room left for single repairs."""
        if log.count < MAX_REPAIRS:
            return None
        spelled, changes = self.spell(chunk)
        found = _decode(spelled) if changes else None
        if found is not None:
            log.count += changes
        return found


def _quoted(chunk: str, pos: int, log: Log) -> tuple[Any] | None:
    """The value of `chunk` with its inner quotes escaped, if they come in pairs within each string."""
    if '"' not in chunk or "\\" in chunk:
        return None
    pieces = INNER.split(chunk)
    if len(pieces) % 2 == 0 or any('"' in between for between in pieces[1::2]):
        return None
    found = _decode('\\"'.join(pieces))
    if found is not None and len(pieces) > 1:
        _note_inner(pieces, pos, log)
    return found


def respell(chunk: str) -> tuple[str, int]:
    """`chunk` with JSON's quotes, literals, keys and commas, without remarks; and the number of changes, 0 if it gave up."""
    quote = '"' if '"' in chunk else "'"
    if MARK in chunk or "\\" + quote in chunk:
        return chunk, 0
    parts = chunk.split(quote)
    changes = 0 if quote == '"' else len(parts) // 2
    outside = MARK.join(parts[::2])
    if "/" in outside or "#" in outside:
        remark = REMARK if "#" in outside or "/*" in outside else SLASHES
        outside, count = remark.subn("", outside)
        changes += count
    outside, count = TRAILING.subn("", outside)
    changes += count
    keyed = BARE.split(outside)
    if len(keyed) > 1:
        if not RESERVED.isdisjoint(keyed):
            return chunk, 0
        changes += len(keyed) // 2
        outside = '"'.join(keyed)
    for word, plain in PYTHON:
        if word in outside:
            changes += outside.count(word)
            outside = outside.replace(word, plain)
    parts[::2] = outside.split(MARK)
    return '"'.join(parts), changes


def _decode(text: str) -> tuple[Any] | None:
    """The value `text` is as a whole, in a tuple; None if it is no JSON."""
    try:
        value, end = SCAN_ONCE(text, 0)
    except (JSONDecodeError, StopIteration, ConstantMet, ValueError, RecursionError):
        return None
    return (value,) if end == len(text) else None


def _note_inner(pieces: list[str], pos: int, log: Log) -> None:
    """One repair for each string that holds inner quotes, at its opening quote; `pieces` lie between these quotes."""
    at, start, count = pos, -1, 0
    for piece in pieces[:-1]:
        opening = piece.rfind('"')
        if opening >= 0:
            if count:
                log.add("unescaped_quote", start, f"{count} inside")
            start, count = at + opening, 0
        at += len(piece) + 1
        count += 1
    log.add("unescaped_quote", start, f"{count} inside")

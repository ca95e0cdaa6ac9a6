"""Pieces: a long document in overlapping parts, and what was read in each of them put together by evidence.

A part ends at a paragraph, else at a line, else at a space. Where parts say different things of one field, the value with
evidence wins, then the one that more parts say, then the surer one, then the earlier one. Items of lists are joined in
order; an item that two parts read in the stretch that they share is known by its place and kept once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from backstay.extract.agreement import same_form
from backstay.extract.extraction import Field

MIN_PIECE = 200
"""No piece is made shorter than this many characters: a document that does not fit then does not fit at all."""
SEARCHED = 0.2
"""The last part of a piece in which a good place to end is looked for."""

Tree: TypeAlias = "Field | dict[str, Tree] | list[Tree]"
EMPTY: tuple[Any, ...] = (None, [], {}, "")


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a document: its text and where in the document it begins."""

    text: str
    start: int = 0


def cut(text: str, size: int | None, overlap: int) -> list[Piece]:
    """The pieces of `text`, each at most `size` characters, each beginning about `overlap` characters before the last
    one's end."""
    if size is None or len(text) <= size:
        return [Piece(text=text)]
    pieces: list[Piece] = []
    start = 0
    while True:
        end = min(start + size, len(text))
        if end < len(text):
            end = _break(text, end - int(size * SEARCHED), end)
        pieces.append(Piece(text=text[start:end], start=start))
        if end >= len(text):
            return pieces
        back = max(start + 1, end - min(overlap, size // 2))
        line = text.rfind("\n", start + 1, back)
        start = line + 1 if line >= 0 and back - line <= overlap else back


def halve(piece: Piece, overlap: int) -> list[Piece]:
    """`piece` in two or three that are about half as long and overlap by a quarter of that at most; itself where it is too
    short to be cut."""
    size = len(piece.text) // 2 + min(overlap, len(piece.text) // 8)
    if size < MIN_PIECE:
        return [piece]
    parts = cut(piece.text, size, min(overlap, size // 4))
    return [Piece(text=part.text, start=piece.start + part.start) for part in parts]


def _break(text: str, low: int, high: int) -> int:
    for mark in ("\n\n", "\n", " "):
        place = text.rfind(mark, low, high)
        if place >= 0:
            return place + len(mark)
    return high


def shift(field: Field, by: int) -> Field:
    """`field` with its evidence moved `by` characters: from a piece to the document."""
    if field.evidence is None or not by:
        return field
    start, end = field.evidence
    return msgspec.structs.replace(field, evidence=(start + by, end + by))


def merge(parts: Sequence[tuple[dict[str, Any], dict[str, Field]]]) -> tuple[dict[str, Any], dict[str, Field]]:
    """Data and fields (with their evidence in the whole document) of all parts as one."""
    tree = _merge([_grow(data, fields, "") for data, fields in parts])
    fields = dict(_paths(tree, ""))
    return _values(tree), fields


def _grow(value: Any, fields: dict[str, Field], path: str) -> Tree:
    """The data with a Field in the place of each leaf."""
    if isinstance(value, dict) and value:
        return {key: _grow(child, fields, f"{path}.{key}" if path else key) for key, child in value.items()}
    if isinstance(value, list) and value:
        return [_grow(child, fields, f"{path}[{index}]") for index, child in enumerate(value)]
    return fields.get(path) or Field(value=value, confidence=0.0)


def _merge(trees: Sequence[Tree]) -> Tree:
    objects = [tree for tree in trees if isinstance(tree, dict)]
    if objects:
        keys = dict.fromkeys(key for tree in objects for key in tree)
        return {key: _merge([tree[key] for tree in objects if key in tree]) for key in keys}
    lists = [tree for tree in trees if isinstance(tree, list)]
    if lists:
        return _join(lists)
    return _best([tree for tree in trees if isinstance(tree, Field)])


def _best(candidates: Sequence[Field]) -> Field:
    present = [field for field in candidates if field.value not in EMPTY]
    if not present:
        return candidates[0]
    said = Counter(same_form(field.value) for field in present)
    return max(
        present,
        key=lambda field: (
            field.grounded,
            said[same_form(field.value)],
            field.confidence,
            -(field.evidence[0] if field.evidence else 0),
        ),
    )


def _join(lists: Sequence[list[Tree]]) -> Tree:
    joined: list[Tree] = []
    for items in lists:
        before = list(joined)
        for item in items:
            twin = next((index for index, other in enumerate(before) if _is_same(other, item)), None)
            if twin is None:
                joined.append(item)
            else:
                joined[twin] = _merge([joined[twin], item])
    return joined


def _is_same(one: Tree, other: Tree) -> bool:
    """True for two readings of one item: at the same place, or equal where one of them has no place."""
    places = [min(_places(tree), default=None) for tree in (one, other)]
    if None not in places:
        return places[0] == places[1]
    return _form(one) == _form(other)


def _places(tree: Tree) -> Iterator[int]:
    for _, field in _paths(tree, ""):
        if field.evidence is not None:
            yield field.evidence[0]


def _form(tree: Tree) -> str:
    return same_form(msgspec.json.encode(_values(tree)).decode())


def _paths(tree: Tree, path: str) -> Iterator[tuple[str, Field]]:
    if isinstance(tree, Field):
        yield path, tree
    elif isinstance(tree, dict):
        for key, child in tree.items():
            yield from _paths(child, f"{path}.{key}" if path else key)
    else:
        for index, child in enumerate(tree):
            yield from _paths(child, f"{path}[{index}]")


def _values(tree: Tree) -> Any:
    if isinstance(tree, Field):
        return tree.value
    if isinstance(tree, dict):
        return {key: _values(child) for key, child in tree.items()}
    return [_values(child) for child in tree]

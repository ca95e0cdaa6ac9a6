"""Entry: one value of one setting from one source, and where exactly it was written.

Every source (file, environment, arguments) is read into a flat list of entries; from there on sources are alike. An entry
hides its value from repr, because a key written in the wrong place is an entry too, until it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from backstay.config.schema import Place, dotted


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`value` at `place`. `origin` is what a user reads ("file backstay.toml:12"); `is_text` asks for words to be read as
    numbers and truth, as in environment variables."""

    place: Place
    value: Any
    origin: str
    is_text: bool = False

    def __repr__(self) -> str:
        return f"Entry({dotted(self.place)}, {self.origin})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What rich shows in tracebacks; a Struct's own would show the value."""
        return [("place", dotted(self.place)), ("origin", self.origin)]


def flatten(tree: Mapping[str, Any], prefix: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The leaves of nested tables with their places; an empty table is a leaf, so that its name is checked too."""
    for name, value in tree.items():
        place = (*prefix, str(name))
        if isinstance(value, Mapping) and value:
            yield from flatten(value, place)
        else:
            yield place, value


class Arguments:
    """Settings that a caller gave, as entries, closed to the eye.

    Dotted names and nested tables are both fine; None is "not given".
    """

    __slots__ = ("entries",)

    def __init__(self, arguments: Mapping[str, Any] | None, *, origin: str = "argument", is_text: bool = False) -> None:
        leaves = flatten(arguments or {})
        self.entries = tuple(
            Entry(place=tuple(".".join(place).split(".")), value=value, origin=origin, is_text=is_text)
            for place, value in leaves
            if value is not None
        )

    def __repr__(self) -> str:
        return f"Arguments({len(self.entries)} settings)"

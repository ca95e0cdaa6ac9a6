"""Shown: parts as another dialect can say them, where leaving them as they are would lose something in silence.

Two things that models produce and most wire formats refuse: texts of blanks alone, and tool arguments that are no JSON object.
Blanks between two cited sentences are part of the text, so they join a neighbour. Broken arguments are shown as an object with
the text in it: a client that got an empty object would run the tool with nothing, and not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from backstay.types import AnyPart, Text, ToolCall

RAW: Final = "raw_arguments"
"""The key under which arguments that are no object are shown."""


def join_blanks(parts: Iterable[AnyPart]) -> list[tuple[int, AnyPart]]:
    """The parts with their places; a text of blanks alone joins the text before it, else the one after it, else it is gone."""
    kept: list[tuple[int, AnyPart]] = []
    before = ""
    for place, part in enumerate(parts):
        if not isinstance(part, Text):
            kept.append((place, part))
            before = ""
        elif part.text.strip():
            kept.append((place, msgspec.structs.replace(part, text=before + part.text) if before else part))
            before = ""
        elif kept and isinstance(last := kept[-1][1], Text):
            kept[-1] = kept[-1][0], msgspec.structs.replace(last, text=last.text + part.text)
        else:
            before += part.text
    return kept


def show_arguments(part: AnyPart) -> AnyPart:
    """`part`, or, for a call whose arguments are no object, the call with their text under `raw_arguments`."""
    if not isinstance(part, ToolCall) or part.raw_arguments is None:
        return part
    return msgspec.structs.replace(part, arguments={RAW: part.raw_arguments}, raw_arguments=None)

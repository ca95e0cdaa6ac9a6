"""Divergence: the replayed program did something else than the recorded one; what, where, and how the two differ."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from backstay.canonical import FieldChange
from backstay.errors import ReplayMiss

PACKAGE: Final = str(Path(__file__).parents[1])
PORTAL: Final = str(Path(PACKAGE) / "portal.py")
MOST: Final = 12
"""Changes that a message lists; the error has all of them."""


class Divergence(ReplayMiss):
    """The first difference between a replayed run and its recording.

    `kind` is what was asked for ("call", "tool", "draw", "tick", "snapshot", "unused"); `changes` are the fields that differ from
    the nearest recorded one, recorded value first; `place` is the program's file and line; `tick` the frame that it is in.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        changes: Sequence[FieldChange] = (),
        place: str | None = None,
        tick: int | None = None,
    ) -> None:
        lines = [message if tick is None else f"{message} (tick {tick})"]
        lines += [f"  {change}" for change in changes[:MOST]]
        if len(changes) > MOST:
            lines.append(f"  and {len(changes) - MOST} more")
        if place is not None:
            lines.append(f"  asked at {place}")
        super().__init__("\n".join(lines))
        self.kind = kind
        self.changes = tuple(changes)
        self.place = place
        self.tick = tick


def place_of_caller() -> str | None:
    """The file and line of the program that is asking now: the nearest frame outside this package; None where there is none.

    A blocking call is made in another thread than the one that answers it: its frame waits in the portal.
    """
    found = _outside(sys._getframe(1))
    if found is not None:
        return found
    waiting = [_behind_portal(frame) for frame in sys._current_frames().values()]
    places = [place for place in waiting if place is not None]
    return places[0] if len(places) == 1 else None


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _outside(frame: FrameType | None) -> str | None:
    for one in _frames(frame):
        file = one.f_code.co_filename
        if not file.startswith(PACKAGE) and not _is_python(one):
            return f"{file}:{one.f_lineno}"
    return None


def _is_python(frame: FrameType) -> bool:
    """True for the standard library, whose event loop stands at the bottom of every task."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names - {"__main__"}


def _behind_portal(frame: FrameType) -> str | None:
    for one in _frames(frame):
        if one.f_code.co_filename == PORTAL and one.f_code.co_name == "run":
            return _outside(one)
    return None

"""Board: what each running client says of its circuits and its health, for whoever looks from another process.

Circuits and health live in the process that calls; they are worked out anew by each, so there is nothing to share but the news.
A client writes its state into a file beside the ledger whenever a circuit or its health changes, which is rare, and never for a
call. The file is held by a lock for as long as its process lives (`ledger/owner.py`), so what a killed process left is not taken
for news: `read_board` leaves it out and removes it. A disk that refuses is logged; calls go on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from backstay.layers.breaker import CircuitStatus
from backstay.layers.health import HealthReport
from backstay.ledger.owner import UNLOCKED, Owner, folder_of, is_alive
from backstay.ports import World

log = logging.getLogger("backstay")

NAME: Final = "board"
STATE: Final = f".json{UNLOCKED}"
"""The ending of a state's file; that of an owner's file is its id alone."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What one client said last: its process, when (Unix seconds), its circuits, and how healthy it found its targets."""

    process: int
    at: float
    circuits: tuple[CircuitStatus, ...]
    health: HealthReport


class Board:
    """The board of one client. `look` gives its circuits and health; `post` writes them down."""

    def __init__(
        self, ledger: Path, world: World, look: Callable[[], tuple[tuple[CircuitStatus, ...], HealthReport]]
    ) -> None:
        self._place = ledger.with_name(f"{ledger.name}.{NAME}")
        self._world = world
        self._look = look
        self._owner: Owner | None = None

    def post(self, change: object = None) -> None:
        """Write the present state; the first time makes the file. It is the listener of circuits and health."""
        circuits, health = self._look()
        notice = Notice(process=os.getpid(), at=self._world.clock.wall_ns() / 1e9, circuits=circuits, health=health)
        try:
            if self._owner is None:
                folder_of(self._place).parent.mkdir(parents=True, exist_ok=True)
                self._owner = Owner(self._place, self._world.ids.new())
            path = _state_of(self._place, self._owner.id)
            draft = path.with_name(f"{path.name}{UNLOCKED}")
            draft.write_bytes(msgspec.json.encode(notice))
            draft.replace(path)
        except OSError as error:
            log.warning("the state of circuits could not be written to %s: %s", self._place, error)

    def close(self) -> None:
        """Take the state away. Idempotent."""
        if self._owner is not None:
            _state_of(self._place, self._owner.id).unlink(missing_ok=True)
            self._owner.release()
            self._owner = None


def _state_of(place: Path, id: str) -> Path:
    return folder_of(place) / f"{id}{STATE}"


def read_board(ledger: Path) -> list[Notice]:
    """What the clients that run on this machine and write `ledger` said last, by process; those that ended are left out."""
    place = ledger.with_name(f"{ledger.name}.{NAME}")
    found = []
    for path in sorted(folder_of(place).glob(f"*{STATE}")):
        id = path.name.removesuffix(STATE)
        if is_alive(place, id):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Notice))
            except FileNotFoundError:  # it ended at this moment
                continue
        else:
            path.unlink(missing_ok=True)
            (folder_of(place) / id).unlink(missing_ok=True)
    return sorted(found, key=lambda notice: (notice.process, notice.at))

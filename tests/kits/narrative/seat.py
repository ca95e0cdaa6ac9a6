"""A game of a test: offline or scripted client, seeded run, no file and no key."""

from __future__ import annotations

from typing import Any

from backstay.client import Client
from backstay.config import Loaded, load
from backstay.kits.narrative import Dice, Game, Report, Settings, Week, dice_world, lead, open_client
from backstay.ledger.memory import MemoryLedger
from backstay.replay.run import Run
from backstay.service import Service


def loaded(model: str = "offline:rules", services: tuple[str, ...] = (), **arguments: Any) -> Loaded:
    """Settings from nothing but these arguments."""
    return load(environ={}, arguments={"model": model, **arguments}, cwd="/", user_folder="/", services=services)


def open_table(settings: Settings, *, service: Service | None = None, **arguments: Any) -> Client:
    """A client on the rules, or on `service` with the rules behind it."""
    if service is None:
        return open_client(loaded(**arguments), settings, ledger=MemoryLedger())
    return open_client(
        loaded("scripted:test", ("scripted",), **arguments),
        settings,
        services={"scripted": service},
        ledger=MemoryLedger(),
    )


def lived(seed: int = 7) -> Run:
    """A run that is only lived."""
    return Run(dice_world(Dice(seed)))


async def play(
    weeks: int, *, seed: int = 7, run: Run | None = None, shown: list[Week] | None = None
) -> tuple[Game, Report]:
    """A whole game led by the program, offline."""
    settings = Settings(weeks=weeks)
    async with open_table(settings) as client:
        game = Game.new(seed=seed, client=client, run=run or lived(seed), settings=settings)
        return game, await lead(game, show=None if shown is None else shown.append)

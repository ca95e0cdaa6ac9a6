"""Play: the two ways through a game: a person at a terminal, and a Reeve who plays by itself.

What a person types is nondeterministic as a random draw is, so it is read through `run.tool`: a recorded game can be replayed to
the letter. `Report` sums a game up; two games with one report had the same state in every week and told the same story.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from backstay.client import Client
from backstay.config import Loaded
from backstay.kits.narrative.dice import Dice
from backstay.kits.narrative.game import Game, Week, save
from backstay.kits.narrative.leader import advice, orders
from backstay.kits.narrative.rules import RULES
from backstay.kits.narrative.screen import HELP, Screen, intro
from backstay.kits.narrative.setting import OFFLINE, Settings, fitted
from backstay.ledger.base import Ledger
from backstay.ledger.memory import MemoryLedger
from backstay.offline.provider import Offline
from backstay.offline.rules import SHIPPED
from backstay.ports import World
from backstay.replay.run import Run
from backstay.service import Service

ASKED: Final = re.compile(
    r"(?:any |your |need )?(?:advice|advise|hint|hints|counsel|ideas?)|what (?:should|can|could|shall|do|must) (?:i|we)\b.*"
)
"""What is a question to the elders and no order."""

KEPT_ROWS = 1000
"""Ledger rows that an offline game keeps, in memory: it costs nothing, and the user's ledger is for what does."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A game in figures. `calls` counts questions by kind and who answered: `world_narrative/rule`."""

    seed: int
    weeks: int
    ended: str
    heads: int
    loyalty: int
    votes: int
    state_hash: str
    story_hash: str
    calls: dict[str, int]
    errors: tuple[str, ...]

    @classmethod
    def of(cls, game: Game) -> Report:
        """The report of a game as it stands."""
        realm, narrator = game.realm, game.narrator
        return cls(
            seed=realm.seed,
            weeks=realm.week,
            ended=realm.ended,
            heads=realm.heads,
            loyalty=realm.loyalty,
            votes=game.votes(),
            state_hash=game.last_hash,
            story_hash=game.story_hash,
            calls={f"{task}/{source}": count for (task, source), count in sorted(narrator.tally.items())},
            errors=tuple(narrator.errors[:20]),
        )


def open_client(
    loaded: Loaded,
    settings: Settings,
    *,
    services: dict[str, Service] | None = None,
    ledger: Ledger | None = None,
    world: World | None = None,
) -> Client:
    """A client with this kit's rules, its budgets, and the rules at the end of the chain of models."""
    chosen = fitted(loaded, settings)
    kept = ledger or (MemoryLedger(max_rows=KEPT_ROWS) if chosen.model == OFFLINE else None)
    own: dict[str, Service] = {"offline": Offline(SHIPPED + RULES), **(services or {})}
    return Client(loaded=chosen, services=own, ledger=kept, world=world)


async def lead(game: Game, *, show: Callable[[Week], None] | None = None) -> Report:
    """Play to the end by the leader's own orders. `show` sees each week when it is over."""
    while not game.realm.ended:
        said: set[str] = set()
        while game.realm.attention:
            words = next((one for one in orders(game.realm, game.settings) if one not in said), None)
            if words is None:
                break
            said.add(words)
            await game.say(words)
        week = await game.close_week()
        if show is not None:
            show(week)
        await World.real().sleep(0)  # rules never wait, and an interruption comes in where something does
    return Report.of(game)


class Table:
    """A game at a terminal: `read(prompt)` gives a line, or None at the end of the input; `keep(data)` saves."""

    def __init__(
        self,
        game: Game,
        *,
        run: Run,
        screen: Screen,
        read: Callable[[str], str | None],
        keep: Callable[[bytes], str],
        dice: Dice,
    ) -> None:
        self._game = game
        self._run = run
        self._screen = screen
        self._read = read
        self._keep = keep
        self._dice = dice
        self._saved = b""

    async def play(self) -> Report:
        """Until the game ends or the player leaves."""
        game, screen = self._game, self._screen
        if game.realm.week == 1:
            screen.say(intro(game))
        while not game.realm.ended:
            self._saved = save(game, self._dice.position)
            screen.week(game)
            if not await self._week():
                votes, heads = game.votes(), game.realm.heads
                screen.say(
                    f"You leave the Ford in week {game.realm.week}. Today {votes} of {heads} would vote for you."
                )
                return Report.of(game)
            screen.told(game, await game.close_week())
        screen.ending(game)
        return Report.of(game)

    async def _week(self) -> bool:
        """The orders of one week; False when the player leaves."""
        turn = 0
        while self._game.realm.attention:
            turn += 1
            line = await self._line(turn)
            if line is None or line.strip().lower() in ("quit", "exit", "q"):
                return False
            words = " ".join(line.split())
            if words.lower() in ("", "end", "pass", "next", "wait"):
                return True
            if not await self._command(words.lower()):
                self._screen.heard(await self._game.say(words))
        return True

    async def _line(self, turn: int) -> str | None:
        left = self._game.realm.attention
        prompt = f"[{left} {'orders' if left > 1 else 'order'} left] > "
        about = {"week": self._game.realm.week, "turn": turn}
        typed = await self._run.tool("player", about, lambda: self._read(prompt), type=str | None)
        if typed is None:
            return None
        self._screen.typed(prompt, str(typed))
        return str(typed)

    async def _command(self, words: str) -> bool:
        """Carry out a command that is no order; False where it is none."""
        if words in ("help", "?", "h"):
            self._screen.say(HELP)
        elif words == "status":
            self._screen.week(self._game)
        elif ASKED.fullmatch(words.rstrip(" ?!.")):
            self._screen.say(advice(self._game.realm, self._game.settings))
        elif words == "people":
            self._screen.say(self._people())
        elif words == "save":
            about = {"week": self._game.realm.week}
            kept = await self._run.tool("save", about, lambda: self._keep(self._saved), has_side_effect=True, type=str)
            self._screen.say(str(kept))
        else:
            return False
        return True

    def _people(self) -> str:
        realm = self._game.realm
        lines = [
            f"  {one.name:10} {one.role:9} {one.trait:9} household of {one.heads}  loyalty {one.loyalty // 10:3d} %  "
            f"mood {one.mood // 10:3d} %{'  ill' if one.sick else ''}"
            for one in realm.people
        ]
        return "\n".join(lines)

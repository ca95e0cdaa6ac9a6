"""Report: the kit measured offline: how games end, whether prose repeats, and how the screen looks. Plots and one page.

    python -m backstay.kits.narrative.report docs/kits/narrative

writes the plots and prints the tables of `docs/kits/narrative.md`. Without a model, so anyone gets the same figures.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections import Counter
from pathlib import Path

import msgspec

from backstay.chart import Lines, Series, to_svg
from backstay.config import load
from backstay.kits.narrative.dice import Dice, dice_world
from backstay.kits.narrative.game import Game, Week
from backstay.kits.narrative.grammar import prose, sentences
from backstay.kits.narrative.play import lead, open_client
from backstay.kits.narrative.screen import Panels
from backstay.kits.narrative.setting import OFFLINE, Settings
from backstay.replay.run import Run

SEEDS = 20
FONTS = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)
"""Fonts that the drawing would fetch from elsewhere; the reader's own will do."""

LONG = 200


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One game: how it ended, and its weeks."""

    ended: str
    week: int
    weeks: list[Week]
    calls: int


async def play(seed: int, weeks: int, *, is_idle: bool = False) -> Played:
    """A game on the rules, by the leader or by nobody."""
    settings, shown = Settings(weeks=weeks), list[Week]()
    loaded = load(environ={}, arguments={"model": OFFLINE}, cwd="/", user_folder="/")
    async with open_client(loaded, settings) as client:
        game = Game.new(seed=seed, client=client, run=Run(dice_world(Dice(seed))), settings=settings)
        if is_idle:
            while not game.realm.ended:
                shown.append(await game.close_week())
        else:
            await lead(game, show=shown.append)
    calls = sum(game.narrator.tally.values())
    return Played(ended=game.realm.ended, week=game.realm.week, weeks=shown, calls=calls)


def repeats(weeks: list[Week], window: int) -> tuple[int, int, int]:
    """Sentences told, those told again within the window, and different ones in all."""
    told: list[str] = []
    again = 0
    for week in weeks:
        for sentence in sentences(week.story):
            again += sentence in told[max(0, len(told) - window) :]
            told.append(sentence)
    return len(told), again, len(set(told))


async def measure() -> tuple[str, dict[str, str]]:
    """Play; the tables as Markdown, and the plots by file name."""
    led = [await play(seed, 24) for seed in range(SEEDS)]
    idle = [await play(seed, 24, is_idle=True) for seed in range(SEEDS)]
    long = await play(7, LONG)
    plots = {"year.svg": to_svg(_year(led[7], idle[7])), "screen.svg": await _screen()}
    told, again, different = repeats(long.weeks, Settings().window)
    rows = [
        "| orders by | games | ends | last week, mean |",
        "|---|---:|---|---:|",
        *(_row(name, games) for name, games in (("the program's leader", led), ("nobody", idle))),
        "",
        "| prose of one game of 200 weeks | |",
        "|---|---:|",
        f"| questions to the layer | {long.calls} |",
        f"| sentences told | {told} |",
        f"| told again within {Settings().window} sentences | {again} |",
        f"| different sentences | {different} |",
        f"| rules of the grammar | {sum(len(prose(name).names()) for name in ('world', 'talk', 'crisis'))} |",
    ]
    return "\n".join(rows), plots


def _row(name: str, games: list[Played]) -> str:
    ends = ", ".join(f"{end} {count}" for end, count in sorted(Counter(one.ended for one in games).items()))
    return f"| {name} | {len(games)} | {ends} | {sum(one.week for one in games) / len(games):.1f} |"


def _year(led: Played, idle: Played) -> Lines:
    """Food over the year, with and without orders."""

    def food(game: Played) -> tuple[tuple[float, float], ...]:
        return tuple((float(week.number), float(week.frame.state["stock"]["food"])) for week in game.weeks)

    return Lines(
        title="Food in store, seed 7",
        series=(Series(name="led", points=food(led)), Series(name="no orders", points=food(idle))),
        x_label="week",
        y_label="measures",
        marks=((6.5, "winter"), (12.5, "spring"), (18.5, "summer")),
    )


async def _screen() -> str:
    """The terminal in a week with trouble, as SVG."""
    from rich.console import Console

    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    loaded = load(environ={}, arguments={"model": OFFLINE}, cwd="/", user_folder="/")
    settings = Settings()
    async with open_client(loaded, settings) as client:
        game = Game.new(seed=7, client=client, run=Run(dice_world(Dice(7))), settings=settings)
        screen = Panels(console, is_replay=True)
        week = await game.close_week()
        while not (game.realm.crisis or game.realm.problems or game.realm.ended):
            week = await game.close_week()
        screen.told(game, week)
        screen.week(game)
        for words in ("talk to Bram: I am sorry, how do we get through this?", "send the Wardens to hunt"):
            name = game.realm.people[0].name
            asked = words.replace("Bram", name)
            left = game.realm.attention
            screen.typed(f"[{left} {'orders' if left > 1 else 'order'} left] > ", asked)
            screen.heard(await game.say(asked))
    return FONTS.sub("", console.export_svg(title="backstay narrate play"))


def main(folder: Path) -> None:
    """Write the plots into `folder` and print the tables."""
    tables, plots = asyncio.run(measure())
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in plots.items():
        (folder / name).write_text(plot, encoding="utf-8")
    sys.stdout.write(f"{tables}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

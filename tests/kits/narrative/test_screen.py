"""What a model wrote is shown as text: it neither colours the screen nor breaks it; figures are told in whole words."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from backstay.kits.narrative import Game, Settings
from backstay.kits.narrative.realm import Crisis, Option
from backstay.kits.narrative.screen import Panels, folk, stores

from .seat import lived, open_table

HOSTILE = "[bold red]Gold[/] \x1b[2Jand [/nothing]"


async def test_markup_and_control_characters_are_text() -> None:
    """A crisis and a story with markup and an escape sequence stand there as they were written, without the sequence."""
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=True, color_system=None)
    async with open_table(Settings()) as client:
        game = Game.new(seed=7, client=client, run=lived())
        week = msgspec.structs.replace(await game.close_week(), story=HOSTILE, title=HOSTILE)
        way = Option(approach="pay", label=HOSTILE)
        game.realm.crisis = Crisis(type="other", title=HOSTILE, description="", severity=400, due=3, options=(way,))
        Panels(console).week(game)
        Panels(console).told(game, week)
    assert file.getvalue().count("[bold red]Gold[/]") == 4
    assert "\x1b[2Jand" not in file.getvalue()


async def test_the_store_is_told_in_whole_words() -> None:
    """One week, one household, what came and went; rations only where they are cut."""
    async with open_table(Settings()) as client:
        game = Game.new(seed=7, client=client, run=lived())
        game.realm.stock["food"] = game.realm.heads * 4 // 10 + 1
        assert stores(game).endswith("food for 1 week")
        game.realm.stock["food"], game.realm.rations = 0, 75
        assert stores(game).endswith("not enough food for a week, rations cut to 75 in a hundred")
        game.realm.people[0].sick = 1
        assert "ill: 1 household;" in folk(game)
        before = game.realm.stock["timber"]
        await game.close_week()
        assert f"{game.realm.stock['timber']} timber ({game.realm.stock['timber'] - before:+d})" in stores(game)

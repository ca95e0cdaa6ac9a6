"""Narrative: a small leadership simulation whose words go through the layer: read, told and spoken by a model, or by rules.

    async with open_client(loaded, Settings()) as client:
        with record("run.jsonl", world=dice_world(Dice(7))) as run:
            report = await lead(Game.new(seed=7, client=client, run=run))

The rules of the game decide everything that counts; a model decides only what an order means and how things are put. `game.py`
is the loop, `week.py` and `order.py` the rules, `prose/` the grammar, `narrator.py` the questions, `rules.py` their answers
without a model.
"""

from backstay.kits.narrative.dice import Dice, dice_world
from backstay.kits.narrative.game import Frame, Game, Week
from backstay.kits.narrative.play import Report, lead, open_client
from backstay.kits.narrative.rules import RULES
from backstay.kits.narrative.setting import Settings

__all__ = ["RULES", "Dice", "Frame", "Game", "Report", "Settings", "Week", "dice_world", "lead", "open_client"]

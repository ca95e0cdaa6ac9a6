"""With a real llama.cpp: nonsense is told around, and the screen says that a rule spoke. A named model is asked as well."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from tests.local.tiny import write_model

from backstay.config import load
from backstay.kits.narrative import Dice, Game, Settings, dice_world, open_client
from backstay.kits.narrative.play import Report
from backstay.kits.narrative.setting import CALLS
from backstay.ledger.memory import MemoryLedger
from backstay.replay import record, replay
from backstay.replay.run import Run

pytest.importorskip("xllamacpp")
NAMED = os.environ.get("BACKSTAY_LOCAL_MODEL")
pytestmark = [pytest.mark.server, pytest.mark.slow]
WORDS = ("send the Wardens to hunt", "hold a feast", "talk to {}: thank you, how are you?", "praise the Makers")


async def played(path: Path | str, folder: Path, run: Run, settings: Settings) -> tuple[Report, bool]:
    """Two weeks with orders; the report, and whether the game called itself degraded."""
    loaded = load(
        environ={}, arguments={"model": f"local:{path}", "local.context": 8192}, cwd=folder, user_folder=folder
    )
    async with open_client(loaded, settings, ledger=MemoryLedger()) as client:
        game = Game.new(seed=7, client=client, run=run, settings=settings)
        for week in range(2):
            for words in WORDS[2 * week : 2 * week + 2]:
                heard = await game.say(words.format(game.realm.people[0].name))
                assert heard.outcome.text
            assert (await game.close_week()).story
        return Report.of(game), game.narrator.mode.is_degraded


async def test_nonsense_is_told_around(tmp_path: Path) -> None:
    """Random weights: a player's words mean what they mean, each week is told, all by rule; the game says that it is degraded."""
    tiny = write_model(tmp_path / "tiny.gguf")
    calls = {task: msgspec.structs.replace(how, timeout=20.0, max_output_tokens=64) for task, how in CALLS.items()}
    settings = Settings(calls=calls)
    report, is_degraded = await played(tiny, tmp_path, Run(dice_world(Dice(7))), settings)
    assert is_degraded
    assert {call.partition("/")[2] for call in report.calls} == {"rule"}
    assert {"decision_interpretation/rule", "world_narrative/rule", "npc_conversation/rule"} <= set(report.calls)
    assert report.errors


@pytest.mark.skipif(NAMED is None, reason="no model: set BACKSTAY_LOCAL_MODEL to a GGUF file")
async def test_a_real_model_tells_and_is_replayed(tmp_path: Path) -> None:
    """Told by the model or by rule, each says which; the recording replays to the same report without the model."""
    settings = Settings().patient(30)
    with record(tmp_path / "run.jsonl", world=dice_world(Dice(7))) as run:
        lived = await played(str(NAMED), tmp_path, run, settings)
    print(lived)
    with replay(tmp_path / "run.jsonl") as run:
        assert await played(str(NAMED), tmp_path, run, settings) == lived

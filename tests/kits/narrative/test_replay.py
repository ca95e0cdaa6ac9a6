"""A recorded game replays to the letter, and a change of one bit in its rules is found in its tick and field."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backstay.errors import ReplayMiss
from backstay.kits.narrative import Dice, Game, Report, Settings, Week, dice_world, lead
from backstay.replay import record, replay
from backstay.replay.divergence import Divergence
from backstay.replay.entry import Draw, Snapshot
from backstay.replay.journal import read_journal
from backstay.replay.run import Run
from backstay.service import Service

from .seat import open_table
from .test_narrator import Model

WEEKS = 24


async def go(run: Run, *, weeks: int = WEEKS, service: Service | None = None) -> tuple[Report, list[Week]]:
    settings, shown = Settings(weeks=weeks), []
    async with open_table(settings, service=service) as client:
        game = Game.new(seed=7, client=client, run=run, settings=settings)
        return await lead(game, show=shown.append), shown


async def recorded(path: Path, *, service: Service | None = None, weeks: int = WEEKS) -> tuple[Report, list[Week]]:
    with record(path, world=dice_world(Dice(7))) as run:
        return await go(run, service=service, weeks=weeks)


async def test_a_game_on_rules_replays_to_the_letter(tmp_path: Path) -> None:
    """Report, stories and frames are equal; the replay draws nothing itself."""
    first = await recorded(tmp_path / "run.jsonl", weeks=60)
    with replay(tmp_path / "run.jsonl") as run:
        assert await go(run, weeks=60) == first


async def test_a_game_told_by_a_model_replays_without_it(tmp_path: Path) -> None:
    """The model's answers come from the journal: a model that would say something else is not asked at all."""
    first = await recorded(tmp_path / "run.jsonl", service=Model())
    other = Model("something else entirely")
    with replay(tmp_path / "run.jsonl") as run:
        assert await go(run, service=other) == first
    assert other.calls == []
    assert first[0].calls["world_narrative/model"] == first[0].weeks > 10


async def test_draws_and_frames_stand_in_the_journal(tmp_path: Path) -> None:
    """Each draw with tick, system, decision and value; each tick with the figures of the simulation."""
    await recorded(tmp_path / "run.jsonl", weeks=3)
    journal = read_journal(tmp_path / "run.jsonl")
    draws = [one for one in journal.of(Draw) if one.tick is not None]
    assert {one.system for one in draws} >= {"weather", "health", "raiders", "people", "crisis"}
    assert all(0 <= one.value < 1 and one.name for one in draws)
    state = next(iter(journal.of(Snapshot))).state
    assert state is not None
    for name in ("worldStateHash", "npcCount", "factionCount", "totalLoyalty", "llmCallsThisTick"):
        assert f'"{name}"'.encode() in bytes(state)


async def test_one_bit_in_the_rules_is_found_in_its_tick_and_field(tmp_path: Path) -> None:
    """From week 9 on one person is one thousandth happier: the replay stops in tick 9 and names that person's mood."""
    await recorded(tmp_path / "run.jsonl")
    settings = Settings(weeks=WEEKS)
    with pytest.raises(ReplayMiss) as caught:
        await _replayed_with_a_flip(tmp_path / "run.jsonl", settings)
    found = caught.value
    assert isinstance(found, Divergence)
    assert found.tick == 9
    assert any("people[3]" in change.path for change in found.changes), found


async def _replayed_with_a_flip(path: Path, settings: Settings) -> None:
    with replay(path) as run:
        async with open_table(settings) as client:
            game = Game.new(seed=7, client=client, run=run, settings=settings)
            await lead(game, show=lambda week: _flip(game) if week.number == 8 else None)


def _flip(game: Game) -> None:
    game.realm.people[3].mood ^= 1


async def test_a_changed_seed_is_no_replay(tmp_path: Path) -> None:
    """The broken variant: another number of weeks asks for what was never recorded, and is caught."""
    await recorded(tmp_path / "run.jsonl", weeks=5)
    with pytest.raises(ReplayMiss), replay(tmp_path / "run.jsonl") as run:
        await go(run, weeks=9)


@pytest.mark.slow
def test_the_hash_seed_of_the_process_does_not_matter() -> None:
    """Two processes with other string hashes play one game."""
    code = (
        "import asyncio, sys; sys.path.insert(0, sys.argv[1]); from seat import play; print(asyncio.run(play(40))[1])"
    )
    outputs = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(Path(__file__).parent)]
        outputs.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(outputs) == 1

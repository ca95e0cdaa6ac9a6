"""With a real llama.cpp: nonsense is validated away, and the trace tells who decided. A named model is asked as well."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.local.tiny import write_model

from backstay import Client
from backstay.config import load
from backstay.kits.operations.advice import ModelAdviser, PolicyAdviser
from backstay.kits.operations.loop import ControlLoop, Round, read_trace, write_round
from backstay.kits.operations.policy import Thresholds
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.system import SimulatedTier
from backstay.kits.operations.thinking import ASKING, Thinker, Thinking
from backstay.kits.operations.tier import WebTier
from backstay.kits.operations.trace import waves

pytest.importorskip("xllamacpp")
NAMED = os.environ.get("BACKSTAY_LOCAL_MODEL")
pytestmark = [pytest.mark.server, pytest.mark.slow]


async def looked_after(
    path: Path | str, folder: Path, thinking: Thinking, *, rounds: int, mode: Any = "auto", context: int = 8192
) -> tuple[list[Round], SimulatedTier]:
    """Rounds under a model, from a tier that begins with one server and too much load."""
    arguments = {"model": f"local:{path}", "ledger.path": str(folder / "ledger.db"), "local.context": context}
    loaded = load(environ={}, arguments=arguments, cwd=folder, user_folder=folder)
    system = SimulatedTier(WebTier(waves(minutes=8, low=34, high=45), Tier(initial_servers=1)))
    async with Client(loaded=loaded) as client:
        adviser = ModelAdviser(client, Thresholds(), mode=mode, name="thresholds", thinking=thinking)
        loop = ControlLoop(system, adviser, thinker=Thinker(client, settings=thinking))
        return [one async for one in loop.rounds(rounds)], system


def is_honest(found: list[Round]) -> bool:
    """Whatever a rule said is marked as degraded, and nothing else is."""
    told = [(one.advice.source, one.advice.is_degraded) for one in found]
    told += [(one.world.source, one.world.is_degraded) for one in found if one.world is not None]
    told += [(impact.source, impact.is_degraded) for one in found for impact in one.impacts]
    return all(source.startswith("rule:") == is_degraded for source, is_degraded in told)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.mark.parametrize("mode", ["direct", "auto"])
@pytest.mark.parametrize("context", [2048, 8192], ids=["too small", "large enough"])
async def test_nonsense_changes_nothing(
    tiny: Path, tmp_path: Path, mode: Literal["direct", "auto"], context: int
) -> None:
    """Random weights, free or bound by the schema: no crash, the policy looks after the tier, and every round says so."""
    calls = {name: type(how)(timeout=20.0, max_output_tokens=96, usd_per_day=1.0) for name, how in ASKING.items()}
    found, system = await looked_after(tiny, tmp_path, Thinking(calls=calls), rounds=2, mode=mode, context=context)
    assert len(found) == 2
    assert is_honest(found)
    assert [one.advice.source for one in found] == ["rule:thresholds"] * 2
    assert all(one.advice.note for one in found)
    assert all(one.world is not None and one.world.note for one in found)
    alone = SimulatedTier(WebTier(waves(minutes=8, low=34, high=45), Tier(initial_servers=1)))
    policy = ControlLoop(alone, PolicyAdviser(Thresholds(), name="thresholds"))
    wanted = [one async for one in policy.rounds(2)]
    assert [one.done for one in found] == [one.done for one in wanted]
    assert system.tier.servers == alone.tier.servers
    for one in found:
        write_round(tmp_path / "run.jsonl", one)
    assert read_trace(tmp_path / "run.jsonl") == found


@pytest.mark.skipif(NAMED is None, reason="no model: set BACKSTAY_LOCAL_MODEL to a GGUF file")
@pytest.mark.parametrize("mode", ["direct", "agent"])
async def test_a_real_model_looks_after_a_tier(tmp_path: Path, mode: Literal["direct", "agent"]) -> None:
    """Whatever it says, the tier stays within its bounds and every round tells who decided."""
    rounds = 2 if mode == "direct" else 1  # an agent's steps take minutes on a slow machine
    found, system = await looked_after(str(NAMED), tmp_path, Thinking(patience=4), rounds=rounds, mode=mode)
    assert len(found) == rounds
    assert is_honest(found)
    assert all(one.advice.source.startswith(("local", "rule:")) for one in found)
    assert 1 <= system.tier.servers <= 3
    for one in found:
        print(one.advice.source, one.advice.analysis[:120], [(d.action.action_type, d.status) for d in one.executions])

"""With a real model, where one is installed: it is asked, and its advice is carried out or the policy's is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from backstay import Client
from backstay.config import load
from backstay.kits.operations.advice import ModelAdviser
from backstay.kits.operations.loop import ControlLoop
from backstay.kits.operations.policy import Thresholds
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.system import SimulatedTier
from backstay.kits.operations.tier import WebTier
from backstay.kits.operations.trace import waves

MODEL = os.environ.get("BACKSTAY_LOCAL_MODEL")
pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(MODEL is None, reason="no model: set BACKSTAY_LOCAL_MODEL to a GGUF file"),
]


@pytest.mark.parametrize("mode", ["direct", "agent"])
async def test_a_real_model_looks_after_a_tier(tmp_path: Path, mode: Literal["direct", "agent"]) -> None:
    """Whatever it says, the tier stays within its bounds and every round tells who decided."""
    arguments = {"model": f"local:{MODEL}", "ledger.path": str(tmp_path / "ledger.db"), "local.context": 8192}
    loaded = load(environ={}, arguments=arguments, cwd=tmp_path, user_folder=tmp_path)
    system = SimulatedTier(WebTier(waves(minutes=4, low=34, high=45), Tier(initial_servers=1)))
    async with Client(loaded=loaded) as client:
        adviser = ModelAdviser(client, Thresholds(), mode=mode, name="thresholds")
        found = [one async for one in ControlLoop(system, adviser).rounds(2)]
    assert len(found) == 2
    assert all(one.advice.source.startswith(("local", "rule:")) for one in found)
    assert all(one.advice.is_degraded == one.advice.source.startswith("rule:") for one in found)
    assert 1 <= system.tier.servers <= 3

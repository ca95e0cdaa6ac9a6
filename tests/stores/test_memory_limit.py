"""Limits in memory do what every store of limits does."""

from __future__ import annotations

import pytest

from backstay.stores.memory_limit import MemoryLimits

from .limit_conformance import CHECKS, MAX_WAITING, Check, ManualClock


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_memory_conforms(check: Check) -> None:
    """The list of checks holds in memory."""
    clock = ManualClock()
    await check(MemoryLimits(clock, max_waiting=MAX_WAITING), clock)

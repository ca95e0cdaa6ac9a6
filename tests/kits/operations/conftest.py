"""What the tests of the operations kit share: a client without a network, a short trace, a state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay import Client, Scripted
from backstay.config import load
from backstay.kits.operations.compare import Course
from backstay.kits.operations.rules import RULES
from backstay.kits.operations.state import State
from backstay.kits.operations.trace import waves
from backstay.ledger.memory import MemoryLedger
from backstay.offline.provider import Offline
from backstay.offline.rules import SHIPPED
from backstay.sim import sim_world

CALM = {
    "server_count": 2.0,
    "active_servers": 2.0,
    "max_servers": 3.0,
    "dimmer": 1.0,
    "arrival_rate_per_s": 30.0,
    "basic_throughput_per_s": 0.0,
    "optional_throughput_per_s": 30.0,
    "response_time_ms": 60.0,
    "utilisation": 0.6,
}


@pytest.fixture
def state() -> Callable[..., State]:
    """Makes a state of a web tier; metrics can be changed, or left out by None."""

    def make(at: float = 600.0, **changes: float | None) -> State:
        metrics = {name: value for name, value in {**CALM, **changes}.items() if value is not None}
        return State(system_id="web", at=at, metrics=metrics)

    return make


@pytest.fixture
def client(tmp_path: Path) -> Callable[..., Client]:
    """Makes a client that plays a script, or answers by the kit's rules without one."""

    def make(*lines: Any) -> Client:
        services: dict[str, Any] = {"offline": Offline((*SHIPPED, *RULES))}
        if lines:
            services["scripted"] = Scripted(*lines)
        model = "scripted:demo" if lines else "offline:rules"
        loaded = load(
            environ={},
            arguments={"model": model, "ledger.path": str(tmp_path / "ledger.db"), "retry.max_attempts": 1},
            cwd=tmp_path,
            user_folder=tmp_path,
            services=tuple(services),
        )
        return Client(loaded=loaded, services=services, world=sim_world(), ledger=MemoryLedger(owner="test"))

    return make


@pytest.fixture(scope="session")
def course() -> Course:
    """A made-up trace of twenty minutes that needs from one to three servers."""
    return Course(deltas=list(waves(minutes=20, low=5, high=55, seed=3, cycle=20)))
